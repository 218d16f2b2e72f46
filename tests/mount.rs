//! Files that are served live, whatever dies meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

#[path = "mount/access.rs"]
mod access;
#[path = "mount/catalogue.rs"]
mod catalogue;
#[path = "mount/container.rs"]
mod container;
#[path = "mount/exhaustion.rs"]
mod exhaustion;
#[path = "mount/fixture.rs"]
mod fixture;
#[path = "mount/lxcfs.rs"]
mod lxcfs;
#[path = "mount/namespaces.rs"]
mod namespaces;
#[path = "mount/policies.rs"]
mod policies;
#[path = "mount/pressure.rs"]
mod pressure;
#[path = "mount/reader.rs"]
mod reader;
#[path = "mount/serving.rs"]
mod serving;
#[path = "mount/status.rs"]
mod status;
#[path = "mount/storm.rs"]
mod storm;
#[path = "mount/succession.rs"]
mod succession;
#[path = "mount/trust.rs"]
mod trust;
#[path = "mount/written.rs"]
mod written;
