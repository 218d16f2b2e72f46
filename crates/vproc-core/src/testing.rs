//! Snapshots for the tests of renderers, in a line each.

use crate::contract::{Content, Environment, Input, Snapshot, TaskCounts};
use alloc::vec::Vec;

/// A second of `now`.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A container on a usual host.
pub(crate) fn snapshot(inputs: Vec<Input<'_>>) -> Snapshot<'_> {
    Snapshot {
        environment: Environment {
            page_size: 4096,
            user_hz: 100,
            huge_page_size: 2 << 20,
            machine: "x86_64",
            settings: Vec::new(),
        },
        now: 1000 * SECOND,
        is_host: false,
        state: None,
        inputs,
    }
}

/// A file of the host or of a process.
pub(crate) fn host<'a>(key: &'a str, text: &'a str) -> Input<'a> {
    cgroup(key, 0, 0, text)
}

/// A file of a group `level` above the leaf and `depth` below the root.
pub(crate) fn cgroup<'a>(key: &'a str, level: u32, depth: u32, text: &'a str) -> Input<'a> {
    Input { key, level, depth, content: Content::Text(text) }
}

/// Counts over the container's tasks.
pub(crate) fn tasks(total: u32, running: u32, blocked: u32, last_pid: u32) -> Input<'static> {
    let counts = TaskCounts { total, running, blocked, last_pid };
    Input { key: "tasks", level: 0, depth: 0, content: Content::Tasks(counts) }
}
