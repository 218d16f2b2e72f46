//! Whose container a read is about.

use crate::content::Scratch;
use crate::hierarchy::Hierarchies;
use crate::process::Process;
use crate::pseudofs::PseudoFs;
use crate::stat::status_numbers;
use crate::{Error, HostPid, Identity, Membership, PidNamespace, init_pid};
use rustix::io::Errno;
use vproc_snapshot::CgroupVersion;

/// The process whose cgroup counts, and what was found out about it.
///
/// Processes are held by pidfds: [`Host::read`](crate::Host::read) fails once
/// they have ended, even if their ids are in use again.
#[derive(Debug)]
pub struct Subject {
    reader: HostPid,
    process: Process,
    /// Process 1 of the reader's pid namespace; the subject itself where that
    /// is the same process.
    init: Option<Process>,
    namespace: PidNamespace,
    membership: Membership,
    in_own_namespace: bool,
    is_host: bool,
}

impl Subject {
    pub(crate) fn resolve(
        procfs: &PseudoFs,
        own_namespace: u64,
        hierarchies: &Hierarchies,
        reader: HostPid,
        identity: Identity,
    ) -> Result<Self, Error> {
        let asking = Process::open(procfs, reader)?;
        let mut scratch = Scratch::default();
        let namespace = pid_namespace(procfs, &mut scratch, &asking)?;
        let in_own_namespace = namespace.inode() == own_namespace;
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
        let membership = read_membership(procfs, &mut scratch, &process)?;
        let is_host = in_own_namespace && hierarchies.is_root_everywhere(&membership);
        Ok(Subject { reader, process, init, namespace, membership, in_own_namespace, is_host })
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
        &self.membership
    }

    /// Whether this is the host itself: our own pid namespace, and the root
    /// group of every hierarchy that has controllers. Which are those of v1,
    /// or v2 where v1 has none. Within a cgroup namespace, or in a container,
    /// nothing is the host.
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// Whether the reader runs in our own pid namespace.
    pub(crate) fn in_own_namespace(&self) -> bool {
        self.in_own_namespace
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn init_process(&self) -> &Process {
        self.init.as_ref().unwrap_or(&self.process)
    }

    /// Fails if the subject or its init has ended.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.process.check()?;
        self.init.as_ref().map_or(Ok(()), Process::check)
    }

    /// The groups that the process is in now.
    pub(crate) fn current_membership(
        &self,
        procfs: &PseudoFs,
        scratch: &mut Scratch,
    ) -> Result<Membership, Error> {
        read_membership(procfs, scratch, &self.process)
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
fn parent(procfs: &PseudoFs, scratch: &mut Scratch, child: &Process) -> Result<Process, Error> {
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
) -> Result<Membership, Error> {
    let text = process.read(procfs, scratch, "cgroup")?;
    let membership = Membership::parse(text).ok_or_else(|| Error::Malformed {
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
    Ok(membership)
}
