//! What a container's cgroup says, the same for v1 and v2.
//!
//! Each module has `NEEDS`, which an entry has to ask for, and a type that is
//! read from them by a [`View`](crate::View): see [`view`](crate::view).
//!
//! ```
//! use vproc_sdk::cgroup::{cpu, cpu::CpuView, cpuset::CpuSet};
//! use vproc_sdk::prelude::*;
//! use vproc_sdk::view;
//!
//! struct WithCount;
//!
//! impl Policy for WithCount {
//!     const NAME: &str = "with-count";
//!
//!     fn added() -> Vec<Entry> {
//!         let mut entry = Entry::file("/proc/cpucount", Class::Virtual, "how many CPUs");
//!         entry.needs.extend_from_slice(cpu::NEEDS);
//!         Vec::from([entry])
//!     }
//!
//!     fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
//!         match path {
//!             "/proc/cpucount" => {
//!                 let count = view(snapshot, |view| Ok(CpuView::read(view)?.count()))?;
//!                 Ok(format!("{count}\n").into())
//!             }
//!             _ => next.render(path, snapshot),
//!         }
//!     }
//! }
//!
//! // Lists of CPUs, as cpusets and `/sys` have them.
//! assert_eq!(CpuSet::parse("cpuset.cpus.effective", "0-2,5\n").unwrap().len(), 4);
//! # let machine = vproc_sdk::capture::Machine::read("../../fixtures/v1-run-256m.json").unwrap();
//! # assert_eq!(machine.text::<WithCount>("/proc/cpucount").as_deref(), Ok("2\n"));
//! ```

pub use vproc_core::cgroup::{
    Limit, cpu, cpuset, cputime, events, hugetlb, io, memory, nodes, own_found, own_text,
};
