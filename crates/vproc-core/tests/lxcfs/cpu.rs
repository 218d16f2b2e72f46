//! Which CPUs there are, and `/proc/stat`.

use super::support::World;
use super::{container, row, shows_the_host};

const SYSFS: &str = "/sys/devices/system/cpu/";

/// The numbers of CPUs in each of the files that have some.
fn numbers(world: &World) -> [Vec<u32>; 2] {
    let numbered = |path: &str, prefix: &str| {
        let text = world.text(path);
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        lines.filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
    };
    [numbered("/proc/cpuinfo", "processor\t: "), numbered("/proc/stat", "cpu")]
}

fn online(world: &World) -> String {
    world.text(&format!("{SYSFS}online"))
}

/// User, nice, system and idle time of all CPUs, in ticks.
fn times(world: &World) -> [u64; 4] {
    row(&world.text("/proc/stat"), "cpu")[..4].try_into().unwrap()
}

/// Renders `/proc/stat` with the state that the last time left.
fn next(world: &mut World) -> [u64; 4] {
    let rendered = world.render("/proc/stat").unwrap();
    world.state = rendered.state;
    row(&rendered.text, "cpu")[..4].try_into().unwrap()
}

fn v2_usage(user: u64, system: u64) -> String {
    format!(
        "usage_usec {}000000\nuser_usec {user}000000\nsystem_usec {system}000000\n",
        user + system
    )
}

fn near(shown: u64, expected: u64) -> bool {
    shown.abs_diff(expected) <= 4
}

/// lxcfs shows what all tenants of a CPU used, on every v2 host: lxc/lxcfs#593,
/// lxc/lxcfs#628.
#[test]
fn cpu_time_of_v2_is_the_containers() {
    let usage = v2_usage(24, 10);
    let world = container().with_v2(&[&[("cpu.stat", &usage), ("cpuset.cpus.effective", "0-1\n")]]);
    let [user, nice, system, idle] = times(&world);
    assert!(near(user, 2400) && nice == 0 && near(system, 1000), "{user} {system}");
    assert!(near(idle, 2 * 20000 - 3400), "{idle}");
    assert!(!shows_the_host(&world.text("/proc/stat")));
}

/// lxcfs copies everything below the CPUs: lxc/lxcfs#654.
#[test]
fn tasks_and_interrupts_are_not_the_hosts() {
    let text = container().with_v2(&[&[]]).text("/proc/stat");
    let shown = ["intr", "ctxt", "processes", "procs_running", "procs_blocked"];
    assert_eq!(shown.map(|label| row(&text, label)[0]), [0, 0, 9, 2, 1]);
    assert!(!shows_the_host(&text), "{text}");
}

/// lxcfs shows 0 in every column at the first read, because it only counts from
/// there on.
#[test]
fn the_first_read_shows_what_was_used_before() {
    let table = "cpu user system\n0 6000000000 2000000000\n1 0 0\n2 0 0\n3 0 0\n";
    let group = [
        ("cpuacct.usage_all", table),
        ("cpu.cfs_quota_us", "50000\n"),
        ("cpu.cfs_period_us", "100000\n"),
    ];
    let [user, _, system, idle] = times(&container().with_v1(&[&group]));
    assert!(near(user, 600) && near(system, 200) && near(idle, 20000 - 800), "{user} {system}");
}

/// lxcfs shows idle time that falls: lxc/lxcfs#554, 152 to 149 at the full use
/// of half a CPU.
#[test]
fn idle_time_never_falls() {
    let mut last = 0;
    let mut world = container();
    for second in 0..40u64 {
        let usage = v2_usage(50 + second / 2, 0);
        let group = [("cpu.max", "50000 100000\n"), ("cpu.stat", usage.as_str())];
        world = World { now: (200 + second) * 1_000_000_000, ..world.with_v2(&[&group]) };
        let remembered = next(&mut world)[3];
        let forgotten = times(&World { state: None, ..world.clone() })[3];
        assert!(remembered >= last && forgotten >= last, "{last} {remembered} {forgotten}");
        last = remembered.max(forgotten);
    }
    assert!(last > 15000 + 15 * 100, "{last}");
}

/// lxcfs starts again from 0 when it is reloaded or restarted, and on
/// Kubernetes about every 10 seconds.
#[test]
fn counters_survive_the_program_that_shows_them() {
    let at = |seconds: u64, used: u64| {
        let usage = v2_usage(used, used);
        let world = container().with_v2(&[&[("cpu.stat", &usage)]]);
        World { now: seconds * 1_000_000_000, ..world }
    };
    let before = next(&mut at(200, 30));
    let after = times(&at(201, 31));
    let used: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert!(near(used[0], 100) && near(used[2], 100) && near(used[3], 200), "{used:?}");
}

/// lxcfs starts again from 0 when the cpuset changes: lxc/lxcfs#513.
#[test]
fn another_cpuset_resets_nothing() {
    let table = "cpu user system\n0 9000000000 0\n1 9000000000 0\n2 0 0\n3 0 0\n";
    let with = |cpus: &str, world: World| {
        world.with_v1(&[&[("cpuacct.usage_all", table), ("cpuset.effective_cpus", cpus)]])
    };
    let mut world = with("0-1\n", container());
    let before = next(&mut world);
    assert!(near(before[0], 1800), "{before:?}");
    world = with("2-3\n", World { now: 201_000_000_000, ..world });
    let after = next(&mut world);
    assert!(after[0] >= before[0] && after[3] >= before[3], "{before:?} {after:?}");
}

/// lxcfs shows more than 100 % (lxc/lxcfs#452) and 10^18 ticks of idle time
/// (lxc/lxcfs#311) where a group used more than there seems to have been.
#[test]
fn a_cpu_is_busy_for_as_long_as_it_was_there() {
    let usage = v2_usage(500, 100);
    let group = [("cpu.stat", usage.as_str()), ("cpu.max", "100000 100000\n")];
    let mut world = container().with_v2(&[&group]);
    let before = next(&mut world);
    assert!(before[3] <= 20000, "{before:?}");
    // A burst, or an account that was late: 9 seconds of CPU time in one.
    let usage = v2_usage(509, 100);
    let group = [("cpu.stat", usage.as_str()), ("cpu.max", "100000 100000\n")];
    world = World { now: 201_000_000_000, ..world.with_v2(&[&group]) };
    let after = next(&mut world);
    let total = |times: [u64; 4]| times.iter().sum::<u64>();
    assert!(near(total(after) - total(before), 100), "{before:?} {after:?}");
    assert!(after[0] - before[0] <= 101 && after[3] >= before[3], "{before:?} {after:?}");
}

/// lxcfs shows the sum both as user and as system time where the kernel has no
/// `cpuacct.usage_all`.
#[test]
fn time_that_is_counted_once_is_shown_once() {
    let group =
        [("cpuacct.usage_percpu", "10000000000 0 0 0\n"), ("cpuacct.stat", "user 1\nsystem 1\n")];
    let [user, _, system, _] = times(&container().with_v1(&[&group]));
    assert!(near(user, 500) && near(system, 500), "{user} {system}");
}

/// lxcfs returns an empty text where it finds no cpuset.
#[test]
fn without_a_cpuset_there_are_the_cpus_in_use() {
    let world = container().with_v2(&[&[("cpuset.cpus", "\n")]]);
    assert_eq!(numbers(&world), [[0, 1, 2, 3], [0, 1, 2, 3]]);
}

/// lxcfs numbers `/proc/stat` as the host and `/proc/cpuinfo` from 0:
/// lxc/lxcfs#406, lxc/lxcfs#414.
#[test]
fn all_files_number_the_cpus_alike() {
    let world = container().with_v2(&[&[("cpuset.cpus.effective", "1,3\n")]]);
    assert_eq!(numbers(&world), [[0, 1], [0, 1]]);
    assert_eq!(online(&world), "0-1\n");
    let world = world.with_setting("cpu-numbering", "host");
    assert_eq!(numbers(&world), [[1, 3], [1, 3]]);
    assert_eq!(online(&world), "1,3\n");
}

/// lxcfs shows the configured set, 0-3, although the parent allows less.
#[test]
fn a_cpuset_wider_than_its_parents_gives_no_more() {
    let v2 = [("cpuset.cpus", "0-3\n"), ("cpuset.cpus.effective", "0,2\n")];
    let v1 = [("cpuset.cpus", "0-3\n"), ("cpuset.effective_cpus", "0,2\n")];
    for world in [container().with_v2(&[&v2]), container().with_v1(&[&v1])] {
        assert_eq!(online(&world), "0-1\n");
        assert_eq!(numbers(&world), [[0, 1], [0, 1]]);
    }
}

/// lxcfs leaves `possible` and `present` to the host, so that runtimes count
/// its CPUs: lxc/lxcfs#731.
#[test]
fn no_more_cpus_are_possible_than_online() {
    let world = container().with_v2(&[&[("cpu.max", "150000 100000\n")]]);
    for list in ["online", "possible", "present"] {
        assert_eq!(world.text(&format!("{SYSFS}{list}")), "0-1\n", "{list}");
    }
    assert_eq!(world.text(&format!("{SYSFS}offline")), "\n");
}

/// lxcfs ignored the quotas of ancestors: lxc/lxcfs#688.
#[test]
fn the_lowest_quota_of_the_ancestors_counts() {
    let (wide, none, narrow) = ("300000 100000\n", "max 100000\n", "200000 100000\n");
    for leaf in [wide, none] {
        let world = container().with_v2(&[&[("cpu.max", leaf)], &[("cpu.max", narrow)]]);
        assert_eq!(online(&world), "0-1\n");
    }
}

/// lxcfs decides for all containers at once, by an option of the daemon,
/// whether a quota hides CPUs: lxc/lxcfs#298, lxc/lxcfs#600.
#[test]
fn whether_a_quota_hides_cpus_is_a_setting_of_the_container() {
    let world = container().with_v2(&[&[("cpu.max", "30000 100000\n")]]);
    assert_eq!(numbers(&world), [[0], [0]]);
    let world = world.with_setting("cpus", "cpuset");
    assert_eq!(numbers(&world), [[0, 1, 2, 3], [0, 1, 2, 3]]);
}

/// lxcfs leaves the host's counts: 4 cores where one is shown.
#[test]
fn a_package_has_as_many_cores_as_are_shown() {
    let text = container().with_v2(&[&[("cpu.max", "100000 100000\n")]]).text("/proc/cpuinfo");
    assert!(text.contains("\nsiblings\t: 1\n") && text.contains("\ncpu cores\t: 1\n"), "{text}");
}

/// lxcfs stops at the last CPU that a quota leaves, before the lines of the
/// machine.
#[test]
fn the_machine_is_named_below_the_cpus() {
    let cpu = |number| format!("processor\t: {number}\nBogoMIPS\t: 38.40\n\n");
    let text = format!("{}{}Hardware\t: BCM2711\nModel\t\t: Example Pi\n", cpu(0), cpu(1));
    let world = World { machine: "armv7l".into(), ..container() }
        .with_host("/proc/cpuinfo", &text)
        .with_v2(&[&[("cpu.max", "100000 100000\n")]]);
    let expected = format!("{}Hardware\t: BCM2711\nModel\t\t: Example Pi\n", cpu(0));
    assert_eq!(world.text("/proc/cpuinfo"), expected);
}

/// lxcfs copies the paragraphs of hidden CPUs on s390.
#[test]
fn s390_has_paragraphs_of_the_shown_cpus_alone() {
    let line = |cpu: &u32| format!("processor {cpu}: version = 00,  identification = 000000\n");
    let paragraph = |cpu: &u32| format!("\ncpu number      : {cpu}\ncpu MHz static  : 5000\n");
    let head = |count| format!("vendor_id       : IBM/S390\n# processors    : {count}\n");
    let text = |cpus: &[u32]| {
        let lines: String = cpus.iter().map(line).collect();
        let paragraphs: String = cpus.iter().map(paragraph).collect();
        format!("{}{lines}{paragraphs}", head(cpus.len()))
    };
    let world = World { machine: "s390x".into(), ..container() }
        .with_host("/proc/cpuinfo", &text(&[0, 1, 2, 3]))
        .with_v2(&[&[("cpuset.cpus.effective", "0-1\n")]]);
    assert_eq!(world.text("/proc/cpuinfo"), text(&[0, 1]));
}
