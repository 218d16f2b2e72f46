//! Counting the tasks of the container.

use super::super::hidden;
use super::groups::{Group, Groups};
use super::{content, errno, number};
use vproc_snapshot::{CgroupVersion, Content, TaskCounts};

/// How many groups and tasks are looked at. Each is some calls of the runtime.
const MAX_GROUPS: usize = 1024;
const MAX_TASKS: usize = 4096;

/// Counts the threads of the container's group and the groups below it.
pub(super) fn count(groups: &Groups) -> Content {
    let own = groups.with_tasks().find_map(|group| Some((group, group.own_directory()?)));
    let Some((group, directory)) = own else { return Content::Absent(errno::EACCES) };
    match list(group, directory) {
        Ok(ids) => Content::Tasks(look_at(&ids)),
        Err(error) => Content::Absent(number(&error)),
    }
}

fn list(group: &Group, directory: String) -> std::io::Result<Vec<u32>> {
    let name = match group.version {
        CgroupVersion::V1 => "tasks",
        CgroupVersion::V2 => "cgroup.threads",
    };
    let mut ids = Vec::new();
    let mut groups = vec![directory];
    let mut next = 0;
    while let Some(directory) = groups.get(next).cloned() {
        next += 1;
        let listed = match hidden::read(&format!("{directory}/{name}")) {
            Ok(listed) => listed,
            // A group may end meanwhile; the container's own may not.
            Err(error) if next == 1 => return Err(error),
            Err(_) => continue,
        };
        let lines = listed.split(|byte| *byte == b'\n');
        // The kernel prints 0 for what we cannot see.
        let numbers = lines.filter_map(|line| std::str::from_utf8(line).ok()?.parse::<u32>().ok());
        ids.extend(numbers.filter(|id| *id > 0));
        for entry in hidden::list(&directory)? {
            if groups.len() < MAX_GROUPS && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                groups.push(format!("{directory}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn look_at(ids: &[u32]) -> TaskCounts {
    let mut counts = TaskCounts::default();
    for id in ids.iter().take(MAX_TASKS) {
        // Below `task/`, a thread's numbers are its own.
        let Content::Text(stat) = content(&format!("/vproc/proc/{id}/task/{id}/stat")) else {
            continue;
        };
        let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
        counts.total += 1;
        counts.running += u32::from(state == Some('R'));
        counts.blocked += u32::from(state == Some('D'));
    }
    counts
}
