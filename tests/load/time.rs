//! Uptime, boot and the age of processes tell one story.

use crate::Test;
use crate::mounted::Mount;
use crate::roles::now;
use crate::stage::{Container, has, have_clocks};

pub(crate) const TESTS: &[Test] = &[
    ("time::with_a_time_namespace", with_a_time_namespace),
    ("time::without_a_time_namespace", without_a_time_namespace),
    ("time::nobody_reads_of_a_time_before_its_start", nobody_reads_of_a_time_before_its_start),
];

/// What a process may be called.
const NAME: &str = "a) (b c";

fn with_a_time_namespace(test: &str) {
    if !has(test, "ps") {
        return;
    }
    if !have_clocks() {
        return vproc_tests::skip(test, "this kernel has no time namespaces, or half of them");
    }
    let container = Container::start(&["--memory", "64M"], &["sleep", "1000"]);
    let uptime = check(&container);
    assert!(uptime < 60.0, "the container's own clock: {uptime}");
}

/// Its init has a name that is hard to parse.
fn without_a_time_namespace(test: &str) {
    if !has(test, "ps") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let init = directory.path().join(NAME);
    std::fs::copy("/bin/sleep", &init).unwrap();
    let mount = Mount::start(&[]);
    let container = Container::unshare(&[], &[], &[init.to_str().unwrap(), "1000"]);
    mount.attach(&container);
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", container.init)).unwrap();
    assert_eq!(comm.trim_end(), NAME);
    let uptime = check(&container);
    let host: f64 = std::fs::read_to_string("/proc/uptime")
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((host - uptime).abs() < 10.0, "the host's clock: {uptime}, {host}");
}

/// Readers that live for less than a millisecond, beside one that reads all
/// the time.
const READERS: &str = "
    while :; do read -r up idle < /proc/uptime; done & beside=$!
    trap 'kill $beside; exit' TERM
    i=0
    while [ $i -lt 3000 ]; do
        (read -r stat < /proc/self/stat; read -r up idle < /proc/uptime; echo \"$up $stat\")
        i=$((i + 1))
    done
    kill $beside";

fn nobody_reads_of_a_time_before_its_start(test: &str) {
    let container = Container::start(&["--memory", "64M"], &["sleep", "1000"]);
    // An emulated machine does not come to the end.
    let mut command = container.exec(&["timeout", "10", "sh", "-c", READERS]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut readers = 0;
    for line in text.lines() {
        let uptime: u64 = line.split(' ').next().unwrap().replace('.', "").parse().unwrap();
        let (_, fields) = line.rsplit_once(") ").unwrap();
        let started: u64 = fields.split(' ').nth(19).unwrap().parse().unwrap();
        assert!(started <= uptime, "reader {readers} started later than now: {line}");
        readers += 1;
    }
    println!("{test}: {readers} readers");
    assert!(readers >= 50, "{text}");
}

/// The uptime of a container in which no time is absurd.
fn check(container: &Container) -> f64 {
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let text = container.script(
        "cat /proc/uptime; grep btime /proc/stat; cat /proc/1/stat; date +%s; \
         ps -eo etimes=,pcpu=,stime=,pid=,comm=; uptime",
    );
    let number = |word: &str| word.parse::<f64>().unwrap_or_else(|_| panic!("{word}: {text}"));
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap();
    let uptime = number(next().split(' ').next().unwrap());
    let boot = number(next().trim_start_matches("btime "));
    let (_, fields) = next().rsplit_once(") ").unwrap();
    // Field 22, in ticks after the boot, as the kernel shows it there.
    let started = number(fields.split(' ').nth(19).unwrap()) / 100.0;
    let date = number(next());
    // btime has no fraction, and the offset of a time namespace may have one.
    assert!((date - boot - uptime).abs() < 2.5, "boot and uptime: {text}");
    let age = uptime - started;
    assert!((1.0..600.0).contains(&age), "the oldest process is {age} s old: {text}");
    assert!(boot + started <= now() + 1.5, "the oldest process started in the future: {text}");
    let minutes = (now() / 60.0) as i64 % (24 * 60);
    let mut processes = 0;
    for line in lines.by_ref().take_while(|line| !line.contains("load average")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Of itself, ps gets a wrong age in one of forty calls on a kernel's
        // own file, too: it rounds 17190.29 s down to 1719028 ticks.
        if words[4] == "ps" {
            continue;
        }
        let (elapsed, share) = (number(words[0]), number(words[1]));
        assert!(elapsed <= uptime + 1.0 && elapsed < 600.0, "etimes: {line}\n{text}");
        assert!((0.0..=100.0 * 256.0).contains(&share), "pcpu: {line}\n{text}");
        // Of today: `13:45`.
        if let Some((hours, rest)) = words[2].split_once(':') {
            let started = number(hours) as i64 * 60 + number(rest) as i64;
            let ahead = (started - minutes).rem_euclid(24 * 60);
            assert!(ahead <= 1 || ahead >= 12 * 60, "started in {ahead} minutes: {line}\n{text}");
        }
        processes += 1;
    }
    assert!(processes >= 2, "{text}");
    uptime
}
