//! What lxcfs gets wrong, got right: a test for each value that it is known to
//! show wrong, in lxcfs 5.0 to 7.0. The line above a test says what lxcfs shows
//! there, with the number of its public issue where there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod cpu;
mod devices;
mod memory;
mod time;

use support::World;
use support::machine::{Kernel, Machine};
use vproc_core::contract::TaskCounts;

/// What the host's kernel prints for everything that it counts.
const HOSTS: u64 = 4321;

/// A container on a host with 4 CPUs, 16 GiB and 4 GiB of swap, which has run
/// for 200 seconds; the container started after 100.
fn container() -> World {
    let machine = Machine { activity: HOSTS, ..Machine::new(Kernel::New) };
    let tasks = TaskCounts { total: 5, running: 2, blocked: 1, last_pid: 9 };
    let world = World { host: machine.files(), tasks: Some(tasks), ..World::empty() };
    started_as(world, "init")
}

fn started_as(mut world: World, command: &str) -> World {
    let stat = format!("1 ({command}) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 10000 0\n");
    world.processes.insert("init/stat".into(), stat.into());
    world
}

/// The numbers of the line that begins with `label`.
#[track_caller]
fn row(text: &str, label: &str) -> Vec<u64> {
    let line = text.lines().find(|line| line.split([' ', ':']).next() == Some(label));
    let words = line.unwrap_or_else(|| panic!("no {label} in {text}")).split_ascii_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Whether a number of the host's stands anywhere.
fn shows_the_host(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_digit());
    words.any(|word| word == HOSTS.to_string())
}
