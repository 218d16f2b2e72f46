//! Reads what a vproc policy declares from a Linux host.
//!
//! This is the only crate that opens files below `/proc` and in cgroupfs. It
//! renders nothing: [`Host::read`] takes a [`Subject`] and the sources that a
//! policy named, reads them in one batch, and returns
//! [`Readings`](vproc_snapshot::Readings).
//!
//! ```no_run
//! use vproc_linux::{Host, HostPid, Identity, check_sources};
//! use vproc_snapshot::Source;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sources: Vec<Source> =
//!     vec!["host:/proc/meminfo".parse()?, "cgroup2:memory/memory.max@lineage".parse()?];
//! check_sources(&sources)?;
//!
//! let host = Host::open()?;
//! let subject = host.subject(HostPid::current(), Identity::Init)?;
//! let readings = host.read(&subject, host.environment(Vec::new()), &sources)?;
//! # let _ = readings; Ok(()) }
//! ```
//!
//! A program that answers again and again keeps things open: [`Readers`] find
//! the subject of a reader, a [`Feed`] reads the sources of one entry, and a
//! [`TaskSampler`] counts tasks. [`Freshness`] says how old their answers may
//! be; the example `feed` measures what they cost.
//!
//! What it trusts, and what not: the files that it reads may be overmounted
//! (by vproc itself, by lxcfs), so it reads through a procfs of its own where
//! it can, and never follows a symlink or crosses a mount where it cannot.
//! Pids are reused, so each process is held by a pidfd while its files are
//! read. Policies are strangers, so [`check_sources`] says which files one
//! may name, and [`Host::read`] asks it again.
//!
//! Linux 5.3 or newer is needed (pidfds).

mod allowed;
pub mod attach;
mod batch;
mod beneath;
pub mod broker;
mod content;
pub mod doctor;
mod error;
mod feed;
mod freshness;
mod hierarchy;
mod host;
mod host_file;
mod identity;
pub mod init_pid;
mod kept;
mod ladder;
mod membership;
mod mountinfo;
mod namespaced;
mod pressure;
mod process;
mod process_file;
mod pseudofs;
mod readers;
mod roster;
pub mod sandbox;
mod stat;
mod subject;
mod sys;
mod tasks;
mod view;
mod watch;

pub use allowed::{RefusedSource, check_sources};
pub use broker::Broker;
pub use error::Error;
pub use feed::{Ask, Feed};
pub use freshness::Freshness;
pub use hierarchy::Hierarchy;
pub use host::Host;
pub use identity::{HostPid, Identity, UnknownIdentity, UnknownPid};
pub use membership::{Group, Membership};
pub use process::PidNamespace;
pub use readers::Readers;
pub use subject::Subject;
pub use tasks::TaskSampler;
