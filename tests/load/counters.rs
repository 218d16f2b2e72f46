//! What the kernel counts for a group, read by nobody but this test.

use crate::roles::now;
use crate::stage::Container;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// CPU seconds at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    pub(crate) at: f64,
    pub(crate) total: f64,
    pub(crate) system: f64,
    /// For each CPU of the host; empty on v2.
    pub(crate) cpus: Vec<f64>,
}

/// The files of a group.
#[derive(Debug, Clone)]
struct Files {
    directory: PathBuf,
    is_v1: bool,
}

impl Files {
    fn read(&self) -> Counted {
        let before = now();
        let read = |name: &str| fs::read_to_string(self.directory.join(name)).unwrap_or_default();
        let nanos = |word: &str| word.parse::<u64>().unwrap_or(0) as f64 / 1e9;
        let counted = if self.is_v1 {
            let cpus: Vec<f64> =
                read("cpuacct.usage_percpu").split_whitespace().map(nanos).collect();
            let total = nanos(read("cpuacct.usage").trim());
            Counted { at: 0.0, total, system: nanos(read("cpuacct.usage_sys").trim()), cpus }
        } else {
            let text = read("cpu.stat");
            let value = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key));
                line.map_or(0.0, |word| word.trim().parse::<u64>().unwrap() as f64 / 1e6)
            };
            let (total, system) = (value("usage_usec "), value("system_usec "));
            Counted { at: 0.0, total, system, cpus: Vec::new() }
        };
        Counted { at: f64::midpoint(before, now()), ..counted }
    }
}

/// Reads the counters of a group until it is told to stop.
pub(crate) struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Counted>>,
}

impl Sampler {
    pub(crate) fn start(container: &Container) -> Self {
        Sampler::of(&container.groups)
    }

    pub(crate) fn of(groups: &BTreeMap<String, PathBuf>) -> Self {
        let v1 = groups.get("cpuacct");
        let directory = v1.or_else(|| groups.get("")).unwrap().clone();
        let files = Files { directory, is_v1: v1.is_some() };
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut samples = vec![files.read()];
            while !told.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
                samples.push(files.read());
            }
            samples
        });
        Sampler { stop, thread }
    }

    pub(crate) fn stop(self) -> Samples {
        self.stop.store(true, Ordering::Relaxed);
        Samples(self.thread.join().unwrap())
    }
}

/// What was counted, in the order of time.
pub(crate) struct Samples(Vec<Counted>);

impl Samples {
    /// What was counted up to a moment, on a straight line between samples.
    fn until(&self, at: f64) -> Counted {
        let next = self.0.partition_point(|sample| sample.at < at).clamp(1, self.0.len() - 1);
        let (one, other) = (&self.0[next - 1], &self.0[next]);
        let part = ((at - one.at) / (other.at - one.at)).clamp(0.0, 1.0);
        let between = |one: f64, other: f64| one + (other - one) * part;
        let cpus = one.cpus.iter().zip(&other.cpus).map(|(one, other)| between(*one, *other));
        Counted {
            at,
            total: between(one.total, other.total),
            system: between(one.system, other.system),
            cpus: cpus.collect(),
        }
    }

    /// What was used for each second between two moments.
    pub(crate) fn rate(&self, from: f64, to: f64) -> Counted {
        let (first, last) = (self.until(from), self.until(to));
        let rate = |first: f64, last: f64| (last - first) / (to - from);
        Counted {
            at: to,
            total: rate(first.total, last.total),
            system: rate(first.system, last.system),
            cpus: first
                .cpus
                .iter()
                .zip(&last.cpus)
                .map(|(one, other)| rate(*one, *other))
                .collect(),
        }
    }

    /// The least and the most that `of` is over any window of this length
    /// between two moments: one who looks there for so long sees a value in
    /// between.
    pub(crate) fn bounds(
        &self,
        (from, to): (f64, f64),
        length: f64,
        of: impl Fn(&Counted) -> f64,
    ) -> (f64, f64) {
        let mut bounds = (f64::INFINITY, f64::NEG_INFINITY);
        let mut begin = from;
        while begin == from || begin + length <= to {
            let value = of(&self.rate(begin, begin + length));
            bounds = (bounds.0.min(value), bounds.1.max(value));
            begin += 0.02;
        }
        bounds
    }
}

/// CPU seconds of user mode and of the kernel that a process and its children
/// that ended have spent, by its own `stat`.
pub(crate) fn spent(pid: u32) -> (f64, f64) {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap() as f64 / 100.0;
    (ticks(11), ticks(12))
}
