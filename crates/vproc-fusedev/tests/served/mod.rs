//! A small file system for tests, and a mount that ends in any case.

#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic)]

use rustix::event::PollFlags;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use vproc_fusedev::{
    Attributes, Buffer, Connection, Directory, Entry, Errno, Error, FileType, MountOptions,
    OpenFlags, Operation, Received, Request, SetAttributes, Statistics, abort,
};

/// 100 KiB of lines that differ.
pub fn text() -> Vec<u8> {
    let lines = (0..).map(|line| format!("line {line} of a text\n").into_bytes());
    let mut text: Vec<u8> = lines.flatten().take(100 * 1024).collect();
    text.pop();
    text.push(b'\n');
    text
}

const ROOT: u64 = 1;
const TEXT: u64 = 2;
const WRITABLE: u64 = 3;
const LINK: u64 = 4;
const MANY: u64 = 5;
const POLLED: u64 = 6;
const CACHED: u64 = 7;
const FIRST_OF_MANY: u64 = 1000;
pub const MANY_ENTRIES: u64 = 500;

const NAMES: [(&str, u64); 6] = [
    ("text", TEXT),
    ("writable", WRITABLE),
    ("link", LINK),
    ("many", MANY),
    ("polled", POLLED),
    ("cached", CACHED),
];

/// A file system whose attributes are not kept by the kernel, so that it asks
/// often.
pub struct Served {
    pub connection: Connection,
    pub text: Vec<u8>,
    pub written: Mutex<Vec<u8>>,
    /// Who polls, until it is ready.
    pub pollers: Mutex<Option<Vec<u64>>>,
}

impl Served {
    pub fn new(connection: Connection) -> Served {
        let pollers = Mutex::new(Some(Vec::new()));
        Served { connection, text: text(), written: Mutex::default(), pollers }
    }

    pub fn serve(&self) -> Result<(), Error> {
        let mut buffer = Buffer::new()?;
        loop {
            match self.connection.receive(&mut buffer)? {
                Received::Request(request) => self.answer(request)?,
                Received::Malformed(malformed) => panic!("{malformed}"),
                Received::Unmounted => return Ok(()),
            }
        }
    }

    pub fn answer(&self, request: Request<'_>) -> Result<(), Error> {
        let node = request.node;
        let reply = self.connection.reply(request.unique);
        match request.operation {
            Operation::Lookup { name } => match lookup(node, name) {
                Some(node) => reply.entry(&self.entry(node)),
                None => reply.error(Errno::NOENT),
            },
            Operation::GetAttr { .. } => reply.attributes(&self.attributes(node), Duration::ZERO),
            Operation::SetAttr(SetAttributes { size: Some(0), .. }) => {
                self.written.lock().unwrap().clear();
                reply.attributes(&self.attributes(node), Duration::ZERO)
            }
            Operation::ReadLink => reply.data(b"text"),
            Operation::Open { .. } | Operation::OpenDir { .. } => {
                let cached = node == CACHED || node == ROOT || node == MANY;
                let flags = if cached { OpenFlags::NONE } else { OpenFlags::DIRECT_IO };
                reply.opened(node + 7, flags).map(drop)
            }
            Operation::Read { handle, offset, size, .. } => {
                assert_eq!(handle, node + 7);
                let start = usize::try_from(offset).unwrap().min(self.text.len());
                let rest = self.text.get(start..).unwrap_or_default();
                reply.data(rest.get(..size as usize).unwrap_or(rest))
            }
            Operation::Write { data, .. } => {
                self.written.lock().unwrap().extend_from_slice(data);
                reply.written(data.len() as u32)
            }
            Operation::ReadDir { offset, size, .. } => {
                let mut directory = Directory::new(size);
                for (index, name, node) in entries(node).skip(offset as usize) {
                    let mode = FileType::from_raw_mode(self.attributes(node).mode);
                    if directory.push(node, index, mode, OsStr::new(&name)) {
                        break;
                    }
                }
                reply.directory(&directory)
            }
            Operation::ReadDirPlus { offset, size, .. } => {
                let mut directory = Directory::new(size);
                for (index, name, node) in entries(node).skip(offset as usize) {
                    if directory.push_plus(&self.entry(node), index, OsStr::new(&name)) {
                        break;
                    }
                }
                reply.directory(&directory)
            }
            Operation::StatFs => reply.statistics(&Statistics {
                files: 7,
                name_length: 255,
                ..Statistics::default()
            }),
            Operation::Poll { kernel_handle, schedule_notify, .. } => {
                let mut pollers = self.pollers.lock().unwrap();
                match pollers.as_mut() {
                    Some(pollers) if schedule_notify => pollers.push(kernel_handle),
                    _ => {}
                }
                reply.poll(if pollers.is_some() { 0 } else { u32::from(PollFlags::IN.bits()) })
            }
            Operation::GetXAttr { name, size } if name == "user.answer" => match size {
                0 => reply.attribute_size(2),
                1 => reply.error(Errno::RANGE),
                _ => reply.data(b"42"),
            },
            Operation::GetXAttr { .. } => reply.error(Errno::NODATA),
            Operation::Release { .. } | Operation::ReleaseDir { .. } => reply.done(),
            Operation::Forget { .. } | Operation::BatchForget(_) | Operation::Interrupt { .. } => {
                Ok(())
            }
            _ => reply.error(Errno::NOSYS),
        }
    }

    fn entry(&self, node: u64) -> Entry {
        Entry { node, attributes: self.attributes(node), ..Entry::default() }
    }

    fn attributes(&self, node: u64) -> Attributes {
        let size = match node {
            TEXT | CACHED => self.text.len() as u64,
            WRITABLE => self.written.lock().unwrap().len() as u64,
            _ => 0,
        };
        let mode = match node {
            ROOT | MANY => 0o040555,
            LINK => 0o120777,
            WRITABLE => 0o100644,
            _ => 0o100444,
        };
        Attributes {
            node,
            size,
            mode,
            nlink: 1,
            uid: 12,
            modified: Duration::new(1000, 5),
            ..Attributes::default()
        }
    }
}

fn lookup(parent: u64, name: &OsStr) -> Option<u64> {
    entries(parent).find(|(_, known, _)| name == known.as_str()).map(|(_, _, node)| node)
}

/// Offset behind the entry, name, node.
fn entries(directory: u64) -> impl Iterator<Item = (u64, String, u64)> {
    let named = NAMES.iter().map(|(name, node)| ((*name).to_owned(), *node));
    let named = named.filter(move |_| directory == ROOT);
    let many = (0..MANY_ENTRIES).map(|index| (format!("entry-{index}"), FIRST_OF_MANY + index));
    let many = many.filter(move |_| directory == MANY);
    (1..).zip(named.chain(many)).map(|(index, (name, node))| (index, name, node))
}

/// A mount point. Its connection is aborted when the test ends, and also when
/// it does not end in time, so that everything that hangs fails.
pub struct Mounted {
    directory: tempfile::TempDir,
    done: Option<(Sender<()>, std::thread::JoinHandle<bool>)>,
}

impl Mounted {
    pub fn new(options: &MountOptions, limit: Duration) -> (Mounted, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::mount(directory.path(), options).unwrap();
        let point = directory.path().to_owned();
        let (sender, receiver) = channel();
        let watchdog = std::thread::spawn(move || {
            let late = receiver.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            // The path may be gone if this is late; there is nothing else to do.
            let _ = abort(&point);
            late
        });
        (Mounted { directory, done: Some((sender, watchdog)) }, connection)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.point().join(name)
    }

    pub fn point(&self) -> &Path {
        self.directory.path()
    }

    /// True if the time was over before.
    pub fn end(&mut self) -> bool {
        self.done.take().is_some_and(|(sender, watchdog)| {
            drop(sender);
            watchdog.join().unwrap_or(true)
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why nothing can be mounted here, said on standard error.
pub fn cannot_mount(test: &str) -> bool {
    use std::io::Write;
    let reason = if !rustix::process::geteuid().is_root() {
        "only root can mount"
    } else if !Path::new("/dev/fuse").exists() {
        "there is no /dev/fuse"
    } else {
        return false;
    };
    // Not `eprintln`, which the test harness hides of tests that pass.
    let _ = writeln!(std::io::stderr(), "{test}: skipped, because {reason}");
    true
}
