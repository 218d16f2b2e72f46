//! `/proc/PID/stat`: the state and the counters of a process, on one line.
//!
//! The container gets to see its own ids (fields 1, 4 to 6, 8), the start time
//! on its own clock (22) and the CPU as it numbers them (39). Addresses, whether
//! it waits, and the exit code are shown to a reader of the rank `read`.
//!
//! Prints: `do_task_stat` in `fs/proc/array.c`; fields as in
//! `proc_pid_stat(5)`.

use super::ids::Ids;
use super::raw::{Raw, ascii};
use super::{Rendered, own};
use crate::cgroup::cpu::CpuView;
use crate::contract::{Environment, Need};
use crate::knobs::{Knobs, Rank, UptimeRule};
use crate::process::{self, ClockOffset};
use crate::text::number;
use crate::units::Ticks;
use crate::{Error, Text, View};

const STAT: &str = "stat";
const STATUS: &str = "status";

pub(super) const NEEDS: &[Need] = &[own(STAT), own(STATUS)];

/// What start times are relative to.
pub(super) const CLOCK: &[Need] = &[process::CLOCK, process::START.when(by_age)];

fn by_age(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.uptime == UptimeRule::Age
}

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    let (text, status) = (view.process_file(STAT)?, view.process_file(STATUS)?);
    let ids = Ids::read(view)?;
    // The command may hold parentheses, blanks and line ends.
    let open = text.iter().position(|byte| *byte == b'(');
    let close = text.iter().rposition(|byte| *byte == b')');
    let (Some(open), Some(close)) = (open, close) else {
        return Err(Error::malformed(STAT, "no command"));
    };
    let number_of = |bytes: Option<&[u8]>| number(ascii(bytes.unwrap_or_default()).trim_ascii());
    let pid = number_of(text.get(..open)).and_then(|pid| u32::try_from(pid).ok());
    let pid = pid.ok_or(Error::malformed(STAT, "no id"))?;
    let fields = Fields { ids, status, cpus: CpuView::read_or_host(view)?, view };
    let mut line = Raw::like(text);
    line.push_number(u64::from(fields.ids.own(status, "NSpid:", pid)));
    line.push(" ").push(text.get(open..=close).unwrap_or_default());
    let rest = ascii(text.get(close + 1..).unwrap_or_default());
    let mut group = "";
    for (field, place) in rest.split_ascii_whitespace().zip(3..) {
        if place == 5 {
            group = field;
        }
        line.push(" ");
        match fields.changed(place, field, group)? {
            Some(value) => line.push_number(value),
            None => line.push(field),
        };
    }
    line.push("\n");
    out.set_bytes(line.into_bytes());
    Ok(None)
}

struct Fields<'v, 'a> {
    ids: Ids,
    status: &'a [u8],
    cpus: CpuView,
    view: &'v View<'a>,
}

impl Fields<'_, '_> {
    /// What a field becomes; `None` where it stays. `group` is the process
    /// group's number outside.
    fn changed(&self, place: u32, field: &str, group: &str) -> Result<Option<u64>, Error> {
        let id = || field.parse().unwrap_or(0);
        let hidden = self.view.knobs().process_rank < Rank::Read;
        let value = match place {
            4 => self.ids.inside(id()),
            5 => self.ids.group(self.status, "NSpgid:", id()),
            6 => self.ids.group(self.status, "NSsid:", id()),
            // -1 without a terminal.
            8 if field.starts_with('-') => return Ok(None),
            // The group in the foreground is often the process's own, and may
            // have been made since processes were listed.
            8 if field == group => self.ids.group(self.status, "NSpgid:", id()),
            8 => self.ids.inside(id()),
            22 => return self.start(field).map(Some),
            // 1 says that there is memory.
            26 | 27 if hidden => u32::from(field != "0"),
            28..=30 | 35 | 45..=52 if hidden => 0,
            39 => self.cpu(id()),
            _ => return Ok(None),
        };
        Ok(Some(u64::from(value)))
    }

    /// On the container's clock, as `/proc/uptime` shows it.
    fn start(&self, field: &str) -> Result<u64, Error> {
        let hz = self.view.environment().user_hz;
        let start = number(field).ok_or(Error::malformed(STAT, "no start time in field 22"))?;
        let start = Ticks(start).nanos(hz);
        let shown = match self.view.knobs().uptime {
            UptimeRule::Auto => ClockOffset::read(self.view)?.shift(start),
            UptimeRule::Age => start.minus(process::start(self.view)?),
        };
        Ok(shown.ticks(hz).0)
    }

    /// A process may have run on a CPU that the container does not see; it is
    /// shown on one of those that it does.
    fn cpu(&self, host: u32) -> u32 {
        self.cpus.shown(host).unwrap_or_else(|| {
            let place = host % self.cpus.count().max(1);
            let mut cpus = self.cpus.iter();
            cpus.nth(usize::try_from(place).unwrap_or(0)).map_or(0, |cpu| cpu.shown)
        })
    }
}
