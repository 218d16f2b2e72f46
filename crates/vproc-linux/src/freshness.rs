//! How old an answer may be.

use std::time::Duration;

/// How old what is kept may be when it is handed out: by a
/// [`Feed`](crate::Feed), by [`Readers`](crate::Readers). Zero means that it
/// is read each time. [`Host::read`](crate::Host::read) keeps nothing.
///
/// What has no age here is never older than the call: cgroup files that exist,
/// whether the subject lives, and the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Which groups a process is in. Costs 4 µs to ask on a host with ten
    /// hierarchies, more than all limits of a group together.
    pub membership: Duration,
    /// That a group lacks a file. A controller may be enabled later. The files
    /// of a root group are there from the start, or never.
    pub absence: Duration,
    /// Files of the host. One copy is shared by all feeds.
    pub host: Duration,
    /// Files of a process.
    pub process: Duration,
    /// Counts over tasks.
    pub tasks: Duration,
    /// Which processes there are. One that is asked for by its number is found
    /// even if it is younger.
    pub processes: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Freshness {
            membership: Duration::from_millis(10),
            absence: Duration::from_secs(1),
            host: Duration::from_millis(20),
            process: Duration::from_secs(1),
            tasks: Duration::from_millis(500),
            processes: Duration::from_millis(20),
        }
    }
}

impl Freshness {
    /// Everything is read each time.
    pub const ALWAYS: Freshness = Freshness {
        membership: Duration::ZERO,
        absence: Duration::ZERO,
        host: Duration::ZERO,
        process: Duration::ZERO,
        tasks: Duration::ZERO,
        processes: Duration::ZERO,
    };
}

/// A moment of `CLOCK_BOOTTIME`, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
        Moment(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
    }

    /// Whether what was read at this moment is too old at another.
    pub(crate) fn is_stale(self, now: Moment, limit: Duration) -> bool {
        u128::from(now.0.saturating_sub(self.0)) >= limit.as_nanos()
    }
}
