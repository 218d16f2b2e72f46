//! A FUSE server that does nothing: constant bytes for the same requests.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;
use vproc_fusedev::{
    Attributes, Buffer, Connection, Entry, Errno, MountOptions, OpenFlags, Operation, Received,
    Request,
};

const FOREVER: Duration = Duration::from_secs(1 << 30);
const ROOT: u64 = 1;

struct Floor {
    connection: Connection,
    /// Names and contents; the node is the place behind the root's.
    files: Vec<(String, Vec<u8>)>,
}

/// Serves files `NAME=LENGTH` until the mount is gone.
pub(crate) fn serve(point: &str, threads: usize, files: &[String]) {
    let connection = Connection::mount(Path::new(point), &MountOptions::default()).unwrap();
    let files = files.iter().map(|file| {
        let (name, length) = file.split_once('=').unwrap();
        (name.to_owned(), vec![b'x'; length.parse().unwrap()])
    });
    let floor = Floor { connection, files: files.collect() };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| floor.run());
        }
    });
}

impl Floor {
    fn run(&self) {
        let mut buffer = Buffer::new().unwrap();
        loop {
            match self.connection.receive(&mut buffer).unwrap() {
                Received::Request(request) => _ = self.answer(&request),
                Received::Malformed(malformed) => panic!("{malformed}"),
                Received::Unmounted => return,
            }
        }
    }

    fn answer(&self, request: &Request<'_>) -> Result<(), vproc_fusedev::Error> {
        let reply = self.connection.reply(request.unique);
        match request.operation {
            Operation::Lookup { name } => match self.entry(name) {
                Some(entry) => reply.entry(&entry),
                None => reply.error(Errno::NOENT),
            },
            Operation::GetAttr { .. } => reply.attributes(&attributes(request.node), FOREVER),
            Operation::Open { .. } => reply.opened(0, OpenFlags::DIRECT_IO).map(drop),
            Operation::Read { offset, .. } => {
                let place = usize::try_from(request.node - ROOT - 1).unwrap();
                let content = &self.files[place].1;
                reply.data(if offset == 0 { content } else { &[] })
            }
            Operation::Release { .. } => reply.done(),
            Operation::Forget { .. } | Operation::BatchForget(_) | Operation::Interrupt { .. } => {
                Ok(())
            }
            _ => reply.error(Errno::NOSYS),
        }
    }

    fn entry(&self, name: &OsStr) -> Option<Entry> {
        let place = self.files.iter().position(|(known, _)| name == known.as_str())?;
        let node = ROOT + 1 + u64::try_from(place).ok()?;
        Some(Entry {
            node,
            attributes: attributes(node),
            entry_valid: FOREVER,
            attributes_valid: FOREVER,
            ..Entry::default()
        })
    }
}

fn attributes(node: u64) -> Attributes {
    let directory = node == ROOT;
    Attributes {
        node,
        mode: if directory { 0o040_555 } else { 0o100_444 },
        nlink: if directory { 2 } else { 1 },
        ..Attributes::default()
    }
}
