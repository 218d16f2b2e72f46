//! Programs that people use, unmodified, read what we render. They must
//! neither fail nor warn, and tell the limits that were set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::printed;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vproc_tests::skip;

/// A container of 96 MiB with swap and disk I/O, on cgroup v2.
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v2-6.12-run-96m.json");

/// What a command prints in a container of 256 MiB and one CPU.
fn contained(test: &str, script: &str) -> Option<String> {
    let program = script.split_whitespace().next().unwrap();
    let limits = ["--memory", "256M", "--cpuset", "0"];
    command::contained(test, &[program], &limits, script)
}

/// The line that has `part` in it.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} in:\n{text}"))
}

#[test]
fn top() {
    let Some(text) = contained("top", "top -b -n1") else { return };
    assert!(text.starts_with("top - ") && text.contains(" up 0 min"), "{text}");
    assert!(line(&text, "%Cpu(s):").contains(" id") && !text.contains("nan"), "{text}");
    assert!(line(&text, "MiB Mem :").contains(" 256.0 total"), "{text}");
    assert!(line(&text, "vproc-i").split_whitespace().next() == Some("1"), "{text}");
}

#[test]
fn vmstat() {
    let Some(text) = contained("vmstat", "vmstat -s; vmstat; vmstat -d") else { return };
    assert!(line(&text, "total memory").trim_start().starts_with("262144 K"), "{text}");
    assert!(
        line(&text, "used memory").trim_start().split(' ').next().unwrap().len() <= 5,
        "{text}"
    );
}

#[test]
fn uptime_w_and_ps() {
    let began = Instant::now();
    let Some(text) =
        contained("uptime_w_and_ps", "uptime; w; ps aux; ps -eo pid,etimes,pcpu,stime")
    else {
        return;
    };
    assert!(text.contains("up 0 min"), "{text}");
    // Nothing but these programs, one at a time, for as long as it took.
    let loads = line(&text, "load average: ").rsplit(": ").next().unwrap();
    let busiest = 1.0 - (-began.elapsed().as_secs_f64() / 60.0).exp();
    for load in loads.split(", ").map(|load| load.parse::<f64>().unwrap()) {
        assert!(load <= 2.0 * busiest + 0.01, "{load} in {text}");
    }
}

#[test]
fn swapon() {
    let Some(text) = contained("swapon", "swapon --show") else { return };
    // A group without a limit for swap may use what the host has.
    let host = std::fs::read_to_string("/proc/swaps").unwrap();
    match host.lines().count() {
        1 => assert_eq!(text, "", "the host has no swap"),
        _ => assert_eq!(text.lines().count(), 2, "a heading and one device: {text}"),
    }
}

#[test]
fn lscpu() {
    let Some(text) = contained("lscpu", "lscpu") else { return };
    let value = |label| line(&text, label).rsplit(' ').next().unwrap().to_owned();
    assert_eq!(value("On-line CPU(s) list:"), "0", "{text}");
}

#[test]
fn mpstat() {
    let Some(text) = contained("mpstat", "mpstat") else { return };
    let all: Vec<&str> = line(&text, " all ").split_whitespace().collect();
    let idle: f64 = all.last().unwrap().parse().unwrap();
    assert!((0.0..=100.0).contains(&idle), "{text}");
}

/// A directory with `proc` and `sys` as the container of the capture sees them.
fn tree() -> tempfile::TempDir {
    // What the capture holds of sysfs: the lists, and a directory for each CPU.
    let cpus = "/sys/devices/system/cpu";
    let [online, possible, directories] =
        ["online", "possible", "cpu*"].map(|name| format!("{cpus}/{name}"));
    let paths = ["/proc", &online, &possible, &directories];
    let render = [&["render", "--json", "--from", CAPTURE][..], &paths].concat();
    let files: serde_json::Value = serde_json::from_str(&printed(&render)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for file in files.as_array().unwrap() {
        let path = file["path"].as_str().unwrap().trim_start_matches('/');
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file["text"].as_str().unwrap()).unwrap();
    }
    directory
}

const PSUTIL: &str = "
import sys, warnings
warnings.simplefilter('error')
import psutil
psutil.PROCFS_PATH = sys.argv[1]
memory, swap = psutil.virtual_memory(), psutil.swap_memory()
assert memory.total == 96 << 20, memory
assert 0 <= memory.available <= memory.total and memory.used <= memory.total, memory
assert swap.total == 64 << 20 and 0 < swap.used <= swap.total, swap
cpus = psutil.cpu_times(percpu=True)
assert len(cpus) == 2, cpus
times = psutil.cpu_times()
assert abs(times.user - sum(cpu.user for cpu in cpus)) < 0.011 * len(cpus), times
assert times.user > 1 and times.idle > 1, times
disks = psutil.disk_io_counters(perdisk=True, nowrap=False)
assert disks['vdb'].read_bytes == 12 << 20 and disks['vdb'].write_bytes == 7 << 20, disks
assert psutil.boot_time() > 1.7e9
print('read')
";

#[test]
fn psutil() {
    let has_psutil = |python: &&str| {
        let import = Command::new(python).args(["-c", "import psutil"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_psutil) else {
        return skip("psutil", "no python3 has psutil");
    };
    let tree = tree();
    let proc = tree.path().join("proc");
    let output = Command::new(python).args(["-c", PSUTIL]).arg(proc).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "read\n", "{error}");
}

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Exporter {
    /// Starts it on some port of the loopback interface; its address.
    fn start(root: &Path) -> Option<(Self, String)> {
        let collectors = ["meminfo", "stat", "cpu", "loadavg", "diskstats", "vmstat", "pressure"];
        let child = Command::new("prometheus-node-exporter")
            .arg("--collector.disable-defaults")
            .args(collectors.map(|name| format!("--collector.{name}")))
            .arg(format!("--path.procfs={}", root.join("proc").display()))
            .arg(format!("--path.sysfs={}", root.join("sys").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut exporter = Exporter(child);
        let mut log = BufReader::new(exporter.0.stderr.take().unwrap()).lines();
        let address = log.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            (port != "0").then(|| format!("127.0.0.1:{port}"))
        })?;
        // Goes on reading, so that it never blocks on its log.
        std::thread::spawn(move || log.for_each(drop));
        Some((exporter, address))
    }
}

#[test]
fn node_exporter() {
    let tree = tree();
    let Some((_exporter, address)) = Exporter::start(tree.path()) else {
        return skip("node_exporter", "prometheus-node-exporter does not start");
    };
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in:\n{metrics}")).parse().unwrap()
    };
    for collector in ["meminfo", "stat", "cpu", "loadavg", "diskstats", "vmstat", "pressure"] {
        let name = format!("node_scrape_collector_success{{collector=\"{collector}\"}}");
        assert_eq!(value(&name), 1.0, "{collector}");
    }
    assert_eq!(value("node_memory_MemTotal_bytes"), f64::from(96 << 20));
    assert_eq!(value("node_memory_SwapTotal_bytes"), f64::from(64 << 20));
    let cpus = metrics.lines().filter(|line| {
        line.starts_with("node_cpu_seconds_total{") && line.contains("mode=\"idle\"")
    });
    assert_eq!(cpus.count(), 2);
    assert_eq!(value("node_disk_read_bytes_total{device=\"vdb\"}"), f64::from(12 << 20));
    assert!(value("node_pressure_cpu_waiting_seconds_total") > 0.0);
}
