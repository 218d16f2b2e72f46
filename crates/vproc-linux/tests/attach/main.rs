//! Attaching to containers that run: a tmpfs stands for the mount of vproc.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod containers;
mod foreign;
mod hostile;
#[allow(dead_code)]
#[path = "../live/stage.rs"]
mod live_stage;
#[allow(dead_code, unreachable_pub, missing_docs)]
#[path = "../../../../tests/runtimes/mod.rs"]
mod runtimes;
mod stage;
mod with_runtimes;
