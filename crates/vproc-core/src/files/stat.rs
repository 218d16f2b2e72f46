//! `/proc/stat`: CPU time of the container's CPUs, and what else the kernel
//! counts since boot.
//!
//! The lines are the host's, in its order:
//!
//! | line | shows |
//! |---|---|
//! | `cpu`, `cpuN` | computed: see [`crate::cgroup::cputime`]; as many columns as the host's; `cpu` also has the time of CPUs that the container saw once |
//! | `intr`, `ctxt`, `softirq` | 0: not counted for each container |
//! | `btime` | the host's boot, moved by the container's time namespace as the kernel does |
//! | `processes` | the larger of `pids.peak` and the newest process id: both are at most the number of forks |
//! | `procs_running`, `procs_blocked` | the container's own tasks; 0 where they cannot be counted |
//! | others (`page`, `swap` of 2.4 and 2.6; newer ones) | 0 for each number |
//!
//! Source of the layout: `fs/proc/stat.c`.
//!
//! # lxcfs
//!
//! On cgroup v2 lxcfs shows the host's CPU time; on v1 the container's since lxcfs
//! first looked, with idle time that can fall. `intr`, `ctxt`, `btime`, `processes`
//! and `procs_*` are the host's.

use crate::cgroup::cpu::{self, CpuView};
use crate::cgroup::cputime::{self, CpuTimes, Times};
use crate::cgroup::own_found;
use crate::contract::{Class, Entry, Kind, Need, Scope};
use crate::process::{self, ClockOffset};
use crate::text::number;
use crate::trace::{Amount, Provenance};
use crate::units::{Count, Ticks};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "stat";
const TASKS: &str = "tasks";
const PEAK: &str = "pids.peak";
const V1_PEAK: &str = "pids.peak.v1";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/stat",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "CPU time that the container used, spread over the CPUs that it sees",
    reason: "counts every CPU and every task of the machine (fs/proc/stat.c)",
    needs: &[
        &[
            Need::host(HOST, "/proc/stat"),
            Need::tasks(TASKS),
            Need::v2("pids", PEAK, Scope::Nearest),
            Need::v1("pids", PEAK, Scope::Nearest).keyed(V1_PEAK),
            process::CLOCK,
        ],
        cpu::NEEDS,
        cputime::NEEDS,
    ],
    history: Some(cputime::HISTORY),
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let host = view.text(HOST)?;
    if view.is_host() {
        out.push_str(host);
        return Ok(None);
    }
    let cpus = CpuView::read(view)?;
    let mut times = CpuTimes::read(view, &cpus)?;
    out.decided_by("CPUs", cpus.number());
    let tasks = view.tasks(TASKS).unwrap_or_default();
    let trace = view.trace(TASKS, 0);
    let last_pid = trace.read("last-pid", "", Count::from(tasks.last_pid));
    let processes = times.processes(most_processes(view)?.max(last_pid));
    let mut has_cpus = false;
    for (line, at) in host.lines().zip(1u32..) {
        let (label, rest) = line.split_once(' ').unwrap_or((line, ""));
        match label {
            "cpu" if has_cpus => {}
            "cpu" => {
                has_cpus = true;
                push_cpus(out, &times, rest.split_ascii_whitespace().count());
            }
            _ if is_cpu(label) => {}
            // Readers want the sum, which is the first of many numbers.
            "intr" => {
                push_zeros(out, label, "0");
            }
            "btime" => push_field(out, label, boot_time(view, rest, at)?),
            "processes" => push_field(out, label, processes),
            "procs_running" => {
                push_field(out, label, trace.read("running", "", Count::from(tasks.running)))
            }
            "procs_blocked" => {
                push_field(out, label, trace.read("blocked", "", Count::from(tasks.blocked)))
            }
            _ => push_zeros(out, label, rest),
        }
    }
    match has_cpus {
        true => Ok(Some(times.into_state())),
        false => Err(Error::malformed(HOST, "no line `cpu …`")),
    }
}

/// `cpu0`, `cpu17`.
fn is_cpu(label: &str) -> bool {
    label.strip_prefix("cpu").and_then(number).is_some()
}

/// Kernels print 4 columns (2.4) to 10; more are 0.
const COLUMNS: core::ops::RangeInclusive<usize> = 4..=16;

fn push_cpus(out: &mut Text, times: &CpuTimes, columns: usize) {
    let columns = columns.clamp(*COLUMNS.start(), *COLUMNS.end());
    out.push_str("cpu ");
    push_times(out, times.sum(), columns);
    for (number, times) in times.iter() {
        out.push_str("cpu").push_digits(u64::from(number), 0);
        push_times(out, times, columns);
    }
}

fn push_times(out: &mut Text, times: Times, columns: usize) {
    let Times { user, nice, system, idle, steal } = times;
    let none = Ticks::ZERO;
    let known = [
        ("user", user),
        ("nice", nice),
        ("system", system),
        ("idle", idle),
        ("iowait", none),
        ("irq", none),
        ("softirq", none),
        ("steal", steal),
        ("guest", none),
        ("guest_nice", none),
    ];
    for (column, time) in known.into_iter().chain(core::iter::repeat(("", none))).take(columns) {
        if !time.origin().is_some() {
            out.rule(Provenance::Constant, UNCOUNTED);
        }
        out.push_str(" ").column(column).push_number(time);
    }
    out.push_str("\n");
}

const UNCOUNTED: &str = "not counted by cgroups";

fn push_field(out: &mut Text, label: &str, value: Count) {
    out.push_str(label).push_str(" ").push_number(value).push_str("\n");
}

fn push_zeros(out: &mut Text, label: &str, rest: &str) {
    out.push_str(label);
    for _ in rest.split_ascii_whitespace().filter(|word| number(word).is_some()) {
        out.push_str(" ").rule(Provenance::Constant, UNCOUNTED).push_number(Count::ZERO);
    }
    out.push_str("\n");
}

/// Boot by the container's clock.
fn boot_time(view: &View<'_>, text: &str, line: u32) -> Result<Count, Error> {
    let reason = "not a time in seconds";
    let host = number(text.trim()).ok_or(Error::MalformedInput { key: HOST, line, reason })?;
    Ok(ClockOffset::read(view)?.boot(view.trace(HOST, 0).read("btime", text, Count(host))))
}

fn most_processes(view: &View<'_>) -> Result<Count, Error> {
    let mut most = Count::ZERO;
    for key in [PEAK, V1_PEAK] {
        if let Some(found) = own_found(view, key)? {
            most = found.number().ok_or(Error::malformed(key, "not a number"))?.max(most);
        }
    }
    Ok(most)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::contract::{Input, Snapshot};
    use crate::testing::{SECOND, cgroup, host, snapshot, tasks};
    use alloc::string::String;
    use alloc::vec;

    const STARTED_AT_900: &str = "1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 90000 0\n";

    const KERNEL_6: &str = "\
cpu  111 22 33 44444 55 0 6 7 8 9
cpu0 55 11 16 22222 27 0 3 3 4 4
cpu1 56 11 17 22222 28 0 3 4 4 5
intr 4029 0 17 0 0 33
ctxt 338094
btime 1700000000
processes 10837
procs_running 3
procs_blocked 1
softirq 166225 0 37628 4 3825 14346 0 150 49741 0 60531
";

    fn inputs(stat: &'static str) -> Vec<Input<'static>> {
        vec![
            host(HOST, stat),
            host("cpu-online", "0-1\n"),
            host("init-stat", STARTED_AT_900),
            host("init-timens_offsets", "monotonic 0 0\nboottime -900 0\n"),
            tasks(9, 2, 1, 77),
        ]
    }

    fn text(snapshot: &Snapshot<'_>) -> String {
        crate::render(ENTRY.path, snapshot).unwrap().text
    }

    /// The lines of CPUs, of a container with these files besides.
    fn cpus(files: &[Input<'static>], settings: &[(&'static str, &'static str)]) -> String {
        let mut snapshot = snapshot(inputs(KERNEL_6));
        snapshot.inputs.extend_from_slice(files);
        snapshot.environment.settings = settings.to_vec();
        let text = text(&snapshot);
        text.split_once("intr").unwrap().0.into()
    }

    const V2: &str = "usage_usec 34000000\nuser_usec 24000000\nsystem_usec 10000000\nnice_usec 4000000\n\
                      nr_periods 9\nnr_throttled 3\nthrottled_usec 6000000\n";

    #[test]
    fn shows_the_containers_time_in_the_hosts_layout() {
        let mut inputs = inputs(KERNEL_6);
        inputs.push(cgroup("cpu.stat", 0, 2, V2));
        inputs.push(cgroup(PEAK, 0, 2, "12\n"));
        assert_eq!(
            text(&snapshot(inputs)),
            "cpu  1999 399 999 16600 0 0 0 0 0 0\n\
             cpu0 1000 200 500 8300 0 0 0 0 0 0\n\
             cpu1 999 199 499 8300 0 0 0 0 0 0\n\
             intr 0\n\
             ctxt 0\n\
             btime 1700000900\n\
             processes 77\n\
             procs_running 2\n\
             procs_blocked 1\n\
             softirq 0 0 0 0 0 0 0 0 0 0 0\n"
        );
    }

    #[test]
    fn old_kernels_have_fewer_columns_and_other_lines() {
        let mut inputs = inputs(
            "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\npage 5 6\nswap 1 0\nbtime 7\nprocesses 3\n",
        );
        inputs.push(cgroup("cpu.max", 0, 1, "100000 100000\n"));
        assert_eq!(
            text(&snapshot(inputs)),
            "cpu  0 0 0 10000 0 0 0\ncpu0 0 0 0 10000 0 0 0\npage 0 0\nswap 0 0\nbtime 907\n\
             processes 77\n"
        );
    }

    #[test]
    fn a_text_without_cpus_is_malformed() {
        for text in ["", "cpu0 1 2 3 4\n", "intr 0\n"] {
            let error = crate::render(ENTRY.path, &snapshot(inputs(text))).unwrap_err();
            assert!(matches!(error, Error::MalformedInput { key: HOST, .. }), "{text}");
        }
    }

    const TABLE: &str = "cpu user system\n0 3000000000 1000000000\n1 5000000000 2000000000\n";

    #[test]
    fn v1_counts_each_cpu() {
        let files = [cgroup("cpuacct.usage_all", 0, 1, TABLE)];
        let expected = "cpu  800 0 300 18900 0 0 0 0 0 0\n\
                        cpu0 300 0 100 9600 0 0 0 0 0 0\n\
                        cpu1 500 0 200 9300 0 0 0 0 0 0\n";
        assert_eq!(cpus(&files, &[]), expected);
    }

    /// The table is sampled, so it says only which part was which.
    #[test]
    fn v1_counts_exactly_what_each_cpu_was_used_for() {
        let table = cgroup("cpuacct.usage_all", 0, 1, TABLE);
        let files = [table, cgroup("cpuacct.usage_percpu", 0, 1, "2000000000 7700000000 \n")];
        let expected = "cpu  700 0 270 19030 0 0 0 0 0 0\n\
                        cpu0 150 0 50 9800 0 0 0 0 0 0\n\
                        cpu1 550 0 220 9230 0 0 0 0 0 0\n";
        assert_eq!(cpus(&files, &[]), expected);
        let none = cgroup("cpuacct.usage_all", 0, 1, "cpu user system\n0 0 0\n1 0 0\n");
        let files = [none, cgroup("cpuacct.usage_percpu", 0, 1, "2000000000 0 \n")];
        assert!(cpus(&files, &[]).starts_with("cpu  200 0 0 19800 "), "nothing was sampled yet");
    }

    #[test]
    fn what_v1_counted_on_hidden_cpus_is_spread() {
        let table = cgroup("cpuacct.usage_all", 0, 1, TABLE);
        let files = [table, cgroup("cpuset.cpus", 0, 1, "1\n")];
        let expected = "cpu  800 0 300 8900 0 0 0 0 0 0\ncpu1 800 0 300 8900 0 0 0 0 0 0\n";
        assert_eq!(cpus(&files, &[("cpu-numbering", "host")]), expected);
    }

    #[test]
    fn a_quota_makes_cpus_a_number() {
        let table = cgroup("cpuacct.usage_all", 0, 1, TABLE);
        let files = [
            table,
            cgroup("cpu.cfs_quota_us", 0, 1, "100000\n"),
            cgroup("cpu.cfs_period_us", 0, 1, "100000\n"),
        ];
        let expected = "cpu  800 0 300 8900 0 0 0 0 0 0\ncpu0 800 0 300 8900 0 0 0 0 0 0\n";
        assert_eq!(cpus(&files, &[]), expected);
    }

    #[test]
    fn v1_of_older_kernels() {
        let stat = cgroup("cpuacct.stat", 0, 1, "user 600\nsystem 200\n");
        let per_cpu = cgroup("cpuacct.usage_percpu", 0, 1, "4000000000 8000000000 \n");
        let expected = "cpu  900 0 300 18800 0 0 0 0 0 0\n\
                        cpu0 300 0 100 9600 0 0 0 0 0 0\n\
                        cpu1 600 0 200 9200 0 0 0 0 0 0\n";
        assert_eq!(cpus(&[stat, per_cpu], &[]), expected);
        let capped = "cpu  299 0 99 19600 0 0 0 0 0 0\n\
                      cpu0 150 0 50 9800 0 0 0 0 0 0\n\
                      cpu1 149 0 49 9800 0 0 0 0 0 0\n";
        let usage = cgroup("cpuacct.usage", 0, 1, "4000000000\n");
        assert_eq!(cpus(&[stat, usage], &[]), capped);
    }

    #[test]
    fn an_own_group_of_v1_counts_before_one_of_v2() {
        let v2 = |depth| cgroup("cpu.stat", 0, depth, "user_usec 1000000\nsystem_usec 0\n");
        let v1 = |depth| cgroup("cpuacct.usage_all", 0, depth, TABLE);
        let busy = |files: &[Input<'static>]| {
            let text = cpus(files, &[]);
            let user = text.split_ascii_whitespace().nth(1).unwrap();
            number(user).unwrap()
        };
        assert_eq!(busy(&[v1(2), v2(2)]), 800);
        assert_eq!(busy(&[v1(2), v2(0)]), 800);
        // Deep in the v2 tree is the service of a manager of containers.
        assert_eq!(busy(&[v1(1), v2(2)]), 800);
        assert_eq!(busy(&[v1(0), v2(2)]), 99);
        assert_eq!(busy(&[v1(0), v2(0)]), 0);
        assert_eq!(busy(&[]), 0);
    }

    /// A container that is started again in a group that was busy for hours,
    /// without a time namespace.
    #[test]
    fn what_a_group_used_before_its_init_is_past() {
        let at = |now| {
            let mut inputs = inputs(KERNEL_6);
            inputs.retain(|input| input.key != "init-timens_offsets");
            inputs.push(cgroup("cpu.stat", 0, 1, "user_usec 900000000\nsystem_usec 0\n"));
            let mut snapshot = snapshot(inputs);
            snapshot.now = now * SECOND;
            let text = text(&snapshot);
            let line: Vec<u64> = text
                .lines()
                .next()
                .unwrap()
                .split_ascii_whitespace()
                .flat_map(str::parse)
                .collect();
            (line[0], line[3])
        };
        // Its init is 100 s old; two CPUs of the host's 1000 s were there.
        assert_eq!(at(1000), (89_999, 110_000));
        assert_eq!(at(1050), (89_999, 120_000), "idle since");
    }

    #[test]
    fn throttled_time_is_idle_or_steal() {
        let files = [cgroup("cpu.stat", 0, 1, V2)];
        let idle = |settings: &[_]| {
            let text = cpus(&files, settings);
            let columns: Vec<_> = text.lines().nth(1).unwrap().split(' ').collect();
            (String::from(columns[4]), String::from(columns[8]))
        };
        assert_eq!(idle(&[]), ("8300".into(), "0".into()));
        assert_eq!(idle(&[("steal", "throttled")]), ("8000".into(), "300".into()));
        let v1 = [
            cgroup("cpuacct.stat", 0, 1, "user 0\nsystem 0\n"),
            cgroup("cpu.stat.v1", 0, 1, "nr_periods 1\nthrottled_time 6000000000\n"),
        ];
        assert!(cpus(&v1, &[("steal", "throttled")]).contains("cpu0 0 0 0 9700 0 0 0 300 0 0\n"));
    }

    #[test]
    fn a_time_namespace_moves_boot() {
        let mut inputs = inputs(KERNEL_6);
        assert!(text(&snapshot(inputs.clone())).contains("\nbtime 1700000900\n"));
        inputs.retain(|input| input.key != "init-timens_offsets");
        assert!(text(&snapshot(inputs)).contains("\nbtime 1700000000\n"));
    }

    #[test]
    fn processes_never_fall() {
        let mut before = inputs(KERNEL_6);
        before.push(cgroup(V1_PEAK, 0, 1, "500\n"));
        let state = crate::render(ENTRY.path, &snapshot(before)).unwrap().state;
        let mut snapshot = snapshot(inputs(KERNEL_6));
        snapshot.state = state.as_deref();
        assert!(text(&snapshot).contains("\nprocesses 500\n"));
    }

    #[test]
    fn without_tasks_none_run() {
        let inputs = inputs(KERNEL_6).into_iter().filter(|input| input.key != TASKS).collect();
        assert!(text(&snapshot(inputs)).contains("procs_running 0\nprocs_blocked 0\n"));
    }

    #[test]
    fn the_host_sees_its_own() {
        let mut snapshot = snapshot(vec![host(HOST, KERNEL_6)]);
        snapshot.is_host = true;
        assert_eq!(text(&snapshot), KERNEL_6);
    }
}
