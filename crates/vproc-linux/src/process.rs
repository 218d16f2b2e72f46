//! A process that stays the same one while its files are read.

use crate::content::{CGROUP_LIMIT, Scratch, Unread};
use crate::pseudofs::PseudoFs;
use crate::stat::{Stat, status_numbers};
use crate::{Error, HostPid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{PidfdFlags, pidfd_open};

/// A pid namespace that is kept in existence.
#[derive(Debug)]
pub struct PidNamespace {
    fd: OwnedFd,
    inode: u64,
}

impl PidNamespace {
    /// The number that `/proc/PID/ns/pid` shows. Unique among the pid
    /// namespaces that exist, and reused after their end.
    pub fn inode(&self) -> u64 {
        self.inode
    }
}

impl AsFd for PidNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A process or a thread, held by a pidfd. Ids are reused: what was read
/// belongs to this process only if [`Process::is_alive`] still holds after it.
#[derive(Debug)]
pub(crate) struct Process {
    id: HostPid,
    /// Below the root of procfs: `17`, or `17/task/18` for a thread, which
    /// cannot come to mean a thread of another process.
    directory: String,
    pidfd: OwnedFd,
}

impl Process {
    pub(crate) fn open(procfs: &PseudoFs, id: HostPid) -> Result<Self, Error> {
        match pidfd_open(id.as_pid(), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Process { id, directory: id.to_string(), pidfd }),
            Err(Errno::SRCH) => Err(Error::NoSuchProcess(id)),
            // A thread that is not the leader of its group: EINVAL, and since
            // Linux 6.9 ENOENT. FUSE says which thread asks.
            Err(Errno::INVAL | Errno::NOENT) => Process::open_thread(procfs, id),
            Err(errno) => Err(Error::at(format!("pidfd_open({id})"), errno)),
        }
    }

    fn open_thread(procfs: &PseudoFs, id: HostPid) -> Result<Self, Error> {
        let missing = |errno| match errno {
            Errno::NOENT | Errno::SRCH => Error::NoSuchProcess(id),
            _ => procfs.error(&format!("{id}/status"), errno),
        };
        let file = procfs.open_file(&format!("{id}/status")).map_err(missing)?;
        let mut scratch = Scratch::default();
        let status = scratch.read(file.as_fd(), CGROUP_LIMIT).map_err(|unread| match unread {
            Unread::Errno(errno) => missing(errno),
            Unread::TooLarge => Error::NoSuchProcess(id),
        })?;
        let group = status_numbers(status, "Tgid:").first().copied().and_then(HostPid::new);
        let group = group.ok_or(Error::NoSuchProcess(id))?;
        let pidfd = pidfd_open(group.as_pid(), PidfdFlags::empty())
            .map_err(|_| Error::NoSuchProcess(id))?;
        Ok(Process { id, directory: format!("{group}/task/{id}"), pidfd })
    }

    pub(crate) fn id(&self) -> HostPid {
        self.id
    }

    /// Whether the process has not ended. A zombie has.
    pub(crate) fn is_alive(&self) -> bool {
        none_ready(&mut [PollFd::new(&self.pidfd, PollFlags::IN)])
    }

    /// Fails if the process has ended.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_alive() { Ok(()) } else { Err(Error::NoSuchProcess(self.id)) }
    }

    /// What holds it: a pidfd of the process and, for a thread that is not the
    /// leader, the directory that is there as long as the thread is.
    pub(crate) fn into_held(self) -> (OwnedFd, Option<String>) {
        let is_thread = self.directory.contains('/');
        (self.pidfd, is_thread.then_some(self.directory))
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Opens a file of its directory.
    pub(crate) fn open_file(&self, procfs: &PseudoFs, name: &str) -> Result<OwnedFd, Errno> {
        procfs.open_file(&format!("{}/{name}", self.directory))
    }

    /// Reads a file of its directory, which every process has.
    pub(crate) fn read<'s>(
        &self,
        procfs: &PseudoFs,
        scratch: &'s mut Scratch,
        name: &str,
    ) -> Result<&'s [u8], Error> {
        let file = self.open_file(procfs, name).map_err(|errno| self.error(procfs, name, errno))?;
        scratch.read(file.as_fd(), CGROUP_LIMIT).map_err(|unread| match unread {
            Unread::Errno(errno) => self.error(procfs, name, errno),
            Unread::TooLarge => Error::TooLarge { path: self.path(name), limit: CGROUP_LIMIT },
        })
    }

    pub(crate) fn stat(&self, procfs: &PseudoFs, scratch: &mut Scratch) -> Result<Stat, Error> {
        Stat::parse(self.read(procfs, scratch, "stat")?).ok_or_else(|| Error::Malformed {
            path: self.path("stat"),
            reason: "the fields of proc_pid_stat(5) are wanted",
        })
    }

    /// The pid namespace that it runs in.
    pub(crate) fn pid_namespace(&self, procfs: &PseudoFs) -> Result<PidNamespace, Error> {
        let fd = self.open_link(procfs, "/ns", "pid", OFlags::RDONLY)?;
        let inode = self.inode(procfs, &fd, "ns/pid")?;
        Ok(PidNamespace { fd, inode })
    }

    /// Which namespace of a kind it is in: the file system of such links, and
    /// the number there.
    pub(crate) fn namespace(&self, procfs: &PseudoFs, kind: &str) -> Result<(u64, u64), Errno> {
        let directory = procfs.open_directory(&format!("{}/ns", self.directory))?;
        let link = openat(&directory, kind, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fstat(&link)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// The mount namespace that it runs in, and its inode.
    pub(crate) fn mount_namespace(&self, procfs: &PseudoFs) -> Result<(OwnedFd, u64), Error> {
        let fd = self.open_link(procfs, "/ns", "mnt", OFlags::RDONLY)?;
        let inode = self.inode(procfs, &fd, "ns/mnt")?;
        Ok((fd, inode))
    }

    /// The root of its file system.
    pub(crate) fn root(&self, procfs: &PseudoFs) -> Result<OwnedFd, Error> {
        self.open_link(procfs, "", "root", OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Follows a magic link of its directory: the link is the kernel's own, as
    /// the directory is.
    fn open_link(
        &self,
        procfs: &PseudoFs,
        below: &str,
        name: &str,
        flags: OFlags,
    ) -> Result<OwnedFd, Error> {
        let failed =
            |errno| self.error(procfs, format!("{below}/{name}").trim_start_matches('/'), errno);
        let directory =
            procfs.open_directory(&format!("{}{below}", self.directory)).map_err(failed)?;
        openat(&directory, name, flags | OFlags::CLOEXEC, Mode::empty()).map_err(failed)
    }

    fn inode(&self, procfs: &PseudoFs, fd: &OwnedFd, name: &str) -> Result<u64, Error> {
        Ok(fstat(fd).map_err(|errno| self.error(procfs, name, errno))?.st_ino)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.directory)
    }

    /// The error for an errno at one of its files.
    pub(crate) fn error(&self, procfs: &PseudoFs, name: &str, errno: Errno) -> Error {
        match errno {
            Errno::NOENT | Errno::SRCH if self.is_alive() && !procfs.is_private() => {
                Error::Permission {
                    what: self.path(name),
                    errno,
                    remedy: "if /proc is mounted with hidepid, run as root",
                }
            }
            // A process that is exiting gives up its namespaces before it has
            // ended; its mounts are EINVAL then (`mounts_open_common` in
            // `fs/proc_namespace.c`). Nothing else of a process is.
            Errno::NOENT | Errno::SRCH | Errno::INVAL => Error::NoSuchProcess(self.id),
            _ => procfs.error(&format!("{}/{name}", self.directory), errno),
        }
    }
}

/// Fails if one of two processes has ended.
pub(crate) fn check(both: [&Process; 2]) -> Result<(), Error> {
    let mut fds = both.map(|process| PollFd::new(&process.pidfd, PollFlags::IN));
    if none_ready(&mut fds) {
        return Ok(());
    }
    both.into_iter().try_for_each(Process::check)
}

/// Whether none of some pidfds says that its process has ended.
pub(crate) fn none_ready(pidfds: &mut [PollFd<'_>]) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(retry_on_intr(|| poll(pidfds, Some(&at_once))), Ok(0))
}
