//! What a vproc policy declares and receives, as data on the side of the host.
//!
//! The shapes are those of `wit/policy.wit`. [`Manifest`] is what a policy
//! declares; [`Readings`] are what a host found where the needs pointed;
//! [`Snapshot`] is the part of them that one entry asked for. A [`Capture`] is
//! readings on disk: rendering from it and rendering live go through the same
//! [`Readings::snapshot`]. An [`Explanation`] is why a render came out so.

mod capture;
mod contract;
pub mod explanation;
pub mod pattern;
mod readings;
mod redact;
mod source;

pub use capture::{Capture, CaptureError, CgroupLayout, FORMAT, Origin, PolicyIdentity};
pub use contract::{
    Class, Entry, Environment, History, Kind, Knob, Manifest, Need, Setting, TaskCounts,
};
pub use explanation::Explanation;
pub use readings::{Content, Input, Reading, Readings, Record, Snapshot, SourceNotRead};
pub use source::{CgroupVersion, MalformedSource, Process, Scope, Source};
