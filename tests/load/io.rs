//! Disk traffic: bytes that were read and written, and what is shown.

use crate::Test;
use crate::stage::{Container, Inside, has, printed, wait_for};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[("io::what_a_container_reads_and_writes", traffic)];

const MIB: u64 = 1 << 20;
const WRITTEN: u64 = 24 * MIB;
const READ: u64 = 15 * MIB;

/// A block device of our own.
pub(crate) struct Loop {
    pub(crate) name: String,
    _file: tempfile::NamedTempFile,
}

impl Loop {
    pub(crate) fn new(test: &str) -> Option<Self> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 * MIB).unwrap();
        let output = Command::new("losetup").args(["-f", "--show"]).arg(file.path()).output();
        let Ok(output) = output else {
            vproc_tests::skip(test, "losetup is not installed");
            return None;
        };
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            vproc_tests::skip(test, &format!("no loop device can be had: {}", error.trim()));
            return None;
        }
        let path = String::from_utf8(output.stdout).unwrap();
        Some(Loop { name: path.trim().trim_start_matches("/dev/").to_owned(), _file: file })
    }

    fn number(&self) -> String {
        let text = fs::read_to_string(format!("/sys/class/block/{}/dev", self.name)).unwrap();
        text.trim().to_owned()
    }

    /// Has v1 count it, which counts nothing for a device without a rule
    /// (`blk-throttle.c`).
    pub(crate) fn is_counted_in(&self, group: &Path) {
        for file in ["blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"] {
            let rule = format!("{} 100000000000", self.number());
            fs::write(group.join(file), rule).unwrap();
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &format!("/dev/{}", self.name)]).status();
    }
}

fn traffic(test: &str) {
    if !has(test, "dd") {
        return;
    }
    let Some(device) = Loop::new(test) else { return };
    let container = Container::start(&["--memory", "128M"], &["sleep", "1000"]);
    if let Some(group) = container.groups.get("blkio") {
        device.is_counted_in(group);
    }
    let name = &device.name;
    let diskstats = || container.script("cat /proc/diskstats");
    // The rule alone makes v1 name the device.
    let before = diskstats();
    if before.contains(&format!(" {name} ")) {
        assert_eq!(bytes(&before, name), [0, 0]);
    }
    let dd = |from: &str, to: &str, bytes: u64, flag: &str| {
        let count = bytes / (256 << 10);
        let script =
            format!("dd if={from} of={to} bs=256k count={count} {flag}=direct status=none");
        container.script(&script);
    };
    dd("/dev/zero", &format!("/dev/{name}"), WRITTEN, "oflag");
    dd(&format!("/dev/{name}"), "/dev/null", READ, "iflag");
    let [read, written] = bytes(&diskstats(), name);
    println!("{test}: {read} of {READ} read, {written} of {WRITTEN} written");
    for (shown, driven) in [(read, READ), (written, WRITTEN)] {
        assert!(shown.abs_diff(driven) * 20 <= driven, "{shown} of {driven} bytes");
    }
    assert!(container.script("cat /proc/partitions").contains(name));
    psutil(test, &container, name, [read, written]);
    node_exporter(test, &container, name, [read, written]);
}

/// Bytes read and written: columns 6 and 10, in sectors.
pub(crate) fn bytes(text: &str, name: &str) -> [u64; 2] {
    let mut rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let row = rows.find(|row| row[2] == name).unwrap_or_else(|| panic!("{name} in:\n{text}"));
    [5, 9].map(|column| row[column].parse::<u64>().unwrap() * 512)
}

const PSUTIL: &str = "
import sys, warnings
warnings.simplefilter('error')
import psutil
psutil.PROCFS_PATH = '/proc'
disk = psutil.disk_io_counters(perdisk=True, nowrap=False)[sys.argv[1]]
print(disk.read_bytes, disk.write_bytes)
";

/// `None`, and said why, where there is none.
pub(crate) fn python_with_psutil(test: &str) -> Option<&'static str> {
    let has_psutil = |python: &&str| {
        let import = Command::new(python).args(["-c", "import psutil"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has_psutil);
    if python.is_none() {
        vproc_tests::skip(test, "no python3 has psutil");
    }
    python
}

fn psutil(test: &str, container: &Container, name: &str, expected: [u64; 2]) {
    let Some(python) = python_with_psutil(test) else { return };
    let text = printed(container.exec(&[python, "-c", PSUTIL, name]), "psutil");
    let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!(numbers, expected, "psutil");
}

fn node_exporter(test: &str, container: &Container, name: &str, expected: [u64; 2]) {
    if !has(test, "prometheus-node-exporter") {
        return;
    }
    let command = [
        "prometheus-node-exporter",
        "--collector.disable-defaults",
        "--collector.diskstats",
        // By default it leaves out loop devices.
        "--collector.diskstats.device-exclude=^$",
        "--path.procfs=/proc",
        "--web.listen-address=127.0.0.1:0",
    ];
    let mut command = container.exec(&command);
    let mut running = Inside::new(command.stderr(Stdio::piped()));
    let mut log = BufReader::new(running.stderr().unwrap()).lines();
    let address = log.find_map(|line| {
        let line = line.ok()?;
        let (_, rest) = line.split_once("127.0.0.1:")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (port != "0").then(|| format!("127.0.0.1:{port}"))
    });
    let Some(address) = address else {
        return vproc_tests::skip(test, "prometheus-node-exporter does not start");
    };
    std::thread::spawn(move || log.for_each(drop));
    let mut stream = wait_for("node-exporter", || TcpStream::connect(&address).ok());
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let shown = ["read", "written"].map(|kind| {
        let metric = format!("node_disk_{kind}_bytes_total{{device=\"{name}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(metric.as_str()));
        value.unwrap_or_else(|| panic!("{metric}in:\n{metrics}")).parse::<f64>().unwrap() as u64
    });
    assert_eq!(shown, expected, "node-exporter");
    drop(running);
}
