//! A container seven groups deep, in a cgroup namespace, as systemd would be its
//! init: in `init.scope`. Limits stand at different levels above it.

use crate::Test;
use crate::counters::Sampler;
use crate::cpu::{deltas, share};
use crate::groups::{Groups, pass_on};
use crate::io::{Loop, bytes};
use crate::loadavg::{numbers_in, tasks};
use crate::pressure::is_the_kernels;
use crate::roles::{ROLE, Seen};
use crate::stage::{Container, Inside, ensure, has, myself, printed, three_times, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

pub(crate) const TESTS: &[Test] =
    &[("nested::seven_deep_in_a_namespace_with_an_init_scope", seven_deep)];

const MIB: u64 = 1 << 20;
const HELD: u64 = 32 * MIB;
const WRITTEN: u64 = 8 * MIB;

/// Of each kind of limit, one above or below is wider.
const LIMITS: [(usize, &str, &str); 6] = [
    (1, "--cpus", "2"),
    (2, "--cpuset", "1"),
    (3, "--memory", "160M"),
    (4, "--cpus", "0.5"),
    (5, "--memory", "96M"),
    (6, "--memory", "200M"),
];

/// The container, and where its processes are but its init.
struct Nested<'a> {
    test: &'a str,
    container: Container,
    service: BTreeMap<String, PathBuf>,
}

fn seven_deep(test: &str) {
    let machine = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    if machine.trim() == "0" {
        return vproc_tests::skip(test, "this machine has one CPU");
    }
    let nested = Nested::start(test);
    let program = myself();
    let _held = nested.spawn(&[&program, ROLE, "hold", "32"]);
    let _spin = nested.spawn(&[&program, ROLE, "spin", "1", "0", "0"]);
    wait_for("memory that is held", || (nested.anonymous() >= HELD).then_some(()));
    three_times(test, || nested.memory());
    nested.tasks();
    three_times(test, || nested.cpu());
    nested.pressure();
    nested.disk();
}

impl<'a> Nested<'a> {
    fn start(test: &'a str) -> Self {
        let first = format!("vproc-load-{}-nested", std::process::id());
        let own = Groups::new("/", &[&first, "2", "3", "4", "5", "6", "7"]);
        for (level, option, value) in LIMITS {
            own.limit(level, option, value);
        }
        let init = ["sh", "-c", "\"$@\" & wait", "sh", "sleep", "1000"];
        let mut container = Container::served(own, &init, &["-C"]);
        // As systemd does it: its group is left by processes before it may pass
        // controllers on.
        let processes = [container.init, container.command()];
        let own = container.own.as_mut().unwrap();
        for group in own.beside(6, "init.scope").values() {
            for process in processes {
                fs::write(group.join("cgroup.procs"), process.to_string()).unwrap();
            }
        }
        own.level(6).values().for_each(|group| pass_on(group));
        let service = own.beside(6, "service");
        let nested = Nested { test, container, service };
        let seen = nested.reads("cat /proc/self/cgroup /proc/1/cgroup");
        let [own, init] = ["/service", "/init.scope"]
            .map(|group| seen.lines().filter(|line| line.ends_with(&format!(":{group}"))).count());
        assert!(own > 0 && own == init, "the namespace begins at the seventh: {seen}");
        nested
    }

    /// In the cgroup namespace, which `nsenter` cannot enter before it has joined.
    fn command(&self, command: &[&str]) -> std::process::Command {
        let enter = ["nsenter", "--cgroup=/proc/1/ns/cgroup", "--"];
        let groups = self.service.values().map(PathBuf::as_path);
        self.container.exec_in(groups, &[&enter, command].concat())
    }

    fn spawn(&self, command: &[&str]) -> Inside {
        Inside::new(&mut self.command(command))
    }

    fn reads(&self, script: &str) -> String {
        printed(self.command(&["sh", "-c", script]), script)
    }

    /// A file of a group of this level.
    fn file(&self, level: usize, controller: &str, v1: &str, v2: &str) -> String {
        let groups = self.container.own.as_ref().unwrap().level(level);
        match groups.get(controller) {
            Some(group) => fs::read_to_string(group.join(v1)).unwrap(),
            None => fs::read_to_string(groups[""].join(v2)).unwrap(),
        }
    }

    /// Bytes of anonymous memory by the kernel's count for the container.
    fn anonymous(&self) -> u64 {
        let text = self.file(6, "memory", "memory.stat", "memory.stat");
        let lines = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        lines("total_rss ").or_else(|| lines("anon ")).unwrap().parse().unwrap()
    }

    /// 96 MiB of the sixth level; what is held; and what the kernel counts where
    /// the limit is, within 5 % of what is held. The kernel sums up within seconds.
    fn memory(&self) -> Result<(), String> {
        sleep(Duration::from_secs(1));
        let text = self.reads("cat /proc/meminfo");
        let amount = |label: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        };
        assert_eq!(amount("MemTotal:"), 96 * MIB, "{text}");
        let usage = self.file(5, "memory", "memory.usage_in_bytes", "memory.current");
        let usage: u64 = usage.trim().parse().unwrap();
        let (shown, used) = (amount("AnonPages:"), amount("MemTotal:") - amount("MemFree:"));
        let counted = self.anonymous();
        let all = format!("{shown} of {counted} anonymous, {used} of {usage} in use");
        println!("{}: {all}", self.test);
        let near = |one: u64, other: u64| one.abs_diff(other) * 20 <= HELD;
        // Programs beside have some anonymous memory, too.
        let is_held = (HELD..HELD + 8 * MIB).contains(&shown);
        ensure(is_held && near(shown, counted) && near(used, usage), || all)
    }

    /// All that the kernel has in the container's pid namespace, and the reader.
    fn tasks(&self) {
        // Counts over tasks may be half a second old (`Freshness`).
        sleep(Duration::from_millis(600));
        let there = numbers_in(self.container.init).len() as u32;
        let watch = [&myself(), ROLE, "watch", "/proc/loadavg", "1", "0"];
        let text = printed(self.command(&watch), "watch");
        let seen: Vec<Seen> = serde_json::from_str(&text).unwrap();
        let [running, total, _] = tasks(&seen[0].text);
        assert_eq!((there, total), (4, 5), "sh, sleep, two loads, and the reader");
        assert!((1..=2).contains(&running), "{running}");
    }

    /// One CPU of the third level, and half of it by the quota of the fifth.
    fn cpu(&self) -> Result<(), String> {
        let text = self.reads("grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat");
        assert_eq!(text, "1\n1\n");
        let groups = self.container.own.as_ref().unwrap().level(6);
        let sampler = Sampler::of(groups);
        let watch = [&myself(), ROLE, "watch", "/proc/stat", "2", "2000"];
        let text = printed(self.command(&watch), "watch");
        let samples = sampler.stop();
        let seen: Vec<Seen> = serde_json::from_str(&text).unwrap();
        let shown = share(&deltas(&seen[0].text, &seen[1].text)?["cpu0"]);
        let counted = 100.0 * samples.rate(seen[0].at(), seen[1].at()).total;
        let busy = shown.user + shown.system;
        println!("{}: {busy:.1} % busy, counted {counted:.1} %", self.test);
        ensure((busy - counted).abs() < 5.0 && (10.0..=55.0).contains(&busy), || {
            format!("{busy:.1} % busy, counted {counted:.1} %, and the quota is 50 %")
        })
    }

    /// The seventh group's own. The quota makes tasks wait.
    fn pressure(&self) {
        let group = self.container.own.as_ref().unwrap().level(6).get("");
        let Some(group) = group.filter(|group| group.join("cpu.pressure").exists()) else {
            return vproc_tests::skip(self.test, "this kernel counts no pressure of groups");
        };
        let read = |resource: &str| {
            // In no group of the container, so that nobody waits there.
            let file = format!("/proc/pressure/{resource}");
            printed(self.container.exec_in([], &["cat", &file]), "cat")
        };
        is_the_kernels(self.test, group, "memory", read);
        let total = |text: &str| -> u64 {
            text.lines().next().unwrap().rsplit_once("total=").unwrap().1.parse().unwrap()
        };
        let kernels = || total(&fs::read_to_string(group.join("cpu.pressure")).unwrap());
        let (least, shown, most) = (kernels(), total(&read("cpu")), kernels());
        println!("{}: waited {least} to {most} µs, shown {shown}", self.test);
        assert!((least..=most).contains(&shown) && shown > 0, "{least}, {shown}, {most}");
    }

    fn disk(&self) {
        if !has(self.test, "dd") {
            return;
        }
        let Some(device) = Loop::new(self.test) else { return };
        if let Some(group) = self.container.own.as_ref().unwrap().level(6).get("blkio") {
            device.is_counted_in(group);
        }
        let name = &device.name;
        self.reads(&format!(
            "dd if=/dev/zero of=/dev/{name} bs=256k count={} oflag=direct status=none",
            WRITTEN / (256 << 10)
        ));
        let [_, written] = bytes(&self.reads("cat /proc/diskstats"), name);
        println!("{}: {written} of {WRITTEN} written", self.test);
        assert!(written.abs_diff(WRITTEN) * 20 <= WRITTEN, "{written} of {WRITTEN}");
    }
}
