//! Processes that read all the time and trust nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the readers read.
const FILES: [&str; 6] = ["meminfo", "stat", "uptime", "cpuinfo", "loadavg", "vmstat"];

/// In the environment of a process that reads: the mount, and how many bytes
/// at a time.
const TASK: &str = "VPROC_TEST_READER";

/// A process that reads until it is told to stop: this program again, and in
/// it the test below.
pub(crate) struct Reader {
    child: Child,
    until: Option<ChildStdin>,
    chunk: usize,
}

impl Reader {
    pub(crate) fn start(mount: &std::path::Path, chunk: usize) -> Reader {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "reader::reads_until_it_is_told_to_stop", "--nocapture"]);
        command.env(TASK, format!("{chunk} {}", mount.display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Reader { until: child.stdin.take(), child, chunk }
    }

    /// How many texts it has read; none of them was wrong.
    pub(crate) fn stop(mut self) -> Tally {
        self.until = None;
        let lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let lines: Vec<String> = lines.map_while(Result::ok).collect();
        let status = self.child.wait().unwrap();
        let report = lines.iter().find_map(|line| line.split_once("has read ")).map(|(_, it)| it);
        let Some(report) = report.filter(|_| status.success()) else {
            panic!("the reader of {} bytes at a time: {}", self.chunk, lines.join("\n"));
        };
        let numbers: Vec<u64> = report.split(' ').filter_map(|word| word.parse().ok()).collect();
        Tally { texts: numbers[0], puppets: numbers[1], longest: Duration::from_micros(numbers[2]) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a reader has seen.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) texts: u64,
    /// Those of a policy of ours.
    pub(crate) puppets: u64,
    pub(crate) longest: Duration,
}

/// Not a test, unless a test starts it.
#[test]
fn reads_until_it_is_told_to_stop() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (chunk, mount) = task.split_once(' ').unwrap();
    let (chunk, mount) = (chunk.parse().unwrap(), PathBuf::from(mount));
    static STOP: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        STOP.store(true, Ordering::Relaxed);
    });
    let mut judges = HashMap::new();
    let (mut texts, mut puppets, mut longest) = (0_u64, 0_u64, Duration::ZERO);
    for file in FILES.iter().cycle() {
        if STOP.load(Ordering::Relaxed) {
            break;
        }
        let started = Instant::now();
        let path = mount.join("proc").join(file);
        let text = read(&path, chunk).unwrap_or_else(|error| panic!("{file}: {error}"));
        longest = longest.max(started.elapsed());
        texts += 1;
        let judge = judges.entry(file).or_insert_with(Judge::default);
        let verdict = if is_puppet(&text) {
            puppets += 1;
            one_render(&text)
        } else {
            judge.judge(file, &text)
        };
        verdict.unwrap_or_else(|reason| panic!("{file}, text {texts}: {reason}:\n{text}"));
    }
    println!("\nhas read {texts} {puppets} {}", longest.as_micros());
}

/// Reads a file in pieces until its end.
pub(crate) fn read(path: &std::path::Path, chunk: usize) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let (mut all, mut piece) = (Vec::new(), vec![0; chunk]);
    loop {
        match file.read(&mut piece)? {
            0 => return String::from_utf8(all).map_err(std::io::Error::other),
            length => all.extend_from_slice(&piece[..length]),
        }
    }
}

/// Whether a text is one of the puppet's.
pub(crate) fn is_puppet(text: &str) -> bool {
    let mut words = text.split(' ');
    words.next().is_some_and(|word| word.len() == 1)
        && words.next().is_some_and(|word| word.len() == 16)
}

/// Whether a text of the puppet is as one render made it: its lines agree on
/// policy and time, are all there, and in order.
pub(crate) fn one_render(text: &str) -> Result<(), String> {
    let stamp = text.get(..18).ok_or("no stamp")?;
    let count = text.lines().filter(|line| !line.starts_with("count ")).count();
    for (place, line) in (1..=count).zip(text.lines()) {
        if line != format!("{stamp} {place:08} of {count:08}") {
            return Err(format!("line {place} of {count}: {line}"));
        }
    }
    if text.ends_with('\n') { Ok(()) } else { Err("no end".into()) }
}

/// What a reader expects of a file after what it has seen of it.
#[derive(Default)]
struct Judge {
    names: Vec<String>,
    counters: Vec<f64>,
}

impl Judge {
    fn judge(&mut self, file: &str, text: &str) -> Result<(), String> {
        if !text.ends_with('\n') {
            return Err("no end of line".into());
        }
        let numbers = |words: &str| {
            let numbers = words.split_whitespace().map(str::parse);
            numbers.collect::<Result<Vec<f64>, _>>().map_err(|error| format!("{words}: {error}"))
        };
        let mut names = Vec::new();
        let mut counters = Vec::new();
        match file {
            "uptime" => {
                counters = numbers(text)?;
                names.push(format!("{} numbers", counters.len()));
            }
            "loadavg" => {
                let fields: Vec<&str> = text.trim_end().split(' ').collect();
                let [one, five, fifteen, tasks, last] = fields[..] else {
                    return Err("five fields are wanted".into());
                };
                numbers(&[one, five, fifteen, last].join(" "))?;
                numbers(&tasks.replace('/', " "))?;
            }
            "cpuinfo" => {
                names.extend(text.lines().map(|line| line.split('\t').next().unwrap().into()));
            }
            _ => {
                for line in text.lines() {
                    let (name, rest) = line.split_once(' ').ok_or(line)?;
                    let rest = numbers(rest.trim_end_matches(" kB"))?;
                    if rest.is_empty() {
                        return Err(format!("no number: {line}"));
                    }
                    if name.starts_with("cpu") {
                        counters.extend(rest);
                    }
                    names.push(name.to_owned());
                }
            }
        }
        if self.names.is_empty() {
            self.names = names;
        } else if self.names != names {
            return Err(format!("other lines than {:?}", self.names));
        }
        let falls = self.counters.iter().zip(&counters).find(|(before, now)| now < before);
        if let Some((before, now)) = falls {
            return Err(format!("{now} after {before}"));
        }
        self.counters = counters;
        Ok(())
    }
}

#[test]
fn readers_notice_what_is_wrong() {
    let text = |letter, time, lines: &[u32]| {
        let line = |n| format!("{letter} {time:016x} {n:08} of 00000003\n");
        lines.iter().map(line).collect::<String>()
    };
    assert_eq!(one_render(&text('A', 7, &[1, 2, 3])), Ok(()));
    let mixed = text('A', 7, &[1]) + &text('B', 7, &[2, 3]);
    let two_times = text('A', 7, &[1, 2]) + &text('A', 8, &[3]);
    let cut = &text('A', 7, &[1, 2, 3])[..60];
    for wrong in [&mixed, &two_times, &text('A', 7, &[1, 3]), &text('A', 7, &[1, 2]), cut] {
        assert!(is_puppet(wrong) && one_render(wrong).is_err(), "{wrong}");
    }
    let mut judge = Judge::default();
    assert_eq!(judge.judge("stat", "cpu  5 6\nbtime 9\n"), Ok(()));
    for wrong in ["cpu  5 5\nbtime 9\n", "cpu  5 7\n", "cpu  5 7\nbtime 9", "cpu  5 7\nbtime x\n"] {
        assert!(judge.judge("stat", wrong).is_err(), "{wrong}");
    }
    assert_eq!(judge.judge("stat", "cpu  5 7\nbtime 9\n"), Ok(()));
}
