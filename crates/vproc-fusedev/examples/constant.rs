//! A file system that does nothing: one directory with one file of constant
//! bytes. What it takes to read it is the least that any server over
//! `/dev/fuse` takes.
//!
//! `constant POINT [THREADS [BYTES]]`, until POINT is unmounted.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;
use vproc_fusedev::{
    Attributes, Buffer, Connection, Directory, Entry, Errno, Error, FileType, MountOptions,
    OpenFlags, Operation, Received, Request, Statistics,
};

const NAME: &str = "constant";
const FOREVER: Duration = Duration::from_secs(1 << 30);

struct Constant {
    connection: Connection,
    content: Vec<u8>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let point = arguments.next().ok_or("usage: constant POINT [THREADS [BYTES]]")?;
    let threads: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(1500), |text| text.parse())?;
    let connection = Connection::mount(Path::new(&point), &MountOptions::default())?;
    eprintln!("{}", connection.negotiated());
    let server = Constant { connection, content: b"constant\n".repeat(bytes.div_ceil(9)) };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| server.serve())).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

impl Constant {
    fn serve(&self) -> Result<(), Error> {
        let mut buffer = Buffer::new()?;
        loop {
            match self.connection.receive(&mut buffer)? {
                Received::Request(request) => self.answer(request)?,
                Received::Malformed(malformed) => eprintln!("{malformed}"),
                Received::Unmounted => return Ok(()),
            }
        }
    }

    fn answer(&self, request: Request<'_>) -> Result<(), Error> {
        let reply = self.connection.reply(request.unique);
        match request.operation {
            Operation::Lookup { name } if name == NAME => reply.entry(&self.entry()),
            Operation::Lookup { .. } => reply.error(Errno::NOENT),
            Operation::GetAttr { .. } => reply.attributes(&self.attributes(request.node), FOREVER),
            Operation::Open { .. } => reply.opened(0, OpenFlags::DIRECT_IO).map(drop),
            Operation::OpenDir { .. } => reply.opened(0, OpenFlags::NONE).map(drop),
            Operation::Read { offset, size, .. } => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.content.len());
                let rest = self.content.get(start..).unwrap_or_default();
                reply.data(rest.get(..size as usize).unwrap_or(rest))
            }
            Operation::ReadDir { offset, size, .. } => {
                let mut directory = Directory::new(size);
                let name = OsStr::new(NAME);
                let full = offset == 0 && directory.push(2, 1, FileType::RegularFile, name);
                if full { reply.error(Errno::INVAL) } else { reply.directory(&directory) }
            }
            Operation::ReadDirPlus { offset, size, .. } => {
                let mut directory = Directory::new(size);
                let full = offset == 0 && directory.push_plus(&self.entry(), 1, OsStr::new(NAME));
                if full { reply.error(Errno::INVAL) } else { reply.directory(&directory) }
            }
            Operation::StatFs => reply.statistics(&Statistics::default()),
            Operation::Release { .. } | Operation::ReleaseDir { .. } => reply.done(),
            Operation::Forget { .. } | Operation::BatchForget(_) | Operation::Interrupt { .. } => {
                Ok(())
            }
            _ => reply.error(Errno::NOSYS),
        }
    }

    fn entry(&self) -> Entry {
        Entry {
            node: 2,
            attributes: self.attributes(2),
            entry_valid: FOREVER,
            attributes_valid: FOREVER,
            ..Entry::default()
        }
    }

    fn attributes(&self, node: u64) -> Attributes {
        let directory = node == 1;
        Attributes {
            node,
            size: if directory { 0 } else { self.content.len() as u64 },
            mode: if directory { 0o040555 } else { 0o100444 },
            nlink: if directory { 2 } else { 1 },
            ..Attributes::default()
        }
    }
}
