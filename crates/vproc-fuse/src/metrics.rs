//! What was asked, and how long the answers took.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Numbers of one file.
#[derive(Default)]
pub(crate) struct FileMetrics {
    requests: AtomicU64,
    failures: AtomicU64,
    fallbacks: AtomicU64,
    latency: Histogram,
}

impl FileMetrics {
    pub(crate) fn answered(&self, took: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.latency.add(took);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fell_back(&self) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Durations, in buckets that are an eighth of a power of two wide.
struct Histogram([AtomicU64; BUCKETS]);

const STEPS: u32 = 8;
const BUCKETS: usize = 40 * STEPS as usize;

impl Default for Histogram {
    fn default() -> Self {
        Histogram([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Histogram {
    fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let power = nanos.ilog2();
        // The three bits behind the leading one.
        let step = if power >= 3 { (nanos >> (power - 3)) & 7 } else { 0 };
        let bucket = usize::try_from(u64::from(power * STEPS) + step).unwrap_or(usize::MAX);
        if let Some(count) = self.0.get(bucket.min(BUCKETS - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The upper end of the bucket in which a quantile lies.
    fn quantile(&self, share: f64) -> Option<Duration> {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        #[allow(clippy::cast_precision_loss)] // a count of requests
        let wanted = total as f64 * share;
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += count;
            #[allow(clippy::cast_precision_loss)]
            let seen = seen as f64;
            seen >= wanted
        })?;
        let bucket = u32::try_from(bucket).ok()?;
        let base = 1_u64 << (bucket / STEPS);
        Some(Duration::from_nanos(base + (base >> 3) * u64::from(bucket % STEPS + 1)))
    }
}

/// Numbers of a mount.
pub(crate) struct Metrics {
    files: RwLock<BTreeMap<String, Arc<FileMetrics>>>,
}

/// Numbers of one file, as `vprocctl status` prints them.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct FileStatus {
    /// The path in the container.
    pub path: String,
    /// Texts that were handed out.
    pub requests: u64,
    /// Reads that ended in an error.
    pub failures: u64,
    /// Reads that the embedded policy answered for another one.
    pub fallbacks: u64,
    /// Half of the answers took no longer than this, in µs.
    pub p50_us: f64,
    /// All but a hundredth of the answers took no longer, in µs.
    pub p99_us: f64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Metrics { files: RwLock::default() }
    }

    /// The numbers of a file.
    pub(crate) fn file(&self, path: &str) -> Arc<FileMetrics> {
        if let Some(file) = self.files.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(file);
        }
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(path.to_owned()).or_default())
    }

    pub(crate) fn files(&self) -> Vec<FileStatus> {
        let micros = |took: Option<Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1e6);
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let status = |(path, file): (&String, &Arc<FileMetrics>)| FileStatus {
            path: path.clone(),
            requests: file.requests.load(Ordering::Relaxed),
            failures: file.failures.load(Ordering::Relaxed),
            fallbacks: file.fallbacks.load(Ordering::Relaxed),
            p50_us: micros(file.latency.quantile(0.5)),
            p99_us: micros(file.latency.quantile(0.99)),
        };
        files.iter().map(status).collect()
    }
}

/// Name, help text and value of a counter for each file.
type Counter = (&'static str, &'static str, fn(&FileStatus) -> u64);

/// The numbers as Prometheus reads them.
pub(crate) fn prometheus(files: &[FileStatus], more: &[(&str, &str, &str, f64)]) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in more {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    let counters: [Counter; 3] = [
        ("vproc_reads_total", "Texts that were handed out.", |file| file.requests),
        ("vproc_read_errors_total", "Reads that ended in an error.", |file| file.failures),
        ("vproc_fallbacks_total", "Reads answered by the embedded policy for another.", |file| {
            file.fallbacks
        }),
    ];
    for (name, help, value) in counters {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for file in files {
            let _ = writeln!(text, "{name}{{file=\"{}\"}} {}", label(&file.path), value(file));
        }
    }
    let name = "vproc_render_seconds";
    let _ = write!(text, "# HELP {name} Time from a read to its answer.\n# TYPE {name} summary\n");
    for file in files {
        for (quantile, micros) in [("0.5", file.p50_us), ("0.99", file.p99_us)] {
            let path = label(&file.path);
            let seconds = micros / 1e6;
            let _ =
                writeln!(text, "{name}{{file=\"{path}\",quantile=\"{quantile}\"}} {seconds:.9}");
        }
        let _ = writeln!(text, "{name}_count{{file=\"{}\"}} {}", label(&file.path), file.requests);
    }
    text
}

fn label(path: &str) -> String {
    path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_are_within_an_eighth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        let half = histogram.quantile(0.5).unwrap().as_secs_f64() * 1e6;
        assert!((500.0..=570.0).contains(&half), "{half}");
        let most = histogram.quantile(0.99).unwrap().as_secs_f64() * 1e6;
        assert!((990.0..=1120.0).contains(&most), "{most}");
        for extreme in [Duration::ZERO, Duration::MAX] {
            histogram.add(extreme);
        }
    }
}
