//! Counting the tasks of a container.

use crate::beneath;
use crate::content::{CGROUP_LIMIT, HOST_LIMIT, Scratch};
use crate::hierarchy::{Hierarchies, Spot};
use crate::membership::{Group, Membership};
use crate::process::PidNamespace;
use crate::pseudofs::PseudoFs;
use crate::stat::{Stat, status_numbers};
use crate::subject::Standing;
use crate::{Host, Subject};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Dir, fstat, statat};
use rustix::io::Errno;
use vproc_snapshot::{CgroupVersion, TaskCounts};

mod sampler;

pub use sampler::TaskSampler;

/// How deep groups may be nested and how many are looked into. The kernel
/// allows more; nobody uses it but to slow us down.
const MAX_NESTING: u32 = 64;
const MAX_GROUPS: u32 = 16_384;

/// How many tasks are looked at: half a second's work.
const MAX_TASKS: usize = 65_536;

/// v1 hierarchies in the order in which they are asked where a container's
/// tasks are. Runtimes always set `pids` up; v2 comes last on a hybrid host,
/// because runtimes that only know v1 leave containers in the v2 group of
/// their daemon, all in one.
const V1_ORDER: [&str; 7] =
    ["pids", "cpu", "cpuacct", "memory", "freezer", "devices", "name=systemd"];

/// Counts the threads of the container's group and the groups below it.
///
/// A container that no hierarchy tells apart from the host is counted by its
/// pid namespace; the host itself by all that `/proc` lists. The error stands
/// among the readings, like that of any other input.
pub(crate) fn count(
    host: &Host,
    subject: &Subject,
    standing: &Standing,
    scratch: &mut Scratch,
) -> Result<TaskCounts, Errno> {
    let Some((group, spot)) = group_of_its_own(host.hierarchy_set(), &standing.membership) else {
        return count_without_group(host, subject, standing, scratch);
    };
    let directory = beneath::open_directory(spot.directory, &spot.names.join(&b'/'))?;
    let ids = Roll::of_group(group.version(), directory.as_fd(), scratch)?;
    Ok(look_at(host.procfs(), &ids, subject, scratch))
}

/// The ids of the threads in the group that only the container's are in.
pub(crate) fn of_own_group(
    host: &Host,
    standing: &Standing,
    scratch: &mut Scratch,
) -> Result<Option<Vec<u32>>, Errno> {
    let found = group_of_its_own(host.hierarchy_set(), &standing.membership);
    let Some((group, spot)) = found else { return Ok(None) };
    let directory = beneath::open_directory(spot.directory, &spot.names.join(&b'/'))?;
    Roll::of_group(group.version(), directory.as_fd(), scratch).map(Some)
}

/// Counts what no group tells apart.
fn count_without_group(
    host: &Host,
    subject: &Subject,
    standing: &Standing,
    scratch: &mut Scratch,
) -> Result<TaskCounts, Errno> {
    let namespace = match (standing.is_host, subject.in_own_namespace()) {
        (true, _) => None,
        (false, true) => return Err(Errno::ACCESS),
        (false, false) => Some(subject.pid_namespace()),
    };
    let ids = Roll::of_processes(host.procfs(), namespace, scratch)?;
    Ok(look_at(host.procfs(), &ids, subject, scratch))
}

/// The group that only the container's tasks are in.
pub(crate) fn group_of_its_own<'h, 'm>(
    hierarchies: &'h Hierarchies,
    membership: &'m Membership,
) -> Option<(&'m Group, Spot<'h>)> {
    let v1 = V1_ORDER.iter().filter_map(|controller| membership.v1(controller));
    let v2 = membership.v2();
    let ordered: Vec<&Group> = if membership.groups().iter().any(Group::has_controllers) {
        v1.chain(v2).collect()
    } else {
        v2.into_iter().chain(v1).collect()
    };
    ordered.into_iter().find_map(|group| {
        let spot = hierarchies.locate(group).filter(|spot| spot.depth() > 0)?;
        Some((group, spot))
    })
}

/// Task ids that were listed.
struct Roll<'s> {
    scratch: &'s mut Scratch,
    ids: Vec<u32>,
    groups: u32,
}

impl<'s> Roll<'s> {
    fn new(scratch: &'s mut Scratch) -> Self {
        Roll { scratch, ids: Vec::new(), groups: 0 }
    }

    /// The ids of a group and the groups below it, each once.
    fn of_group(
        version: CgroupVersion,
        group: BorrowedFd<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<Vec<u32>, Errno> {
        let mut roll = Roll::new(scratch);
        roll.add_group(version, group, 0)?;
        Ok(roll.sorted())
    }

    /// The ids of the threads of every process, or of those in a pid
    /// namespace.
    fn of_processes(
        procfs: &PseudoFs,
        namespace: Option<&PidNamespace>,
        scratch: &'s mut Scratch,
    ) -> Result<Vec<u32>, Errno> {
        let mut roll = Roll::new(scratch);
        roll.add_processes(procfs, namespace)?;
        Ok(roll.sorted())
    }

    fn sorted(mut self) -> Vec<u32> {
        self.ids.sort_unstable();
        self.ids.dedup();
        self.ids
    }

    fn add_group(
        &mut self,
        version: CgroupVersion,
        group: BorrowedFd<'_>,
        nesting: u32,
    ) -> Result<(), Errno> {
        self.groups += 1;
        self.add_tasks(version, group)?;
        // Of a directory on kernfs, as on most file systems: 2, and one for
        // each directory in it. To list it costs as much as five tasks.
        if fstat(group)?.st_nlink == 2 {
            return Ok(());
        }
        for name in beneath::directories(group)? {
            if nesting >= MAX_NESTING || self.groups >= MAX_GROUPS || self.is_full() {
                break;
            }
            // A group may end while its parent is listed.
            let child = beneath::open_directory(group, &name);
            match child.and_then(|child| self.add_group(version, child.as_fd(), nesting + 1)) {
                Err(Errno::NOENT | Errno::NODEV) => {}
                added => added?,
            }
        }
        Ok(())
    }

    fn add_tasks(&mut self, version: CgroupVersion, group: BorrowedFd<'_>) -> Result<(), Errno> {
        let name = match version {
            CgroupVersion::V1 => "tasks",
            CgroupVersion::V2 => "cgroup.threads",
        };
        // Opened anew each time: on v1, a file that stays open goes on with
        // the list that it has (`cgroup_pidlist_start`).
        let file = beneath::open_file(group, name.as_bytes())?;
        let text = self.scratch.read(file.as_fd(), HOST_LIMIT).map_err(|unread| match unread {
            crate::content::Unread::Errno(errno) => errno,
            crate::content::Unread::TooLarge => Errno::FBIG,
        })?;
        self.ids.extend(numbers(text));
        Ok(())
    }

    fn add_processes(
        &mut self,
        procfs: &PseudoFs,
        namespace: Option<&PidNamespace>,
    ) -> Result<(), Errno> {
        let mut listing = list(procfs.as_fd(), b".")?;
        while let Some(entry) = listing.read() {
            let entry = entry?;
            let Some(pid) = number(entry.file_name().to_bytes()) else { continue };
            if self.is_full() {
                break;
            }
            if namespace.is_some_and(|wanted| inode(procfs, pid) != Some(wanted.inode())) {
                continue;
            }
            let Ok(mut threads) = list(procfs.as_fd(), format!("{pid}/task").as_bytes()) else {
                continue;
            };
            while let Some(Ok(thread)) = threads.read() {
                self.ids.extend(number(thread.file_name().to_bytes()));
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= MAX_TASKS
    }
}

fn list(root: BorrowedFd<'_>, path: &[u8]) -> Result<Dir, Errno> {
    Dir::new(beneath::open_listing(root, path)?)
}

/// The inode of a process's pid namespace.
fn inode(procfs: &PseudoFs, pid: u32) -> Option<u64> {
    let directory = procfs.open_directory(&format!("{pid}/ns")).ok()?;
    statat(&directory, "pid", AtFlags::empty()).ok().map(|stat| stat.st_ino)
}

/// Ids of tasks that we can see: the kernel prints 0 for others.
fn numbers(text: &[u8]) -> impl Iterator<Item = u32> {
    text.split(|byte| *byte == b'\n').filter_map(number).filter(|id| *id > 0)
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn look_at(procfs: &PseudoFs, ids: &[u32], subject: &Subject, scratch: &mut Scratch) -> TaskCounts {
    let mut counts = TaskCounts::default();
    let mut newest: Option<(u64, u32)> = None;
    for id in ids.iter().take(MAX_TASKS) {
        // Below `task/`, a thread's numbers are its own. At `/proc/TID/stat`
        // the kernel adds up all threads of its group each time.
        let Some(stat) = task_file(procfs, scratch, *id, "stat").and_then(Stat::parse) else {
            continue;
        };
        counts.total += 1;
        counts.running += u32::from(stat.state == b'R');
        counts.blocked += u32::from(stat.state == b'D');
        newest = newest.max(Some((stat.start, *id)));
    }
    counts.last_pid = newest
        .and_then(|(_, id)| number_in_container(procfs, scratch, id, subject))
        .unwrap_or_default();
    counts
}

fn task_file<'s>(
    procfs: &PseudoFs,
    scratch: &'s mut Scratch,
    id: u32,
    name: &str,
) -> Option<&'s [u8]> {
    let file = procfs.open_file(&format!("{id}/task/{id}/{name}")).ok()?;
    scratch.read(file.as_fd(), CGROUP_LIMIT).ok()
}

/// What the container calls a task: `NSpid:` lists its ids from our own
/// namespace down, so the container's init says at which place to look.
fn number_in_container(
    procfs: &PseudoFs,
    scratch: &mut Scratch,
    id: u32,
    subject: &Subject,
) -> Option<u32> {
    let init = subject.init().get();
    let level = status_numbers(task_file(procfs, scratch, init, "status")?, "NSpid:").len();
    let place = level.checked_sub(1)?;
    let ids = status_numbers(task_file(procfs, scratch, id, "status")?, "NSpid:");
    // A task as deep as the container, yet in another namespace: somebody put
    // it into the container's group from outside.
    let is_stranger = ids.len() == level
        && inode(procfs, id).is_some_and(|found| found != subject.pid_namespace().inode());
    if is_stranger { None } else { ids.get(place).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_we_cannot_see_are_left_out() {
        assert_eq!(numbers(b"17\n0\n18\n\n").collect::<Vec<_>>(), [17, 18]);
    }
}
