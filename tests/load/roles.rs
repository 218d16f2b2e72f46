//! What this program is in a container: a load, or a reader.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The first argument of a program with a role.
pub(crate) const ROLE: &str = "role";

pub(crate) fn play(arguments: &[String]) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["spin", users, systems, mixed] => {
            spin(users.parse().unwrap(), systems.parse().unwrap(), mixed.parse().unwrap());
        }
        ["beat"] => beat(),
        ["hold", mib] => hold(mib.parse().unwrap()),
        ["reread", times, files @ ..] => reread(times.parse().unwrap(), files),
        ["watch", file, count, pause] => {
            watch(file, count.parse().unwrap(), pause.parse().unwrap())
        }
        ["climb", reads, seconds, carried] => {
            climb(reads.parse().unwrap(), seconds.parse().unwrap(), carried);
        }
        _ => panic!("no such role: {words:?}"),
    }
}

/// Threads that spin in user mode, in the kernel, and half in each, for as
/// long as they are let. The first thread is one of them.
fn spin(users: u32, systems: u32, mixed: u32) {
    let mut works: Vec<fn()> = Vec::new();
    works.extend((0..users).map(|_| user_for_a_while as fn()));
    works.extend((0..systems).map(|_| system_for_a_while as fn()));
    works.extend((0..mixed).map(|_| mixed_for_a_while as fn()));
    let last = works.pop().unwrap();
    for work in works {
        std::thread::spawn(move || {
            loop {
                work();
            }
        });
    }
    loop {
        last();
    }
}

const WHILE: Duration = Duration::from_millis(5);

fn user_for_a_while() {
    let (start, mut number) = (Instant::now(), 1u64);
    while start.elapsed() < WHILE {
        for _ in 0..100_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        }
    }
}

fn system_for_a_while() {
    let start = Instant::now();
    let mut zeros = File::open("/dev/zero").unwrap();
    let mut buffer = vec![0; 1 << 18];
    while start.elapsed() < WHILE {
        for _ in 0..10 {
            zeros.read_exact(&mut buffer).unwrap();
        }
    }
}

fn mixed_for_a_while() {
    user_for_a_while();
    system_for_a_while();
}

/// Works for a tenth of the time, in both modes.
fn beat() {
    loop {
        mixed_for_a_while();
        std::thread::sleep(18 * WHILE);
    }
}

/// Holds so much memory, no two pages the same, until it is killed.
fn hold(mib: usize) {
    let pages: Vec<u64> = (0..(mib << 20) as u64 / 8).collect();
    std::hint::black_box(&pages);
    loop {
        std::thread::park();
    }
}

/// Reads files one after another, some times.
fn reread(times: u32, files: &[&str]) {
    let mut buffer = vec![0; 1 << 18];
    for _ in 0..times {
        for file in files {
            let mut file = File::open(file).unwrap();
            while file.read(&mut buffer).unwrap() > 0 {}
        }
    }
}

/// One read of a file, between two looks at the clock that all share.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn at(&self) -> f64 {
        f64::midpoint(self.before, self.after)
    }
}

/// Seconds since the epoch: no time namespace moves this clock.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Reads a file some times, and prints what it read.
fn watch(file: &str, count: u32, pause: u64) {
    let mut all = Vec::new();
    for number in 0..count {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(pause));
        }
        let before = now();
        let text = fs::read_to_string(file).unwrap();
        all.push(Seen { before, after: now(), text });
    }
    println!("{}", serde_json::to_string(&all).unwrap());
}

/// The counters of each line of `/proc/stat` and of `/proc/uptime`, by its label.
pub(crate) type Counters = BTreeMap<String, Vec<u64>>;

/// Reads both files, so often or for so long, and fails as soon as a number
/// is smaller than before. It begins with what an earlier reader left. An
/// emulated machine reads faster than it parses: this makes no string of any
/// number.
fn climb(reads: u32, seconds: u64, carried: &str) {
    let start = Instant::now();
    let mut last: Counters = fs::read_to_string(carried)
        .ok()
        .map(|text| serde_json::from_str(&text).unwrap())
        .unwrap_or_default();
    let mut done = 0;
    let mut text = String::new();
    while done < reads && start.elapsed() < Duration::from_secs(seconds) {
        read_again("/proc/stat", &mut text);
        for line in text.lines() {
            let (label, rest) = line.split_once(' ').unwrap();
            // The tasks of this moment are no counters.
            if !label.starts_with("procs_") && label != "btime" {
                climbs(&mut last, done, label, rest);
            }
        }
        read_again("/proc/uptime", &mut text);
        climbs(&mut last, done, "uptime", &text);
        done += 1;
    }
    let mut file = File::create(carried).unwrap();
    file.write_all(serde_json::to_string(&last).unwrap().as_bytes()).unwrap();
    println!("{done}");
}

/// Opens it each time: what a mount shows to one who has it open may be of that
/// moment.
fn read_again(path: &str, text: &mut String) {
    text.clear();
    File::open(path).unwrap().read_to_string(text).unwrap();
}

/// No number of a line is smaller than that of the line before.
fn climbs(last: &mut Counters, done: u32, label: &str, numbers: &str) {
    if !last.contains_key(label) {
        last.insert(label.to_owned(), Vec::new());
    }
    let before = last.get_mut(label).unwrap();
    for (column, word) in numbers.split_ascii_whitespace().enumerate() {
        // Those of uptime are hundredths, with a point.
        let digits = word.bytes().filter(|byte| *byte != b'.');
        let value = digits.fold(0, |value, digit| {
            assert!(digit.is_ascii_digit(), "{label} {numbers}");
            value * 10 + u64::from(digit - b'0')
        });
        match before.get_mut(column) {
            Some(before) => {
                let fell = *before > value;
                assert!(!fell, "read {done}: {label} {column} fell from {before} to {value}");
                *before = value;
            }
            None => before.push(value),
        }
    }
}
