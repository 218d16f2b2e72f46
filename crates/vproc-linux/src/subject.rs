//! Whose container a read is about.

use crate::content::Scratch;
use crate::freshness::Moment;
use crate::process::{self, Process};
use crate::pseudofs::PseudoFs;
use crate::roster::KeptRoster;
use crate::stat::status_numbers;
use crate::watch::Watch;
use crate::{Error, Host, HostPid, Identity, Membership, PidNamespace, init_pid};
use rustix::io::Errno;
use vproc_snapshot::CgroupVersion;

mod key;

/// The process whose cgroup counts, and what was found out about it.
///
/// Processes are held by pidfds: [`Host::read`] fails once
/// they have ended, even if their ids are in use again.
#[derive(Debug)]
pub struct Subject {
    reader: HostPid,
    process: Process,
    /// Process 1 of the reader's pid namespace; the subject itself where that
    /// is the same process.
    init: Option<Process>,
    namespace: PidNamespace,
    standing: Standing,
    watch: Watch,
    in_own_namespace: bool,
    key: String,
    roster: KeptRoster,
}

/// Where a process stands at some moment.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) membership: Membership,
    /// Whether the groups, and the pid namespace, are those of the host.
    pub(crate) is_host: bool,
}

impl Subject {
    pub(crate) fn resolve(host: &Host, reader: HostPid, identity: Identity) -> Result<Self, Error> {
        let procfs = host.procfs();
        let asking = Process::open(procfs, reader)?;
        let mut scratch = Scratch::default();
        let namespace = pid_namespace(procfs, &mut scratch, &asking)?;
        let in_own_namespace = namespace.inode() == host.own_namespace();
        let init = if in_own_namespace {
            Process::open(procfs, HostPid::INIT)?
        } else {
            container_init(procfs, &asking, &namespace)?
        };
        let (process, init) = match identity {
            Identity::Init if !in_own_namespace => (init, None),
            Identity::Init | Identity::Reader => (asking, Some(init)),
            Identity::Parent => (parent(procfs, &mut scratch, &asking)?, Some(init)),
        };
        let (text, membership) = read_membership(procfs, &mut scratch, &process)?;
        let standing = Standing::new(host, membership, in_own_namespace);
        let key = match init {
            None => key::of_namespace(host, &process, &namespace, &mut scratch)?,
            Some(_) => key::of_groups(host, &namespace, &standing.membership, &text),
        };
        let watch = Watch::new(text);
        let roster = KeptRoster::default();
        Ok(Subject {
            reader,
            process,
            init,
            namespace,
            standing,
            watch,
            in_own_namespace,
            key,
            roster,
        })
    }

    /// The process that asked.
    pub fn reader(&self) -> HostPid {
        self.reader
    }

    /// The process whose cgroup counts.
    pub fn pid(&self) -> HostPid {
        self.process.id()
    }

    /// Process 1 of the reader's pid namespace.
    pub fn init(&self) -> HostPid {
        self.init_process().id()
    }

    /// The reader's pid namespace.
    pub fn pid_namespace(&self) -> &PidNamespace {
        &self.namespace
    }

    /// The groups that the process was in when it was resolved.
    pub fn membership(&self) -> &Membership {
        &self.standing.membership
    }

    /// Whether this is the host itself: our own pid namespace, and the root
    /// group of every hierarchy that has controllers. Which are those of v1,
    /// or v2 where v1 has none. Within a cgroup namespace, or in a container,
    /// nothing is the host.
    ///
    /// Like [`Subject::membership`], this is as it was when the subject was
    /// resolved.
    pub fn is_host(&self) -> bool {
        self.standing.is_host
    }

    /// Names the container, for keeping something for it: a few letters,
    /// digits, `-` and `.`.
    ///
    /// A container that is told by its pid namespace has a key of the boot, of
    /// the namespace's inode, and of the id and start time of its init: `p`,
    /// and hexadecimal numbers. The inode alone is used again for the next
    /// container; an id together with a start time is not.
    ///
    /// Where a process counts for itself, its groups tell: the key is `g`, the
    /// boot, the pid namespace, device and inode of the group that no other
    /// container is in, and a hash of `/proc/PID/cgroup`. Processes of the
    /// same groups have the same key. A container may choose the names of
    /// groups, and so the hash, but not the inode, which cgroupfs does not use
    /// again where inodes have 64 bits.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the reader runs in our own pid namespace.
    pub fn in_own_namespace(&self) -> bool {
        self.in_own_namespace
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn init_process(&self) -> &Process {
        self.init.as_ref().unwrap_or(&self.process)
    }

    /// Whether neither the subject nor its init has ended.
    pub fn is_alive(&self) -> bool {
        self.check().is_ok()
    }

    /// Fails if the subject or its init has ended.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.init {
            None => self.process.check(),
            Some(init) => process::check([&self.process, init]),
        }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The container's processes.
    pub(crate) fn roster(&self) -> &KeptRoster {
        &self.roster
    }

    /// Has the container's processes listed anew when they are asked for next:
    /// for who looks for one that the list does not have.
    pub fn forget_processes(&self) {
        self.roster.forget();
    }

    /// Counts the moves of the process between groups that were seen since it
    /// was resolved, 0 for none.
    pub(crate) fn moves(&self, host: &Host, now: Moment) -> Result<u64, Error> {
        self.watch.moves(host, &self.process, now)
    }

    /// The text of `/proc/PID/cgroup`, as it was seen last.
    pub(crate) fn groups(&self) -> Vec<u8> {
        self.watch.text()
    }

    /// Where the process stands now.
    pub(crate) fn current_standing(
        &self,
        host: &Host,
        scratch: &mut Scratch,
    ) -> Result<Standing, Error> {
        let (_, membership) = read_membership(host.procfs(), scratch, &self.process)?;
        Ok(Standing::new(host, membership, self.in_own_namespace))
    }
}

impl Standing {
    fn new(host: &Host, membership: Membership, in_own_namespace: bool) -> Self {
        let is_host = in_own_namespace && host.hierarchy_set().is_root_everywhere(&membership);
        Standing { membership, is_host }
    }
}

/// The reader's pid namespace. Its link is closed to whoever may not trace the
/// reader, even to a root that lacks one of the reader's capabilities. The
/// reader's numbers are not: with a single one, the namespace is our own.
fn pid_namespace(
    procfs: &PseudoFs,
    scratch: &mut Scratch,
    reader: &Process,
) -> Result<PidNamespace, Error> {
    let closed = match reader.pid_namespace(procfs) {
        Err(closed @ Error::Permission { .. }) => closed,
        found => return found,
    };
    let status = reader.read(procfs, scratch, "status")?;
    if status_numbers(status, "NSpid:").len() != 1 {
        return Err(closed);
    }
    reader.check()?;
    Process::open(procfs, HostPid::current())?.pid_namespace(procfs)
}

/// Process 1 of a pid namespace. The kernel kills every process of a pid
/// namespace before it lets go of that one's id, so as long as the reader
/// lives, the id means the init of its namespace.
fn container_init(
    procfs: &PseudoFs,
    reader: &Process,
    namespace: &PidNamespace,
) -> Result<Process, Error> {
    let found = init_pid::find(namespace);
    reader.check()?;
    let pid = found.map_err(|source| match source {
        init_pid::Error::Gone => Error::NoSuchProcess(reader.id()),
        init_pid::Error::System { errno: errno @ (Errno::PERM | Errno::ACCESS), .. } => {
            Error::at(format!("process 1 of the pid namespace of process {}", reader.id()), errno)
        }
        source => Error::InitPid { reader: reader.id(), source },
    })?;
    let init = Process::open(procfs, pid)?;
    reader.check()?;
    Ok(init)
}

/// The parent of a process. It may change, to whoever adopts orphans, as long
/// as the parent is not held: so it is asked for again.
pub(crate) fn parent(
    procfs: &PseudoFs,
    scratch: &mut Scratch,
    child: &Process,
) -> Result<Process, Error> {
    let mut id = child.stat(procfs, scratch)?.parent;
    loop {
        let parent = HostPid::new(id).ok_or(Error::NoParent(child.id()))?;
        let process = Process::open(procfs, parent);
        let again = child.stat(procfs, scratch)?.parent;
        child.check()?;
        if again == id {
            return process;
        }
        id = again;
    }
}

fn read_membership(
    procfs: &PseudoFs,
    scratch: &mut Scratch,
    process: &Process,
) -> Result<(Vec<u8>, Membership), Error> {
    let text = process.read(procfs, scratch, "cgroup")?.to_vec();
    let membership = Membership::parse(&text).ok_or_else(|| Error::Malformed {
        path: process.path("cgroup"),
        reason: "lines of id:controllers:/path are wanted",
    })?;
    let at_v1_root = membership
        .groups()
        .iter()
        .any(|group| group.version() == CgroupVersion::V1 && group.path() == "/");
    if at_v1_root && process.stat(procfs, scratch)?.is_exiting() {
        return Err(Error::NoSuchProcess(process.id()));
    }
    process.check()?;
    Ok((text, membership))
}
