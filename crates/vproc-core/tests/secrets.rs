//! Nothing of other containers, of the host's users or of the kernel's memory
//! comes out of any file, whatever the kernel prints to us.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use proptest::prelude::*;
use std::fmt::Write;
use support::generate::{setup, world};
use support::{Datum, World};
use vproc_core::contract::Source;
use vproc_core::files::{ENTRIES, TABLES};
use vproc_core::{Class, Entry, Error, Kind};

/// What is the host's or another container's alone. The names are made up
/// anew for each case; none is a part of what kernels print.
#[derive(Debug, Clone)]
struct Secrets {
    serial: String,
    token: String,
    disk: String,
    group: String,
    command: String,
    address: String,
    pid: u32,
}

fn secrets() -> impl Strategy<Value = Secrets> {
    let word = || "[ghjkz]{12}";
    let address = "ffff[89a-f][1-9a-f]{11}";
    (word(), word(), word(), word(), word(), address, 3_000_000..4_000_000u32).prop_map(
        |(serial, token, disk, group, command, address, pid)| Secrets {
            serial,
            token,
            disk,
            group,
            command,
            address,
            pid,
        },
    )
}

impl Secrets {
    /// A number that nobody but the host's kernel counts.
    const COUNT: u64 = 7_654_321_098_765;

    fn words(&self) -> [String; 8] {
        let Secrets { serial, token, disk, group, command, address, pid } = self;
        let words = [serial, token, disk, group, command, address].map(String::clone);
        let [serial, token, disk, group, command, address] = words;
        let numbers = [pid.to_string(), Self::COUNT.to_string()];
        let [pid, count] = numbers;
        [serial, token, disk, group, command, address, pid, count]
    }

    /// Puts them wherever the kernel has such a thing, in files that are read
    /// and in files that are not.
    fn plant(&self, world: &mut World) {
        let Secrets { serial, token, disk, group, command, address, pid } = self;
        let count = Self::COUNT;
        let mut add = |path: &str, text: String| match world.host.get_mut(path) {
            Some(Datum::Text(there)) => there.push_str(&text),
            _ => {
                world.host.insert(path.to_owned(), text.into());
            }
        };
        add("/proc/cpuinfo", format!("Serial\t\t: {serial}\n"));
        add("/proc/cmdline", format!("init.token={token} quiet=\"{token}\" -- {token}\n"));
        add("/proc/bootconfig", format!("init.token = \"{token}\"\n# {token}\n"));
        add("/proc/cgroups", format!("cpu\t7\t{count}\t1\n"));
        add("/proc/diskstats", format!("  77       7 {disk} 1 0 8 1 1 0 8 1 0 1 2\n"));
        add("/proc/partitions", format!("  77        7 {count} {disk}\n"));
        add("/proc/mdstat", format!("{disk} : active raid1 {serial}[0]\n      {count} blocks\n\n"));
        add("/proc/mdstat", format!("unused devices: {serial}[0]\n"));
        add("/proc/swaps", format!("/dev/{disk}  partition\t{count}\t\t0\t\t-2\n"));
        add("/proc/modules", format!("nft 4096 0 - Live 0x{address} (E)\nodd {address}\n"));
        add(
            "/proc/kallsyms",
            format!("{address} T start\n{address} t nft_init\t[nft]\n{address}\n"),
        );
        add("/proc/iomem", format!("  {address}-{address} : Kernel code\n{address}\n"));
        add("/proc/ioports", format!("{address}-{address} : serial\n"));
        for entry in ENTRIES {
            let is_hidden = matches!(entry.class, Class::Masked | Class::Denied);
            if is_hidden && entry.kind == Kind::File {
                let mut text = String::new();
                for word in self.words() {
                    let _ = writeln!(text, "{word}");
                }
                add(entry.path, text);
            }
        }
        // Processes of the host's, were somebody to ask.
        let stat =
            format!("{pid} ({command}) S {pid} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5\n");
        world.processes.insert("subject/stat".into(), stat.clone().into());
        world.processes.insert("subject/cgroup".into(), format!("0::/{group}\n").into());
        world.processes.insert("init/cgroup".into(), format!("0::/{group}\n").into());
        if let Some(Datum::Text(own)) = world.processes.get("init/stat") {
            let own = own.replacen("1 (", &format!("{pid} ({command}"), 1);
            world.processes.insert("init/stat".into(), own.into());
        }
    }
}

/// What is passed as the host has it: nothing could be planted there that
/// would not come out. Whoever passes a further file adds it here, and should
/// know that the kernel never says there what others do.
const PASSED: &[&str] = &[
    "/proc/config.gz",
    "/proc/consoles",
    "/proc/crypto",
    "/proc/devices",
    "/proc/dma",
    "/proc/driver/nvidia/version",
    "/proc/execdomains",
    "/proc/fb",
    "/proc/filesystems",
    "/proc/misc",
    "/proc/tty/drivers",
    "/proc/tty/ldiscs",
    "/proc/version",
];

#[test]
fn only_what_is_known_is_passed() {
    // A table is such a list itself.
    let in_table = |entry: &Entry| {
        let mut rows = TABLES.iter().flat_map(|(_, tables)| tables.iter().copied().flatten());
        rows.any(|row| row.path == entry.path)
    };
    let passed: Vec<&str> = ENTRIES
        .iter()
        .filter(|entry| !in_table(entry))
        .filter(|entry| entry.class == Class::Passed && entry.path.starts_with("/proc/"))
        .map(|entry| entry.path)
        .collect();
    assert_eq!(passed, PASSED);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn secrets_stay_inside(mut world in world(), secrets in secrets()) {
        // An operator who asks for the host's text gets it.
        world.settings.retain(|setting| *setting != ("cmdline".into(), "pass".into()));
        world.is_host = false;
        world.tasks.get_or_insert_default();
        secrets.plant(&mut world);
        let words = secrets.words();
        for (path, entry) in world.paths() {
            let rendered = match world.render(&path) {
                Err(Error::Denied) if entry.class == Class::Denied => continue,
                rendered => rendered.expect(&path),
            };
            for word in &words {
                prop_assert!(!rendered.text.contains(word), "{} of {}:\n{}", word, path, rendered.text);
            }
        }
    }

    /// What is not shown is not even read.
    #[test]
    fn nothing_is_read_in_vain(setup in setup()) {
        let world = setup.world();
        for declared in vproc_core::manifest(&world.environment()).unwrap() {
            for need in &declared.needs {
                let Source::Host(path) = need.source else { continue };
                let asked = vproc_core::files::find(path);
                let is_hidden = asked.is_some_and(|entry| {
                    matches!(entry.class, Class::Masked | Class::Denied)
                });
                prop_assert!(!is_hidden, "{} reads {}", declared.path, path);
            }
        }
    }
}
