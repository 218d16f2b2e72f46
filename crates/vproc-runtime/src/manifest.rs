//! What makes a manifest one that no host could serve.

use std::collections::{HashMap, HashSet};
use vproc_snapshot::pattern::{is_pattern, path_stands_for};
use vproc_snapshot::{Entry, Kind, Manifest};

/// `PATH_MAX` of `include/uapi/linux/limits.h`, less the NUL.
const MAX_PATH: usize = 4095;

/// Checks it.
pub(crate) fn check(manifest: &Manifest) -> Result<(), String> {
    if manifest.name.is_empty()
        || manifest.name.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(format!("`{}` is no name", manifest.name.escape_debug()));
    }
    let mut paths = HashSet::new();
    for entry in &manifest.entries {
        check_entry(entry)?;
        if !paths.insert(&entry.path) {
            return Err(format!("{} is declared twice", entry.path.escape_debug()));
        }
    }
    check_numbers(manifest)
}

/// Checks an entry that a policy gave for a path.
pub(crate) fn check_found(path: &str, entry: &Entry) -> Result<(), String> {
    check_entry(entry)?;
    if entry.path == path || path_stands_for(&entry.path, path) {
        return Ok(());
    }
    let (found, path) = (entry.path.escape_debug(), path.escape_debug());
    Err(format!("asked for {path}, it gives the entry {found}"))
}

fn check_entry(entry: &Entry) -> Result<(), String> {
    let path = entry.path.escape_debug();
    if !is_absolute(&entry.path) {
        return Err(format!("`{path}` is not an absolute, normalised path"));
    }
    if entry.path.len() > MAX_PATH {
        return Err(format!("a path is longer than {MAX_PATH} bytes"));
    }
    if entry.mode & !0o777 != 0 {
        return Err(format!("{path} has mode {:o}, which is no permission", entry.mode));
    }
    if entry.needs.iter().any(|need| need.source.is_relative()) && !entry.is_pattern() {
        return Err(format!("{path} names no process, and asks for files of the one it names"));
    }
    if entry.covers && !entry.can_cover() {
        return Err(format!("{path} is no single file that could be put over a container's own"));
    }
    let mut keys = HashSet::new();
    if let Some(need) = entry.needs.iter().find(|need| !keys.insert(&need.key)) {
        return Err(format!("{path} has two needs with the key `{}`", need.key.escape_debug()));
    }
    Ok(())
}

/// Checks paths with a `*`.
fn check_numbers(manifest: &Manifest) -> Result<(), String> {
    if !manifest.entries.iter().any(|entry| is_pattern(&entry.path)) {
        return Ok(());
    }
    let directories: HashSet<&str> = manifest
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Directory)
        .map(|entry| entry.path.as_str())
        .collect();
    let mut names: HashMap<(&str, String), &str> = HashMap::new();
    for entry in &manifest.entries {
        let path = entry.path.escape_debug();
        for (slash, _) in entry.path.match_indices('/') {
            let (above, rest) = entry.path.split_at(slash);
            let name = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
            let is_numbered = is_pattern(name);
            if is_numbered && has_ambiguous_star(name) {
                return Err(format!("{path} has a `*` beside a digit or another `*`"));
            }
            let directory = if above.is_empty() { "/" } else { above };
            if is_numbered && !directories.contains(directory) {
                let directory = directory.escape_debug();
                return Err(format!("{path} needs an entry for the directory {directory}"));
            }
            let other = names.entry((above, shape(name))).or_insert(name);
            if *other != name && (is_numbered || is_pattern(other)) {
                let (name, other) = (name.escape_debug(), other.escape_debug());
                return Err(format!("{path}: `{name}` and `{other}` could be the same"));
            }
        }
    }
    Ok(())
}

/// Whether two readings of a name are possible: `cpu**`, `cpu*0`.
fn has_ambiguous_star(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    name.as_bytes().windows(2).any(|pair| match *pair {
        [b'*', right] => right == b'*' || is_digit(right),
        [left, b'*'] => is_digit(left),
        _ => false,
    })
}

/// A name with a `*` in place of each number.
fn shape(name: &str) -> String {
    let mut shape = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '0'..='9' | '*' if shape.ends_with('*') => {}
            '0'..='9' => shape.push('*'),
            _ => shape.push(character),
        }
    }
    shape
}

fn is_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
            && !rest.contains(|c: char| c.is_control())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vproc_snapshot::Class;

    fn checked(paths: &[&str]) -> Result<(), String> {
        let entry = |path: &&str| Entry {
            path: path.trim_end_matches('/').to_owned(),
            kind: if path.ends_with('/') { Kind::Directory } else { Kind::File },
            mode: 0o444,
            class: Class::Virtual,
            summary: String::new(),
            reason: String::new(),
            needs: Vec::new(),
            history: None,
            covers: false,
        };
        check(&Manifest {
            name: "test".into(),
            version: "0".into(),
            entries: paths.iter().map(entry).collect(),
            knobs: Vec::new(),
        })
    }

    #[test]
    fn numbers_are_told_by_the_directory_above() {
        assert_eq!(checked(&["/cpu/", "/cpu/cpu*/online", "/cpu/cpu*/id", "/cpu/online"]), Ok(()));
        assert_eq!(checked(&["/cpu/", "/cpu/cpu*/cache/", "/cpu/cpu*/cache/index*/size"]), Ok(()));
        for paths in [
            &["/cpu/cpu*/online"][..],
            &["/cpu", "/cpu/cpu*/online"],
            &["/cpu/", "/cpu/cpu*/cache/index*/size"],
            &["/*"],
        ] {
            let why = checked(paths).unwrap_err();
            assert!(why.contains("needs an entry for the directory /"), "{why}");
        }
    }

    #[test]
    fn an_entry_that_was_asked_for_is_of_that_path() {
        let entry = |path: &str| Entry {
            path: path.to_owned(),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Virtual,
            summary: String::new(),
            reason: String::new(),
            needs: Vec::new(),
            history: None,
            covers: false,
        };
        assert_eq!(check_found("/proc/stat", &entry("/proc/stat")), Ok(()));
        assert_eq!(check_found("/cpu/cpu7/x", &entry("/cpu/cpu*/x")), Ok(()));
        for other in ["/proc/meminfo", "/cpu/cpu*/x", "proc/stat"] {
            assert!(check_found("/proc/stat", &entry(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn no_path_belongs_to_two_entries() {
        for paths in [
            ["/cpu/", "/cpu/cpu*", "/cpu/cpu0"],
            ["/cpu/", "/cpu/cpu12/x", "/cpu/cpu*/x"],
            ["/cpu/", "/cpu/a*b1", "/cpu/a1b*"],
        ] {
            assert!(checked(&paths).unwrap_err().contains("could be the same"), "{paths:?}");
        }
        assert_eq!(checked(&["/cpu/", "/cpu/cpu*", "/cpu/cpu", "/cpu/node0"]), Ok(()));
        assert_eq!(checked(&["/cpu0", "/cpu1"]), Ok(()));
        for path in ["/cpu/cpu**", "/cpu/cpu*0", "/cpu/cpu0*"] {
            assert!(checked(&["/cpu/", path]).unwrap_err().contains("beside a digit"), "{path}");
        }
        assert!(checked(&[&format!("/{}", "x".repeat(5000))]).is_err());
    }
}
