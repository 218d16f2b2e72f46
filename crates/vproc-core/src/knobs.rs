//! The settings that the default policy understands. A knob is one row of
//! [`KNOBS`]: its name, its values, its documentation and what it changes.

use crate::contract::Kind;
use crate::{Error, files};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Which limits decide how many CPUs a container sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CpuLimit {
    /// The cpuset alone.
    Cpuset,
    /// The cpuset, clipped by the lowest quota over the ancestors.
    #[default]
    Quota,
    /// As `Quota`, clipped further by the leaf's CPU shares or weight.
    Shares,
}

/// How a fractional quota becomes a number of CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rounding {
    /// 1.2 CPUs show as 2.
    #[default]
    Ceil,
    /// 1.8 CPUs show as 1.
    Floor,
    /// 1.5 CPUs show as 2, 1.4 as 1.
    Nearest,
}

/// How visible CPUs are numbered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbering {
    /// From 0 without gaps.
    #[default]
    Dense,
    /// As on the host.
    Host,
}

/// What the first field of `/proc/uptime` shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UptimeRule {
    /// What agrees with the start times in `/proc/PID/stat`: the container's
    /// clock in a time namespace of its own, else the host's.
    #[default]
    Auto,
    /// The age of the container's init process.
    Age,
}

/// What `/proc/cmdline` and `/proc/bootconfig` show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BootParameters {
    /// Those of the kernel that are no secrets.
    #[default]
    Redact,
    /// The same for every host.
    Constant,
    /// All of the host's.
    Pass,
}

/// How much of a process a reader may see that is not for everybody: what
/// ptrace(2) calls the access mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What everybody may.
    #[default]
    None,
    /// What `PTRACE_MODE_READ_FSCREDS` allows: memory maps, open files.
    Read,
    /// What `PTRACE_MODE_ATTACH_FSCREDS` allows: system calls besides.
    Attach,
}

/// What a reader gets in place of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Treatment {
    /// The container's own text.
    #[default]
    Virtual,
    /// The host's text.
    Pass,
    /// An empty file.
    Mask,
    /// An error.
    Deny,
}

/// All knobs with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // documented once, in KNOBS
pub struct Knobs {
    pub cpus: CpuLimit,
    pub cpu_rounding: Rounding,
    pub cpu_minimum: CpuMinimum,
    pub cpu_numbering: Numbering,
    pub swap_hidden: bool,
    pub memory_high_limits: bool,
    pub throttled_is_steal: bool,
    pub uptime: UptimeRule,
    pub cmdline: BootParameters,
    pub process_rank: Rank,
    pub oom_score_of_limit: bool,
    treatments: Vec<(String, Treatment)>,
}

/// The fewest CPUs that a container sees, where its cpuset has as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuMinimum(pub u32);

impl Default for CpuMinimum {
    fn default() -> Self {
        CpuMinimum(1)
    }
}

/// One knob.
#[derive(Debug)]
pub struct Knob {
    /// What follows `--set`.
    pub name: &'static str,
    /// The values it takes, for a person.
    pub values: &'static str,
    /// The value that holds where it is not set.
    pub default: &'static str,
    /// What it changes.
    pub summary: &'static str,
    /// The files that it changes: their paths, or those of directories.
    pub files: &'static [&'static str],
    set: fn(&mut Knobs, &str) -> Option<()>,
}

/// What depends on the number of CPUs.
const CPU_FILES: &[&str] =
    &["/proc/cpuinfo", "/proc/stat", "/proc/uptime", "/sys/devices/system/cpu"];

/// Every knob of the default policy. Besides, each path that the policy
/// serves is a knob of its own: see [`TREATMENT`].
pub static KNOBS: &[Knob] = &[
    Knob {
        name: "cpus",
        values: "cpuset | quota | shares",
        default: "quota",
        summary: "what clips the number of CPUs: the cpuset alone, also the lowest CPU quota over \
                  the ancestors, also the group's CPU shares (1024 shares or weight 100 a CPU)",
        files: CPU_FILES,
        set: |knobs, value| {
            knobs.cpus = match value {
                "cpuset" => CpuLimit::Cpuset,
                "quota" => CpuLimit::Quota,
                "shares" => CpuLimit::Shares,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "cpu-rounding",
        values: "ceil | floor | nearest",
        default: "ceil",
        summary: "how a fractional quota becomes a number of CPUs",
        files: CPU_FILES,
        set: |knobs, value| {
            knobs.cpu_rounding = match value {
                "ceil" => Rounding::Ceil,
                "floor" => Rounding::Floor,
                "nearest" => Rounding::Nearest,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "cpu-minimum",
        values: "a number from 1",
        default: "1",
        summary: "the fewest CPUs to show, where the cpuset has as many",
        files: CPU_FILES,
        set: |knobs, value| {
            let minimum: u32 = value.parse().ok()?;
            (minimum > 0).then_some(())?;
            knobs.cpu_minimum = CpuMinimum(minimum);
            Some(())
        },
    },
    Knob {
        name: "cpu-numbering",
        values: "dense | host",
        default: "dense",
        summary: "number visible CPUs from 0 without gaps, or as on the host",
        files: CPU_FILES,
        set: |knobs, value| {
            knobs.cpu_numbering = match value {
                "dense" => Numbering::Dense,
                "host" => Numbering::Host,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "swap",
        values: "on | off",
        default: "on",
        summary: "show the container's swap, or none at all",
        files: &["/proc/meminfo", "/proc/swaps", "/proc/vmstat"],
        set: |knobs, value| {
            knobs.swap_hidden = match value {
                "on" => false,
                "off" => true,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "memory-high",
        values: "ignore | limit",
        default: "ignore",
        summary: "whether memory.high, where it is lower than memory.max, is the size of memory",
        files: &["/proc/meminfo", "/proc/swaps", "/proc/vmstat"],
        set: |knobs, value| {
            knobs.memory_high_limits = match value {
                "ignore" => false,
                "limit" => true,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "steal",
        values: "none | throttled",
        default: "none",
        summary: "whether time in which the CPU quota held the container back shows as steal",
        files: &["/proc/stat"],
        set: |knobs, value| {
            knobs.throttled_is_steal = match value {
                "none" => false,
                "throttled" => true,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "uptime",
        values: "auto | age",
        default: "auto",
        summary: "auto: the container's clock if it has a time namespace, else the host's, so \
                  that ps computes right start times; age: the age of the container's init",
        files: &["/proc/uptime", "/proc/stat"],
        set: |knobs, value| {
            knobs.uptime = match value {
                "auto" => UptimeRule::Auto,
                "age" => UptimeRule::Age,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "cmdline",
        values: "redact | constant | pass",
        default: "redact",
        summary: "what /proc/cmdline and /proc/bootconfig show: the kernel's parameters that are \
                  no secrets, the same for every host, or all of the host's",
        files: &["/proc/cmdline", "/proc/bootconfig"],
        set: |knobs, value| {
            knobs.cmdline = match value {
                "redact" => BootParameters::Redact,
                "constant" => BootParameters::Constant,
                "pass" => BootParameters::Pass,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "process-rank",
        values: "none | read | attach",
        default: "none",
        summary: "what /proc/PID shows: what every reader in the container may see; also what \
                  the owner of a process may; also what one who may trace it may",
        files: &["/proc/*"],
        set: |knobs, value| {
            knobs.process_rank = match value {
                "none" => Rank::None,
                "read" => Rank::Read,
                "attach" => Rank::Attach,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "oom-score",
        values: "host | limit",
        default: "host",
        summary: "what /proc/PID/oom_score is a part of: the host's memory, or the container's",
        files: &["/proc/*/oom_score", "/proc/*/task/*/oom_score"],
        set: |knobs, value| {
            knobs.oom_score_of_limit = match value {
                "host" => false,
                "limit" => true,
                _ => return None,
            };
            Some(())
        },
    },
];

/// The knob that every served path is: its values, default and summary.
pub const TREATMENT: (&str, &str, &str) = (
    "virtual | pass | mask | deny",
    "virtual",
    "a path as the knob: what the policy has for it, the host's file, an empty file, or an error; \
     pass, mask and deny also for files of /proc that the policy knows nothing of",
);

impl Knobs {
    /// Reads settings in order; the last one of a knob counts.
    pub fn parse<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let mut knobs = Knobs::default();
        for (name, value) in settings {
            if name.starts_with('/') {
                knobs.treat(name, value)?;
            } else {
                knobs.turn(name, value)?;
            }
        }
        Ok(knobs)
    }

    fn turn(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let Some(knob) = KNOBS.iter().find(|knob| knob.name == name) else {
            let known: alloc::vec::Vec<_> = KNOBS.iter().map(|knob| knob.name).collect();
            let reason = format!("no such knob; there are {} and served paths", known.join(", "));
            return Err(rejected(name, reason));
        };
        (knob.set)(self, value).ok_or_else(|| {
            rejected(name, format!("`{value}` is not what it takes: {}", knob.values))
        })
    }

    fn treat(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let reject = |reason: &str| Err(rejected(path, String::from(reason)));
        let entry = files::all().find(|entry| entry.path == path);
        let treatment = match (value, entry) {
            (_, None) if !is_unlisted(path) => {
                return reject("the policy does not serve this path");
            }
            ("virtual", None) => {
                return reject("the policy knows nothing of it: it takes pass, mask or deny");
            }
            ("virtual", Some(_)) => Treatment::Virtual,
            (_, Some(entry)) if entry.kind == Kind::Directory => {
                return reject("a directory takes virtual alone; its files are treated one by one");
            }
            // There is no single file of the host to pass.
            ("pass", Some(entry)) if entry.is_pattern() => {
                return reject("it stands for several files, which take virtual, mask or deny");
            }
            ("pass", _) => Treatment::Pass,
            ("mask", _) => Treatment::Mask,
            ("deny", _) => Treatment::Deny,
            _ => return Err(rejected(path, format!("`{value}` is not one of {}", TREATMENT.0))),
        };
        self.treatments.push((String::from(path), treatment));
        Ok(())
    }

    /// What a reader of `path` gets.
    pub fn treatment(&self, path: &str) -> Treatment {
        let mut latest_first = self.treatments.iter().rev();
        latest_first
            .find(|(treated, _)| *treated == path)
            .map_or_else(Treatment::default, |(_, t)| *t)
    }

    /// Paths that only settings name, each once.
    pub(crate) fn unlisted(&self) -> impl Iterator<Item = (&str, Treatment)> {
        self.treatments.iter().enumerate().filter_map(|(place, (path, _))| {
            let is_later =
                self.treatments.iter().skip(place + 1).any(|(treated, _)| treated == path);
            let is_listed = files::all().any(|entry| entry.path == path);
            (!is_later && !is_listed).then(|| (path.as_str(), self.treatment(path)))
        })
    }
}

/// Whether a path can be that of a file of procfs which the policy knows
/// nothing of: not of a process, no directory that it has, nothing below a
/// file.
fn is_unlisted(path: &str) -> bool {
    let Some(below) = path.strip_prefix("/proc/") else { return false };
    let is_name = |name: &str| {
        !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '*' || c.is_control())
    };
    let is_of_process = |name: &str| {
        matches!(name, "self" | "thread-self") || name.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_below =
        |long: &str, short: &str| long.strip_prefix(short).is_some_and(|r| r.starts_with('/'));
    below.split('/').all(is_name)
        && !below.split('/').next().is_some_and(is_of_process)
        && files::find(path).is_none()
        && !files::all().any(|entry| {
            is_below(entry.path, path) || entry.kind == Kind::File && is_below(path, entry.path)
        })
}

fn rejected(knob: &str, reason: String) -> Error {
    Error::RejectedSetting { knob: String::from(knob), reason }
}

#[cfg(test)]
mod tests;
