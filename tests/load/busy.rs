//! Programs report the load that we set: one task that spins, on two CPUs.

use crate::Test;
use crate::counters::{Counted, Sampler, Samples};
use crate::io::python_with_psutil;
use crate::roles::{ROLE, now};
use crate::stage::{Container, ensure, has, myself, printed, three_times, wait_for};
use std::fs;

pub(crate) const TESTS: &[Test] = &[("busy::programs_report_one_busy_task", report_one_busy_task)];

const POINTS: f64 = 5.0;

/// Columns of a program, by name, in the row that follows.
pub(crate) struct Table<'a>(&'a str);

impl Table<'_> {
    pub(crate) fn new(text: &str) -> Table<'_> {
        Table(text)
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> f64 {
        let is_heading = |line: &&str| line.split_whitespace().any(|word| word == name);
        let mut lines = self.0.lines().skip_while(|line| !is_heading(line));
        let heading: Vec<&str> = lines
            .next()
            .unwrap_or_else(|| panic!("{name} in {}", self.0))
            .split_whitespace()
            .collect();
        let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        // From the right: the time at the left may be of two words.
        let place = heading.iter().rev().position(|word| *word == name).unwrap();
        row[row.len() - 1 - place].parse().unwrap()
    }
}

fn report_one_busy_task(test: &str) {
    let machine = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    if machine.trim() == "0" {
        return vproc_tests::skip(test, "this machine has one CPU");
    }
    if !["ps", "uptime", "w", "sar"].iter().all(|program| has(test, program)) {
        return;
    }
    let container =
        Container::start(&["--cpuset", "0-1"], &[&myself(), ROLE, "spin", "1", "0", "0"]);
    let busy = Busy { test, container };
    three_times(test, || busy.sar());
    three_times(test, || busy.psutil());
    three_times(test, || busy.ps());
    busy.averages();
}

struct Busy<'a> {
    test: &'a str,
    container: Container,
}

impl Busy<'_> {
    /// What a command prints, when it ran, and what the kernel counted meanwhile. It is
    /// in no group of the container, whose load is that of the task alone then.
    fn measured(&self, command: &[&str]) -> (String, (f64, f64), Samples) {
        let sampler = Sampler::start(&self.container);
        let start = now();
        let text = printed(self.container.exec_in([], command), command[0]);
        let when = (start, now());
        (text, when, sampler.stop())
    }

    /// What is shown is what was counted in some window of this length, give or take
    /// the 5 points that are required.
    fn is_near(
        what: &str,
        shown: f64,
        samples: &Samples,
        (when, length): ((f64, f64), f64),
        of: impl Fn(&Counted) -> f64,
    ) -> Result<(), String> {
        let (least, most) = samples.bounds(when, length, of);
        println!("{what}: {shown:.1}, counted {least:.1} to {most:.1}");
        ensure((least - POINTS..=most + POINTS).contains(&shown), || {
            format!("{what}: {shown:.1}, counted {least:.1} to {most:.1}")
        })
    }

    fn sar(&self) -> Result<(), String> {
        let (text, when, samples) = self.measured(&["sar", "1", "2"]);
        let average: Vec<&str> = text
            .lines()
            .find(|line| line.starts_with("Average:"))
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(average.len(), 8, "{text}");
        let value = |column: usize| average[column].parse::<f64>().unwrap();
        let (user, idle) = (value(2) + value(3), value(7));
        assert!(text.lines().next().unwrap().ends_with("(2 CPU)"), "{text}");
        let window = (when, 2.0);
        Busy::is_near("sar, idle", idle, &samples, window, |it| 100.0 - 50.0 * it.total)?;
        let of = |it: &Counted| 50.0 * (it.total - it.system);
        Busy::is_near("sar, in user mode", user, &samples, window, of)?;
        let text = self.container.script("sar -q 1 1");
        let tasks = Table::new(&text).value("plist-sz");
        ensure((3.0..=8.0).contains(&tasks), || format!("few tasks: {text}"))
    }

    fn psutil(&self) -> Result<(), String> {
        let Some(python) = python_with_psutil(self.test) else { return Ok(()) };
        let script = "import psutil\nprint(*psutil.cpu_percent(interval=2, percpu=True))";
        let (text, when, samples) = self.measured(&[python, "-c", script]);
        let cpus: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        ensure(cpus.len() == 2 && cpus.iter().all(|cpu| (0.0..=100.0).contains(cpu)), || {
            format!("two CPUs: {text}")
        })?;
        let shown = (cpus[0] + cpus[1]) / 2.0;
        Busy::is_near("psutil, busy", shown, &samples, (when, 2.0), |it| 50.0 * it.total)
    }

    /// The share of its life that the task had a CPU, as the host has it of the
    /// task itself. ps takes whole seconds of age in some versions.
    fn ps(&self) -> Result<(), String> {
        let task = self.container.command();
        // A second is a part of its age, and its share more than the tolerance: one
        // that got nothing would make any comparison pass.
        let (age, spent) = wait_for("an age and a share", || {
            let (age, spent) = life(task);
            (age >= 12.0 && 100.0 * spent / age > tolerance(age)).then_some((age, spent))
        });
        let text = self.container.script("ps -eo pcpu=,pid=,args=");
        let (later, spent_later) = life(task);
        let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
        let row = rows.into_iter().find(|row| row[2] == myself()).unwrap();
        let shown: f64 = row[0].parse().unwrap();
        let (least, most) = (100.0 * spent / later, 100.0 * spent_later / age);
        println!("ps, pcpu: {shown:.1}, counted {least:.1} to {most:.1} in {age:.0} s");
        let tolerance = tolerance(age);
        ensure((least - tolerance..=most + tolerance).contains(&shown), || {
            format!("pcpu {shown}, counted {least:.1} to {most:.1}: {text}")
        })
    }

    /// The load is that of the file, and that of one task: programs that read it
    /// may be running at a sample, too.
    fn averages(&self) {
        let read = || {
            let text = self.container.script("cat /proc/loadavg; uptime; w; cat /proc/loadavg");
            let of = |line: &str| {
                let averages = line.split_once("load average: ").map(|(_, rest)| rest);
                let words =
                    averages.unwrap_or(line).split([',', ' ']).filter(|word| !word.is_empty());
                words.take(3).map(|word| word.parse::<f64>().unwrap()).collect::<Vec<f64>>()
            };
            let lines: Vec<&str> = text.lines().collect();
            let ends = [lines[0], lines[lines.len() - 1]].map(of);
            let running = lines[0].split([' ', '/']).nth(3).unwrap().parse::<u32>().unwrap();
            // The newest sample may be of half a second ago (`Freshness`).
            assert!((1..=4).contains(&running), "one task runs, or a reader, too: {text}");
            let mut shown = lines.iter().filter(|line| line.contains("load average: "));
            let shown = [shown.next().unwrap(), shown.next().unwrap()].map(|line| of(line));
            (ends, shown, text.clone())
        };
        // A sample in between would tell the lines apart.
        let (first, text) = wait_for("averages between two samples", || {
            let (ends, shown, text) = read();
            let is_one = ends[0] == ends[1] && ends[0][0] > 0.0;
            is_one.then(|| {
                assert!(shown.iter().all(|shown| *shown == ends[0]), "{text}");
                (ends[0][0], text)
            })
        });
        println!("{}: load {first}", self.test);
        assert!((0.05..=4.0).contains(&first), "{text}");
    }
}

/// In points of a share of a life of so many seconds, of which ps may miss one.
fn tolerance(age: f64) -> f64 {
    POINTS + 100.0 / age
}

/// For how many seconds a task has been there, and how many it had a CPU.
fn life(task: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{task}/stat")).unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let now: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap() / 100.0;
    (now - ticks(19), ticks(11) + ticks(12))
}
