//! `CLOCK_BOOTTIME`: goes on while the machine is suspended, and is the same
//! for the worker before and the one after.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

pub(crate) fn boot_time() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
