//! `/proc/loadavg`: tasks as the container numbers them, and averages that
//! climb as the kernel's do.

use crate::Test;
use crate::roles::{ROLE, Seen, now};
use crate::stage::{Container, Inside, myself, printed, wait_for};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    ("loadavg::threads_and_groups_below_count", threads_and_groups_below_count),
    ("loadavg::averages_climb_as_the_kernels", averages_climb_as_the_kernels),
];

/// Running, total, and the newest pid.
pub(crate) fn tasks(text: &str) -> [u32; 3] {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (running, total) = words[3].split_once('/').unwrap();
    [running, total, words[4]].map(|word| word.parse().unwrap())
}

/// Of every task whose pid namespace is that of `init`: its number there.
pub(crate) fn numbers_in(init: u32) -> Vec<u32> {
    let namespace = |task: &str| fs::read_link(format!("/proc/{task}/ns/pid")).ok();
    let own = namespace(&init.to_string()).unwrap();
    let listing = fs::read_dir("/proc").unwrap().flatten();
    let pids = listing.filter_map(|entry| entry.file_name().into_string().ok());
    let members = pids.filter(|pid| {
        pid.bytes().all(|byte| byte.is_ascii_digit()) && namespace(pid).as_ref() == Some(&own)
    });
    let threads = members
        .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
    threads
        .filter_map(|thread| {
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
            line.split_whitespace().last()?.parse().ok()
        })
        .collect()
}

fn threads_and_groups_below_count(_: &str) {
    let program = myself();
    let container = Container::start(&["--memory", "128M"], &["sleep", "1000"]);
    let watch = [&program, ROLE, "watch", "/proc/loadavg", "1", "0"];
    let read = || -> [u32; 3] {
        let text = printed(container.exec(&watch), "watch");
        let seen: Vec<Seen> = serde_json::from_str(&text).unwrap();
        tasks(&seen[0].text)
    };
    let [running, total, last] = read();
    // The reader waits for the answer: it sleeps, but it is there.
    assert_eq!((running, total), (0, 3), "an init, a sleep and a reader");
    assert_eq!(last, 3);
    // Groups two below, in every hierarchy.
    let own = container.groups.values().filter(|group| group.ends_with(container.name()));
    let below: Vec<_> = own.map(|group| group.join("a/b")).collect();
    for group in &below {
        fs::create_dir_all(group).unwrap();
        for name in ["cpuset.cpus", "cpuset.mems"] {
            // A new v1 cpuset takes no process before it has some of both.
            let parents = container.groups.get("cpuset").map(|set| set.join(name));
            let is_cpuset =
                container.groups.get("cpuset").is_some_and(|set| group.starts_with(set));
            if let (true, Some(value)) = (is_cpuset, parents.and_then(|path| fs::read(path).ok())) {
                fs::write(group.parent().unwrap().join(name), &value).unwrap();
                fs::write(group.join(name), &value).unwrap();
            }
        }
    }
    let spin = [&program, ROLE, "spin", "5", "0", "0"];
    let here = container.spawn(&spin);
    let below = below.iter().map(|path| path.as_path());
    let there = Inside::new(&mut container.exec_in(below, &spin));
    wait_for("ten threads that spin", || (numbers_in(container.init).len() >= 12).then_some(()));
    // Counts over tasks may be half a second old (`Freshness`).
    sleep(Duration::from_millis(600));
    let newest = numbers_in(container.init).into_iter().max().unwrap();
    let [running, total, last] = read();
    // The reader may be on its way back from asking.
    assert!((10..=11).contains(&running), "{running} of {total}");
    assert_eq!(total, 2 + 10 + 1);
    assert_eq!(last, newest + 1, "the reader is the newest");
    assert_eq!(numbers_in(container.init).len(), 12);
    drop((here, there));
}

/// Five tasks, for as long as it takes to tell the averages apart.
fn averages_climb_as_the_kernels(test: &str) {
    let program = myself();
    let container = Container::start(&["--memory", "128M"], &["sleep", "1000"]);
    let first = now();
    assert!(container.script("cat /proc/loadavg").starts_with("0.00 0.00 0.00 "));
    let spin = container.spawn(&[&program, ROLE, "spin", "5", "0", "0"]);
    let begin = now();
    let watch = [&program, ROLE, "watch", "/proc/loadavg", "22", "1000"];
    let text = printed(container.exec(&watch), "watch");
    drop(spin);
    let seen: Vec<Seen> = serde_json::from_str(&text).unwrap();
    let last = seen.last().unwrap();
    let words: Vec<f64> = last.text.split(' ').take(3).map(|word| word.parse().unwrap()).collect();
    // Samples are taken five seconds apart, counted from the first read. Each
    // average decays with e to the power of -5 s / its minutes.
    let samples = ((last.at() - first) / 5.0).floor() - ((begin - first) / 5.0).floor();
    println!("{test}: {words:?} after {samples} samples of 5 tasks");
    assert!(last.at() - begin >= 15.0 && samples >= 3.0);
    for (shown, minutes) in words.iter().zip([1.0, 5.0, 15.0]) {
        let expected = 5.0 * (1.0 - (-5.0 * samples / (60.0 * minutes)).exp());
        assert!(
            (shown - expected).abs() <= 0.25 * expected + 0.01,
            "{minutes} min: {shown}, expected {expected:.2}: {seen:?}"
        );
    }
    let averages: Vec<f64> =
        seen.iter().map(|seen| seen.text.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(averages.is_sorted(), "they climb: {averages:?}");
}
