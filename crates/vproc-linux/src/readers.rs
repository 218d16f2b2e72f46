//! From a reader to the container that it is in, again and again.

use crate::content::Scratch;
use crate::freshness::Moment;
use crate::kept::keep;
use crate::process::{Process, none_ready};
use crate::subject::parent;
use crate::watch::Watch;
use crate::{Error, Host, HostPid, Identity, Subject, sys};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, fstat, statat};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// How many readers are remembered, and how many containers.
const MAX_READERS: usize = 1024;
const MAX_CONTAINERS: usize = 4096;

/// Finds the subject of a reader, fast if it is known. One subject is shared
/// by all readers of a container.
///
/// What is known of a reader holds as long as its pidfd says that it lives: no
/// process ever changes its pid namespace. What is known of a container holds
/// as long as its init lives, or the process whose groups count; meanwhile the
/// subject holds the pid namespace, so that the inode cannot become that of
/// another. Groups may change, and are looked at as often as
/// [`Freshness::membership`](crate::Freshness) says.
///
/// Where readers count for themselves, those of equal groups share the subject
/// of one of them, until that one moves or ends. Files of the process are then
/// that one's.
#[derive(Debug)]
pub struct Readers {
    identity: Identity,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    readers: HashMap<HostPid, Remembered<Reader>>,
    /// By the inode of the pid namespace.
    by_namespace: HashMap<u64, Remembered<Arc<Subject>>>,
    /// By the pid namespace and the text of `/proc/PID/cgroup`.
    by_groups: HashMap<(u64, Vec<u8>), Remembered<Arc<Subject>>>,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Remembered<T> {
    value: T,
    used: u64,
}

#[derive(Debug)]
struct Reader {
    task: Task,
    subject: Arc<Subject>,
    /// Where the groups of a process tell, which process, and its groups.
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    process: Process,
    /// Whose parent it is, and when that was last looked at.
    child: Option<(Process, Moment)>,
    watch: Watch,
}

/// A thread that is held.
#[derive(Debug)]
struct Task {
    id: HostPid,
    pidfd: OwnedFd,
    /// Where the pidfd is of the process and not of the thread: the directory
    /// that is there as long as the thread is.
    directory: Option<String>,
}

impl Readers {
    /// Knows nobody yet.
    pub fn new(identity: Identity) -> Self {
        Readers { identity, known: Mutex::default() }
    }

    /// Whose container a reader sees: [`Host::subject`], shared.
    pub fn find(&self, host: &Host, reader: HostPid) -> Result<Arc<Subject>, Error> {
        let now = Moment::now();
        if let Some(subject) = self.recall(host, reader, now) {
            return Ok(subject);
        }
        self.introduce(host, reader, now)
    }

    /// The same for a reader that is known: takes about a microsecond, and
    /// waits for nothing.
    pub fn known(&self, host: &Host, reader: HostPid) -> Option<Arc<Subject>> {
        self.recall(host, reader, Moment::now())
    }

    /// Forgets a subject that could not be read. A process that is ending has
    /// no groups any more, some time before its pidfd says so.
    pub fn forget(&self, subject: &Arc<Subject>) {
        let mut known = self.lock();
        known.readers.retain(|_, reader| !Arc::ptr_eq(&reader.value.subject, subject));
        known.by_namespace.retain(|_, known| !Arc::ptr_eq(&known.value, subject));
        known.by_groups.retain(|_, known| !Arc::ptr_eq(&known.value, subject));
    }

    /// Forgets who has ended. Whatever is asked for is looked at anyway; this
    /// gives up descriptors, and the pid namespaces that they hold.
    pub fn forget_ended(&self) {
        let mut known = self.lock();
        known.readers.retain(|_, reader| {
            let reader = &reader.value;
            none_ready(&mut [PollFd::new(&reader.task.pidfd, PollFlags::IN)])
                && reader.subject.check().is_ok()
        });
        known.by_namespace.retain(|_, subject| subject.value.check().is_ok());
        known.by_groups.retain(|_, subject| subject.value.check().is_ok());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, host: &Host, id: HostPid, now: Moment) -> Option<Arc<Subject>> {
        let mut known = self.lock();
        known.clock += 1;
        let clock = known.clock;
        let found = known.readers.get_mut(&id)?;
        if found.value.is_valid(host, now) {
            found.used = clock;
            return Some(Arc::clone(&found.value.subject));
        }
        known.readers.remove(&id);
        None
    }

    fn introduce(&self, host: &Host, id: HostPid, now: Moment) -> Result<Arc<Subject>, Error> {
        let task = Task::open(host, id)?;
        let inode = task.namespace(host);
        let is_outside = inode.is_some_and(|inode| inode != host.own_namespace());
        let (subject, counted) = if self.identity == Identity::Init && is_outside {
            (self.of_namespace(host, id, inode)?, None)
        } else {
            self.of_groups(host, id, inode, now)?
        };
        // What was found is of this very task if it is still there.
        if !task.is_alive(host) {
            return Err(Error::NoSuchProcess(id));
        }
        let mut known = self.lock();
        if let Some(task) = task.keep() {
            let reader = Reader { task, subject: Arc::clone(&subject), counted };
            known.clock += 1;
            let used = known.clock;
            make_room(&mut known.readers, MAX_READERS);
            known.readers.insert(id, Remembered { value: reader, used });
        }
        Ok(subject)
    }

    /// The container of a pid namespace.
    fn of_namespace(
        &self,
        host: &Host,
        reader: HostPid,
        inode: Option<u64>,
    ) -> Result<Arc<Subject>, Error> {
        if let Some(inode) = inode {
            let mut known = self.lock();
            known.clock += 1;
            let used = known.clock;
            if let Some(found) = known.by_namespace.get_mut(&inode) {
                if found.value.check().is_ok() {
                    found.used = used;
                    return Ok(Arc::clone(&found.value));
                }
                known.by_namespace.remove(&inode);
            }
        }
        let subject = Arc::new(host.subject(reader, self.identity)?);
        let mut known = self.lock();
        let used = known.clock;
        make_room(&mut known.by_namespace, MAX_CONTAINERS);
        let remembered = Remembered { value: Arc::clone(&subject), used };
        known.by_namespace.insert(subject.pid_namespace().inode(), remembered);
        Ok(subject)
    }

    /// The container that the groups of a process tell.
    fn of_groups(
        &self,
        host: &Host,
        reader: HostPid,
        inode: Option<u64>,
        now: Moment,
    ) -> Result<(Arc<Subject>, Option<Counted>), Error> {
        let counted = Counted::open(host, reader, self.identity, now)?;
        let text = counted.watch.text();
        if let Some(inode) = inode {
            let mut known = self.lock();
            known.clock += 1;
            let used = known.clock;
            let key = (inode, text.clone());
            if let Some(found) = known.by_groups.get_mut(&key) {
                let subject = &found.value;
                if subject.check().is_ok() && matches!(subject.moves(host, now), Ok(0)) {
                    found.used = used;
                    return Ok((Arc::clone(subject), Some(counted)));
                }
                known.by_groups.remove(&key);
            }
        }
        let subject = Arc::new(host.subject(reader, self.identity)?);
        let key = (subject.pid_namespace().inode(), subject.groups());
        let mut known = self.lock();
        let used = known.clock;
        make_room(&mut known.by_groups, MAX_CONTAINERS);
        known.by_groups.insert(key, Remembered { value: Arc::clone(&subject), used });
        Ok((subject, Some(counted)))
    }
}

/// Drops the half that has not been used for longest, where it is full.
fn make_room<K: Eq + Hash, T>(known: &mut HashMap<K, Remembered<T>>, limit: usize) {
    if known.len() < limit {
        return;
    }
    let mut uses: Vec<u64> = known.values().map(|one| one.used).collect();
    let middle = uses.len() / 2;
    let (_, median, _) = uses.select_nth_unstable(middle);
    let median = *median;
    known.retain(|_, one| one.used > median);
}

impl Reader {
    /// Whether what is remembered still holds.
    fn is_valid(&mut self, host: &Host, now: Moment) -> bool {
        let mut pidfds = [
            PollFd::new(&self.task.pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(self.subject.process().pidfd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.subject.init_process().pidfd(), PollFlags::IN),
        ];
        if !none_ready(&mut pidfds) || !self.task.is_listed(host) {
            return false;
        }
        match &mut self.counted {
            None => true,
            Some(counted) => {
                counted.is_valid(host, now) && matches!(self.subject.moves(host, now), Ok(0))
            }
        }
    }
}

impl Counted {
    fn open(host: &Host, reader: HostPid, identity: Identity, now: Moment) -> Result<Self, Error> {
        let asking = Process::open(host.procfs(), reader)?;
        let mut scratch = Scratch::default();
        let (process, child) = match identity {
            Identity::Init | Identity::Reader => (asking, None),
            Identity::Parent => {
                (parent(host.procfs(), &mut scratch, &asking)?, Some((asking, now)))
            }
        };
        let text = process.read(host.procfs(), &mut scratch, "cgroup")?.to_vec();
        Ok(Counted { process, child, watch: Watch::new(text) })
    }

    fn is_valid(&mut self, host: &Host, now: Moment) -> bool {
        if let Some((child, looked_at)) = &mut self.child
            && looked_at.is_stale(now, host.freshness().membership)
        {
            *looked_at = now;
            let stat = child.stat(host.procfs(), &mut Scratch::default());
            if stat.ok().is_none_or(|stat| stat.parent != self.process.id().get()) {
                return false;
            }
        }
        self.process.is_alive() && matches!(self.watch.moves(host, &self.process, now), Ok(0))
    }
}

impl Task {
    fn open(host: &Host, id: HostPid) -> Result<Self, Error> {
        // Linux 6.9. Older kernels cannot watch a single thread.
        let thread = PidfdFlags::from_bits_retain(libc::PIDFD_THREAD);
        match pidfd_open(id.as_pid(), thread) {
            Ok(pidfd) => Ok(Task { id, pidfd, directory: None }),
            Err(Errno::SRCH) => Err(Error::NoSuchProcess(id)),
            Err(_) => {
                let (pidfd, directory) = Process::open(host.procfs(), id)?.into_held();
                Ok(Task { id, pidfd, directory })
            }
        }
    }

    /// Gives it up where descriptors run short.
    fn keep(self) -> Option<Self> {
        let Task { id, pidfd, directory } = self;
        Some(Task { id, pidfd: keep(pidfd)?, directory })
    }

    fn is_alive(&self, host: &Host) -> bool {
        none_ready(&mut [PollFd::new(&self.pidfd, PollFlags::IN)]) && self.is_listed(host)
    }

    fn is_listed(&self, host: &Host) -> bool {
        self.directory.as_ref().is_none_or(|directory| {
            statat(host.procfs(), directory.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
        })
    }

    /// The inode of its pid namespace, where it may be looked at.
    fn namespace(&self, host: &Host) -> Option<u64> {
        if self.directory.is_none()
            && let Ok(namespace) = sys::pid_namespace_of(self.pidfd.as_fd())
        {
            return fstat(namespace).ok().map(|stat| stat.st_ino);
        }
        let procfs = host.procfs();
        let found = if procfs.is_private() {
            statat(procfs, format!("{}/ns/pid", self.id), AtFlags::empty())
        } else {
            let directory = procfs.open_directory(&format!("{}/ns", self.id)).ok()?;
            statat(directory, "pid", AtFlags::empty())
        };
        found.ok().map(|stat| stat.st_ino)
    }
}
