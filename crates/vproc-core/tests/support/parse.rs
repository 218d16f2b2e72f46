//! Reading what was rendered, independently of the code that rendered it.

pub use super::figures::{has_negative, numbers, table};

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
