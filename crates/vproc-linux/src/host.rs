//! The host that is read.

use crate::batch::Batch;
use crate::content::{HOST_LIMIT, Scratch, Unread};
use crate::freshness::Moment;
use crate::hierarchy::Hierarchies;
use crate::host_file::HostFiles;
use crate::init_pid;
use crate::process::Process;
use crate::pseudofs::{PROC, PseudoFs, SYS};
use crate::subject::Standing;
use crate::{
    Broker, Error, Feed, Freshness, Hierarchy, HostPid, Identity, Membership, Subject, allowed,
};
use rustix::fd::AsFd;
use rustix::param::{clock_ticks_per_second, page_size};
use std::sync::{Arc, OnceLock};
use vproc_snapshot::{CgroupLayout, Class, Entry, Environment, Readings, Record, Setting, Source};

/// A Linux host: its procfs and its cgroup hierarchies.
///
/// Opening it is cheap enough for a command that runs once, and a
/// long-running program keeps one. What it has mounted is looked up once;
/// groups and processes are looked up for each subject.
#[derive(Debug)]
pub struct Host {
    procfs: PseudoFs,
    sysfs: OnceLock<PseudoFs>,
    hierarchies: Hierarchies,
    own_namespace: u64,
    freshness: Freshness,
    files: HostFiles,
    boot: OnceLock<u32>,
    broker: Option<Broker>,
}

impl Host {
    /// Opens the host, through a procfs of its own where it may mount one.
    pub fn open() -> Result<Self, Error> {
        Host::with_procfs(PseudoFs::open(&PROC)?)
    }

    /// Opens the host through the `/proc` that everybody sees, as an
    /// unprivileged program has to.
    pub fn open_shared() -> Result<Self, Error> {
        Host::with_procfs(PseudoFs::shared(&PROC)?)
    }

    fn with_procfs(procfs: PseudoFs) -> Result<Self, Error> {
        check_numbering(&procfs)?;
        let myself = Process::open(&procfs, HostPid::current())?;
        let own_namespace = myself.pid_namespace(&procfs)?.inode();
        let mut scratch = Scratch::default();
        let file = myself
            .open_file(&procfs, "mountinfo")
            .map_err(|errno| procfs.error("self/mountinfo", errno))?;
        let text = scratch.read(file.as_fd(), HOST_LIMIT).map_err(|unread| match unread {
            Unread::Errno(errno) => procfs.error("self/mountinfo", errno),
            Unread::TooLarge => {
                Error::TooLarge { path: myself.path("mountinfo"), limit: HOST_LIMIT }
            }
        })?;
        let mut hierarchies = Hierarchies::from_mountinfo(text);
        if hierarchies.reach_outside() {
            let text = myself.read(&procfs, &mut scratch, "cgroup")?;
            Membership::parse(text).into_iter().for_each(|own| hierarchies.set_own(own));
        }
        Ok(Host {
            procfs,
            sysfs: OnceLock::new(),
            hierarchies,
            own_namespace,
            freshness: Freshness::default(),
            files: HostFiles::default(),
            boot: OnceLock::new(),
            broker: None,
        })
    }

    /// Whether nothing can be mounted over the files of `/proc` that are
    /// read. Where it can, a file that something is mounted over is an error.
    pub fn private_proc(&self) -> bool {
        self.procfs.is_private()
    }

    /// Opens what is otherwise opened when it is first needed, for a program
    /// that will lack the privileges by then.
    pub fn open_all(&self) -> Result<(), Error> {
        self.sysfs().map(drop)
    }

    /// Whether this kernel tells process 1 of a pid namespace (Linux 6.11). If
    /// not, finding it needs CAP_SYS_ADMIN.
    pub fn finds_init_by_ioctl(&self) -> bool {
        let own = Process::open(&self.procfs, HostPid::current())
            .and_then(|process| process.pid_namespace(&self.procfs));
        own.is_ok_and(|own| !matches!(init_pid::by_ioctl(own), Err(init_pid::Error::Unsupported)))
    }

    /// Which cgroup interfaces are mounted.
    pub fn layout(&self) -> CgroupLayout {
        self.hierarchies.layout()
    }

    /// The cgroup hierarchies that are mounted.
    pub fn hierarchies(&self) -> &[Hierarchy] {
        self.hierarchies.all()
    }

    /// The kernel, as `uname -r` prints it.
    pub fn kernel_release(&self) -> String {
        rustix::system::uname().release().to_string_lossy().into_owned()
    }

    /// What holds as long as the host runs, with the settings of its operator.
    pub fn environment(&self, settings: Vec<Setting>) -> Environment {
        Environment {
            page_size: u32::try_from(page_size()).unwrap_or(u32::MAX),
            user_hz: u32::try_from(clock_ticks_per_second()).unwrap_or(100),
            huge_page_size: self.huge_page_size().unwrap_or(0),
            machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
            settings,
        }
    }

    /// Bytes of a huge page of the default size, where there is a pool of
    /// them or may be one. The two sysctls are of the default size too
    /// (Documentation/admin-guide/mm/hugetlbpage.rst), and cost less to read
    /// than `/proc/meminfo`.
    fn huge_page_size(&self) -> Option<u64> {
        let mut scratch = Scratch::default();
        let has_pool = ["sys/vm/nr_hugepages", "sys/vm/nr_overcommit_hugepages"]
            .into_iter()
            .any(|path| self.text(&mut scratch, path).is_some_and(|text| text.trim() != "0"));
        if !has_pool {
            return None;
        }
        let meminfo = self.text(&mut scratch, "meminfo")?;
        let line = meminfo.lines().find_map(|line| line.strip_prefix("Hugepagesize:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Whether this machine has no such file, so that a container on it has
    /// none either: of what is not made up for a container but taken from the
    /// host's file, or hidden.
    pub fn lacks(&self, entry: &Entry) -> bool {
        let path = match (entry.stands_on(), entry.class) {
            (Some(Source::Host(path)), _) => path,
            (_, Class::Masked | Class::Denied) if !entry.is_pattern() => &entry.path,
            _ => return false,
        };
        let in_proc = path.strip_prefix("/proc/").map(|below| (Ok(&self.procfs), below));
        let in_sys = || path.strip_prefix("/sys/").map(|below| (self.sysfs(), below));
        match in_proc.or_else(in_sys) {
            Some((Ok(filesystem), below)) => filesystem.lacks(below),
            _ => false,
        }
    }

    /// The names in the root directory of `/proc` that are of no process.
    pub fn names_in_proc(&self) -> Result<Vec<String>, Error> {
        let mut names = self.procfs.names()?;
        names.retain(|name| !name.bytes().all(|byte| byte.is_ascii_digit()));
        names.sort_unstable();
        Ok(names)
    }

    fn text<'s>(&self, scratch: &'s mut Scratch, path: &str) -> Option<&'s str> {
        let file = self.procfs.open_file(path).ok()?;
        std::str::from_utf8(scratch.read(file.as_fd(), HOST_LIMIT).ok()?).ok()
    }

    /// Finds out whose container a reader sees.
    pub fn subject(&self, reader: HostPid, identity: Identity) -> Result<Subject, Error> {
        Subject::resolve(self, reader, identity)
    }

    /// Reads sources in one batch.
    ///
    /// Inputs that cannot be read stand among the readings with their errno;
    /// see [`Error`] for what fails the batch as a whole. A group that is
    /// removed while it is read gives `ESTALE`, after the subject was looked
    /// for in its new group once.
    pub fn read(
        &self,
        subject: &Subject,
        environment: Environment,
        sources: &[Source],
    ) -> Result<Readings, Error> {
        allowed::check_sources(sources)?;
        let (records, lost_leaf) = self.records(subject, subject.standing(), sources)?;
        subject.check()?;
        let (records, is_host) = if lost_leaf {
            let standing = subject.current_standing(self, &mut Scratch::default())?;
            let (records, _) = self.records(subject, &standing, sources)?;
            subject.check()?;
            (records, standing.is_host)
        } else {
            (records, subject.is_host())
        };
        Ok(Readings { environment, now: Moment::now().0, is_host, records })
    }

    /// Keeps the sources of one entry open for a subject, to read them again
    /// and again. Nothing is read before [`Feed::read`].
    pub fn feed(
        &self,
        subject: Arc<Subject>,
        environment: Environment,
        sources: &[Source],
    ) -> Result<Feed, Error> {
        allowed::check_sources(sources)?;
        Ok(Feed::new(self, subject, environment, sources))
    }

    /// How old what is kept may be.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// Sets how old what is kept may be.
    pub fn with_freshness(self, freshness: Freshness) -> Self {
        Host { freshness, ..self }
    }

    /// Has files of containers' namespaces read by a broker.
    pub fn with_broker(self, broker: Broker) -> Self {
        Host { broker: Some(broker), ..self }
    }

    fn records(
        &self,
        subject: &Subject,
        standing: &Standing,
        sources: &[Source],
    ) -> Result<(Vec<Record>, bool), Error> {
        let mut batch = Batch::new(self, subject, standing);
        let records: Result<Vec<_>, _> =
            sources.iter().map(|source| batch.record(source)).collect();
        match records {
            Err(error) => {
                // The cause may well be that the subject has ended.
                subject.check()?;
                Err(error)
            }
            Ok(records) => Ok((records, batch.lost_leaf())),
        }
    }

    /// The inode of the pid namespace that this program runs in.
    pub(crate) fn own_namespace(&self) -> u64 {
        self.own_namespace
    }

    /// The files of the host that feeds share.
    pub(crate) fn files(&self) -> &HostFiles {
        &self.files
    }

    /// A number of this boot: the beginning of its random id.
    pub(crate) fn boot(&self) -> u32 {
        *self.boot.get_or_init(|| {
            let mut scratch = Scratch::default();
            let id = self.text(&mut scratch, "sys/kernel/random/boot_id");
            id.and_then(|id| u32::from_str_radix(id.get(..8)?, 16).ok()).unwrap_or_default()
        })
    }

    pub(crate) fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    pub(crate) fn procfs(&self) -> &PseudoFs {
        &self.procfs
    }

    pub(crate) fn sysfs(&self) -> Result<&PseudoFs, Error> {
        match self.sysfs.get() {
            Some(sysfs) => Ok(sysfs),
            None => {
                let sysfs = PseudoFs::open(&SYS)?;
                Ok(self.sysfs.get_or_init(|| sysfs))
            }
        }
    }

    pub(crate) fn hierarchy_set(&self) -> &Hierarchies {
        &self.hierarchies
    }
}

/// A `/proc` of another pid namespace numbers processes differently from the
/// system calls that we make.
fn check_numbering(procfs: &PseudoFs) -> Result<(), Error> {
    let myself = HostPid::current().to_string();
    match rustix::fs::readlinkat(procfs.as_fd(), "self", Vec::new()) {
        Ok(target) if target.to_bytes() == myself.as_bytes() => Ok(()),
        _ => Err(Error::ForeignMount {
            path: PROC.mount_point.to_owned(),
            reason: "it belongs to another pid namespace than this process",
        }),
    }
}
