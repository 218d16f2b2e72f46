//! The account of each CPU that a container sees: how long it was busy and
//! how long idle.
//!
//! Time is handed out interval by interval. In an interval each CPU gets as
//! much time as has passed: first what it was busy, the rest is idle. So no
//! account ever shrinks, and what a CPU shows sums up to the time for which
//! it was seen. The first interval is all that its clock has run; where
//! nothing is remembered, it is the only one.

use super::usage::{Busy, Source, Table, Totals, Usage};
use crate::cgroup::cpu::CpuView;
use crate::cgroup::cpuset::LAST;
use crate::state::{Reader, Writer};
use crate::trace::Trace;
use crate::units::{Count, Nanos};
use alloc::vec::Vec;

/// What a container may owe for each CPU: busy time for which there was no
/// room. It can use a quota in less time than its number of CPUs would take,
/// but not more than a period's, which is at most a second
/// (`max_cfs_quota_period`, `kernel/sched/core.c`).
const DEBT: Nanos = Nanos(1_000_000_000);

/// What one CPU shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Its number in the container.
    pub(super) number: u32,
    /// The host's CPU behind it.
    host: u32,
    /// What v1 had counted for the host's CPU.
    counted: Option<(Nanos, Nanos)>,
    /// Whether the account holds an even share, printed with a delay: see
    /// [`Account::delay`].
    pub(super) is_even: bool,
    pub(super) busy: Busy,
    pub(super) idle: Nanos,
    pub(super) steal: Nanos,
    /// Whether the container sees it now.
    pub(super) is_visible: bool,
    /// Time of this interval that nothing has claimed.
    room: Nanos,
}

impl Account {
    fn credit(&mut self, busy: Busy) {
        self.busy = self.busy.plus(busy);
        self.room = self.room.minus(busy.total());
    }

    fn sum(&self) -> Nanos {
        self.busy.total().plus(self.idle).plus(self.steal)
    }

    /// Even shares would all reach a tick at the same time, and the sum of n
    /// CPUs would move in steps of n ticks. So each CPU shows its share late
    /// by its own part of a tick. The parts are the number's bits reversed
    /// (van der Corput's sequence): spread evenly over any count of CPUs, yet
    /// the same when the count changes, so that no number falls.
    pub(super) fn delay(&self, tick: Nanos) -> Nanos {
        if !self.is_even {
            return Nanos::ZERO;
        }
        let reversed = u64::from((self.number as u16).reverse_bits());
        Nanos(tick.0.saturating_mul(reversed) >> u16::BITS)
    }
}

/// What is known of a container at some moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// When its init started; it tells containers apart.
    pub(super) start: Nanos,
    /// What the container's clock showed.
    clock: Nanos,
    source: Source,
    totals: Totals,
    /// Busy time that no account had room for.
    debt: Busy,
    /// The largest number of processes that was shown.
    pub(super) processes: Count,
    /// Of every CPU that was ever visible, in the order of their numbers.
    pub(super) accounts: Vec<Account>,
}

/// The present.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    pub(super) start: Nanos,
    pub(super) clock: Nanos,
    pub(super) usage: &'a Usage,
    pub(super) cpus: &'a CpuView,
    pub(super) throttled_is_steal: bool,
}

impl Ledger {
    /// Moves on to `now`, from what was remembered of this container.
    pub(super) fn advance(remembered: Option<Ledger>, now: &Moment<'_>) -> Ledger {
        let remembered =
            remembered.filter(|past| past.start == now.start && past.clock <= now.clock);
        let is_birth = remembered.is_none();
        let mut past = remembered.unwrap_or_default();
        let elapsed = now.clock.minus(past.clock);
        let is_comparable = is_birth || past.source == now.usage.source;
        let (used, throttled) = match is_comparable {
            true => (
                now.usage.totals.since(&past.totals),
                now.usage.totals.throttled.minus(past.totals.throttled),
            ),
            false => (Busy::default(), Nanos::ZERO),
        };
        let used = used.named();
        let table = now.usage.table.as_ref().filter(|_| !now.cpus.is_clipped());
        let mut visible = past.open(now.cpus, elapsed, is_comparable, is_birth);
        let mut pool = past.debt.plus(used);
        match table {
            Some(table) => credit_own(&mut visible, &mut pool, table, used),
            None => visible.iter_mut().for_each(|account| account.counted = None),
        }
        spread(&mut visible, &mut pool, table.is_none());
        let count = visible.len() as u64;
        let steal = if now.throttled_is_steal { throttled.divided(count) } else { Nanos::ZERO };
        for account in &mut visible {
            account.steal = account.steal.plus(steal.min(account.room));
            account.idle = account.idle.plus(account.room.minus(steal));
        }
        past.accounts.append(&mut visible);
        past.accounts.sort_unstable_by_key(|account| account.number);
        Ledger {
            start: now.start,
            clock: now.clock,
            source: now.usage.source,
            totals: now.usage.totals,
            debt: pool.at_most(DEBT.times(count)),
            processes: past.processes,
            accounts: past.accounts,
        }
    }

    /// Takes out the accounts of the CPUs that are visible now, in order. A
    /// CPU that comes back goes on where it was: like a CPU that was offline,
    /// it has not been idle meanwhile.
    fn open(
        &mut self,
        cpus: &CpuView,
        elapsed: Nanos,
        comparable: bool,
        birth: bool,
    ) -> Vec<Account> {
        let mut visible = Vec::with_capacity(cpus.count() as usize);
        for cpu in cpus.iter() {
            let kept = self.accounts.binary_search_by_key(&cpu.shown, |account| account.number);
            let kept = kept.ok().and_then(|index| self.accounts.get_mut(index));
            let mut account = match kept {
                Some(kept) => {
                    kept.is_visible = true;
                    *kept
                }
                // At the container's birth nothing had been counted.
                None => Account {
                    host: cpu.host,
                    counted: birth.then_some((Nanos::ZERO, Nanos::ZERO)),
                    is_even: true,
                    ..Account::default()
                },
            };
            account.counted = account.counted.filter(|_| comparable && account.host == cpu.host);
            (account.number, account.host) = (cpu.shown, cpu.host);
            (account.is_visible, account.room) = (true, elapsed);
            visible.push(account);
        }
        self.accounts.retain_mut(|account| {
            // What it uses from now on goes to others.
            account.counted = None;
            !core::mem::take(&mut account.is_visible)
        });
        visible
    }

    /// The same ledger, as an explanation is to call its numbers.
    #[cold]
    #[inline(never)]
    pub(super) fn remembered(mut self, trace: Trace) -> Ledger {
        if !trace.is_on() {
            return self;
        }
        let old = |time: &mut Nanos| *time = trace.given("remembered from an earlier read", *time);
        let Totals { user, nice, system, throttled } = &mut self.totals;
        [user, nice, system, throttled, &mut self.clock].into_iter().for_each(old);
        let Busy { user, nice, system } = &mut self.debt;
        [user, nice, system].into_iter().for_each(old);
        for account in &mut self.accounts {
            let Busy { user, nice, system } = &mut account.busy;
            [user, nice, system, &mut account.idle, &mut account.steal].into_iter().for_each(old);
            if let Some((user, system)) = &mut account.counted {
                [user, system].into_iter().for_each(old);
            }
        }
        self.processes = trace.given("remembered from an earlier read", self.processes);
        self
    }

    /// What was remembered, if it is what a ledger leaves.
    pub(super) fn decode(bytes: &[u8]) -> Option<Ledger> {
        let mut reader = Reader::new(bytes);
        let mut next = || reader.next();
        if next()? != VERSION {
            return None;
        }
        let mut ledger = Ledger {
            source: *Source::ALL.get(usize::try_from(next()?).ok()?)?,
            start: Nanos(next()?),
            clock: Nanos(next()?),
            totals: Totals {
                user: Nanos(next()?),
                nice: Nanos(next()?),
                system: Nanos(next()?),
                throttled: Nanos(next()?),
            },
            debt: Busy { user: Nanos(next()?), nice: Nanos(next()?), system: Nanos(next()?) },
            processes: Count(next()?),
            accounts: Vec::new(),
        };
        while !reader.is_at_end() {
            let account = decode_account(&mut reader)?;
            let is_next = ledger.accounts.last().is_none_or(|last| last.number < account.number);
            if !is_next || account.sum() > ledger.clock {
                return None;
            }
            ledger.accounts.push(account);
        }
        Some(ledger)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let source = Source::ALL.iter().zip(0..).find(|(source, _)| **source == self.source);
        writer.push(VERSION).push(source.map_or(0, |(_, index)| index));
        writer.push(self.start.0).push(self.clock.0);
        let Totals { user, nice, system, throttled } = self.totals;
        for time in [user, nice, system, throttled] {
            writer.push(time.0);
        }
        writer.push(self.debt.user.0).push(self.debt.nice.0).push(self.debt.system.0);
        writer.push(self.processes.0);
        for account in &self.accounts {
            encode_account(account, &mut writer);
        }
        writer.into_bytes()
    }
}

/// Of the layout of the bytes.
const VERSION: u64 = 1;

const IS_EVEN: u64 = 1;
const IS_COUNTED: u64 = 2;

fn decode_account(reader: &mut Reader<'_>) -> Option<Account> {
    let mut next = || reader.next();
    let number = u32::try_from(next()?).ok().filter(|number| *number <= LAST)?;
    let host = u32::try_from(next()?).ok().filter(|host| *host <= LAST)?;
    let flags = next()?;
    let counted = match flags & IS_COUNTED {
        0 => None,
        _ => Some((Nanos(next()?), Nanos(next()?))),
    };
    Some(Account {
        number,
        host,
        counted,
        is_even: flags & IS_EVEN != 0,
        busy: Busy { user: Nanos(next()?), nice: Nanos(next()?), system: Nanos(next()?) },
        idle: Nanos(next()?),
        steal: Nanos(next()?),
        ..Account::default()
    })
}

fn encode_account(account: &Account, writer: &mut Writer) {
    let even = if account.is_even { IS_EVEN } else { 0 };
    let counted = if account.counted.is_some() { IS_COUNTED } else { 0 };
    writer.push(u64::from(account.number)).push(u64::from(account.host)).push(even | counted);
    if let Some((user, system)) = account.counted {
        writer.push(user.0).push(system.0);
    }
    let Busy { user, nice, system } = account.busy;
    for time in [user, nice, system, account.idle, account.steal] {
        writer.push(time.0);
    }
}

/// Gives each CPU what v1 counts for the host's CPU behind it.
fn credit_own(visible: &mut [Account], pool: &mut Busy, table: &Table, used: Busy) {
    for account in visible {
        let counts = table.row(account.host);
        if let (Some((user, system)), Some(before)) = (counts, account.counted) {
            let sum = user.plus(system).minus(before.0.plus(before.1));
            let own = match table.is_mixed {
                true => used.mixed(sum),
                false => {
                    let (user, system) = (user.minus(before.0), system.minus(before.1));
                    Busy { user, nice: Nanos::ZERO, system }.at_most(sum)
                }
            };
            let own = own.lower(*pool).at_most(account.room);
            account.credit(own);
            *pool = pool.minus(own);
        }
        account.counted = counts;
    }
}

/// Spreads what no CPU is known to have been busy with evenly over all, as
/// far as each has room. What is left stays in the pool.
fn spread(visible: &mut [Account], pool: &mut Busy, is_even: bool) {
    let count = visible.len() as u64;
    for (account, left) in visible.iter_mut().zip((1..=count).rev()) {
        let share = pool.divided(left).at_most(account.room);
        account.credit(share);
        *pool = pool.minus(share);
        // What was once shown without a delay must not fall back behind it.
        account.is_even &= is_even;
    }
}
