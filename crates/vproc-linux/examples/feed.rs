//! What reading costs: the sources of some files of `/proc`, opened each time
//! and kept open, for a container in groups of its own. Needs root.
//!
//! `cargo run --release -p vproc-linux --example feed`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vproc_linux::{Freshness, Host, HostPid, Identity, Readers, TaskSampler};
use vproc_snapshot::{CgroupVersion, Source};

const MEMORY: [&str; 6] = [
    "cgroup2:memory/memory.max@lineage",
    "cgroup2:memory/memory.current@nearest",
    "cgroup2:memory/memory.stat@nearest",
    "cgroup1:memory/memory.limit_in_bytes@lineage",
    "cgroup1:memory/memory.usage_in_bytes@nearest",
    "cgroup1:memory/memory.stat@nearest",
];
const SWAP: [&str; 4] = [
    "cgroup2:memory/memory.swap.max@lineage",
    "cgroup2:memory/memory.swap.current@nearest",
    "cgroup1:memory/memory.memsw.limit_in_bytes@lineage",
    "cgroup1:memory/memory.memsw.usage_in_bytes@nearest",
];
const CPU: [&str; 7] = [
    "host:/sys/devices/system/cpu/online",
    "cgroup2:cpuset/cpuset.cpus.effective@nearest",
    "cgroup1:cpuset/cpuset.effective_cpus@nearest",
    "cgroup1:cpuset/cpuset.cpus@nearest",
    "cgroup2:cpu/cpu.max@lineage",
    "cgroup1:cpu/cpu.cfs_quota_us@lineage",
    "cgroup1:cpu/cpu.cfs_period_us@lineage",
];
const CPU_TIME: [&str; 5] = [
    "cgroup2:/cpu.stat@leaf",
    "cgroup1:cpuacct/cpuacct.usage_all@leaf",
    "cgroup1:cpuacct/cpuacct.usage_percpu@leaf",
    "cgroup1:cpuacct/cpuacct.stat@leaf",
    "cgroup1:cpuacct/cpuacct.usage@leaf",
];
const CLOCK: [&str; 2] = ["process:init/timens_offsets", "process:init/stat"];
const IO: [&str; 7] = [
    "cgroup2:io/io.stat@nearest",
    "cgroup1:blkio/blkio.throttle.io_service_bytes_recursive@nearest",
    "cgroup1:blkio/blkio.throttle.io_serviced_recursive@nearest",
    "cgroup1:blkio/blkio.throttle.io_service_bytes@nearest",
    "cgroup1:blkio/blkio.throttle.io_serviced@nearest",
    "cgroup1:blkio/blkio.bfq.io_service_bytes_recursive@nearest",
    "cgroup1:blkio/blkio.bfq.io_serviced_recursive@nearest",
];

/// The files of the default policy, and what they need.
fn files() -> Vec<(&'static str, Vec<Source>)> {
    const KERNEL: &str = "cgroup1:memory/memory.kmem.usage_in_bytes@nearest";
    let files: [(&str, Vec<&[&str]>); 7] = [
        ("meminfo", vec![&["host:/proc/meminfo", KERNEL], &MEMORY, &SWAP]),
        ("stat", vec![&["host:/proc/stat", "tasks"], &CLOCK, &CPU, &CPU_TIME]),
        ("uptime", vec![&["host:/proc/uptime"], &CLOCK, &CPU, &CPU_TIME]),
        ("loadavg", vec![&["host:/proc/loadavg", "tasks"]]),
        ("diskstats", vec![&["host:/proc/diskstats"], &IO]),
        ("swaps", vec![&["host:/proc/swaps"], &MEMORY, &SWAP]),
        ("cpuinfo", vec![&["host:/proc/cpuinfo"], &CPU]),
    ];
    let parse = |groups: Vec<&[&str]>| {
        groups.into_iter().flatten().map(|source| source.parse().unwrap()).collect()
    };
    files.into_iter().map(|(name, groups)| (name, parse(groups))).collect()
}

/// A sleeping container in a group of its own in every hierarchy.
struct Container {
    process: Child,
    groups: Vec<PathBuf>,
}

impl Container {
    fn start(host: &Host) -> Self {
        let name = format!("vproc-feed-{}", std::process::id());
        let mut container = Container { process: sleeper(), groups: Vec::new() };
        for hierarchy in host.hierarchies() {
            let top = hierarchy.mount_points().next().unwrap();
            let group = top.join(&name);
            fs::create_dir(&group).unwrap();
            container.groups.push(group.clone());
            if hierarchy.version() == CgroupVersion::V1 {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    if let Ok(all) = fs::read(top.join(file)) {
                        fs::write(group.join(file), all).unwrap();
                    }
                }
            }
        }
        container.join(container.process.id());
        container.join(container.init().get());
        container
    }

    fn join(&self, pid: u32) {
        for group in &self.groups {
            fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
        }
    }

    fn init(&self) -> HostPid {
        let parent = self.process.id();
        loop {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
            if let Ok(init) = children.unwrap().trim().parse() {
                return init;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        for group in &self.groups {
            for _ in 0..400 {
                if fs::remove_dir(group).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn sleeper() -> Child {
    let mut command = Command::new("unshare");
    command.args(["-pf", "--kill-child", "--mount-proc", "sleep", "1000"]).spawn().unwrap()
}

/// Processes that join the container, and what it costs to find out that they
/// are in it.
fn strangers(host: &Host, readers: &Readers, init: HostPid) -> (Vec<Child>, f64) {
    let pid = init.to_string();
    let command = ["-t", &pid, "-p", "sleep", "1000"];
    let spawn = || Command::new("nsenter").args(command).spawn().unwrap();
    let joined: Vec<Child> = (0..40).map(|_| spawn()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let mut times: Vec<Duration> = Vec::new();
    for child in &joined {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()));
        let reader: HostPid = children.unwrap().trim().parse().unwrap();
        let start = Instant::now();
        assert_eq!(readers.find(host, reader).unwrap().pid(), init);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    (joined, times[times.len() / 2].as_secs_f64() * 1e6)
}

/// The median of many runs, in microseconds.
fn median(mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<Duration> = (0..3000)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn main() {
    let host = Host::open().unwrap();
    let container = Container::start(&host);
    let subject = Arc::new(host.subject(container.init(), Identity::Init).unwrap());
    let environment = host.environment(Vec::new());

    println!("microseconds     opened each time    kept    kept, never older    descriptors");
    for (name, sources) in files() {
        let opened = median(|| {
            black_box(host.read(&subject, environment.clone(), &sources).unwrap());
        });
        let mut feed = host.feed(Arc::clone(&subject), environment.clone(), &sources).unwrap();
        let kept = median(|| {
            black_box(feed.read(&host).unwrap());
        });
        let strict = Host::open().unwrap().with_freshness(Freshness::ALWAYS);
        let mut fresh = strict.feed(Arc::clone(&subject), environment.clone(), &sources).unwrap();
        let always = median(|| {
            black_box(fresh.read(&strict).unwrap());
        });
        let descriptors = feed.descriptors();
        println!("{name:<12} {opened:>20.2} {kept:>7.2} {always:>20.2} {descriptors:>14}");
    }

    let readers = Readers::new(Identity::Init);
    let init = container.init();
    let known = median(|| {
        black_box(readers.find(&host, init).unwrap());
    });
    let (strangers, new) = strangers(&host, &readers, init);
    let ours = median(|| {
        black_box(readers.find(&host, HostPid::current()).unwrap());
    });
    let resolve = median(|| {
        black_box(host.subject(init, Identity::Init).unwrap());
    });
    println!("reader: known {known:.2}, known and in our namespace {ours:.2}");
    println!("reader: new in a known container {new:.2}, resolved each time {resolve:.2}");
    for mut stranger in strangers {
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    for tasks in [2_usize, 50] {
        let more: Vec<Child> = (2..tasks)
            .map(|_| {
                let child = Command::new("sleep").arg("1000").spawn().unwrap();
                container.join(child.id());
                child
            })
            .collect();
        std::thread::sleep(Duration::from_millis(50));
        let mut sampler = TaskSampler::new(Arc::clone(&subject));
        let idle = median(|| {
            black_box(sampler.sample(&host).unwrap());
        });
        let scan = median(|| {
            black_box(TaskSampler::new(Arc::clone(&subject)).sample(&host).unwrap());
        });
        let counts = sampler.sample(&host).unwrap();
        println!("{} tasks: sampled idle {idle:.2}, opened and scanned {scan:.2}", counts.total);
        for mut child in more {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
