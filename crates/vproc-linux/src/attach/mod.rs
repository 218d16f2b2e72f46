//! Puts files of a vproc mount over files of `/proc` and `/sys` in a running
//! container, and takes them out again.
//!
//! A thread enters the mount namespace of the container with a copy of the
//! mount for each file, and moves the copies over the container's own files.
//! The container's processes see them at once; those that have a file open
//! keep what they have. The copies last as long as the container's mount
//! namespace: a container that is restarted has to be attached to again.
//!
//! What is trusted: the kernel's mountinfo, and our own mount. The container
//! is not. It may have mounted anything anywhere, and moves mounts while we
//! look. Paths are followed beneath its root, through no symlink, and only
//! through procfs and sysfs; see [`Skip`] for what is left alone. The mounts
//! are private: what the container does with them stays in it. A container
//! that has `CAP_SYS_ADMIN` over its mount namespace can unmount them.
//!
//! A process that makes a user namespace within the container cannot mount a
//! procfs there any more, because files of the container's procfs are hidden
//! from it (fs/namespace.c, `mnt_already_visible`).

mod attached;
mod detach;
mod error;
mod inside;
mod put;
mod source;
mod thread;

pub use attached::{Life, Mounted};
pub use detach::{Detached, Removal};
pub use error::{Error, Skip};

use crate::mountinfo::Mount;
use crate::process::Process;
use crate::{Host, HostPid};
use inside::{Doors, Inside};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::path::Path;
use std::time::Duration;

/// How our mounts are told from those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// The type of the file system.
    pub fs: String,
    /// The source of the mount; any where there is none.
    pub source: Option<String>,
}

impl Default for Marks {
    fn default() -> Self {
        Marks { fs: "fuse.vproc".to_owned(), source: None }
    }
}

impl Marks {
    fn matches(&self, mount: &Mount) -> bool {
        let same = |source: &String| source.as_bytes() == mount.source;
        mount.fs == self.fs && self.source.as_ref().is_none_or(same)
    }
}

/// How to attach and detach.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is ours, and may be replaced and removed.
    pub ours: Marks,
    /// Whether to mount read-only.
    pub read_only: bool,
    /// Whether to cover mounts that hide a file of the kernel, such as the
    /// `/dev/null` with which runtimes mask files. FUSE file systems of
    /// others (lxcfs) are covered in any case, and named in
    /// [`Outcome::Attached`].
    pub cover_masks: bool,
    /// How long all of it may take.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ours: Marks::default(),
            read_only: false,
            cover_masks: false,
            patience: Duration::from_secs(10),
        }
    }
}

/// What became of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The path in the container.
    pub target: String,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Our file is there now.
    Attached {
        /// The type of what was there before, where that was somebody
        /// else's mount.
        over: Option<String>,
    },
    /// An older mount of ours was there, alive or dead.
    Replaced,
    /// This very file was there already.
    AlreadyThere,
    /// The path was left as it was.
    Skipped(Skip),
}

/// Attaches files of the vproc mount at `mount` to the container of a process.
///
/// `paths` are those of the container, and the same within the mount. Each
/// gets an answer, in the same order; attaching again changes nothing. `mount`
/// lies in the mount namespace that the caller is in.
pub fn attach(
    host: &Host,
    pid: HostPid,
    mount: &Path,
    paths: &[String],
    options: &Options,
) -> Result<Vec<Attachment>, Error> {
    check_paths(paths)?;
    let container = Container::open(host, pid)?;
    let doors = container.doors(host)?;
    let job = put::Job {
        mount: mount.to_owned(),
        paths: paths.to_vec(),
        options: options.clone(),
        mounts: own_mounts(host)?,
        host_peers: container.host_peers,
    };
    let result = thread::run(options.patience, move |progress| job.run(doors, progress));
    container.process.check()?;
    result
}

/// Removes our mounts from the container of a process: those over `paths`, or
/// all of them.
pub fn detach(
    host: &Host,
    pid: HostPid,
    paths: Option<&[String]>,
    options: &Options,
) -> Result<Vec<Detached>, Error> {
    check_paths(paths.unwrap_or_default())?;
    let container = Container::open(host, pid)?;
    let doors = container.doors(host)?;
    let (ours, paths) = (options.ours.clone(), paths.map(<[String]>::to_vec));
    let result = thread::run(options.patience, move |progress| {
        detach::remove(&Inside::enter(doors)?, paths, &ours, progress)
    });
    container.process.check()?;
    result
}

/// Lists what of ours is mounted in the container of a process, and whether it
/// is alive.
pub fn attached(host: &Host, pid: HostPid, options: &Options) -> Result<Vec<Mounted>, Error> {
    let container = Container::open(host, pid)?;
    let result = attached::list(container.doors(host)?, options);
    container.process.check()?;
    result
}

fn check_paths(paths: &[String]) -> Result<(), Error> {
    match paths.iter().find(|path| !inside::is_eligible(path)) {
        Some(path) => Err(Error::Path(path.clone())),
        None => Ok(()),
    }
}

/// A container that is not the host, known by one of its processes.
struct Container {
    process: Process,
    namespace: OwnedFd,
    /// The peer groups through which a mount would reach the host.
    host_peers: Vec<u32>,
}

impl Container {
    fn open(host: &Host, pid: HostPid) -> Result<Self, Error> {
        let procfs = host.procfs();
        let process = Process::open(procfs, pid)?;
        let (namespace, inode) = process.mount_namespace(procfs)?;
        let mut host_peers = Vec::new();
        // We may run in a mount namespace that is not the host's.
        for native in [HostPid::current(), HostPid::INIT] {
            let Ok(native) = Process::open(procfs, native) else { continue };
            match native.mount_namespace(procfs) {
                Ok((_, its)) if its == inode => return Err(Error::HostNamespace(pid)),
                Ok(_) => {
                    host_peers.extend(mounts_of(host, &native)?.iter().filter_map(|m| m.peers))
                }
                // An unprivileged caller fails where it enters.
                Err(_) => {}
            }
        }
        Ok(Container { process, namespace, host_peers })
    }

    /// Opens what is needed within. If the process ends meanwhile, these
    /// belong to nobody, or to another: the caller checks that afterwards,
    /// and again after the work.
    fn doors(&self, host: &Host) -> Result<Doors, Error> {
        let (procfs, process) = (host.procfs(), &self.process);
        let failed = |errno| process.error(procfs, "mountinfo", errno);
        let doors = Doors {
            pid: process.id(),
            procfs: procfs.as_fd().try_clone_to_owned().map_err(Error::Thread)?,
            namespace: self.namespace.try_clone().map_err(Error::Thread)?,
            root: process.root(procfs)?,
            mountinfo: process.open_file(procfs, "mountinfo").map_err(failed)?,
        };
        process.check()?;
        Ok(doors)
    }
}

fn own_mounts(host: &Host) -> Result<Vec<Mount>, Error> {
    mounts_of(host, &Process::open(host.procfs(), HostPid::current())?)
}

fn mounts_of(host: &Host, process: &Process) -> Result<Vec<Mount>, Error> {
    let procfs = host.procfs();
    let failed = |errno: Errno| process.error(procfs, "mountinfo", errno);
    let file = process.open_file(procfs, "mountinfo").map_err(failed)?;
    Ok(inside::read_mounts(file.as_fd()).map_err(failed)?)
}
