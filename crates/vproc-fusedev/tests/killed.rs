//! Workers are killed while processes read, and nobody notices.
//!
//! This program has three roles. Without arguments it holds the mount, and
//! starts the others. `worker NEGOTIATED WAY` serves, with the device as its
//! standard input and the journal as its standard output. `reader POINT` reads,
//! until its standard input ends. A reader cannot be the holder: what it has
//! open, a child that it starts has open, too, until it has become the worker;
//! closing that asks for an answer, which there is nobody to give.
//!
//! `killed nothing` shows what happens without resending and journal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod served;

use rustix::fd::AsFd;
use rustix::process::{Signal, set_parent_process_death_signal};
use served::{Mounted, Served, cannot_mount, text};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use vproc_fusedev::{Buffer, Connection, Journal, MountOptions, Operation, Received};

const KILLS: usize = 30;
const READERS: usize = 4;
const THREADS: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", negotiated, way] => return work(negotiated, way),
        ["reader", point] => return read(Path::new(point)),
        _ => {}
    }
    // As libtest's: a part of a name.
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    for way in ["resend", "journal", "nothing"] {
        let test = format!("workers_are_killed_with_{way}");
        if wanted.map_or(way != "nothing", |wanted| test.contains(wanted.as_str())) {
            hold(way, &test);
        }
    }
}

/// Numbers that differ from run to run (xorshift).
struct Random(u64);

impl Random {
    fn new() -> Random {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Random(now.as_nanos() as u64 | 1)
    }

    fn micros(&mut self, below: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % below)
    }
}

fn hold(way: &str, test: &str) {
    if cannot_mount(test) {
        return;
    }
    let options = MountOptions { resend: way == "resend", ..MountOptions::default() };
    let limit = Duration::from_secs(if way == "nothing" { 10 } else { 120 });
    let (mut mounted, connection) = Mounted::new(&options, limit);
    if way == "resend" && !connection.negotiated().can_resend() {
        eprintln!("{test}: skipped, because the kernel does not resend");
        return;
    }
    let journal = Journal::create().unwrap();
    // Its length counts the requests that a worker took over from another.
    let recovered = tempfile::NamedTempFile::new().unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["worker", &connection.negotiated().to_string(), way])
            .stdin(connection.as_fd().try_clone_to_owned().unwrap())
            .stdout(journal.try_clone().unwrap())
            .env("RECOVERED", recovered.path())
            .spawn()
            .unwrap()
    };
    let reader = Command::new(std::env::current_exe().unwrap())
        .args(["reader".as_ref(), mounted.point()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let worker = kill(start);
    // This closes its standard input, which tells it to stop.
    let reader = reader.wait_with_output().unwrap();
    end(worker);
    let late = mounted.end();
    let reads = String::from_utf8_lossy(&reader.stdout);
    let recovered = recovered.path().metadata().unwrap().len();
    eprintln!("{test}: {KILLS} kills, {reads} reads, {recovered} requests taken over");
    assert!(!late, "{test}: a reader waited until the mount was aborted");
    assert!(reader.status.success(), "{test}: a read failed");
    assert_ne!(reads, "0", "{test}: nothing was read");
    assert!(recovered > 0, "{test}: no worker was killed with a request in its hands");
}

/// Kills and replaces workers; the last one lives.
fn kill(start: impl Fn() -> Child) -> Child {
    let mut random = Random::new();
    let mut worker = start();
    for _ in 0..KILLS {
        std::thread::sleep(random.micros(60_000));
        end(worker);
        worker = start();
    }
    worker
}

fn end(mut worker: Child) {
    worker.kill().unwrap();
    worker.wait().unwrap();
}

/// Reads with some threads until told to stop, and prints how often.
fn read(point: &Path) {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let stop = AtomicBool::new(false);
    let expected = text();
    let until_stopped = || {
        let mut reads = 0;
        while !stop.load(Ordering::Relaxed) {
            assert!(fs::read(point.join("text")).unwrap() == expected, "not what was sent");
            let length = fs::metadata(point.join("link")).unwrap().len();
            assert_eq!(length, expected.len() as u64);
            reads += 1;
        }
        reads
    };
    let reads: u64 = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(until_stopped)).collect();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    print!("{reads}");
}

fn work(negotiated: &str, way: &str) {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let device = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let served = Served::new(Connection::resume(device, negotiated.parse().unwrap()));
    let buffers: Vec<Buffer> = match way {
        "journal" => Journal::open(std::io::stdout(), THREADS).unwrap().into_buffers(),
        _ => (0..THREADS).map(|_| Buffer::new().unwrap()).collect(),
    };
    if way == "resend" {
        served.connection.resend().unwrap();
    }
    std::thread::scope(|scope| {
        for buffer in buffers {
            scope.spawn(|| serve_slowly(&served, buffer));
        }
    });
}

/// Hesitates before and after each answer, where a kill hurts.
fn serve_slowly(served: &Served, mut buffer: Buffer) {
    let mut random = Random::new();
    loop {
        let leftover = buffer.holds_leftover();
        let Received::Request(request) = served.connection.receive(&mut buffer).unwrap() else {
            return;
        };
        if leftover || request.unique.is_resent() {
            note_recovered();
        }
        std::thread::sleep(random.micros(2_000));
        served.answer(request).unwrap();
        if !matches!(request.operation, Operation::Read { .. }) {
            std::thread::sleep(random.micros(1_000));
        }
    }
}

fn note_recovered() {
    let path = std::env::var_os("RECOVERED").unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(Path::new(&path)).unwrap();
    std::io::Write::write_all(&mut file, b".").unwrap();
}
