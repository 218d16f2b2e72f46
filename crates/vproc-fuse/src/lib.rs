//! Serves a vproc policy as a file system: the files that containers have in
//! place of the kernel's, live.
//!
//! Two processes do it. The *holder* ([`hold`]) mounts and keeps the
//! descriptor of the connection; it is so small that there is nothing in it to
//! fail. The *worker* ([`work`]) reads requests, renders and answers. It may be
//! killed, replaced by a new version, or hang: the holder starts another one,
//! the kernel hands over the requests that were under way, and readers have
//! waited a few milliseconds. What the next worker has to know lies in a
//! directory on a tmpfs ([`StateDirectory`]). What takes privileges that a worker
//! must not have, a process beside it does ([`serve_worker`]).

mod board;
mod broker;
mod clock;
mod container;
mod control;
mod directory;
mod handle;
mod holder;
mod metrics;
mod node;
mod privileges;
mod psi;
mod registry;
mod server;
mod state;
mod status;
mod succession;
mod tree;
mod turn;
mod worker;

pub use board::{Choice, Component, Rejected};
pub use broker::serve_worker;
pub use control::{Answer, Command, NoAnswer, ask};
pub use holder::{HoldError, Program, Supervisor, hold};
pub use metrics::FileStatus;
pub use state::StateDirectory;
pub use status::{ContainerStatus, PolicyStatus, Report};
pub use succession::{NoSuccession, is_mounted};
pub use worker::{Settings, work};
