//! Many containers at once: memory, latency across all of them, and what
//! watching them costs while nobody reads.

use crate::groups::Group;
use crate::inside::{enter, read, receive, send};
use crate::report::Report;
use crate::servers::{Memory, Target, start_lxcfs, vproc};
use crate::speed::median;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What each container reads.
pub(crate) const FILES: [&str; 4] = ["meminfo", "stat", "uptime", "loadavg"];

/// How long the servers are watched: three samples of the load average.
const WATCHED: Duration = Duration::from_secs(15);
const SAMPLES: f64 = 3.0;

/// A container with a pid namespace of its own, which does as it is told.
pub(crate) struct Tenant {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
}

impl Tenant {
    /// Starts one with so many tasks, within a group.
    pub(crate) fn start(tasks: usize, group: Option<&Group>) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child"]);
        command.arg(std::env::current_exe().unwrap()).args(["--role", "tenant"]);
        command.arg(tasks.to_string()).args(group.map(Group::doors).unwrap_or_default());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, mut stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        // It says so when it is ready.
        receive(&mut stdout);
        Tenant { child, stdin, stdout }
    }

    /// Reads files once each; how long each took, in µs.
    pub(crate) fn read(&mut self, paths: &[PathBuf]) -> Vec<f64> {
        let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        let times = self.ask(&format!("read {}\n", paths.join(" ")));
        let nanos = times.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
        nanos.map(|nanos| f64::from(nanos) / 1e3).collect()
    }

    /// Has two tasks work now and then, for so long.
    fn work(&mut self, length: Duration) {
        self.ask(&format!("work {}\n", length.as_millis()));
    }

    fn ask(&mut self, line: &str) -> Vec<u8> {
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        receive(&mut self.stdout)
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // Its init ends, and takes the namespace along.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// The init of a tenant.
pub(crate) fn tenant(tasks: &str, doors: &[String]) {
    enter(doors);
    for _ in 1..tasks.parse().unwrap() {
        let sleeper = std::thread::Builder::new().stack_size(1 << 16);
        sleeper.spawn(park).unwrap();
    }
    send(&[]);
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        if words.next() == Some("read") {
            let mut buffer = [0; 8192];
            let time = |path| {
                let started = Instant::now();
                read(path, &mut buffer);
                u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX).to_le_bytes()
            };
            send(&words.flat_map(time).collect::<Vec<u8>>());
            continue;
        }
        let end = Instant::now() + Duration::from_millis(words.next().unwrap().parse().unwrap());
        for _ in 0..2 {
            std::thread::spawn(move || work(end));
        }
        send(&[]);
    }
}

fn park() {
    loop {
        std::thread::park();
    }
}

/// A millisecond of work in half a second.
fn work(end: Instant) {
    while Instant::now() < end {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        sleep(Duration::from_millis(499));
    }
}

/// What was measured of one server.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) idle: Memory,
    /// Right after all containers have read, and half a minute later.
    pub(crate) memory: [Memory; 2],
    pub(crate) descriptors: usize,
    /// p50 and p99 of a container's first reads, and of later ones, in µs.
    pub(crate) first: (f64, f64),
    pub(crate) later: (f64, f64),
    /// CPU time for a sample of the load average, in ms: without containers,
    /// with all of them asleep, and with a tenth of them working.
    pub(crate) samples: [f64; 3],
}

pub(crate) fn measure(containers: usize, tasks: usize) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let mut targets = vec![vproc(directory.path(), "vproc", "vproc", &[])];
    if crate::servers::lxcfs_version().is_some() {
        targets.push(start_lxcfs(directory.path()));
    }
    // Not before: a server is to have the limits that it has elsewhere.
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).unwrap();
    let _pids = Pids::enough_for(containers * tasks);
    let servers = |of: &dyn Fn(&Target) -> Memory| targets.iter().map(of).collect::<Vec<_>>();
    let memory = |target: &Target| target.server.as_ref().unwrap().memory();
    let idle = servers(&memory);
    let without = watch(&targets);
    let around = Group::new("tenants");
    let groups: Vec<Group> = (0..containers)
        .map(|number| {
            let group = around.child(&number.to_string());
            group.limit(256);
            group
        })
        .collect();
    let mut tenants: Vec<Tenant> = Vec::with_capacity(containers);
    for group in &groups {
        tenants.push(Tenant::start(tasks, Some(group)));
    }
    let first: Vec<_> = targets.iter().map(|target| read_all(&mut tenants, target, 1)).collect();
    let after = servers(&memory);
    let descriptors: Vec<usize> =
        targets.iter().map(|target| target.server.as_ref().unwrap().descriptors()).collect();
    let later: Vec<_> = targets.iter().map(|target| read_all(&mut tenants, target, 3)).collect();
    sleep(WATCHED);
    let asleep = watch(&targets);
    let settled = servers(&memory);
    for tenant in tenants.iter_mut().step_by(10) {
        tenant.work(2 * WATCHED);
    }
    sleep(Duration::from_secs(5));
    let working = watch(&targets);
    let outcomes = targets.iter().enumerate().map(|(place, target)| Outcome {
        name: target.name,
        idle: idle[place],
        memory: [after[place], settled[place]],
        descriptors: descriptors[place],
        first: first[place],
        later: later[place],
        samples: [without[place], asleep[place], working[place]],
    });
    let outcomes: Vec<_> = outcomes.collect();
    // Before their groups.
    drop(tenants);
    drop(groups);
    Report::many(containers, tasks, &outcomes)
}

/// More process ids than this machine has by default, until this is dropped.
struct Pids(Option<String>);

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

impl Pids {
    fn enough_for(tasks: usize) -> Self {
        let before = std::fs::read_to_string(PID_MAX).unwrap();
        if before.trim().parse::<usize>().unwrap() > tasks + 10_000 {
            return Pids(None);
        }
        std::fs::write(PID_MAX, "4194304").unwrap();
        Pids(Some(before))
    }
}

impl Drop for Pids {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = std::fs::write(PID_MAX, before);
        }
    }
}

/// p50 and p99 of reads of every container, in turn.
fn read_all(tenants: &mut [Tenant], target: &Target, rounds: usize) -> (f64, f64) {
    let paths = FILES.map(|name| target.files.join(name));
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..rounds {
        times.extend(tenants.iter_mut().flat_map(|tenant| tenant.read(&paths)));
    }
    times.sort_by(f64::total_cmp);
    (median(times.iter().copied()), times[times.len() * 99 / 100])
}

/// The CPU time of each server for a sample, in ms.
fn watch(targets: &[Target]) -> Vec<f64> {
    let used = || {
        let of = |target: &Target| target.server.as_ref().unwrap().group.cpu_time();
        targets.iter().map(of).collect::<Vec<_>>()
    };
    let before = used();
    sleep(WATCHED);
    let differences = used().into_iter().zip(before).map(|(after, before)| after - before);
    differences.map(|used| used.as_secs_f64() * 1e3 / SAMPLES).collect()
}
