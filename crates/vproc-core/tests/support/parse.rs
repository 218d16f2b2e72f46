//! Reading what was rendered, independently of the code that rendered it.

use std::collections::BTreeMap;

/// The words of each line, the first one as the key: `MemTotal`, `pgfault`.
pub fn table(text: &str) -> BTreeMap<&str, u64> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let key = words.next()?.trim_end_matches(':');
            Some((key, words.next()?.parse().ok()?))
        })
        .collect()
}

/// Lines of `/proc/stat` that count CPU time, with their numbers.
pub fn cpu_lines(stat: &str) -> Vec<(&str, Vec<u64>)> {
    stat.lines()
        .filter(|line| line.starts_with("cpu"))
        .map(|line| {
            let (name, times) = line.split_once(' ').unwrap_or((line, ""));
            (name, times.split_ascii_whitespace().filter_map(|time| time.parse().ok()).collect())
        })
        .collect()
}

/// Processors in `/proc/cpuinfo`: `processor : N`, on s390x `processor N: …`.
pub fn processors(cpuinfo: &str) -> usize {
    let number = |line: &str| {
        let rest = line.strip_prefix("processor")?;
        let digits = rest.trim_start_matches([' ', '\t', ':']).split(':').next()?;
        digits.trim().parse::<u32>().ok()
    };
    cpuinfo.lines().filter_map(number).count()
}

/// Numbers in a list of CPUs such as `0-3,8`.
pub fn cpu_list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// Every run of digits.
pub fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty())
}

/// Whether some word is a number below zero.
pub fn has_negative(text: &str) -> bool {
    text.split_ascii_whitespace().any(|word| {
        word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The files whose counters are known.
pub const COUNTERS: [&str; 4] = ["/proc/uptime", "/proc/stat", "/proc/vmstat", "/proc/diskstats"];

/// Every number of a file that only ever grows, by name.
pub fn counters(path: &str, text: &str) -> Vec<(String, u64)> {
    let mut counters = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (name, numbers) = match path {
            "/proc/uptime" if words.len() == 2 => {
                for (name, seconds) in [("clock", words[0]), ("idle of all CPUs", words[1])] {
                    let hundredths = seconds.replace('.', "").parse().unwrap_or(0);
                    counters.push((name.to_owned(), hundredths));
                }
                continue;
            }
            "/proc/stat" | "/proc/vmstat" => (words[0], &words[1..]),
            "/proc/diskstats" => (words[2], &words[3..]),
            _ => continue,
        };
        // Amounts of the moment, not counts.
        if name.starts_with("procs_") || name.starts_with("nr_") {
            continue;
        }
        for (column, number) in numbers.iter().enumerate() {
            counters.push((format!("{name} {column}"), number.parse().unwrap_or(0)));
        }
    }
    counters
}
