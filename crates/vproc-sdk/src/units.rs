//! Amounts with their units, which cannot be mixed and do not wrap.
//!
//! ```
//! use vproc_sdk::units::{Bytes, Count, Kib, Nanos};
//!
//! assert_eq!(Bytes(4096).plus(Bytes(u64::MAX)), Bytes(u64::MAX));
//! assert_eq!(Bytes(4096).minus(Bytes(8192)), Bytes(0));
//! assert_eq!(Bytes(4096).kib(), Kib(4));
//! assert_eq!(Bytes(4096).min(Kib(2).bytes()).0, 2048);
//! assert_eq!(Nanos(1_500_000_000).centiseconds(), Count(150));
//! ```

pub use vproc_core::units::{Bytes, Count, Kib, Nanos, Ticks};
