//! CPU time of a container, for each CPU that it sees.
//!
//! cgroup v2 counts CPU time of a group as a whole, v1 also for each CPU of
//! the host. What is shown follows from that:
//!
//! - Where the container sees its cpuset as it is and v1 counts, each CPU
//!   shows what the container used of it.
//! - Else the CPUs are a number, not particular ones, and what the container
//!   used is spread evenly over them.
//! - The time on the container's clock ([`process::clock`]) in which a CPU was
//!   not busy it was idle. Without a time namespace that clock is the host's: a
//!   group may be older than the init that runs in it now, and what it used
//!   before needs a past to have been used in.
//! - Where no group of the container's own counts CPU time, it was never busy.
//! - Time in which the quota held the container back is idle time, or steal
//!   if the `steal` knob says so.
//! - `iowait`, `irq`, `softirq` and `guest` are not counted by cgroups.
//!
//! Without a state all of this is a function of the present counters. With
//! one, the time since the last render is added to what was shown then, so
//! that nothing falls when a quota or a cpuset changes: what a CPU showed that
//! the container does not see any more stays in the sums. What is printed is
//! never more than what was counted: each number is rounded down by itself.

mod ledger;
mod usage;

use super::cpu::CpuView;
use crate::contract::{History, Need};
use crate::process;
use crate::trace::Trace;
use crate::units::{Count, Nanos, Ticks};
use crate::{Error, View};
use alloc::vec::Vec;
use ledger::{Account, Ledger, Moment};
use usage::Usage;

/// CPU time of the container's group, and what tells its init apart. The CPUs
/// that it sees and its clock are beside: [`super::cpu::NEEDS`],
/// [`process::CLOCK`].
pub const NEEDS: &[Need] = usage::NEEDS;

/// The format of [`CpuTimes::into_state`].
pub const HISTORY: History = History { format: "vproc.cputime/1", interval_ms: 0, accept: None };

/// CPU time of every CPU that a container sees.
#[derive(Debug)]
pub struct CpuTimes {
    ledger: Ledger,
    tick: Nanos,
    given: Trace,
}

/// CPU time of one CPU or of all, as `/proc/stat` has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the kernel's names
pub struct Times {
    pub user: Ticks,
    pub nice: Ticks,
    pub system: Ticks,
    pub idle: Ticks,
    pub steal: Ticks,
}

impl CpuTimes {
    /// Reads [`NEEDS`] and the state of an earlier render.
    pub fn read(view: &View<'_>, cpus: &CpuView) -> Result<Self, Error> {
        let now = Moment {
            start: process::start(view)?,
            clock: process::clock(view)?,
            usage: &Usage::read(view)?,
            cpus,
            throttled_is_steal: view.knobs().throttled_is_steal,
        };
        let remembered = view.state().and_then(Ledger::decode);
        let remembered = remembered.map(|ledger| ledger.remembered(view.given()));
        Ok(CpuTimes {
            ledger: Ledger::advance(remembered, &now),
            tick: Nanos(Nanos::per_tick(view.environment().user_hz)),
            given: view.given(),
        })
    }

    /// The CPUs that the container sees: their numbers and their times.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Times)> {
        let visible = self.ledger.accounts.iter().filter(|account| account.is_visible);
        visible.map(|account| (account.number, self.times(account)))
    }

    /// The sums over the CPUs that the container sees or ever saw. The kernel
    /// prints a line for each CPU that is online, but sums up all that are
    /// possible (`show_stat`, `fs/proc/stat.c`): so no sum falls when a CPU
    /// goes.
    pub fn sum(&self) -> Times {
        let all = self.ledger.accounts.iter().map(|account| self.times(account));
        all.fold(Times::default(), |sum, times| Times {
            user: sum.user.plus(times.user),
            nice: sum.nice.plus(times.nice),
            system: sum.system.plus(times.system),
            idle: sum.idle.plus(times.idle),
            steal: sum.steal.plus(times.steal),
        })
    }

    fn times(&self, account: &Account) -> Times {
        let delay = account.delay(self.tick);
        let delay = self.given.given("the CPU's own part of a tick", delay);
        let ticks = |time: Nanos| time.in_ticks_of(self.tick);
        Times {
            user: ticks(account.busy.user.minus(delay)),
            nice: ticks(account.busy.nice.minus(delay)),
            system: ticks(account.busy.system.minus(delay)),
            idle: ticks(account.idle),
            steal: ticks(account.steal.minus(delay)),
        }
    }

    /// The number of processes that were ever started, as far as `known` now
    /// and before.
    pub fn processes(&mut self, known: Count) -> Count {
        self.ledger.processes = self.ledger.processes.max(known);
        self.ledger.processes
    }

    /// What the next render is to continue from.
    pub fn into_state(self) -> Vec<u8> {
        self.ledger.encode()
    }
}

#[cfg(test)]
mod tests;
