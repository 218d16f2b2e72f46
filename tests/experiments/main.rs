//! Experiments on the kernel that runs: a process uses memory and swap of one
//! kind, as much as the test says, and what a container is shown must move by
//! that much. Nothing that is expected here is computed by vproc.
//!
//! The same experiments run on cgroup v1 and v2. They make groups, processes
//! and, where the machine has zram, disks and swap areas, and remove them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../command/mod.rs"]
mod command;

mod amounts;
mod disk;
mod drive;
mod driver;
mod limits;
mod oom;
mod programs;
mod shown;
mod stage;
mod swap;
