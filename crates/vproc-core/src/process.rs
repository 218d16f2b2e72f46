//! What the container's init process says about the container's time.

use crate::contract::{Need, Process};
use crate::knobs::UptimeRule;
use crate::text::number;
use crate::trace::{Amount, Trace};
use crate::units::{Count, Nanos, Ticks};
use crate::{Error, View};

const STAT: &str = "init-stat";
const OFFSETS: &str = "init-timens_offsets";

/// When it started.
pub const START: Need = Need::process(STAT, Process::Init, "stat");

/// Its time namespace.
pub const CLOCK: Need = Need::process(OFFSETS, Process::Init, "timens_offsets");

/// When init started, on the host's `CLOCK_BOOTTIME`. Reads [`START`].
///
/// It is field 22 of `/proc/PID/stat`, in ticks (`proc_pid_stat(5)`). The
/// command in field 2 may hold spaces and parentheses, so fields are counted
/// from the last closing one.
pub fn start(view: &View<'_>) -> Result<Nanos, Error> {
    let stat = view.text(STAT)?;
    let (_, fields) = stat.rsplit_once(')').ok_or(Error::malformed(STAT, "no command"))?;
    let start = fields.split_ascii_whitespace().nth(22 - 3).and_then(number);
    let start = start.ok_or(Error::malformed(STAT, "no start time in field 22"))?;
    let start = view.trace(STAT, 0).read("field 22", "", Ticks(start));
    Ok(start.nanos(view.environment().user_hz).named("start of the container's init"))
}

/// The number of init on the host. Reads [`START`].
pub fn id(view: &View<'_>) -> Result<u64, Error> {
    let id = view.text(STAT)?.split(' ').next().and_then(number);
    id.ok_or(Error::malformed(STAT, "no pid in field 1"))
}

/// How long the container's clock has run: what `/proc/uptime` shows, and for
/// how long its CPUs are said to have been there. Reads [`CLOCK`] and, for the
/// knob `uptime=age`, [`START`].
///
/// Start times in `/proc/PID/stat` are on the same clock, so that what `ps`
/// subtracts belongs together.
pub fn clock(view: &View<'_>) -> Result<Nanos, Error> {
    Ok(match view.knobs().uptime {
        UptimeRule::Auto => ClockOffset::read(view)?.shift(view.now()),
        UptimeRule::Age => view.now().minus(start(view)?),
    }
    .named("the container's clock"))
}

/// How far the container's boot-time clock is ahead of the host's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockOffset {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// And nanoseconds: below a second, added also where `seconds` is below 0.
    pub nanos: u64,
    trace: Trace,
}

impl ClockOffset {
    /// Reads [`CLOCK`]; no offset where the kernel has no time namespaces.
    ///
    /// Lines are a clock's name, or its number before 5.7, seconds and
    /// nanoseconds (`timens_offsets` in `time_namespaces(7)`,
    /// `proc_timens_show_offsets` in `kernel/time/namespace.c`).
    pub fn read(view: &View<'_>) -> Result<Self, Error> {
        let Some(text) = view.optional(OFFSETS)? else { return Ok(ClockOffset::default()) };
        let trace = view.trace(OFFSETS, 0);
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            if matches!(words.next(), Some("boottime" | "7")) {
                let seconds = words.next().and_then(|word| word.parse().ok());
                let nanos = words.next().and_then(number).filter(|nanos| *nanos < SECOND);
                return match (seconds, nanos) {
                    (Some(seconds), Some(nanos)) => Ok(ClockOffset { seconds, nanos, trace }),
                    _ => Err(Error::malformed(OFFSETS, "not an offset in seconds and nanoseconds")),
                };
            }
        }
        Ok(ClockOffset::default())
    }

    /// A time of the host's clock on the container's; not below 0.
    pub fn shift(self, time: Nanos) -> Nanos {
        let offset = i128::from(self.seconds) * i128::from(SECOND) + i128::from(self.nanos);
        let amount = Nanos(u64::try_from(offset.unsigned_abs()).unwrap_or(u64::MAX));
        match offset {
            0 => time,
            1.. => time.plus(self.trace.read("boottime", "", amount)),
            _ => time.minus(self.trace.read("boottime", "", amount)),
        }
    }

    /// A time in seconds since 1970 at which the host's clock was 0, of the
    /// container's; not below 0. As much later as that clock is behind
    /// (`timens_sub_boottime`): the kernel leaves out what is below a second.
    pub fn boot(self, host: Count) -> Count {
        let seconds = Count(self.seconds.unsigned_abs());
        match self.seconds {
            0 => host,
            1.. => host.minus(self.trace.read("boottime", "", seconds)),
            _ => host.plus(self.trace.read("boottime", "", seconds)),
        }
    }
}

const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Knobs;
    use crate::contract::Snapshot;
    use crate::testing::{host, snapshot};
    use alloc::vec;

    fn with<T>(snapshot: &Snapshot<'_>, read: impl FnOnce(&View<'_>) -> T) -> T {
        read(&View::new(snapshot, &Knobs::default(), 0))
    }

    fn started(text: &str) -> Result<Nanos, Error> {
        with(&snapshot(vec![host(STAT, text)]), start)
    }

    fn offset(text: &str) -> Result<ClockOffset, Error> {
        with(&snapshot(vec![host(OFFSETS, text)]), ClockOffset::read)
    }

    const FIELDS: &str = " S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1234 1052672 0";

    #[test]
    fn a_command_may_look_like_other_fields() {
        for command in ["(init)", "(npm run start)", "() S 1 ()", "(a) R 2 3)", "(\n)"] {
            let text = alloc::format!("1 {command}{FIELDS}\n");
            assert_eq!(started(&text), Ok(Nanos(12_340_000_000)), "{text}");
        }
    }

    #[test]
    fn what_has_no_start_time_is_malformed() {
        for text in ["", "1 init S 0", "1 (init) S 0 1", "1 (init"] {
            assert!(matches!(started(text), Err(Error::MalformedInput { .. })), "{text}");
        }
        assert_eq!(with(&snapshot(vec![]), start), Err(Error::MissingInput(STAT)));
    }

    #[test]
    fn offsets_shift_and_never_below_zero() {
        let behind = offset("monotonic           0         0\nboottime         -10 500000000\n");
        assert_eq!(behind.as_ref().unwrap().shift(Nanos(20 * SECOND)), Nanos(10_500_000_000));
        assert_eq!(behind.unwrap().shift(Nanos(SECOND)), Nanos(0));
        assert_eq!(offset("7 86400 0\n").unwrap().shift(Nanos(1)), Nanos(86_400 * SECOND + 1));
        let far = offset("boottime 9223372036854775807 999999999").unwrap();
        assert_eq!(far.shift(Nanos(u64::MAX)), Nanos(u64::MAX));
        let past = offset("boottime -9223372036854775808 0").unwrap();
        assert_eq!(past.shift(Nanos(u64::MAX)), Nanos(0));
    }

    #[test]
    fn no_offset_is_none_and_a_wrong_one_an_error() {
        assert_eq!(offset("monotonic 5 0\n"), Ok(ClockOffset::default()));
        assert_eq!(with(&snapshot(vec![]), ClockOffset::read), Ok(ClockOffset::default()));
        for text in ["boottime", "boottime 1", "boottime x 0", "boottime 1 1000000000"] {
            assert!(offset(text).is_err(), "{text}");
        }
    }
}
