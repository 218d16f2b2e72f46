//! Sources that are kept open, against the same sources opened each time.

use crate::stage::*;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use vproc_linux::{Error, Feed, Freshness, Host, HostPid, Identity, Subject};
use vproc_snapshot::{Content, Reading, Readings};

const ENOENT: u32 = 2;
const EMFILE: u32 = 24;

fn subject(host: &Host, pid: HostPid) -> Arc<Subject> {
    Arc::new(host.subject(pid, Identity::Init).unwrap())
}

fn feed(host: &Host, pid: HostPid, texts: &[&str]) -> Feed {
    host.feed(subject(host, pid), host.environment(Vec::new()), &sources(texts)).unwrap()
}

/// What a feed says now of its first source.
fn first<'f>(host: &Host, feed: &'f mut Feed) -> &'f Reading {
    &feed.read(host).unwrap().records[0].found[0]
}

fn without_clock(readings: &Readings) -> Readings {
    Readings { now: 0, ..readings.clone() }
}

const ALL: [&str; 32] = [
    "host:/proc/filesystems",
    "host:/proc/version",
    "host:/proc/no_such_file",
    "host:/sys/devices/system/cpu/online",
    "process:init/stat",
    "process:subject/status",
    "process:init/timens_offsets",
    "process:subject/cgroup",
    "tasks",
    "cgroup1:memory/memory.limit_in_bytes@lineage",
    "cgroup1:memory/memory.usage_in_bytes@nearest",
    "cgroup1:memory/memory.stat@nearest",
    "cgroup1:memory/memory.stat@leaf",
    "cgroup1:memory/memory.no_such@lineage",
    "cgroup1:cpu/cpu.cfs_quota_us@lineage",
    "cgroup1:cpuacct/cpuacct.usage@leaf",
    "cgroup1:cpuset/cpuset.effective_cpus@nearest",
    "cgroup1:pids/pids.max@lineage",
    "cgroup1:pids/pids.no_such@leaf",
    "cgroup1:blkio/blkio.throttle.io_serviced@nearest",
    "cgroup1:blkio/blkio.bfq.io_serviced@nearest",
    "cgroup1:no_such/x@leaf",
    "cgroup2:memory/memory.max@lineage",
    "cgroup2:memory/memory.stat@nearest",
    "cgroup2:memory/memory.events@nearest",
    "cgroup2:cpu/cpu.max@lineage",
    "cgroup2:pids/pids.max@lineage",
    "cgroup2:/cpu.stat@leaf",
    "cgroup2:/cgroup.type@lineage",
    "cgroup2:/cgroup.type@nearest",
    "cgroup2:/cpu.pressure@leaf",
    "cgroup2:io/io.stat@nearest",
];

#[test]
fn a_feed_says_what_a_batch_says() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let groups: Vec<Group> = host
        .hierarchies()
        .iter()
        // Who joins a group of cpuset must give it CPUs first.
        .filter(|hierarchy| !hierarchy.controllers().iter().any(|word| word == "cpuset"))
        .filter_map(|hierarchy| hierarchy.mount_points().next().map(Group::new))
        .collect();
    let inner: Vec<_> = groups.iter().map(|group| group.below("inner")).collect();
    let paths: Vec<_> = inner.iter().map(std::path::PathBuf::as_path).collect();
    let container = Running::start(&paths, &in_pidns(1, &["sleep", "1000"]));
    let init = container.descendant("sleep");
    // What may change while nobody touches the container is read each time:
    // `SigQ:` of status counts for all processes of a user.
    let lazy = Freshness { process: Duration::ZERO, tasks: Duration::ZERO, ..Freshness::default() };
    for freshness in [lazy, Freshness::ALWAYS] {
        let host = Host::open().unwrap().with_freshness(freshness);
        let subject = subject(&host, init);
        let environment = host.environment(Vec::new());
        let wanted = sources(&ALL);
        let batch = || without_clock(&host.read(&subject, environment.clone(), &wanted).unwrap());
        let mut feed = host.feed(Arc::clone(&subject), environment.clone(), &wanted).unwrap();
        // The first read opens, the others read again. Only where nothing has
        // changed meanwhile, there is something to compare.
        for _ in 0..3 {
            let (said, meant) = wait_for("a moment in which nothing changes", || {
                let before = batch();
                let said = without_clock(feed.read(&host).unwrap());
                (before == batch()).then_some((said, before))
            });
            assert_eq!(said, meant);
        }
        assert!(feed.descriptors() > 8, "{}", feed.descriptors());
    }
}

#[test]
fn a_feed_asks_the_list_of_what_may_be_read() {
    let host = Host::open().unwrap();
    let subject = Arc::new(host.subject(HostPid::current(), Identity::Reader).unwrap());
    let refused = host.feed(subject, host.environment(Vec::new()), &sources(&["host:/proc/kcore"]));
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

#[test]
fn the_clock_of_a_feed_is_read_last() {
    let host = Host::open().unwrap().with_freshness(Freshness::ALWAYS);
    let mut feed = feed(&host, HostPid::current(), &["host:/proc/uptime"]);
    for _ in 0..2 {
        let readings = feed.read(&host).unwrap();
        let uptime = text(&readings.records[0].found[0]).split(' ').next().unwrap();
        assert!(readings.now as f64 / 1e9 >= uptime.parse().unwrap());
    }
}

#[test]
fn a_new_limit_is_seen_at_the_next_read() {
    let host = Host::open().unwrap();
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let process = Running::sleep(&[&group.0]);
    let mut feed = feed(&host, process.pid(), &[&format!("{source}/pids.max@leaf")]);
    for limit in ["77\n", "max\n", "1234567\n", "8\n"] {
        fs::write(group.0.join("pids.max"), limit).unwrap();
        assert_eq!(text(first(&host, &mut feed)), limit);
    }
}

#[test]
fn a_feed_follows_its_subject() {
    let host = Host::open().unwrap();
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let (before, after) = (Group::new(&pids), Group::new(&pids));
    fs::write(before.0.join("pids.max"), "66").unwrap();
    fs::write(after.0.join("pids.max"), "77").unwrap();
    let process = Running::sleep(&[&before.0]);
    let wanted = format!("{source}/pids.max@leaf");
    let mut lazy = feed(&host, process.pid(), &[&wanted]);
    let strict = Host::open().unwrap().with_freshness(Freshness::ALWAYS);
    let mut eager = feed(&strict, process.pid(), &[&wanted]);
    assert_eq!(text(first(&host, &mut lazy)), "66\n");
    assert_eq!(text(first(&strict, &mut eager)), "66\n");

    fs::write(after.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
    assert_eq!(text(first(&strict, &mut eager)), "77\n");
    assert_eq!(first(&strict, &mut eager).group, Some(after.name()));
    wait_for("the move", || (text(first(&host, &mut lazy)) == "77\n").then_some(()));
}

#[test]
fn a_removed_group_is_noticed_at_once() {
    // Nothing but the group itself can tell.
    let freshness = Freshness { membership: Duration::from_secs(3600), ..Freshness::default() };
    let host = Host::open().unwrap().with_freshness(freshness);
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let (before, after) = (Group::new(&pids), Group::new(&pids));
    fs::write(after.0.join("pids.max"), "77").unwrap();
    let mut process = Running::sleep(&[&before.0]);
    let mut feed = feed(&host, process.pid(), &[&format!("{source}/pids.max@leaf")]);
    assert_eq!(text(first(&host, &mut feed)), "max\n");
    fs::write(after.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
    let gone = before.0.clone();
    drop(before);
    assert!(!gone.exists());
    assert_eq!(text(first(&host, &mut feed)), "77\n");
    assert_eq!(first(&host, &mut feed).group, Some(after.name()));

    let pid = process.pid();
    process.end();
    let read = feed.read(&host);
    assert!(matches!(read, Err(Error::NoSuchProcess(ended)) if ended == pid), "{read:?}");
}

#[test]
fn a_file_that_comes_and_goes_is_followed() {
    let freshness = Freshness { absence: Duration::from_millis(50), ..Freshness::default() };
    let host = Host::open().unwrap().with_freshness(freshness);
    let Some(unified) = mount_point(&host, "").filter(|_| is_root()) else { return };
    let group = Group::new(&unified);
    let switch = group.0.join("cgroup.pressure");
    if !switch.exists() {
        return skip("this kernel hides no files of groups");
    }
    let process = Running::sleep(&[&group.0]);
    let mut feed = feed(&host, process.pid(), &["cgroup2:/cpu.pressure@leaf"]);
    assert!(text(first(&host, &mut feed)).starts_with("some "));
    fs::write(&switch, "0").unwrap();
    assert_eq!(first(&host, &mut feed).content, Content::Absent(ENOENT));
    assert_eq!(first(&host, &mut feed).content, Content::Absent(ENOENT));
    fs::write(&switch, "1").unwrap();
    wait_for("the file", || {
        matches!(first(&host, &mut feed).content, Content::Text(_)).then_some(())
    });
}

#[test]
fn without_descriptors_a_feed_opens_each_time() {
    const SELF: &str = "feed::without_descriptors_a_feed_opens_each_time";
    let lasting = Freshness::default().absence;
    let freshness = Freshness { absence: lasting, ..Freshness::ALWAYS };
    let host = Host::open().unwrap().with_freshness(freshness);
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    if !within(SELF, &["sh", "-c", "ulimit -n 110; exec \"$@\"", "sh"]) {
        return;
    }
    let group = Group::new(&pids);
    let process = Running::sleep(&[&group.0]);
    let wanted = [&*format!("{source}/pids.max@lineage"), "process:subject/cgroup", "tasks"];
    wait_for("sleep", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
        stat.contains(") S ").then_some(())
    });
    let subject = subject(&host, process.pid());
    let parsed = sources(&wanted);
    let start = || host.feed(Arc::clone(&subject), host.environment(Vec::new()), &parsed).unwrap();
    let mut feeds: Vec<Feed> = (0..40).map(|_| start()).collect();
    let set = |limit: &str| fs::write(group.0.join("pids.max"), limit).unwrap();
    for limit in ["77\n", "78\n"] {
        set(limit);
        for feed in &mut feeds {
            // What sleeps may run for a moment between the two.
            let agree = (0..20).any(|_| {
                let readings = without_clock(feed.read(&host).unwrap());
                assert_eq!(text(&readings.records[0].found[0]), limit);
                let batch = host.read(&subject, readings.environment.clone(), &parsed);
                readings == without_clock(&batch.unwrap())
            });
            assert!(agree, "a feed reads what a batch does");
        }
    }
    assert!(feeds[0].descriptors() > 0);
    assert_eq!(feeds[39].descriptors(), 0);

    // What is kept needs no more of them.
    let mut all: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    drop(all.pop());
    set("79\n");
    all.extend(fs::File::open("/dev/null"));
    assert!(fs::File::open("/dev/null").is_err());
    assert_eq!(text(first(&host, &mut feeds[0])), "79\n");
    // The last one is enough for a directory, not for a file in it. That is
    // not remembered: with a few more, all goes on.
    drop(all.pop());
    assert_eq!(first(&host, &mut feeds[39]).content, Content::Absent(EMFILE));
    all.truncate(all.len() - 12);
    assert_eq!(text(first(&host, &mut feeds[39])), "79\n");
}
