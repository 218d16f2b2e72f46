//! Paths in which a `*` stands for a number: `/sys/devices/system/cpu/cpu*`.
//!
//! Which numbers there are depends on the container. The entry of the
//! directory above says it: its text lists the names.

use crate::{Entry, Kind, Manifest};

/// The largest number that a `*` stands for: the largest process id, which is
/// below `PID_MAX_LIMIT` of `include/linux/threads.h`. The bound keeps a text
/// from naming more files than a host could list.
pub const LAST_NUMBER: u32 = 4_194_304;

/// Whether a path has a `*`.
pub fn is_pattern(path: &str) -> bool {
    path.contains('*')
}

/// Whether a name is what a component of a pattern stands for: each `*` is a
/// decimal number up to [`LAST_NUMBER`] without leading zeros.
pub fn stands_for(pattern: &str, name: &str) -> bool {
    let Some((literal, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(literal) else { return false };
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let Some((number, name)) = name.split_at_checked(digits) else { return false };
    is_number(number) && stands_for(rest, name)
}

fn is_number(digits: &str) -> bool {
    // Seven digits are enough for the largest, and cannot overflow.
    (1..=7).contains(&digits.len())
        && (digits == "0" || !digits.starts_with('0'))
        && digits.parse().is_ok_and(|number: u32| number <= LAST_NUMBER)
}

/// Whether a path is what a pattern stands for, component by component.
pub fn path_stands_for(pattern: &str, path: &str) -> bool {
    let literal = pattern.split('*').next().unwrap_or_default();
    if !path.starts_with(literal) {
        return false;
    }
    let (mut patterns, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if stands_for(pattern, name) => {}
            _ => return false,
        }
    }
}

/// The names with a number in a path that a pattern stands for, each with the
/// directory that has to list it, from the root down.
pub fn numbered<'p>(pattern: &str, path: &'p str) -> Vec<(&'p str, &'p str)> {
    let mut found = Vec::new();
    let mut end = 0;
    for (pattern, name) in pattern.split('/').zip(path.split('/')) {
        if is_pattern(pattern) {
            let directory = path.get(..end.max(1) - 1).unwrap_or_default();
            found.push((if directory.is_empty() { "/" } else { directory }, name));
        }
        end += name.len() + 1;
    }
    found
}

/// The numbers in a path that a pattern stands for, from the root down.
pub fn numbers(pattern: &str, path: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for (mut pattern, mut name) in pattern.split('/').zip(path.split('/')) {
        while let Some((literal, rest)) = pattern.split_once('*') {
            name = name.get(literal.len()..).unwrap_or_default();
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            let (number, behind) = name.split_at_checked(digits).unwrap_or_default();
            found.extend(number.parse::<u32>());
            (pattern, name) = (rest, behind);
        }
    }
    found
}

/// The names that the text of a directory lists.
pub fn listed(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
}

impl Entry {
    /// Whether it stands for several files, by their numbers.
    pub fn is_pattern(&self) -> bool {
        is_pattern(&self.path)
    }
}

impl Manifest {
    /// The entry at `path`, or the one whose pattern stands for it.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let exact = self.entries.iter().find(|entry| entry.path == path);
        exact.or_else(|| {
            let mut patterns = self.entries.iter().filter(|entry| entry.is_pattern());
            patterns.find(|entry| path_stands_for(&entry.path, path))
        })
    }

    /// Whether a directory, by its declared path, holds names with a number.
    pub fn has_numbers_in(&self, directory: &str) -> bool {
        self.entries.iter().any(|entry| {
            let below = entry.path.strip_prefix(directory.trim_end_matches('/'));
            let name = below.and_then(|below| below.strip_prefix('/')?.split('/').next());
            name.is_some_and(is_pattern)
        })
    }

    /// The directory whose text says which numbers stand in the place of the
    /// `*` in a component that follows `directory`. Both are as declared.
    pub fn listing(&self, directory: &str) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.kind == Kind::Directory && entry.path == directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_a_number() {
        for name in ["cpu0", "cpu7", "cpu10", "cpu4194304"] {
            assert!(stands_for("cpu*", name), "{name}");
        }
        for name in [
            "cpu",
            "cpu00",
            "cpu07",
            "cpu4194305",
            "cpu99999999999",
            "cpu1x",
            "cpu+1",
            "cpu-1",
            "cpu 1",
            "cpufreq",
            "CPU1",
            "",
            "cpu*",
            "cpu١",
        ] {
            assert!(!stands_for("cpu*", name), "{name}");
        }
        assert!(stands_for("a*b*c", "a1b20c") && !stands_for("a*b*c", "a1b20"));
        assert!(stands_for("*", "3") && !stands_for("*", "x"));
        assert!(stands_for("online", "online") && !stands_for("online", "online1"));
    }

    #[test]
    fn a_path_matches_component_by_component() {
        let pattern = "/sys/cpu/cpu*/cache/index*/size";
        assert!(path_stands_for(pattern, "/sys/cpu/cpu3/cache/index0/size"));
        for path in [
            "/sys/cpu/cpu3/cache/index0",
            "/sys/cpu/cpu3/cache/index0/size/x",
            "/sys/cpu/cpu3/cache/index/size",
            "/sys/cpu/cpu3/4/cache/index0/size",
            "/sys/cpu",
            "",
        ] {
            assert!(!path_stands_for(pattern, path), "{path}");
        }
        assert_eq!(
            numbered(pattern, "/sys/cpu/cpu3/cache/index0/size"),
            [("/sys/cpu", "cpu3"), ("/sys/cpu/cpu3/cache", "index0")]
        );
        assert_eq!(numbered("/*", "/7"), [("/", "7")]);
        assert_eq!(numbered("/proc/stat", "/proc/stat"), []);
        assert_eq!(numbers(pattern, "/sys/cpu/cpu3/cache/index0/size"), [3, 0]);
        assert_eq!(numbers("/proc/*/task/*/stat", "/proc/4194304/task/18/stat"), [4_194_304, 18]);
        assert!(numbers("/proc/stat", "/proc/stat").is_empty());
    }
}
