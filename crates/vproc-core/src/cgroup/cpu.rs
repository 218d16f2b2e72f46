//! Which CPUs a container sees. Every file that names, counts or numbers CPUs
//! asks here, so that all of them tell one story.
//!
//! Sources: `Documentation/admin-guide/cgroup-v2.rst` (cpu.max, cpu.weight,
//! cpuset.cpus.effective); for v1 `Documentation/scheduler/sched-bwc.rst` and
//! `Documentation/admin-guide/cgroup-v1/cpusets.rst`.

pub use super::cpuset::CpuSet;
use super::own_found;
use crate::contract::{Environment, Need, Scope};
use crate::knobs::{CpuLimit, Knobs, Numbering, Rounding};
use crate::text::number;
use crate::trace::{Amount, Trace};
use crate::units::Count;
use crate::{Error, View};

/// Key of the host's list of CPUs in use.
pub const ONLINE: &str = "cpu-online";

const V2_SET: &str = "cpuset.cpus.effective";
const V1_EFFECTIVE_SET: &str = "cpuset.effective_cpus";
const V1_SET: &str = "cpuset.cpus";
const V2_QUOTA: &str = "cpu.max";
const V1_QUOTA: &str = "cpu.cfs_quota_us";
const V1_PERIOD: &str = "cpu.cfs_period_us";
const V2_WEIGHT: &str = "cpu.weight";
const V1_SHARES: &str = "cpu.shares";

/// The CPU set of the container, and what clips it.
pub const NEEDS: &[Need] = &[
    Need::host(ONLINE, "/sys/devices/system/cpu/online"),
    Need::v2("cpuset", V2_SET, Scope::Nearest),
    Need::v1("cpuset", V1_EFFECTIVE_SET, Scope::Nearest),
    Need::v1("cpuset", V1_SET, Scope::Nearest),
    Need::v2("cpu", V2_QUOTA, Scope::Lineage).when(by_quota),
    Need::v1("cpu", V1_QUOTA, Scope::Lineage).when(by_quota),
    Need::v1("cpu", V1_PERIOD, Scope::Lineage).when(by_quota),
    Need::v2("cpu", V2_WEIGHT, Scope::Leaf).when(by_shares),
    Need::v1("cpu", V1_SHARES, Scope::Leaf).when(by_shares),
];

fn by_quota(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.cpus != CpuLimit::Cpuset
}

fn by_shares(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.cpus == CpuLimit::Shares
}

/// The CPUs that a container sees: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuView {
    host: CpuSet,
    numbering: Numbering,
    clipped: bool,
    complete: bool,
    /// Of `host`, and how it came about.
    number: Count,
}

/// One CPU that a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Its number on the host.
    pub host: u32,
    /// Its number in the container.
    pub shown: u32,
}

impl CpuView {
    /// Reads [`NEEDS`].
    ///
    /// The set is the container's cpuset as far as the host has those CPUs in
    /// use; without a cpuset it is all that are in use. Where the two have no
    /// CPU in common, which only a change between two reads can cause, the
    /// container sees the host's first one, so that it never has none.
    #[inline(never)] // called from several places
    pub fn read(view: &View<'_>) -> Result<Self, Error> {
        let online = some_cpus(view, ONLINE)?;
        let (set, size) = match (cpuset(view)?, &online) {
            (Some((set, size)), Some((online, all))) => match set.intersection(online) {
                common if common.is_empty() => {
                    (online.first(1), (*all).min(Count(1)).noted("the cpuset has no CPU in use"))
                }
                common => {
                    let count = Count(u64::from(common.len()));
                    (common, count.common(size, *all))
                }
            },
            (Some(set), None) => set,
            (None, Some((online, all))) => (online.clone(), all.noted("there is no cpuset")),
            (None, None) => return Err(Error::MissingInput(ONLINE)),
        };
        let number = count(view, size)?.named("CPUs");
        let count = u32::try_from(number.0).unwrap_or(u32::MAX);
        Ok(CpuView {
            host: set.first(count),
            numbering: view.knobs().cpu_numbering,
            clipped: count < set.len(),
            complete: online.is_some_and(|(online, _)| online.len() == count),
            number,
        })
    }

    /// Reads what the container sees, or all of the CPUs in use where the
    /// subject is the host itself.
    pub fn read_or_host(view: &View<'_>) -> Result<Self, Error> {
        if !view.is_host() {
            return CpuView::read(view);
        }
        let (host, number) = some_cpus(view, ONLINE)?.ok_or(Error::MissingInput(ONLINE))?;
        Ok(CpuView { host, numbering: Numbering::Host, clipped: false, complete: true, number })
    }

    /// How many CPUs there are.
    pub fn count(&self) -> u32 {
        self.host.len()
    }

    /// How many there are, and how that came about.
    pub fn number(&self) -> Count {
        self.number
    }

    /// Whether a quota or shares hide some of the cpuset's CPUs, so that what
    /// is shown is a number of CPUs rather than these very ones.
    pub fn is_clipped(&self) -> bool {
        self.clipped
    }

    /// Whether all CPUs are shown that the host has in use.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The number that the container sees for a CPU of the host, if it sees
    /// the CPU at all.
    pub fn shown(&self, host: u32) -> Option<u32> {
        let rank = self.host.rank(host)?;
        Some(match self.numbering {
            Numbering::Dense => rank,
            Numbering::Host => host,
        })
    }

    /// The CPUs in ascending order, of the host's numbers as of the shown.
    pub fn iter(&self) -> impl Iterator<Item = Cpu> {
        self.host.iter().zip(0..).map(|(host, rank)| match self.numbering {
            Numbering::Dense => Cpu { host, shown: rank },
            Numbering::Host => Cpu { host, shown: host },
        })
    }

    /// The numbers that the container sees.
    pub fn shown_set(&self) -> CpuSet {
        match self.numbering {
            Numbering::Dense => CpuSet::dense(self.host.len()),
            Numbering::Host => self.host.clone(),
        }
    }
}

/// A list of CPUs that says something. A v1 cpuset that was never configured
/// is empty, and no task can be in it (`cpuset_can_attach_check`,
/// `kernel/cgroup/cpuset.c`), so an empty list says nothing.
fn some_cpus(view: &View<'_>, key: &'static str) -> Result<Option<(CpuSet, Count)>, Error> {
    let Some(found) = view.found(key)? else { return Ok(None) };
    let set = CpuSet::parse(key, found.text)?;
    let count = found.trace.read("", found.text, Count(u64::from(set.len())));
    Ok(Some((set, count)).filter(|(set, _)| !set.is_empty()))
}

/// What v2 allows, else what v1 does. A root group's set is all CPUs, which
/// is no less true of a container.
fn cpuset(view: &View<'_>) -> Result<Option<(CpuSet, Count)>, Error> {
    for key in [V2_SET, V1_EFFECTIVE_SET, V1_SET] {
        if let Some(set) = some_cpus(view, key)? {
            return Ok(Some(set));
        }
    }
    Ok(None)
}

/// How many of a set's CPUs are visible.
fn count(view: &View<'_>, set: Count) -> Result<Count, Error> {
    let knobs = view.knobs();
    let quota = match knobs.cpus {
        CpuLimit::Cpuset => None,
        CpuLimit::Quota | CpuLimit::Shares => lowest_quota(view, knobs.cpu_rounding)?,
    };
    let shares = match knobs.cpus {
        CpuLimit::Cpuset | CpuLimit::Quota => None,
        CpuLimit::Shares => shares(view)?,
    };
    let clip = match (quota, shares) {
        (Some(quota), Some(shares)) => quota.min(shares),
        (quota, shares) => match quota.or(shares) {
            Some(clip) => clip,
            None if knobs.cpus == CpuLimit::Cpuset => return Ok(set),
            None => return Ok(set.noted("no group has a CPU quota")),
        },
    };
    let minimum =
        view.given().given("the setting `cpu-minimum`", knobs.cpu_minimum.0.max(1).into());
    Ok(clip.max(minimum).min(set))
}

/// CPU time in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    time: Count,
    /// Not 0.
    period: Count,
}

impl Quota {
    fn new(key: &'static str, time: Word<'_>, period: Word<'_>) -> Result<Self, Error> {
        match (time.number(), period.number()) {
            (Some(time), Some(period)) if period.0 > 0 => Ok(Quota { time, period }),
            _ => Err(Error::malformed(key, "not a quota and a period above 0")),
        }
    }

    fn cpus(self, rounding: Rounding) -> Count {
        match rounding {
            Rounding::Ceil => self.time.divided_up(self.period),
            Rounding::Floor => self.time.divided(self.period),
            Rounding::Nearest => self.time.divided_nearest(self.period),
        }
    }
}

/// A number in a file of quotas.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    /// What it is, where the file has two.
    item: &'static str,
    trace: Trace,
}

impl Word<'_> {
    fn number(self) -> Option<Count> {
        Some(self.trace.read(self.item, self.text, Count(number(self.text)?)))
    }
}

/// How many CPUs the lowest quota over the leaf and all its ancestors is worth.
fn lowest_quota(view: &View<'_>, rounding: Rounding) -> Result<Option<Count>, Error> {
    let mut lowest: Option<Count> = None;
    let mut lower = |quota: Quota| {
        let cpus = quota.cpus(rounding);
        lowest = Some(lowest.map_or(cpus, |lowest| lowest.min(cpus)));
    };
    for found in view.lineage(V2_QUOTA) {
        let found = found?;
        let mut words = found.text.split_ascii_whitespace();
        let mut word = |item| Word { text: words.next().unwrap_or(""), item, trace: found.trace };
        let (time, period) = (word("quota"), word("period"));
        if time.text != "max" {
            lower(Quota::new(V2_QUOTA, time, period)?);
        }
    }
    for found in view.lineage(V1_QUOTA) {
        let found = found?;
        // -1 is no quota (`tg_get_cfs_quota`, `kernel/sched/core.c`).
        if found.text.starts_with('-') {
            continue;
        }
        let mut periods = view.lineage(V1_PERIOD);
        let period = periods.find(|period| !matches!(period, Ok(p) if p.level != found.level));
        let period = period.ok_or(Error::MissingInput(V1_PERIOD))??;
        let time = Word { text: found.text.trim(), item: "", trace: found.trace };
        let period = Word { text: period.text.trim(), item: "", trace: period.trace };
        lower(Quota::new(V1_QUOTA, time, period)?);
    }
    Ok(lowest)
}

/// How many CPUs the leaf's weight stands for: 1024 shares (v1) or weight 100
/// (v2) a CPU, which is what a group has that nobody gave another. On v1
/// container managers set 1024 for each CPU that was asked for; on v2 some
/// convert these to lower weights, and then fewer CPUs show than were meant.
fn shares(view: &View<'_>) -> Result<Option<Count>, Error> {
    for (key, one) in [(V2_WEIGHT, 100u32), (V1_SHARES, 1024)] {
        if let Some(found) = own_found(view, key)? {
            let shares = found.number().ok_or(Error::malformed(key, "not a number"))?;
            return Ok(Some(shares.divided_up(one)));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::{Content, Input, Snapshot};
    use crate::testing::{cgroup, host, snapshot};
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    const ROOM: &str = "0-7\n";

    fn shown(snapshot: &Snapshot<'_>) -> Result<String, Error> {
        let rendered = crate::render("/sys/devices/system/cpu/online", snapshot)?;
        Ok(rendered.text)
    }

    fn with(settings: &[(&'static str, &'static str)], inputs: Vec<Input<'static>>) -> String {
        let mut snapshot = snapshot(inputs);
        snapshot.environment.settings = settings.to_vec();
        shown(&snapshot).unwrap()
    }

    #[test]
    fn a_cpuset_counts_as_far_as_its_cpus_are_in_use() {
        let cases = [
            (V2_SET, "2-5\n", "2-5\n"),
            (V1_EFFECTIVE_SET, "1,3\n", "1,3\n"),
            (V1_SET, "6-9\n", "6-7\n"),
            (V1_SET, "\n", "0-7\n"),
            (V1_SET, "8-9\n", "0\n"),
        ];
        for (key, set, expected) in cases {
            let inputs = vec![host(ONLINE, ROOM), cgroup(key, 0, 2, set)];
            assert_eq!(with(&[("cpu-numbering", "host")], inputs), expected, "{key} {set}");
        }
    }

    #[test]
    fn without_one_of_the_lists_the_other_stands() {
        assert_eq!(with(&[], vec![host(ONLINE, ROOM)]), "0-7\n");
        assert_eq!(with(&[], vec![cgroup(V2_SET, 0, 1, "4-5\n")]), "0-1\n");
        assert_eq!(shown(&snapshot(vec![])), Err(Error::MissingInput(ONLINE)));
    }

    #[test]
    fn the_lowest_quota_over_the_ancestors_clips() {
        let inputs = vec![
            host(ONLINE, ROOM),
            cgroup(V2_QUOTA, 0, 3, "max 100000\n"),
            cgroup(V2_QUOTA, 1, 2, "250000 100000\n"),
            cgroup(V2_QUOTA, 2, 1, "600000 200000\n"),
        ];
        assert_eq!(with(&[], inputs.clone()), "0-2\n");
        assert_eq!(with(&[("cpu-rounding", "floor")], inputs.clone()), "0-1\n");
        assert_eq!(with(&[("cpu-rounding", "nearest")], inputs.clone()), "0-2\n");
        assert_eq!(with(&[("cpu-minimum", "4")], inputs.clone()), "0-3\n");
        assert_eq!(with(&[("cpu-minimum", "400")], inputs.clone()), "0-7\n");
        assert_eq!(with(&[("cpus", "cpuset")], inputs), "0-7\n");
    }

    #[test]
    fn v1_pairs_quota_and_period_of_one_group() {
        let inputs = vec![
            host(ONLINE, ROOM),
            cgroup(V1_QUOTA, 0, 2, "-1\n"),
            cgroup(V1_QUOTA, 1, 1, "50000\n"),
            cgroup(V1_PERIOD, 0, 2, "1000\n"),
            cgroup(V1_PERIOD, 1, 1, "25000\n"),
        ];
        assert_eq!(with(&[], inputs), "0-1\n");
        let inputs = vec![
            host(ONLINE, ROOM),
            cgroup(V1_QUOTA, 0, 1, "50000\n"),
            cgroup(V1_PERIOD, 1, 0, "25000\n"),
        ];
        assert_eq!(shown(&snapshot(inputs)), Err(Error::MissingInput(V1_PERIOD)));
    }

    #[test]
    fn a_fraction_of_a_cpu_is_one() {
        for rounding in ["ceil", "floor", "nearest"] {
            let inputs = vec![host(ONLINE, ROOM), cgroup(V2_QUOTA, 0, 1, "1000 100000\n")];
            assert_eq!(with(&[("cpu-rounding", rounding)], inputs), "0\n");
        }
    }

    #[test]
    fn malformed_quotas_are_errors() {
        for text in ["", "100000", "x 100000", "100000 0", "-5 100000", "max0 1"] {
            let inputs = vec![host(ONLINE, ROOM), cgroup(V2_QUOTA, 0, 1, text)];
            let error = shown(&snapshot(inputs)).unwrap_err();
            assert!(matches!(error, Error::MalformedInput { key: V2_QUOTA, .. }), "{text}");
        }
        let inputs = vec![
            host(ONLINE, ROOM),
            cgroup(V2_QUOTA, 0, 1, "18446744073709551615 1"),
            cgroup(V2_QUOTA, 1, 0, "18446744073709551615 18446744073709551615"),
        ];
        assert_eq!(with(&[], inputs), "0\n");
    }

    #[test]
    fn shares_clip_only_where_asked_for() {
        for (key, text) in [(V2_WEIGHT, "250\n"), (V1_SHARES, "2049\n")] {
            let inputs = vec![host(ONLINE, ROOM), cgroup(key, 0, 1, text)];
            assert_eq!(with(&[("cpus", "shares")], inputs.clone()), "0-2\n");
            assert_eq!(with(&[], inputs), "0-7\n");
        }
        let inputs = vec![
            host(ONLINE, ROOM),
            cgroup(V2_QUOTA, 0, 1, "200000 100000\n"),
            cgroup(V2_WEIGHT, 0, 1, "10000\n"),
        ];
        assert_eq!(with(&[("cpus", "shares")], inputs), "0-1\n");
    }

    #[test]
    fn a_root_groups_shares_are_not_the_containers() {
        let inputs = vec![host(ONLINE, ROOM), cgroup(V1_SHARES, 0, 0, "1024\n")];
        assert_eq!(with(&[("cpus", "shares")], inputs), "0-7\n");
    }

    #[test]
    fn numbers_are_dense_or_the_hosts() {
        let inputs = vec![
            host(ONLINE, ROOM),
            cgroup(V2_SET, 0, 1, "1,4-7\n"),
            cgroup(V2_QUOTA, 0, 1, "300000 100000\n"),
        ];
        assert_eq!(with(&[], inputs.clone()), "0-2\n");
        assert_eq!(with(&[("cpu-numbering", "host")], inputs), "1,4-5\n");
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_absent() {
        let refused = Input { key: V2_SET, level: 0, depth: 1, content: Content::Absent(13) };
        let inputs = vec![host(ONLINE, ROOM), refused];
        assert_eq!(shown(&snapshot(inputs)), Err(Error::MissingInput(V2_SET)));
    }
}
