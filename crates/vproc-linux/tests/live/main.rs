//! Against the kernel that runs the tests: its own groups, processes and
//! namespaces. What needs root, or a hierarchy that this host does not have,
//! says on standard error that it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod feed;
mod groups;
mod namespaces;
mod processes;
mod readers;
mod sampler;
mod stage;
mod tasks;
mod trust;
