//! What this machine offers, and what each lack costs.
//!
//! Every check only looks: none changes anything, needs a privilege, or fails
//! for the lack of one.

mod cgroups;
mod controllers;
mod kernel;
mod privileges;

use crate::hierarchy::Hierarchies;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// How much of something there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All that is wanted.
    Ok,
    /// Less, at the stated cost.
    Limited,
    /// None, at the stated cost.
    Missing,
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Status::Ok => "ok",
            Status::Limited => "limited",
            Status::Missing => "missing",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, in few words, the same on every machine.
    pub name: String,
    /// How much of it there is.
    pub status: Status,
    /// What was found.
    pub finding: String,
    /// What the lack costs; empty without one.
    pub cost: String,
    /// What would help; empty without a lack, or where nothing would.
    pub remedy: String,
}

impl Check {
    fn ok(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Check {
            name: name.into(),
            status: Status::Ok,
            finding: finding.into(),
            cost: String::new(),
            remedy: String::new(),
        }
    }

    fn limited(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Check { status: Status::Limited, ..Check::ok(name, finding) }
    }

    fn missing(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Check { status: Status::Missing, ..Check::ok(name, finding) }
    }

    fn costs(self, cost: impl Into<String>) -> Self {
        Check { cost: cost.into(), ..self }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Check { remedy: remedy.into(), ..self }
    }
}

/// Looks at this machine, from this process.
pub fn examine() -> Vec<Check> {
    let machine = Machine::look();
    let mut checks = vec![kernel::release(&machine)];
    checks.extend(cgroups::examine(&machine));
    checks.extend(controllers::examine(&machine));
    checks.extend(kernel::examine(&machine));
    checks.extend(privileges::examine(&machine));
    checks
}

/// What several checks look at.
struct Machine {
    mountinfo: Vec<u8>,
    hierarchies: Hierarchies,
    /// `uname -r`.
    release: String,
    private_proc: bool,
}

impl Machine {
    fn look() -> Self {
        let mountinfo = fs::read("/proc/self/mountinfo").unwrap_or_default();
        Machine {
            hierarchies: Hierarchies::from_mountinfo(&mountinfo),
            mountinfo,
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            private_proc: crate::pseudofs::PseudoFs::open(&crate::pseudofs::PROC)
                .is_ok_and(|procfs| procfs.is_private()),
        }
    }

    /// Whether the kernel is of this version or newer. A distribution may
    /// have brought a feature to an older one, so a check asks the kernel
    /// itself where there is a way to.
    fn has_kernel(&self, major: u32, minor: u32) -> bool {
        version(&self.release).is_some_and(|version| version >= (major, minor))
    }
}

/// `6.18.44-fc` is (6, 18).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A file of one value, without its newline.
fn read(path: &Path) -> io::Result<String> {
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        for (release, expected) in [
            ("6.18.44-fc-v669", Some((6, 18))),
            ("5.10.0-30-amd64", Some((5, 10))),
            ("7.2-rc1", Some((7, 2))),
            ("6", None),
            ("", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
