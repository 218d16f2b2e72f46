//! The container's processes: who they are outside, and what the container
//! calls them.
//!
//! They are those of the pid namespace of the container's init and of the
//! namespaces below. A container that shares the host's has those of its
//! cgroup, and the host all.

use crate::content::{CGROUP_LIMIT, Scratch};
use crate::freshness::Moment;
use crate::process::PidNamespace;
use crate::stat::status_numbers;
use crate::subject::Standing;
use crate::tasks;
use crate::{Host, Subject, beneath, sys};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// How many processes are listed. The kernel allows more; what a policy is
/// handed must have an end.
const MAX_PROCESSES: usize = 65_536;

/// The processes at a moment.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Numbers outside and inside, by the one inside.
    rows: Vec<Row>,
    /// What a policy is handed.
    text: String,
}

type Row = (u32, u32, &'static str);

/// The roster that was taken last.
#[derive(Debug, Default)]
pub(crate) struct KeptRoster(Mutex<Option<(Moment, Arc<Roster>)>>);

impl KeptRoster {
    /// The roster, no older than the host's freshness says.
    pub(crate) fn get(
        &self,
        host: &Host,
        subject: &Subject,
        now: Moment,
    ) -> Result<Arc<Roster>, Errno> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((taken, roster)) = &*kept
            && !taken.is_stale(now, host.freshness().processes)
        {
            return Ok(Arc::clone(roster));
        }
        let roster = Arc::new(Roster::take(host, subject)?);
        *kept = Some((now, Arc::clone(&roster)));
        Ok(roster)
    }

    /// Has the next one taken anew.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Roster {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The host's number of a process.
    pub(crate) fn outside(&self, inside: u32) -> Option<u32> {
        let mut rows = self.rows.iter();
        rows.find(|(_, own, kind)| *own == inside && *kind == PROCESS).map(|row| row.0)
    }

    /// Whether a process of the host is one of them.
    pub(crate) fn has(&self, outside: u32) -> bool {
        self.rows.iter().any(|row| row.0 == outside)
    }

    fn take(host: &Host, subject: &Subject) -> Result<Self, Errno> {
        let mut scratch = Scratch::default();
        let mut rows = if !subject.in_own_namespace() {
            let mut census = Census::new(host, subject.pid_namespace(), subject)?;
            for pid in pids(host)? {
                census.add(pid);
            }
            census.finish()
        } else {
            let standing = subject.current_standing(host, &mut scratch).map_err(|_| Errno::SRCH)?;
            if standing.is_host {
                let pids = pids(host)?.into_iter();
                pids.map(|pid| (pid, pid, PROCESS)).collect()
            } else {
                of_group(host, &standing, &mut scratch)?
            }
        };
        rows.truncate(MAX_PROCESSES);
        rows.sort_unstable_by_key(|(outside, inside, _)| (*inside, *outside));
        let mut text = String::with_capacity(rows.len() * 24);
        for (outside, inside, kind) in &rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{outside} {inside} {kind}");
        }
        Ok(Roster { rows, text })
    }
}

const PROCESS: &str = "process";
const GROUP: &str = "group";
const THREAD: &str = "thread";

/// All processes that the host's procfs lists.
fn pids(host: &Host) -> Result<Vec<u32>, Errno> {
    numbers_in(beneath::open_listing(host.procfs().as_fd(), b".")?)
}

/// The names in a directory that are numbers.
pub(crate) fn numbers_in(directory: OwnedFd) -> Result<Vec<u32>, Errno> {
    let mut listing = Dir::new(directory)?;
    let mut numbers = Vec::new();
    while let Some(entry) = listing.read() {
        numbers.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The processes of a container that shares the host's pid namespace.
fn of_group(host: &Host, standing: &Standing, scratch: &mut Scratch) -> Result<Vec<Row>, Errno> {
    let tasks = tasks::of_own_group(host, standing, scratch)?.ok_or(Errno::ACCESS)?;
    let leaders: BTreeSet<u32> = tasks
        .into_iter()
        .filter_map(|id| status_numbers(&status(host, id)?, "Tgid:").first().copied())
        .collect();
    Ok(leaders.into_iter().map(|pid| (pid, pid, PROCESS)).collect())
}

fn status(host: &Host, pid: u32) -> Option<Vec<u8>> {
    let file = host.procfs().open_file(&format!("{pid}/status")).ok()?;
    Scratch::default().read(file.as_fd(), CGROUP_LIMIT).ok().map(<[u8]>::to_vec)
}

/// Counts the processes of a pid namespace.
struct Census<'h> {
    host: &'h Host,
    namespace: &'h PidNamespace,
    /// How many namespaces are above.
    level: usize,
    rows: Vec<Row>,
    groups: BTreeSet<(u32, u32)>,
    tracers: BTreeSet<u32>,
}

impl<'h> Census<'h> {
    fn new(
        host: &'h Host,
        namespace: &'h PidNamespace,
        subject: &'h Subject,
    ) -> Result<Self, Errno> {
        let level = level(host, subject)?;
        let (rows, groups, tracers) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        Ok(Census { host, namespace, level, rows, groups, tracers })
    }

    fn add(&mut self, pid: u32) {
        if self.rows.len() >= MAX_PROCESSES {
            return;
        }
        // Says at once, without a look at its status, whether a process is one
        // of the container's: most are not.
        let asked = sys::tgid_in_pid_namespace(self.namespace.as_fd(), pid);
        if matches!(asked, Err(Errno::SRCH)) {
            return;
        }
        let Some(status) = status(self.host, pid) else { return };
        let inside = match asked {
            Ok(inside) => inside,
            Err(_) => match self.by_status(pid, &status) {
                Some(inside) => inside,
                None => return,
            },
        };
        self.rows.push((pid, inside, PROCESS));
        for label in ["NSpgid:", "NSsid:"] {
            let ids = status_numbers(&status, label);
            if let (Some(outside), Some(inside)) = (ids.first(), ids.get(self.level))
                && *inside > 0
            {
                self.groups.insert((*outside, *inside));
            }
        }
        self.tracers.extend(status_numbers(&status, "TracerPid:").first().filter(|id| **id > 0));
    }

    /// What the container calls a process, if it is one of its own: for kernels
    /// that do not tell (before 6.11).
    fn by_status(&self, pid: u32, status: &[u8]) -> Option<u32> {
        let ids = status_numbers(status, "NSpid:");
        let inside = *ids.get(self.level)?;
        let above = ids.len() - self.level - 1;
        let directory = self.host.procfs().open_directory(&format!("{pid}/ns")).ok()?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut namespace = openat(&directory, "pid", flags, Mode::empty()).ok()?;
        for _ in 0..above {
            namespace = sys::parent_namespace(namespace.as_fd()).ok()?;
        }
        (fstat(namespace).ok()?.st_ino == self.namespace.inode()).then_some(inside)
    }

    fn finish(mut self) -> Vec<Row> {
        let known: BTreeSet<u32> = self.rows.iter().map(|row| row.0).collect();
        let gone = self.groups.iter().filter(|(outside, _)| !known.contains(outside));
        self.rows.extend(gone.map(|(outside, inside)| (*outside, *inside, GROUP)));
        for tracer in self.tracers.difference(&known) {
            let inside = status(self.host, *tracer).and_then(|status| {
                let is_member = match sys::tgid_in_pid_namespace(self.namespace.as_fd(), *tracer) {
                    Ok(_) => true,
                    Err(Errno::SRCH) => false,
                    Err(_) => self.by_status(*tracer, &status).is_some(),
                };
                let ids = status_numbers(&status, "NSpid:");
                ids.get(self.level).copied().filter(|_| is_member)
            });
            self.rows.extend(inside.map(|inside| (*tracer, inside, THREAD)));
        }
        self.rows
    }
}

/// How many pid namespaces are above that of a container.
pub(crate) fn level(host: &Host, subject: &Subject) -> Result<usize, Errno> {
    let init = status(host, subject.init().get()).ok_or(Errno::SRCH)?;
    Ok(status_numbers(&init, "NSpid:").len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{HostPid, Identity};
    use std::process::{Child, Command};

    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Kernels before 6.11 do not tell which processes are in a namespace.
    #[test]
    fn status_says_what_the_kernel_says() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let nested = ["-pf", "--kill-child", "unshare", "-pf", "--kill-child", "sleep", "1000"];
        let outer = Running(Command::new("unshare").args(nested).spawn().unwrap());
        let host = Host::open().unwrap();
        let child = |pid: u32| loop {
            let path = format!("/proc/{pid}/task/{pid}/children");
            let children = std::fs::read_to_string(path).unwrap();
            if let Some(child) = children.split_whitespace().next() {
                break child.parse::<u32>().unwrap();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        let init = child(outer.0.id());
        let inner = child(init);
        let subject = host.subject(HostPid::new(init).unwrap(), Identity::Init).unwrap();
        let census = Census::new(&host, subject.pid_namespace(), &subject).unwrap();
        let mut members = 0;
        for pid in [outer.0.id(), init, inner, std::process::id(), 1] {
            let told = match sys::tgid_in_pid_namespace(census.namespace.as_fd(), pid) {
                Ok(inside) => Some(inside),
                Err(Errno::SRCH) => None,
                // There is nothing to compare with.
                Err(_) => return,
            };
            let found = status(&host, pid).and_then(|status| census.by_status(pid, &status));
            assert_eq!(found, told, "process {pid}");
            members += usize::from(told.is_some());
        }
        assert_eq!(members, 2);
    }
}
