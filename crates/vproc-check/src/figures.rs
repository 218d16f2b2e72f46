//! Reading figures out of files of `/proc`, independently of the code that printed
//! them. The core's own tests use it, too.

#![allow(dead_code, unreachable_pub)] // Neither side uses all of it.

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

/// The largest number of a CPU: `NR_CPUS` of any kernel is far below.
const LAST_CPU: u32 = 1 << 20;

/// Numbers in a list of CPUs such as `0-3,8`.
pub fn cpu_list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        Some(first..=last.min(LAST_CPU))
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
