//! Which paths a rule is about.

use std::fmt;

/// A pattern of paths: `/proc/meminfo`, `/proc/*`, `/proc/sys/**`.
///
/// `*` stands for any characters of a name, and for none; `**` as a name stands
/// for any number of names, and for none, so `/proc/sys/**` is `/proc/sys` and all
/// below it. The paths are those that a policy declares: `cpu*` is how it writes
/// `cpu0`, `cpu1` and so on, which are treated together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// Why a text is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGlob {
    /// It has to begin with a `/`.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    /// It names nothing that a policy could have.
    #[error("`{0}` has an empty name, a `.` or a `..`")]
    NotNormal(String),
    /// `**` stands for whole names.
    #[error("`{0}` has a `**` that is only a part of a name")]
    Mixed(String),
}

impl Glob {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, NoGlob> {
        let shown = || text.escape_debug().to_string();
        let Some(names) = text.strip_prefix('/') else { return Err(NoGlob::Relative(shown())) };
        for name in names.split('/') {
            if matches!(name, "" | "." | "..") || name.contains(char::is_control) {
                return Err(NoGlob::NotNormal(shown()));
            }
            if name.contains("**") && name != "**" {
                return Err(NoGlob::Mixed(shown()));
            }
        }
        Ok(Glob(text.to_owned()))
    }

    /// The one path that it stands for, if it has no `*`.
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    /// Whether it stands for a path.
    pub fn matches(&self, path: &str) -> bool {
        let names = |path: &str| path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
        names_match(&names(&self.0), &names(path))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn names_match(patterns: &[String], names: &[String]) -> bool {
    let Some((pattern, patterns)) = patterns.split_first() else { return names.is_empty() };
    if pattern == "**" {
        return (0..=names.len()).any(|skipped| names_match(patterns, names.split_at(skipped).1));
    }
    names
        .split_first()
        .is_some_and(|(name, names)| name_matches(pattern, name) && names_match(patterns, names))
}

fn name_matches(pattern: &str, name: &str) -> bool {
    let Some((literal, pattern)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(literal) else { return false };
    let mut rests = name.char_indices().map(|(place, _)| name.split_at(place).1).chain([""]);
    rests.any(|rest| name_matches(pattern, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_glob_stands_for_paths() {
        for (glob, path, expected) in [
            ("/proc/stat", "/proc/stat", true),
            ("/proc/stat", "/proc/stat/x", false),
            ("/proc/s*", "/proc/stat", true),
            ("/proc/*s*t*", "/proc/stat", true),
            ("/proc/*", "/proc/sys/kernel", false),
            ("/proc/sys/**", "/proc/sys", true),
            ("/proc/sys/**", "/proc/sys/kernel/random/boot_id", true),
            ("/proc/sys/**", "/proc/sysvipc/shm", false),
            ("/**/online", "/sys/devices/system/cpu/cpu*/online", true),
            ("/**/online", "/online", true),
            ("/sys/**/cpu*/**", "/sys/devices/system/cpu/cpu*/online", true),
            ("/sys/cpu/cpu*", "/sys/cpu/cpu", true),
        ] {
            assert_eq!(Glob::parse(glob).unwrap().matches(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn what_is_no_path_is_no_glob() {
        for text in ["proc/stat", "", "/proc//stat", "/proc/../etc", "/proc/", "/proc/a**", "/\n"] {
            assert!(Glob::parse(text).is_err(), "{text:?}");
        }
    }
}
