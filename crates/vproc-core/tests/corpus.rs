//! Renders for real machines: every directory below `VPROC_CORPUS` that has a
//! `proc/meminfo`, `proc/stat` or such, under several limits.
//!
//! Nothing is known about these machines but their text, so the checks are
//! the invariants, and what a second parser reads from it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use procfs_core::{CpuInfo, DiskStats, LoadAverage, Meminfo, VmStat, prelude::*};
use std::fs;
use std::path::{Path, PathBuf};
use support::container::Group;
use support::invariants::Texts;
use support::{Files, World, invariants, oracle, parse};
use vproc_core::contract::{Source, TaskCounts};
use vproc_core::files::ENTRIES;
use vproc_core::{Class, Entry, Error};

const MIB: u64 = 1 << 20;

/// Directories that have a `proc` with at least one file that we serve.
fn machines(corpus: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(corpus) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        let serves = |entry: &&vproc_core::Entry| path.join(&entry.path[1..]).is_file();
        if ENTRIES.iter().any(serves) {
            found.push(path);
        } else {
            found.extend(machines(&path));
        }
    }
    found.sort();
    found
}

/// Everything that entries ask of a host, as far as the corpus has it.
fn host_files(machine: &Path) -> Files {
    let mut files = Files::new();
    let needs =
        |entry: &'static Entry| entry.needs.iter().copied().flatten().map(move |n| (entry, n));
    for (entry, need) in ENTRIES.iter().copied().flat_map(needs) {
        if let Some(path) = need.source.host_path(entry.path)
            && let Ok(bytes) = fs::read(machine.join(&path[1..]))
            && let Ok(text) = String::from_utf8(bytes)
        {
            files.insert(path.into(), text.into());
        }
    }
    files
}

/// A container as someone could set it up on any of the machines.
fn group() -> Group {
    Group {
        memory_limit: Some(256 * MIB),
        memory_usage: 100 * MIB,
        swap_limit: Some(64 * MIB),
        swap_usage: 3 * MIB,
        quota: Some(150_000),
        cpus: "0-1\n".into(),
        disks: vec![(8, 0), (254, 0)],
        amounts: (1..40).map(|i| i * 1_000_000).collect(),
    }
}

/// The same container under v1, under v2 and without limits of its own.
fn containers(host: &Files) -> Vec<(&'static str, World)> {
    let init = "1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 500 1 2 3\n";
    let base = World {
        host: host.clone(),
        tasks: Some(TaskCounts { total: 12, running: 2, blocked: 1, last_pid: 99 }),
        processes: ["init/stat", "subject/stat"].map(|name| (name.into(), init.into())).into(),
        now: u64::MAX / 4,
        ..World::empty()
    };
    let limited = group();
    let free = Group { memory_limit: None, swap_limit: None, quota: None, ..group() };
    let lineage = |files: fn(&Group) -> Files, leaf: &Group| {
        Some(vec![files(leaf), files(&Group::idle("0-1\n")), Files::new()])
    };
    vec![
        ("v2", World { v2: lineage(Group::v2, &limited), ..base.clone() }),
        ("v1", World { v1: lineage(Group::v1, &limited), ..base.clone() }),
        ("v2 without limits", World { v2: lineage(Group::v2, &free), ..base.clone() }),
        ("without cgroups", base),
    ]
}

/// An entry renders where the machine has what it needs of the host.
fn has_needs(world: &World, path: &str) -> bool {
    let entry = vproc_core::files::find(path).unwrap();
    entry.needs.iter().copied().flatten().all(|need| match need.source {
        source @ (Source::Host(_) | Source::Itself) => {
            source.host_path(path).is_some_and(|path| world.host.contains_key(path))
        }
        Source::Namespaced(path) => world.host.contains_key(path),
        _ => true,
    })
}

/// What a second parser reads is what the groups say.
fn values_are_the_groups(world: &World, texts: &Texts) {
    let Some(limit) = group().memory_limit else { return };
    if let Some(text) = texts.get("/proc/meminfo")
        && let Ok(meminfo) = Meminfo::from_read(text.as_bytes())
    {
        let host = parse::table(match &world.host["/proc/meminfo"] {
            support::Datum::Text(text) => text,
            _ => "",
        });
        assert_eq!(meminfo.mem_total, limit.min(host["MemTotal"] * 1024));
        assert_eq!(meminfo.mem_free, meminfo.mem_total.saturating_sub(100 * MIB));
        assert_eq!(meminfo.swap_total, (64 * MIB).min(host["SwapTotal"] * 1024));
    }
    if let Some(text) = texts.get("/proc/vmstat")
        && let Ok(VmStat(events)) = VmStat::from_read(text.as_bytes())
    {
        assert!(events["pgfault"] >= 1_000_000);
    }
    if let Some(text) = texts.get("/proc/loadavg") {
        let load = LoadAverage::from_read(text.as_bytes()).unwrap();
        assert_eq!((load.cur, load.max, load.latest_pid), (2, 12, 99));
    }
    if let Some(text) = texts.get("/proc/diskstats") {
        for disk in DiskStats::from_read(text.as_bytes()).unwrap().0 {
            assert!(disk.sectors_read >= 1_000_000 / 512, "{disk:?}");
            assert_eq!((disk.merged, disk.in_progress), (0, 0), "{disk:?}");
        }
    }
    if let Some(text) = texts.get("/proc/cpuinfo")
        && let Ok(info) = CpuInfo::from_read(text.as_bytes())
    {
        assert!(info.num_cores() <= 2, "{text}");
    }
}

#[test]
fn renders_for_every_machine_of_the_corpus() {
    let Some(corpus) = std::env::var_os("VPROC_CORPUS") else {
        use std::io::Write;
        // Not `println`, which the test harness hides of tests that pass.
        writeln!(std::io::stderr(), "skipped, because VPROC_CORPUS names no corpus").unwrap();
        return;
    };
    // Named from the workspace, as in a shell; tests run in their crate.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let corpus = workspace.join(corpus);
    let machines = machines(&corpus);
    assert!(!machines.is_empty(), "no machines in {}", corpus.display());
    let (mut rendered, mut read, mut refused) = (0, 0, Vec::new());
    for machine in &machines {
        let host = host_files(machine);
        for (container, world) in containers(&host) {
            println!("{} {container}", machine.display());
            let texts = invariants::render_all(&world);
            for (path, entry) in world.paths() {
                if entry.class != Class::Denied
                    && has_needs(&world, entry.path)
                    && let Err(error) = world.render(&path)
                {
                    refused.push(format!("{} {container} {}: {error}", machine.display(), path));
                }
            }
            invariants::check(&world, &texts);
            read += oracle::check(&world, &texts);
            if ["v1", "v2"].contains(&container) {
                values_are_the_groups(&world, &texts);
            }
            rendered += texts.len();
        }
        the_host_sees_itself(&host);
    }
    println!("{} machines, {rendered} texts, {read} read by procfs-core", machines.len());
    assert!(refused.is_empty(), "refused:\n{}", refused.join("\n"));
    assert!(rendered > 0 && read > 0, "nothing was rendered from {}", corpus.display());
}

fn the_host_sees_itself(host: &Files) {
    let world = World { host: host.clone(), is_host: true, ..World::empty() };
    let says_nothing = [Class::Constant, Class::Masked];
    for (path, _) in world.paths().iter().filter(|(_, entry)| !says_nothing.contains(&entry.class))
    {
        match (world.render(path), host.get(path)) {
            (Ok(rendered), Some(text)) => {
                assert_eq!(support::Datum::Text(rendered.text), *text, "{path}");
            }
            (Err(Error::MissingInput(_) | Error::Denied), _) | (Ok(_), None) => {}
            // A CPU that is not in use has a directory, but no topology.
            (Err(Error::UnsupportedPath), _) if path.contains("/topology/") => {}
            (Err(error), _) => panic!("{path}: {error}"),
        }
    }
}
