//! CPU time: what is driven, what the kernel counts of it, and what is shown.

use crate::Test;
use crate::counters::{Counted, Sampler, Samples, spent};
use crate::groups;
use crate::roles::{ROLE, Seen, now};
use crate::stage::{self, Container, ensure, has, myself, printed, three_times};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

pub(crate) const TESTS: &[Test] = &[
    ("cpu::a_third_of_a_cpu", |test| check(test, &["--cpus", "0.3"], 1, None, ["1", "0", "0"])),
    ("cpu::a_quota_of_one", |test| check(test, &["--cpus", "1"], 1, None, ["2", "0", "0"])),
    ("cpu::a_quota_of_one_and_a_half", |test| {
        check(test, &["--cpus", "1.5"], 2, Some(&[0, 1]), ["1", "0", "1"]);
    }),
    ("cpu::a_quota_of_two", |test| {
        check(test, &["--cpus", "2"], 2, Some(&[0, 1]), ["0", "0", "2"]);
    }),
    ("cpu::the_first_cpu", |test| {
        check(test, &["--cpuset", "0"], 1, Some(&[0]), ["0", "0", "1"]);
    }),
    ("cpu::the_second_cpu", |test| {
        check(test, &["--cpuset", "1"], 1, Some(&[1]), ["1", "0", "0"]);
    }),
    ("cpu::two_cpus_and_one_task", |test| {
        check(test, &["--cpuset", "0-1"], 2, Some(&[0, 1]), ["0", "1", "0"]);
    }),
    ("cpu::a_quota_below_the_cpuset", |test| {
        check(test, &["--cpuset", "0-1", "--cpus", "0.5"], 1, None, ["0", "0", "2"]);
    }),
    ("cpu::a_cpuset_wider_than_its_parents", wider_than_the_parents),
];

/// Shares of time, in percent: of user mode (nice or not), the kernel, and
/// idle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) user: f64,
    pub(crate) system: f64,
    idle: f64,
}

/// By how many points what is shown may differ from what was counted: what is
/// required. It is used up by programs that look at other moments than we do, and
/// by vmstat, which rounds to whole points. User mode and the kernel get no more,
/// since the counters that we sample are split as those that are shown are.
const POINTS: f64 = 5.0;

fn check(test: &str, limits: &[&str], cpus: usize, set: Option<&[usize]>, load: [&str; 3]) {
    let machine = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    if machine.trim() == "0" {
        return vproc_tests::skip(test, "this machine has one CPU");
    }
    let program = myself();
    let command = [&[program.as_str(), ROLE, "spin"][..], &load].concat();
    let container = Container::start(limits, &command);
    let load = Load { test, container, cpus, set };
    three_times(test, || load.two_reads());
    three_times(test, || load.programs());
}

/// On v1 a group cannot have CPUs that its parent has not. On v2 it can say
/// so, and gets those that the parent has.
fn wider_than_the_parents(test: &str) {
    let points = groups::hierarchies();
    if points.contains_key("cpuset") {
        if stage::lacks_run() {
            return vproc_tests::skip(test, "this kernel lacks what `vprocctl run` needs");
        }
        let parent = Parent::new(&points["cpuset"]);
        let mut command = Command::new(stage::VPROCCTL);
        command.args(["run", "--cgroup-parent", &parent.name, "--cpuset", "0-1", "--", "true"]);
        let output = command.output().unwrap();
        // The parent exists in one hierarchy only, or does not allow the set.
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        return;
    }
    let parent = Parent::new(&points[""]);
    let limits = ["--cgroup-parent", &parent.name, "--cpuset", "0-1"];
    check(test, &limits, 1, Some(&[1]), ["1", "0", "0"]);
}

/// A group on the second CPU.
struct Parent {
    path: std::path::PathBuf,
    name: String,
}

impl Parent {
    fn new(hierarchy: &std::path::Path) -> Self {
        let name = format!("/vproc-load-{}-parent", std::process::id());
        let path = hierarchy.join(&name[1..]);
        fs::create_dir(&path).unwrap();
        let parent = Parent { path, name };
        fs::write(parent.path.join("cpuset.cpus"), "1").unwrap();
        parent
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        groups::remove_soon(&self.path);
    }
}

/// A container that is busy.
struct Load<'a> {
    test: &'a str,
    container: Container,
    /// How many CPUs it should see.
    cpus: usize,
    /// Which these are, where they are particular ones.
    set: Option<&'a [usize]>,
}

impl Load<'_> {
    /// Two reads of `/proc/stat` in the container, without programs beside.
    fn two_reads(&self) -> Result<(), String> {
        let sampler = Sampler::start(&self.container);
        let (spent_before, start) = (spent(self.container.command()), now());
        let watch = [&myself(), ROLE, "watch", "/proc/stat", "2", "2000"];
        let text = printed(self.container.exec(&watch), "watch");
        let (spent_after, end) = (spent(self.container.command()), now());
        let samples = sampler.stop();
        let seen: Vec<Seen> = serde_json::from_str(&text).unwrap();
        let lines = deltas(&seen[0].text, &seen[1].text)?;
        ensure(lines.len() == self.cpus + 1, || format!("{} CPUs: {lines:?}", self.cpus))?;
        self.time_is_whole(&lines, &seen)?;
        let counted = samples.rate(seen[0].at(), seen[1].at());
        let all = share(&lines["cpu"]);
        let driven = [spent_after.0 - spent_before.0, spent_after.1 - spent_before.1];
        let driven = driven.map(|spent| spent / (end - start));
        println!("{}: {all:?}; counted {counted:?}; driven {driven:?}", self.test);
        self.near("all", all, (counted.total - counted.system, counted.system), POINTS)?;
        self.near("the load's own times", all, driven.into(), 3.0 * POINTS)?;
        for number in 0..self.cpus {
            let own = 100.0 * self.of_cpu(&counted, number);
            let shown = share(&lines[&format!("cpu{number}")]);
            let busy = shown.user + shown.system;
            ensure((busy - own).abs() < POINTS, || {
                format!("cpu{number} is {busy:.1} % busy; counted {own:.1} %")
            })?;
        }
        Ok(())
    }

    /// What each CPU shows adds up to the time that passed.
    fn time_is_whole(
        &self,
        lines: &BTreeMap<String, Vec<f64>>,
        seen: &[Seen],
    ) -> Result<(), String> {
        let passed = seen[1].at() - seen[0].at();
        let unsure = seen.iter().map(|seen| seen.after - seen.before).sum::<f64>();
        let slack = unsure + 0.02 * passed + 0.05;
        for (label, columns) in lines {
            let cpus = if label == "cpu" { self.cpus as f64 } else { 1.0 };
            let shown = columns.iter().sum::<f64>() / 100.0;
            ensure((shown - cpus * passed).abs() < cpus * slack, || {
                format!("{label} has {shown:.2} s of {cpus} × {passed:.2} s")
            })?;
        }
        Ok(())
    }

    /// What a CPU should show of what was counted.
    fn of_cpu(&self, counted: &Counted, number: usize) -> f64 {
        match self.set {
            Some(set) if !counted.cpus.is_empty() => counted.cpus[set[number]],
            _ => counted.total / self.cpus as f64,
        }
    }

    fn near(
        &self,
        what: &str,
        shown: Shown,
        (user, system): (f64, f64),
        points: f64,
    ) -> Result<(), String> {
        let [user, system] = [user, system].map(|spent| 100.0 * spent / self.cpus as f64);
        let is_near = (shown.user - user).abs() < points && (shown.system - system).abs() < points;
        ensure(is_near, || format!("{what}: {user:.1} {system:.1}, but {shown:?}"))
    }

    /// What unmodified programs show in the container, all at a time.
    fn programs(&self) -> Result<(), String> {
        let needed = [("top", 1.0), ("vmstat", 1.0), ("mpstat", 2.0)];
        if !needed.iter().all(|(program, _)| has(self.test, program)) {
            return Ok(());
        }
        let scripts = ["top -b -n2 -d1", "vmstat 1 3", "mpstat -P ALL 1 2"];
        let sampler = Sampler::start(&self.container);
        let printed = std::thread::scope(|scope| {
            let run = |script: &'static str| {
                scope.spawn(move || {
                    let start = now();
                    (self.container.script(script), (start, now()))
                })
            };
            scripts.map(run).map(|thread| thread.join().unwrap())
        });
        let samples = sampler.stop();
        for ((text, when), (program, length)) in printed.iter().zip(needed) {
            let shown = match program {
                "top" => vec![("all".to_owned(), top(text))],
                "vmstat" => vmstat(text),
                _ => mpstat(text),
            };
            let cpus = self.cpus + 1;
            ensure(program != "mpstat" || shown.len() == cpus, || format!("{cpus} lines: {text}"))?;
            for (cpu, shown) in shown {
                self.fits(&format!("{program}, {cpu}"), &cpu, shown, &samples, *when, length)
                    .map_err(|reason| format!("{reason}\n{text}"))?;
            }
        }
        Ok(())
    }

    /// What a program shows is what was counted in a window of its time.
    fn fits(
        &self,
        what: &str,
        cpu: &str,
        shown: Shown,
        samples: &Samples,
        when: (f64, f64),
        length: f64,
    ) -> Result<(), String> {
        let parts = [shown.user, shown.system, shown.idle];
        let whole = parts.iter().sum::<f64>();
        ensure(parts.iter().all(|part| (0.0..=100.5).contains(part)), || {
            format!("{what}: {shown:?}")
        })?;
        // vmstat rounds each to a whole number.
        ensure((whole - 100.0).abs() <= 1.6, || format!("{what}: {whole:.1} % in all: {shown:?}"))?;
        let of_one = |counted: &Counted| match cpu.parse() {
            Ok(number) => self.of_cpu(counted, number),
            Err(_) => counted.total / self.cpus as f64,
        };
        let is_near = |kind: &str, shown: f64, of: &dyn Fn(&Counted) -> f64| {
            let (least, most) = samples.bounds(when, length, |counted| 100.0 * of(counted));
            ensure((least - POINTS..=most + POINTS).contains(&shown), || {
                format!("{what}: {shown:.1} % {kind}, counted {least:.1} to {most:.1} %")
            })
        };
        is_near("busy", shown.user + shown.system, &of_one)?;
        // The kernel does not count both modes for each CPU of a group.
        if cpu.parse::<usize>().is_ok() {
            return Ok(());
        }
        let cpus = self.cpus as f64;
        is_near("in user mode", shown.user, &|counted| (counted.total - counted.system) / cpus)?;
        is_near("in the kernel", shown.system, &|counted| counted.system / cpus)
    }
}

/// By how much the numbers of each CPU grew.
pub(crate) fn deltas(before: &str, after: &str) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let lines = |text: &str| -> BTreeMap<String, Vec<i64>> {
        let cpus = text.lines().filter(|line| line.starts_with("cpu"));
        cpus.map(|line| {
            let (label, rest) = line.split_once(' ').unwrap();
            (label.to_owned(), rest.split_whitespace().map(|word| word.parse().unwrap()).collect())
        })
        .collect()
    };
    let (before, after) = (lines(before), lines(after));
    let mut grown = BTreeMap::new();
    for (label, now) in after {
        let then = before.get(&label).ok_or_else(|| format!("{label} was not there"))?;
        let columns: Vec<i64> = now.iter().zip(then).map(|(now, then)| now - then).collect();
        assert!(columns.iter().all(|grown| *grown >= 0), "{label} fell: {columns:?}");
        grown.insert(label, columns.into_iter().map(|grown| grown as f64).collect());
    }
    Ok(grown)
}

pub(crate) fn share(columns: &[f64]) -> Shown {
    let part = 100.0 / columns.iter().sum::<f64>();
    Shown {
        user: (columns[0] + columns[1]) * part,
        system: columns[2] * part,
        idle: columns[3] * part,
    }
}

/// The last of `%Cpu(s):  1.0 us,  2.0 sy,  0.0 ni, 97.0 id, …`.
fn top(text: &str) -> Shown {
    let line = text.lines().rfind(|line| line.starts_with("%Cpu(s):")).unwrap();
    let value = |unit: &str| -> f64 {
        let part = line.split([',', ':']).find(|part| part.trim().ends_with(unit)).unwrap();
        part.trim().trim_end_matches(unit).trim().parse().unwrap()
    };
    Shown { user: value("us") + value("ni"), system: value("sy"), idle: value("id") }
}

/// All lines but the first, which is since the boot.
fn vmstat(text: &str) -> Vec<(String, Shown)> {
    let columns: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    let lines = text.lines().skip(3).map(|line| {
        let values: Vec<f64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let value = |name| values[columns.iter().position(|column| *column == name).unwrap()];
        ("all".to_owned(), Shown { user: value("us"), system: value("sy"), idle: value("id") })
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 2, "{text}");
    lines
}

/// The averages over both intervals.
fn mpstat(text: &str) -> Vec<(String, Shown)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Average:"));
    let mut rows = lines.map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let columns = rows.next().unwrap();
    rows.map(|row| {
        let value = |name| {
            let place = columns.iter().position(|column| *column == name).unwrap();
            row[place].parse::<f64>().unwrap()
        };
        let user = value("%usr") + value("%nice");
        (row[0].to_owned(), Shown { user, system: value("%sys"), idle: value("%idle") })
    })
    .collect()
}
