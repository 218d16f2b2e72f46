//! node_exporter: of all clients the strictest. Its parsers want so many numbers
//! in each line.

use crate::command::VPROCCTL;
use crate::{CAPTURE, NEWER, tree};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;
use vproc_tests::skip;

const PROGRAM: &str = "prometheus-node-exporter";

/// What read a capture and a container alike.
const COLLECTORS: [&str; 7] =
    ["meminfo", "stat", "cpu", "loadavg", "diskstats", "vmstat", "pressure"];

/// What is served in a container besides. `schedstat` and `pressure` are there
/// only on some kernels.
const OF_CONTAINERS: [&str; 9] = [
    "slabinfo",
    "interrupts",
    "schedstat",
    "zoneinfo",
    "buddyinfo",
    "meminfo_numa",
    "filefd",
    "entropy",
    "processes",
];

/// A node_exporter on some port of the loopback interface.
struct Exporter {
    child: Child,
    /// All that it says. The thread goes on reading, so that it never blocks.
    log: Option<JoinHandle<String>>,
    address: String,
}

impl Exporter {
    /// Starts it, as the last words of a command; what it said if it does not serve.
    fn start(
        mut command: Command,
        collectors: &[&str],
        proc: &Path,
        sys: &Path,
    ) -> Result<Self, String> {
        let of = |option: &str, path: &Path| {
            let mut word = OsString::from(option);
            word.push(path);
            word
        };
        let nothing = tempfile::tempdir().unwrap();
        command
            .arg("--collector.disable-defaults")
            .args(collectors.iter().map(|name| format!("--collector.{name}")))
            .arg("--collector.stat.softirq")
            .arg(of("--path.procfs=", proc))
            .arg(of("--path.sysfs=", sys))
            // It complains where there is no udev.
            .arg(of("--path.udev.data=", nothing.path()))
            .arg("--web.listen-address=127.0.0.1:0");
        let spawned = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| error.to_string())?;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut log = String::new();
        let mut address = None;
        for line in lines.by_ref() {
            log = log + &line + "\n";
            let port = line.split_once("127.0.0.1:").map(|(_, rest)| -> String {
                rest.chars().take_while(char::is_ascii_digit).collect()
            });
            if let Some(port) = port.filter(|port| port != "0") {
                address = Some(format!("127.0.0.1:{port}"));
                break;
            }
        }
        let Some(address) = address else {
            let _ = child.wait();
            return Err(log);
        };
        let log = std::thread::spawn(move || lines.fold(log, |log, line| log + &line + "\n"));
        Ok(Exporter { child, log: Some(log), address })
    }

    fn metrics(&self) -> Metrics {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        Metrics(text)
    }

    /// Ends it; what it complained of.
    fn complaints(mut self) -> Vec<String> {
        self.end();
        let log = self.log.take().unwrap().join().unwrap();
        assert!(log.contains("level="), "levels have another form: {log}");
        let complains = |line: &&str| {
            let line = line.to_lowercase();
            let complains = ["level=warn", "level=error"].iter().any(|level| line.contains(level));
            // slabinfo is for root alone.
            complains && !line.contains("running as root user")
        };
        log.lines().filter(complains).map(str::to_owned).collect()
    }

    fn end(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked, `vprocctl run` ends what it runs.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.end();
    }
}

/// What it exports.
struct Metrics(String);

impl Metrics {
    #[track_caller]
    fn value(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in:\n{}", self.0)).parse().unwrap()
    }

    /// The values of a label of a metric.
    fn labels(&self, metric: &str, label: &str) -> Vec<&str> {
        let start = format!("{metric}{{");
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(&start));
        let key = format!("{label}=\"");
        let mut found: Vec<&str> =
            lines.filter_map(|line| line.split(&key).nth(1)?.split('"').next()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[track_caller]
    fn assert_all_succeeded(&self, collectors: &[&str]) {
        for collector in collectors {
            let name = format!("node_scrape_collector_success{{collector=\"{collector}\"}}");
            assert_eq!(self.value(&name), 1.0, "{collector}");
        }
    }
}

#[test]
fn node_exporter() {
    let tree = tree(CAPTURE);
    let (proc, sys) = (tree.path().join("proc"), tree.path().join("sys"));
    let exporter = match Exporter::start(Command::new(PROGRAM), &COLLECTORS, &proc, &sys) {
        Ok(exporter) => exporter,
        Err(reason) => {
            return skip("node_exporter", &format!("{PROGRAM} does not start: {reason}"));
        }
    };
    let metrics = exporter.metrics();
    metrics.assert_all_succeeded(&COLLECTORS);
    assert_eq!(metrics.value("node_memory_MemTotal_bytes"), f64::from(96 << 20));
    assert_eq!(metrics.value("node_memory_SwapTotal_bytes"), f64::from(64 << 20));
    assert_eq!(metrics.labels("node_cpu_seconds_total", "cpu"), ["0", "1"]);
    assert_eq!(metrics.value("node_disk_read_bytes_total{device=\"vdb\"}"), f64::from(12 << 20));
    assert!(metrics.value("node_pressure_cpu_waiting_seconds_total") > 0.0);
    assert_eq!(exporter.complaints(), [""; 0]);
}

/// Where a line has another number of words, its parsers fail.
#[test]
fn node_exporter_reads_what_it_is_strict_about() {
    let strict = ["stat", "slabinfo", "interrupts", "schedstat", "zoneinfo", "buddyinfo"];
    let tree = tree(NEWER);
    let (proc, sys) = (tree.path().join("proc"), tree.path().join("sys"));
    let exporter = match Exporter::start(Command::new(PROGRAM), &strict, &proc, &sys) {
        Ok(exporter) => exporter,
        Err(reason) => {
            let test = "node_exporter_reads_what_it_is_strict_about";
            return skip(test, &format!("{PROGRAM} does not start: {reason}"));
        }
    };
    let metrics = exporter.metrics();
    metrics.assert_all_succeeded(&strict);
    let cpus = metrics.labels("node_schedstat_timeslices_total", "cpu");
    assert!(!cpus.is_empty());
    for metric in ["node_interrupts_total", "node_schedstat_running_seconds_total"] {
        assert_eq!(metrics.labels(metric, "cpu"), cpus, "{metric}");
    }
    assert_eq!(metrics.labels("node_softirqs_total", "vector").len(), 10);
    let slabs = metrics.labels("node_slabinfo_objects", "slab");
    assert_eq!(slabs, ["slab_reclaimable", "slab_unreclaimable"]);
    assert_eq!(exporter.complaints(), [""; 0]);
}

/// In a container of 256 MiB and one CPU, from the files that it has there.
#[test]
fn node_exporter_in_a_container() {
    let test = "node_exporter_in_a_container";
    if let Err(error) = Command::new(PROGRAM).arg("--version").output() {
        return skip(test, &format!("{PROGRAM} does not start: {error}"));
    }
    let mut command = Command::new(VPROCCTL);
    command.args(["run", "--memory", "256M", "--cpuset", "0", "--", PROGRAM]);
    let has = |collector: &&str| match *collector {
        "slabinfo" | "schedstat" | "pressure" | "buddyinfo" | "zoneinfo" => {
            Path::new("/proc").join(collector).exists()
        }
        "meminfo_numa" => Path::new("/sys/devices/system/node/node0").exists(),
        _ => true,
    };
    let collectors: Vec<&str> = COLLECTORS.into_iter().chain(OF_CONTAINERS).filter(has).collect();
    let (proc, sys) = (Path::new("/proc"), Path::new("/sys"));
    let exporter = match Exporter::start(command, &collectors, proc, sys) {
        Ok(exporter) => exporter,
        Err(reason) if reason.starts_with("vprocctl: ") => {
            return skip(test, &format!("no container can be started here: {}", reason.trim()));
        }
        Err(reason) => panic!("{reason}"),
    };
    let metrics = exporter.metrics();
    metrics.assert_all_succeeded(&collectors);
    let total = f64::from(256 << 20);
    assert_eq!(metrics.value("node_memory_MemTotal_bytes"), total);
    let free = metrics.value("node_memory_MemFree_bytes");
    assert!(free > 0.0 && free < total, "{free}");
    for metric in ["node_cpu_seconds_total", "node_interrupts_total", "node_cpu_info"] {
        let cpus = metrics.labels(metric, "cpu");
        assert!(
            cpus == ["0"] || metric == "node_cpu_info" && cpus.is_empty(),
            "{metric}: {cpus:?}"
        );
    }
    // The exporter and the init of the container.
    assert_eq!(metrics.value("node_procs_blocked"), 0.0);
    assert!(metrics.value("node_processes_pids") <= 3.0);
    assert_eq!(metrics.labels("node_softirqs_total", "vector").len(), 10);
    if collectors.contains(&"slabinfo") {
        let slabs = metrics.labels("node_slabinfo_objects", "slab");
        assert_eq!(slabs, ["slab_reclaimable", "slab_unreclaimable"]);
    }
    if collectors.contains(&"meminfo_numa") {
        assert_eq!(metrics.value("node_memory_numa_MemTotal{node=\"0\"}"), total);
    }
    if collectors.contains(&"schedstat") {
        assert_eq!(metrics.labels("node_schedstat_running_seconds_total", "cpu"), ["0"]);
    }
    if collectors.contains(&"pressure") {
        assert!(metrics.value("node_pressure_cpu_waiting_seconds_total") < 60.0);
    }
    assert_eq!(exporter.complaints(), [""; 0]);
}
