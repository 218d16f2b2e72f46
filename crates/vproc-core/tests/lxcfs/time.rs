//! `/proc/uptime`, `btime` and `/proc/loadavg`.

use super::support::World;
use super::{container, row, shows_the_host, started_as};
use vproc_core::contract::TaskCounts;

fn uptime(world: &World) -> Vec<f64> {
    let text = world.text("/proc/uptime");
    text.split_whitespace().map(|seconds| seconds.parse().unwrap()).collect()
}

/// lxcfs shows -184467440737095424.00 where the command of init has a space.
#[test]
fn init_may_be_called_anything() {
    for command in ["npm run start", "tmux: server", "a) S 0 (b", ""] {
        let world = started_as(container(), command);
        assert_eq!(uptime(&world)[0], 200.0, "{command}");
        assert_eq!(uptime(&world.with_setting("uptime", "age"))[0], 100.0, "{command}");
    }
}

/// lxcfs shows -184467440737095424.00 where it cannot find init: lxc/lxcfs#732.
#[test]
fn without_an_init_there_is_a_reason_and_no_number() {
    let mut world = container();
    world.processes.clear();
    assert!(world.render("/proc/uptime").unwrap_err().to_string().contains("init"));
}

/// lxcfs shows the uptime as idle time on v2, however busy the container is,
/// and that of one CPU on v1.
#[test]
fn idle_is_the_time_of_all_cpus_less_what_was_used() {
    let used = "usage_usec 40000000\nuser_usec 40000000\nsystem_usec 0\n";
    let v2 = container().with_v2(&[&[("cpu.stat", used)]]);
    let table = "cpu user system\n0 40000000000 0\n1 0 0\n2 0 0\n3 0 0\n";
    let v1 = container().with_v1(&[&[("cpuacct.usage_all", table)]]);
    for world in [v2, v1] {
        assert_eq!(uptime(&world), [200.0, 4.0 * 200.0 - 40.0]);
    }
}

/// lxcfs shows the age of init on a clock that the container does not have:
/// here it started at 50 by its own.
#[test]
fn uptime_is_by_the_containers_clock() {
    let mut world = container();
    let offsets = "monotonic           0         0\nboottime          -50         0\n";
    world.processes.insert("init/timens_offsets".into(), offsets.into());
    assert_eq!(uptime(&world)[0], 150.0);
    assert_eq!(row(&world.text("/proc/stat"), "btime"), [1700000050]);
}

/// lxcfs moved `btime`, and `ps` showed processes of the future
/// (lxc/lxcfs#164); since then it moves `uptime` alone.
#[test]
fn uptime_and_btime_are_of_one_clock() {
    let world = container();
    let booted = row(&world.text("/proc/stat"), "btime")[0];
    assert_eq!((booted, uptime(&world)[0]), (1_700_000_000, 200.0));
}

/// lxcfs shows the host's load unless it was started with `-l`:
/// lxc/lxcfs#251, lxc/lxcfs#578. With it, a first read is 0, however long the
/// container has been busy: here for 100 s.
#[test]
fn load_is_the_containers_without_an_option() {
    let text = container().text("/proc/loadavg");
    assert_eq!(text, "2.44 0.86 0.31 2/5 9\n");
    assert!(!shows_the_host(&text));
}

/// lxcfs takes a sample whenever it gets around to it, and loads freeze on a
/// busy host: lxc/lxcfs#504, lxc/lxcfs#655.
#[test]
fn load_decays_by_the_clock_however_rarely_it_is_read() {
    let idle = TaskCounts { total: 1, running: 0, blocked: 0, last_pid: 9 };
    let state = container().render("/proc/loadavg").unwrap().state;
    let at = |seconds: u64| World {
        now: (200 + seconds) * 1_000_000_000,
        tasks: Some(idle),
        state: state.clone(),
        ..container()
    };
    // 2.44/e after the minute of the first average, once or in steps.
    assert!(at(60).text("/proc/loadavg").starts_with("0.89 0.70"));
    let half = at(30).render("/proc/loadavg").unwrap().state;
    let whole = World { state: half, ..at(60) }.text("/proc/loadavg");
    assert_eq!(whole, at(60).text("/proc/loadavg"));
    assert_eq!(at(40_000).text("/proc/loadavg"), "0.00 0.00 0.00 0/1 9\n");
}
