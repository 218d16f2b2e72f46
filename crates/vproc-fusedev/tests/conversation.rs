//! A connection and its journal, with a socket in place of the kernel: what is
//! sent, byte for byte, and what is kept.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use rustix::fd::OwnedFd;
use rustix::fs::ftruncate;
use rustix::io::{pwrite, read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::time::Duration;
use vproc_fusedev::{
    Attributes, Buffer, Connection, Entry, Errno, Journal, Operation, Received, Unique,
};

const STATFS: u32 = 17;
const READLINK: u32 = 5;

/// The kernel's end, and ours. Each message is one write(2), as with the device.
fn connected() -> (OwnedFd, Connection) {
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (kernel, ours) = pair.unwrap();
    let negotiated = "minor=31,flags=0x0,max_write=4096,max_pages=32".parse().unwrap();
    (kernel, Connection::resume(ours, negotiated))
}

fn header(length: u32, opcode: u32, unique: u64) -> Vec<u8> {
    let words = [length.to_ne_bytes(), opcode.to_ne_bytes()].concat();
    let mut header = [words, unique.to_ne_bytes().to_vec(), 1u64.to_ne_bytes().to_vec()].concat();
    header.resize(40, 0);
    header
}

fn sent(kernel: &OwnedFd) -> Vec<u8> {
    let mut message = vec![0; 65536];
    let length = read(kernel, &mut message[..]).unwrap();
    message.truncate(length);
    message
}

fn answer(length: u32, error: i32, unique: u64, body: &[u8]) -> Vec<u8> {
    let words = [length.to_ne_bytes(), error.to_ne_bytes()].concat();
    [&words, &unique.to_ne_bytes()[..], body].concat()
}

fn unique_of(received: Received<'_>) -> Unique {
    let Received::Request(request) = received else { panic!("{received:?}") };
    request.unique
}

#[test]
fn answers_have_the_form_of_the_protocol() {
    let (kernel, connection) = connected();
    let mut buffer = Buffer::new().unwrap();
    write(&kernel, &header(40, READLINK, 10)).unwrap();
    let unique = unique_of(connection.receive(&mut buffer).unwrap());
    connection.reply(unique).data(b"target").unwrap();
    assert_eq!(sent(&kernel), answer(22, 0, 10, b"target"));
    connection.reply(unique).error(Errno::NOENT).unwrap();
    assert_eq!(sent(&kernel), answer(16, -2, 10, b""));
    connection.reply(unique).written(3).unwrap();
    assert_eq!(sent(&kernel), answer(24, 0, 10, b"\x03\0\0\0\0\0\0\0"));
    let attributes = Attributes { node: 5, size: 513, mode: 0o100444, ..Attributes::default() };
    connection.reply(unique).attributes(&attributes, Duration::from_millis(1500)).unwrap();
    let message = sent(&kernel);
    assert_eq!(message.len(), 16 + 104);
    let numbers: Vec<u64> = message[16..]
        .chunks(8)
        .map(|chunk| u64::from_ne_bytes(chunk.try_into().unwrap()))
        .collect();
    assert_eq!(numbers[..5], [1, 500_000_000, 5, 513, 2]);
    connection.reply(unique).entry(&Entry::default()).unwrap();
    assert_eq!(sent(&kernel).len(), 16 + 128);
}

/// The kernel takes no such error, and the request would never end.
#[test]
fn errors_that_are_only_for_the_kernel_become_eio() {
    let (kernel, connection) = connected();
    let mut buffer = Buffer::new().unwrap();
    write(&kernel, &header(40, READLINK, 10)).unwrap();
    let unique = unique_of(connection.receive(&mut buffer).unwrap());
    connection.reply(unique).error(Errno::from_raw_os_error(512)).unwrap();
    assert_eq!(sent(&kernel), answer(16, -5, 10, b""));
}

#[test]
fn notifications_have_no_request() {
    let (kernel, connection) = connected();
    connection.resend().unwrap();
    assert_eq!(sent(&kernel), answer(16, 7, 0, b""));
    connection.notify_poll(9).unwrap();
    assert_eq!(sent(&kernel), answer(24, 1, 0, &9u64.to_ne_bytes()));
    connection.notify_invalidate_entry(1, "name".as_ref()).unwrap();
    let body = [&1u64.to_ne_bytes()[..], b"\x04\0\0\0\0\0\0\0name\0"].concat();
    assert_eq!(sent(&kernel), answer(37, 3, 0, &body));
}

#[test]
fn what_is_malformed_is_answered_and_the_next_is_received() {
    let (kernel, connection) = connected();
    let mut buffer = Buffer::new().unwrap();
    write(&kernel, &[header(43, 1, 12), b"abc".to_vec()].concat()).unwrap();
    write(&kernel, b"short").unwrap();
    write(&kernel, &header(40, STATFS, 14)).unwrap();
    let Received::Malformed(malformed) = connection.receive(&mut buffer).unwrap() else {
        panic!("a name without its end is malformed")
    };
    assert_eq!((malformed.opcode, malformed.length), (1, 43));
    assert_eq!(sent(&kernel), answer(16, -5, 12, b""));
    assert!(matches!(connection.receive(&mut buffer).unwrap(), Received::Malformed(_)));
    let Received::Request(request) = connection.receive(&mut buffer).unwrap() else { panic!() };
    assert_eq!(request.operation, Operation::StatFs);
}

/// A journal whose process dies is one that nobody uses further: buffers that
/// are dropped stand for it, because nothing is written when they are.
#[test]
fn a_journal_keeps_what_was_received_until_the_next() {
    let (kernel, connection) = connected();
    let file = Journal::create().unwrap();
    let mut buffers = Journal::open(&file, 2).unwrap().into_buffers();
    write(&kernel, &header(40, STATFS, 20)).unwrap();
    write(&kernel, &header(40, READLINK, 22)).unwrap();
    write(&kernel, &header(40, STATFS, 24)).unwrap();
    connection.receive(&mut buffers[0]).unwrap();
    connection.receive(&mut buffers[1]).unwrap();
    connection.receive(&mut buffers[0]).unwrap();
    drop(buffers);

    // The next process dies, too, between the two.
    let journal = Journal::open(&file, 2).unwrap();
    assert_eq!(journal.unanswered(), 2);
    let mut buffers = journal.into_buffers();
    let unique = unique_of(connection.receive(&mut buffers[0]).unwrap());
    connection.reply(unique).done().unwrap();
    assert_eq!(sent(&kernel), answer(16, 0, 24, b""));
    drop(buffers);

    let mut buffers = Journal::open(&file, 2).unwrap().into_buffers();
    let unique = unique_of(connection.receive(&mut buffers[1]).unwrap());
    connection.reply(unique).done().unwrap();
    assert_eq!(sent(&kernel), answer(16, 0, 22, b""));
    assert!(buffers[0].holds_leftover(), "an answer alone does not clear a slot");
    write(&kernel, &header(40, STATFS, 26)).unwrap();
    connection.receive(&mut buffers[1]).unwrap();
    let again = connection.leftover(&mut buffers[0]).unwrap();
    connection.reply(unique_of(again.unwrap())).done().unwrap();
    assert_eq!(sent(&kernel), answer(16, 0, 24, b""));
    assert!(connection.leftover(&mut buffers[0]).unwrap().is_none());
}

#[test]
fn a_failed_read_leaves_nothing_behind() {
    let (kernel, connection) = connected();
    let file = Journal::create().unwrap();
    let mut buffers = Journal::open(&file, 1).unwrap().into_buffers();
    write(&kernel, &header(40, STATFS, 20)).unwrap();
    connection.receive(&mut buffers[0]).unwrap();
    drop(kernel);
    // A socket says "end of file", which is no request either.
    assert!(matches!(connection.receive(&mut buffers[0]).unwrap(), Received::Malformed(_)));
    drop(buffers);
    assert_eq!(Journal::open(&file, 1).unwrap().unanswered(), 0);
}

#[test]
fn a_journal_of_another_kind_is_read_with_care() {
    let (_kernel, connection) = connected();
    let file = Journal::create().unwrap();
    // More slots than the next process wants, and half a one.
    ftruncate(&file, 3 * Buffer::SIZE as u64 + 100).unwrap();
    pwrite(&file, &[0xa5; Buffer::SIZE], 0).unwrap();
    pwrite(&file, &header(7, STATFS, 4), Buffer::SIZE as u64).unwrap();
    pwrite(&file, &header(40, STATFS, 6), 2 * Buffer::SIZE as u64).unwrap();
    let journal = Journal::open(&file, 1).unwrap();
    assert_eq!(journal.unanswered(), 1);
    let mut buffers = journal.into_buffers();
    assert_eq!(buffers.len(), 3);
    assert!(connection.leftover(&mut buffers[2]).unwrap().is_some());
    assert!(ftruncate(&file, 0).is_err(), "the file could be cut below the mapping");
}
