//! The kernel's FUSE protocol over `/dev/fuse`: small, blocking, and made so
//! that a process that serves can die and be replaced.
//!
//! A *holder* mounts, does the handshake and keeps the descriptor; as long as
//! it lives, so does the mount. A *worker* inherits the descriptor and serves.
//! If the worker is killed, processes that wait for an answer go on waiting,
//! and the next worker answers them:
//!
//! - Where [`Negotiated::can_resend`] says so (Linux 6.9), it calls
//!   [`Connection::resend`] before it receives.
//! - Before that, it receives into the buffers of a [`Journal`].
//!
//! A worker gets the descriptor without `unsafe` code as its standard input:
//!
//! ```no_run
//! # use std::process::{Command, Stdio};
//! use rustix::fd::AsFd;
//! use vproc_fusedev::{Buffer, Connection, MountOptions, Received};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The holder.
//! let connection = Connection::mount("/mnt".as_ref(), &MountOptions::default())?;
//! let device = connection.as_fd().try_clone_to_owned()?;
//! Command::new("worker").arg(connection.negotiated().to_string()).stdin(device).spawn()?;
//!
//! // The worker.
//! let negotiated = std::env::args().nth(1).unwrap_or_default().parse()?;
//! let device = std::io::stdin().as_fd().try_clone_to_owned()?;
//! let connection = Connection::resume(device, negotiated);
//! connection.resend()?;
//! let mut buffer = Buffer::new()?;
//! while let Received::Request(request) = connection.receive(&mut buffer)? {
//!     connection.reply(request.unique).error(rustix::io::Errno::NOSYS)?;
//! }
//! # Ok(()) }
//! ```
//!
//! Several threads receive from one descriptor. `FUSE_DEV_IOC_CLONE` would give
//! each its own queue, but closing a clone ends what it had received.
//!
//! What the kernel counts, a server of this kind should not: FORGET may be lost
//! with a worker or, with a journal, come twice. The same holds for RELEASE,
//! which comes twice at worst. Nodes and handles that mean the same to every
//! worker need neither.
//!
//! A holder must not have a file of its own mount open when it starts a worker:
//! exec(2) closes the child's copy of it, which sends a FLUSH, and waits for an
//! answer that only this worker could give.
//!
//! Linux 5.4 or newer is needed (FUSE 7.31).

mod attributes;
mod buffer;
mod connection;
mod directory;
mod error;
mod journal;
mod mount;
mod negotiated;
mod operation;
mod reply;
mod request;
mod wire;

pub use attributes::{Attributes, Entry, Statistics};
pub use buffer::Buffer;
pub use connection::{Connection, Received};
pub use directory::Directory;
pub use error::Error;
pub use journal::Journal;
pub use mount::{MountOptions, abort, unmount};
pub use negotiated::{Negotiated, NotNegotiated};
pub use operation::{Forgets, Malformed, Operation, SetAttributes};
pub use reply::{OpenFlags, Reply};
pub use request::{Request, Unique};
pub use rustix::fs::FileType;
pub use rustix::io::Errno;
