//! `cargo xtask compare-lxcfs`: what lxcfs shows a container beside what vproc
//! shows it, and what the kernel says is right.
//!
//! Both are mounted, and one process of one container reads them at one moment. What is expected of a
//! field is computed here, from the files of the cgroup before and after that
//! moment, and from nothing of vproc's code: see [`rules`].

mod facts;
mod rules;
mod stage;
mod table;

use crate::{Done, cargo, wasm_target};
use facts::Facts;
use rules::RULES;
use stage::{Container, Servers, SwapArea, Text};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs};
use table::{Row, Tally};

const USAGE: &str = "\
usage: cargo xtask compare-lxcfs [--require] [--lxcfs PATH] [--vprocctl PATH]

  --require  fail where something that this needs is missing, and where lxcfs
             shows something else for no reason that is known
  --lxcfs    this one, rather than that of the distribution
  --vprocctl a built one, where there is no cargo";

/// What a container is limited to, the files that are of interest then, and for
/// how many seconds it is watched.
struct Scenario {
    limits: &'static [&'static str],
    files: &'static [&'static str],
    seconds: u64,
}

/// What the fields say that compare the counters of two moments.
const SHORT: u64 = 3;

const EVERYTHING: &[&str] = &[
    "/proc/meminfo",
    "/proc/swaps",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/diskstats",
    "/proc/slabinfo",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/offline",
];

/// CPUs are seen best where there is less than one and where there are some;
/// swap, where the memory is too small for what the container holds; a load, when
/// some samples have been taken.
static SCENARIOS: &[Scenario] = &[
    Scenario { limits: &["--memory", "256M", "--cpus", "0.8"], files: EVERYTHING, seconds: SHORT },
    Scenario {
        limits: &["--memory", "256M", "--cpus", "1.6"],
        files: &["/proc/cpuinfo", "/proc/stat", "/proc/uptime"],
        seconds: SHORT,
    },
    Scenario {
        limits: &["--memory", "20M", "--swap", "48M"],
        files: &["/proc/meminfo", "/proc/swaps"],
        seconds: SHORT,
    },
    Scenario { limits: &["--memory", "256M"], files: &["/proc/loadavg"], seconds: 15 },
];

/// The area for a host without swap, in MiB: more than the container may have.
const AREA: usize = 64;

/// How often a container is watched in which something does not fit: what is
/// wrong is wrong each time, and a machine may be busy.
const ATTEMPTS: u32 = 3;

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

struct Options {
    lxcfs: PathBuf,
    vprocctl: Option<PathBuf>,
    require: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Options { lxcfs: PathBuf::from("lxcfs"), vprocctl: None, require: false };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut path = || words.next().map(PathBuf::from).ok_or(USAGE);
            match word.as_str() {
                "--require" => options.require = true,
                "--lxcfs" => options.lxcfs = path()?,
                "--vprocctl" => options.vprocctl = Some(path()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn compare(arguments: &[String]) -> Done {
    let options = Options::parse(arguments)?;
    if let Some(reason) = stage::missing(&options.lxcfs) {
        if options.require {
            return Err(reason);
        }
        println!("compare-lxcfs: skipped, because {reason}");
        return Ok(());
    }
    let vprocctl = options.vprocctl.map_or_else(build, Ok)?;
    let vprocctl = std::path::absolute(&vprocctl).map_err(|error| error.to_string())?;
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let _area = match swaps.lines().nth(1) {
        Some(_) => None,
        None => SwapArea::add(AREA).map(Some).or_else(|reason| match options.require {
            true => Err(reason),
            false => {
                println!("There is no swap to limit: {reason}");
                Ok(None)
            }
        })?,
    };

    let servers = Servers::start(&options.lxcfs, &vprocctl)?;
    println!("lxcfs {}, {}", servers.version, servers.options.join(" "));
    println!("{}, Linux {}", stage::version(&vprocctl)?, stage::kernel());
    let mut tally = Tally::default();
    for scenario in SCENARIOS {
        let mut rows = observe(&servers, &vprocctl, scenario)?;
        for _ in 1..ATTEMPTS {
            if rows.iter().all(|row| row.fault().is_none()) {
                break;
            }
            for fault in rows.iter().filter_map(Row::fault) {
                println!("Again, because it may not stay so: {fault}");
            }
            rows = observe(&servers, &vprocctl, scenario)?;
        }
        println!("\nvprocctl run {}, {} s\n", scenario.limits.join(" "), scenario.seconds);
        table::print(&rows);
        tally.add(&rows);
    }
    println!("\n{tally}");
    match tally {
        Tally { wrong: 1.., .. } => Err(format!("vproc is wrong in {} fields", tally.wrong)),
        Tally { unexplained: 1.., .. } if options.require => {
            Err(format!("lxcfs differs in {} fields for no known reason", tally.unexplained))
        }
        _ => Ok(()),
    }
}

fn build() -> Result<PathBuf, String> {
    wasm_target()?;
    cargo(&["build", "--release", "--workspace", "--bins"])?;
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    Ok(PathBuf::from(target).join("release/vprocctl"))
}

fn observe(servers: &Servers, vprocctl: &Path, scenario: &Scenario) -> Result<Vec<Row>, String> {
    let container = Container::start(servers, vprocctl, scenario.limits)?;
    let look = || {
        let before = Facts::read(container.init, scenario.files)?;
        let [lxcfs, vproc] = container.read(scenario.files)?;
        let after = Facts::read(container.init, scenario.files)?;
        Ok::<_, String>(([before, after], lxcfs, vproc))
    };
    let (first, first_lxcfs, first_vproc) = look()?;
    sleep(Duration::from_secs(scenario.seconds));
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
