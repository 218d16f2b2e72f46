//! Writes vproc policies in Rust: the default policy, with what you change.
//!
//! ```
//! //! At least two CPUs, rounded up.
//! #![cfg_attr(target_family = "wasm", no_std)]
//! use vproc_sdk::prelude::*;
//!
//! struct AtLeastTwo;
//!
//! impl Policy for AtLeastTwo {
//!     const NAME: &str = "at-least-two";
//!     const FIXED: &[(&str, &str)] = &[("cpu-minimum", "2"), ("cpu-rounding", "ceil")];
//! }
//!
//! vproc_sdk::export!(AtLeastTwo);
//! ```
//!
//! In a crate of the type `cdylib`, `cargo build --release --target
//! wasm32-wasip2` makes a component of it, which imports nothing:
//! `vprocctl policy check` says whether it is fit to be used. Without `std` there
//! is no WASI, so this crate brings an allocator and a panic handler (the feature
//! `runtime`, which is on by default).
//!
//! What a policy does not say is as the default policy has it, today's and
//! that of the version that you build against tomorrow:
//!
//! - [`Policy::PRESET`] and [`Policy::FIXED`] turn knobs of the default policy;
//! - [`Policy::entry`] changes what is declared of a file: denies it, empties
//!   it, asks for further inputs, takes it away;
//! - [`Policy::added`] declares further files;
//! - [`Policy::render`] writes a file, from the inputs alone or from what
//!   [`Next`] makes of them;
//! - [`Policy::explain`] says why. Without it, a file that [`Policy::render`]
//!   has changed is not explained; [`explanation`] helps to.
//!
//! To compute with, there is what the default policy itself computes with:
//! [`text`], [`units`], [`cgroup`] and [`View`]. With the feature `captures`
//! there are recorded machines to test with, natively, in the module `capture`.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod answer;
#[cfg(all(feature = "captures", not(target_family = "wasm")))]
pub mod capture;
pub mod cgroup;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod component;
mod entry;
pub mod explanation;
mod policy;
#[cfg(all(feature = "runtime", target_family = "wasm"))]
mod runtime;
pub mod text;
pub mod units;

pub use answer::{explain, manifest, render};
pub use entry::Entry;
pub use policy::{Next, Policy};
pub use vproc_core::contract::{
    CgroupVersion, Class, Content, Environment, History, Input, Kind, Need, Process, Scope,
    Snapshot, Source, TaskCounts,
};
pub use vproc_core::explain::Explanation;
pub use vproc_core::knobs::{KNOBS, Knob, Knobs};
pub use vproc_core::{Error, Found, Rendered, View};

/// What nearly every policy uses.
pub mod prelude {
    pub use crate::text::Text;
    pub use crate::{
        Class, Content, Entry, Error, Kind, Need, Next, Policy, Rendered, Scope, Snapshot,
    };
    pub use alloc::format;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
}

/// Reads a snapshot as renderers of the default policy do.
///
/// ```
/// use vproc_sdk::{Error, Snapshot, cgroup::memory::Memory, view};
///
/// /// The lowest limit of the container and of all groups around it.
/// fn limit(snapshot: &Snapshot<'_>) -> Result<Option<u64>, Error> {
///     let memory = view(snapshot, |view| Memory::read(view))?;
///     Ok(memory.limit.map(|limit| limit.bytes.0))
/// }
/// # use vproc_sdk::{Content, Environment, Input};
/// # let environment = Environment { page_size: 4096, user_hz: 100, huge_page_size: 0,
/// #     machine: "x86_64", settings: vec![] };
/// # let max = Input { key: "memory.max", level: 0, depth: 1, content: Content::Text("4096\n") };
/// # let now = Input { key: "memory.current", content: Content::Text("1\n"), ..max };
/// # let stat = Input { key: "memory.stat", content: Content::Text("anon 1\n"), ..max };
/// # let inputs = vec![max, now, stat];
/// # let snapshot = Snapshot { environment, now: 0, is_host: false, state: None, inputs };
/// # assert_eq!(limit(&snapshot), Ok(Some(4096)));
/// ```
pub fn view<T>(
    snapshot: &Snapshot<'_>,
    read: impl FnOnce(&View<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let knobs = Knobs::parse(snapshot.environment.settings.iter().copied())?;
    read(&View::of(snapshot, &knobs))
}

/// Makes a component of a [`Policy`]. The version that it declares is that of
/// the crate in which this stands.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        #[cfg(not(target_family = "wasm"))]
        const _: &str = <$policy as $crate::Policy>::NAME;

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)] // generated bindings
        const _: () = {
            struct Exported;
            impl $crate::component::Exported for Exported {
                type Policy = $policy;
                const VERSION: &str = env!("CARGO_PKG_VERSION");
            }
            type Component = $crate::component::Component<Exported>;
    $crate::component::export!(Component with_types_in $crate::component);
        };
    };
}
