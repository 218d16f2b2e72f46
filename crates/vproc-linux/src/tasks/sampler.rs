//! Counting the tasks of a container every few seconds.

use super::{Roll, count, group_of_its_own, look_at};
use crate::beneath;
use crate::content::{CGROUP_LIMIT, Scratch};
use crate::freshness::Moment;
use crate::kept::{End, keep, read_again};
use crate::membership::Group;
use crate::subject::Standing;
use crate::{Error, Host, Subject};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::sync::Arc;
use vproc_snapshot::{CgroupVersion, TaskCounts};

/// Counts the tasks of one subject again and again. Costs one or two reads for
/// a container in which nothing has run since the last time.
///
/// This is how it knows: a task that is to become runnable or blocked must run
/// for that (a sleeper that is woken is put on a CPU, a fork runs in the
/// parent, a system call blocks the task that makes it), and whatever runs is
/// charged to its group and those above. So where nothing ran or was blocked
/// the last time, and neither the CPU time nor the number of tasks has
/// changed, the counts are those of the last time. Not so, for a moment: of a
/// task that was woken and waits for its first CPU, longer if a group above is
/// throttled or all CPUs are taken by others; of one that runs since less than
/// a tick; of tasks that the freezer stopped in their sleep, which the kernel
/// does not count in its own load either. The next sample sees those that
/// matter.
#[derive(Debug)]
pub struct TaskSampler {
    subject: Arc<Subject>,
    /// The moves of the subject when `standing` was taken.
    moves: u64,
    standing: Option<Standing>,
    group: Option<CountedGroup>,
    last: Option<TaskCounts>,
    scratch: Scratch,
}

impl TaskSampler {
    /// A sampler that has not counted yet.
    pub fn new(subject: Arc<Subject>) -> Self {
        let scratch = Scratch::default();
        TaskSampler { subject, moves: 0, standing: None, group: None, last: None, scratch }
    }

    /// Counts.
    pub fn sample(&mut self, host: &Host) -> Result<TaskCounts, Error> {
        let counts = self.sample_at(host, Moment::now());
        self.subject.check()?;
        counts?
            .map_err(|errno| Error::at(format!("tasks of process {}", self.subject.pid()), errno))
    }

    /// How many descriptors it keeps open.
    pub fn descriptors(&self) -> usize {
        self.group.as_ref().map_or(0, CountedGroup::descriptors)
    }

    /// Counts; the errno is that of an input that cannot be read.
    pub(crate) fn sample_at(
        &mut self,
        host: &Host,
        now: Moment,
    ) -> Result<Result<TaskCounts, Errno>, Error> {
        let moves = self.subject.moves(host, now)?;
        if self.moves != moves {
            (self.moves, self.standing, self.group) = (moves, None, None);
        }
        let mut counts = self.count(host)?;
        if matches!(counts, Err(Errno::NODEV | Errno::NOENT)) {
            // The group is gone, so the subject is somewhere else.
            (self.standing, self.group) = (None, None);
            counts = self.count(host)?;
        }
        self.last = counts.ok();
        Ok(counts)
    }

    fn count(&mut self, host: &Host) -> Result<Result<TaskCounts, Errno>, Error> {
        let standing = match &mut self.standing {
            Some(standing) => standing,
            none => none.insert(self.subject.current_standing(host, &mut self.scratch)?),
        };
        if self.group.is_none() {
            self.last = None;
            match CountedGroup::open(host, standing) {
                Ok(group) => self.group = group,
                Err(errno) => return Ok(Err(errno)),
            }
        }
        let Some(group) = &mut self.group else {
            return Ok(count(host, &self.subject, standing, &mut self.scratch));
        };
        let has_run = match group.has_run() {
            Ok(has_run) => has_run,
            Err(errno) => return Ok(Err(errno)),
        };
        match self.last {
            Some(last) if !has_run && last.running == 0 && last.blocked == 0 => Ok(Ok(last)),
            _ => {
                let ids = Roll::of_group(group.version, group.directory.as_fd(), &mut self.scratch);
                Ok(ids.map(|ids| look_at(host.procfs(), &ids, &self.subject, &mut self.scratch)))
            }
        }
    }
}

/// The group that is counted, kept open.
#[derive(Debug)]
struct CountedGroup {
    version: CgroupVersion,
    directory: OwnedFd,
    /// CPU time of the group and those below it.
    usage: Option<Counter>,
    /// Number of tasks of the group and those below it. Not the total that is
    /// wanted: it counts tasks that have ended and were not waited for.
    current: Option<Counter>,
}

impl CountedGroup {
    /// Opens the group, if there is one and it can be kept.
    fn open(host: &Host, standing: &Standing) -> Result<Option<Self>, Errno> {
        let found = group_of_its_own(host.hierarchy_set(), &standing.membership);
        let Some((group, spot)) = found else { return Ok(None) };
        let directory = beneath::open_directory(spot.directory, &spot.names.join(&b'/'))?;
        let Some(directory) = keep(directory) else { return Ok(None) };
        let usage = open_usage(host, standing, group, directory.as_fd()).and_then(Counter::new);
        let current = beneath::open_file(directory.as_fd(), b"pids.current").ok();
        let current = current.and_then(Counter::new);
        Ok(Some(CountedGroup { version: group.version(), directory, usage, current }))
    }

    /// Whether anything may have happened in it since this was asked last.
    fn has_run(&mut self) -> Result<bool, Errno> {
        let Some(usage) = &mut self.usage else { return Ok(true) };
        let mut changed = usage.changed()?;
        if let Some(current) = &mut self.current {
            changed |= current.changed()?;
        }
        Ok(changed)
    }

    fn descriptors(&self) -> usize {
        1 + usize::from(self.usage.is_some()) + usize::from(self.current.is_some())
    }
}

/// Opens the file that has a group's CPU time. On v1 it is in another
/// hierarchy, and only counts if the subject has the same path there: else the
/// groups may have other tasks.
fn open_usage(
    host: &Host,
    standing: &Standing,
    group: &Group,
    directory: BorrowedFd<'_>,
) -> Option<OwnedFd> {
    if group.version() == CgroupVersion::V2 {
        return beneath::open_file(directory, b"cpu.stat").ok();
    }
    let membership = &standing.membership;
    let (charged, name) = match membership.v1("cpuacct") {
        Some(charged) => (charged, "cpuacct.usage"),
        None => (membership.v2()?, "cpu.stat"),
    };
    if charged.raw_path() != group.raw_path() {
        return None;
    }
    let spot = host.hierarchy_set().locate(charged)?;
    let mut path = spot.names.join(&b'/');
    path.push(b'/');
    path.extend_from_slice(name.as_bytes());
    beneath::open_file(spot.directory, &path).ok()
}

/// A number at the beginning of a file.
#[derive(Debug)]
struct Counter {
    file: OwnedFd,
    line: Vec<u8>,
    next: Vec<u8>,
}

impl Counter {
    fn new(file: OwnedFd) -> Option<Self> {
        Some(Counter { file: keep(file)?, line: Vec::new(), next: Vec::new() })
    }

    fn changed(&mut self) -> Result<bool, Errno> {
        let read = read_again(self.file.as_fd(), &mut self.next, CGROUP_LIMIT, End::ShortRead);
        read.map_err(|unread| match unread {
            crate::content::Unread::Errno(errno) => errno,
            crate::content::Unread::TooLarge => Errno::FBIG,
        })?;
        // Behind the first line of `cpu.stat`, periods are counted that pass.
        let end = self.next.iter().position(|byte| *byte == b'\n').unwrap_or(self.next.len());
        self.next.truncate(end);
        let changed = self.next != self.line;
        std::mem::swap(&mut self.next, &mut self.line);
        Ok(changed)
    }
}
