//! `cargo xtask compare-lxcfs`: what lxcfs shows a container beside what vproc
//! shows it, and what the kernel says is right.
//!
//! Both are asked at one moment about one container. What is expected of a
//! field is computed here, from the files of the cgroup before and after that
//! moment, and from nothing of vproc's code: see [`rules`].

mod facts;
mod rules;
mod stage;
mod table;

use crate::{Done, cargo, wasm_target};
use facts::Facts;
use rules::RULES;
use stage::{Container, Lxcfs, Text};
use std::env;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;
use table::Row;

const USAGE: &str = "\
usage: cargo xtask compare-lxcfs [--lxcfs PATH] [--vprocctl PATH]

PATH of vprocctl: a built one, where there is no cargo";

/// How long the container is watched for differences of counters.
const PAUSE: Duration = Duration::from_secs(3);

/// What a container is limited to, and the files that are of interest then.
struct Scenario {
    limits: &'static [&'static str],
    files: &'static [&'static str],
}

const EVERYTHING: &[&str] = &[
    "/proc/meminfo",
    "/proc/swaps",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/diskstats",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/offline",
];

/// CPUs are seen best where there is less than one and where there are some.
static SCENARIOS: &[Scenario] = &[
    Scenario { limits: &["--memory", "256M", "--cpus", "0.8"], files: EVERYTHING },
    Scenario {
        limits: &["--memory", "256M", "--cpus", "1.6"],
        files: &["/proc/cpuinfo", "/proc/stat", "/proc/uptime"],
    },
];

/// What one of the two showed, at two moments.
struct Shown {
    first: Text,
    second: Text,
}

/// What the kernel says, before and after each of the two moments.
struct Evidence {
    first: [Facts; 2],
    second: [Facts; 2],
}

pub(crate) fn compare(arguments: &[String]) -> Done {
    let (mut lxcfs, mut built) = (PathBuf::from("lxcfs"), None);
    for pair in arguments.chunks(2) {
        match pair {
            [option, path] if option == "--lxcfs" => lxcfs = PathBuf::from(path),
            [option, path] if option == "--vprocctl" => built = Some(PathBuf::from(path)),
            _ => return Err(USAGE.into()),
        }
    }
    if let Some(reason) = stage::missing(&lxcfs) {
        println!("compare-lxcfs: skipped, because {reason}");
        return Ok(());
    }
    let vprocctl = built.map_or_else(build, Ok)?;

    let daemon = Lxcfs::start(&lxcfs)?;
    println!("lxcfs {}, {}", daemon.version, daemon.options.join(" "));
    println!("{}, Linux {}", stage::version(&vprocctl)?, stage::kernel());
    let mut wrong = 0;
    for scenario in SCENARIOS {
        let rows = observe(&daemon, &vprocctl, scenario)?;
        println!("\nvprocctl run {}\n", scenario.limits.join(" "));
        table::print(&rows);
        wrong += rows.iter().filter(|row| row.is_our_fault()).count();
    }
    match wrong {
        0 => Ok(()),
        _ => Err(format!("vproc is wrong in {wrong} fields")),
    }
}

fn build() -> Result<PathBuf, String> {
    wasm_target()?;
    cargo(&["build", "--release", "-p", "vprocctl"])?;
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    Ok(PathBuf::from(target).join("release/vprocctl"))
}

fn observe(daemon: &Lxcfs, vprocctl: &Path, scenario: &Scenario) -> Result<Vec<Row>, String> {
    let container = Container::start(vprocctl, scenario.limits)?;
    let look = || {
        let before = Facts::read(container.init, scenario.files)?;
        let lxcfs = daemon.read(container.init, scenario.files)?;
        let vproc = container.render(vprocctl, scenario.files)?;
        let after = Facts::read(container.init, scenario.files)?;
        Ok::<_, String>(([before, after], lxcfs, vproc))
    };
    let (first, first_lxcfs, first_vproc) = look()?;
    sleep(PAUSE);
    let (second, second_lxcfs, second_vproc) = look()?;
    let host = |moment: &[Facts; 2]| moment.first().map(|facts| facts.host.clone());
    let host = Shown {
        first: host(&first).unwrap_or_default(),
        second: host(&second).unwrap_or_default(),
    };
    let evidence = Evidence { first, second };
    let lxcfs = Shown { first: first_lxcfs, second: second_lxcfs };
    let vproc = Shown { first: first_vproc, second: second_vproc };
    let served = RULES.iter().filter(|rule| lxcfs.second.contains_key(rule.file));
    Ok(served.filter_map(|rule| Row::judge(rule, &evidence, &host, &lxcfs, &vproc)).collect())
}
