//! Each kind of memory shows in its lines of `/proc/meminfo`, and in no other.

use crate::disk::{self, Disk};
use crate::driver::Driver;
use crate::shown::{Shown, settled, settles};
use crate::stage::{Group, Tree, Version, mib};
use std::fs;
use vproc_tests::skip;

/// What is looked at, whatever is driven.
const AMOUNTS: [&str; 15] = [
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Cached",
    "Active(anon) + Inactive(anon)",
    "Active(file) + Inactive(file)",
    "Unevictable",
    "Mlocked",
    "Dirty + Writeback",
    "AnonPages",
    "Mapped",
    "Shmem",
    "SReclaimable",
    "SUnreclaim",
    "AnonHugePages",
];

const ANON_LISTS: &str = AMOUNTS[4];
const FILE_LISTS: &str = AMOUNTS[5];

const LIMIT: u64 = mib(256);

/// A group with a limit, and a driver in it.
struct Experiment {
    /// Dropped before its group is.
    driver: Driver,
    group: Group,
    _tree: Tree,
}

impl Experiment {
    fn new(test: &str) -> Option<Self> {
        let tree = Tree::new(test)?;
        let group = tree.group("leaf");
        group.limit(Some(LIMIT));
        Some(Experiment { driver: group.driver(), group, _tree: tree })
    }

    fn is_v1(&self) -> bool {
        self.group.version == Version::V1
    }

    /// Gives an order that uses so many KiB. The amounts that are named must
    /// move by so much, down if they begin with `-`, and all others stay.
    #[track_caller]
    fn drive(&mut self, order: &str, kib: u64, moved: &[&str]) -> Shown {
        let before = Shown::to(self.driver.pid());
        self.driver.must(order);
        self.moved(&before, order, kib, moved)
    }

    #[track_caller]
    fn moved(&self, before: &Shown, order: &str, kib: u64, moved: &[&str]) -> Shown {
        match self.moves(before, order, kib, moved) {
            Ok(shown) => shown,
            Err(differences) => panic!("{differences}"),
        }
    }

    fn moves(
        &self,
        before: &Shown,
        order: &str,
        kib: u64,
        moved: &[&str],
    ) -> Result<Shown, String> {
        settles(self.driver.pid(), |shown, differences| {
            for label in AMOUNTS {
                let by = match moved {
                    _ if moved.contains(&label) => kib as i64,
                    _ if moved.iter().any(|it| it.strip_prefix('-') == Some(label)) => {
                        -(kib as i64)
                    }
                    _ => 0,
                };
                let change = shown.amount(label) as i64 - before.amount(label) as i64;
                differences.compare(&format!("{order}: change of {label}"), change, by, kib);
            }
            differences.exact("MemTotal", shown.amount("MemTotal"), LIMIT >> 10);
        })
    }
}

/// Nothing else is in the group: the amounts themselves are what was driven.
#[track_caller]
fn absolute(shown: &Shown, kib: u64, amounts: &[&str]) {
    let mut labels = amounts.iter().filter(|label| !label.starts_with('-'));
    let wrong = labels.find(|label| shown.amount(label).abs_diff(kib) * 20 > kib);
    assert_eq!(wrong, None, "{kib} kB in {}", shown.in_use());
}

#[test]
fn anonymous_memory() {
    let Some(mut experiment) = Experiment::new("amounts::anonymous_memory") else { return };
    let moved = ["-MemFree", "-MemAvailable", "AnonPages", ANON_LISTS];
    let shown = experiment.drive("anonymous 32", 32 << 10, &moved);
    absolute(&shown, 32 << 10, &moved);
    let used = (LIMIT >> 10) - shown.amount("MemFree");
    assert!(used.abs_diff(32 << 10) * 20 <= 32 << 10, "{used} kB in use");
}

/// Version and patch level of the kernel.
fn release() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split(|character: char| !character.is_ascii_digit());
    let mut next = || numbers.next().unwrap().parse().unwrap();
    (next(), next())
}

#[test]
fn huge_pages() {
    let test = "amounts::huge_pages";
    let enabled = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if !enabled.is_ok_and(|modes| !modes.contains("[never]")) {
        return skip(test, "transparent huge pages are off");
    }
    if release() < (5, 12) {
        // They were counted one by one, but summed up only by 32 of a CPU
        // (69473e5de87f, "convert NR_ANON_THPS account to pages").
        return skip(test, "kernels before 5.12 count huge pages roughly");
    }
    let Some(mut experiment) = Experiment::new(test) else { return };
    let moved = ["-MemFree", "-MemAvailable", "AnonPages", "AnonHugePages", ANON_LISTS];
    let shown = experiment.drive("huge 32", 32 << 10, &moved);
    absolute(&shown, 32 << 10, &moved);
    assert_eq!(shown.count("nr_anon_transparent_hugepages"), 16);
}

#[test]
fn locked_memory() {
    let Some(mut experiment) = Experiment::new("amounts::locked_memory") else { return };
    let moved = ["-MemFree", "-MemAvailable", "AnonPages", "Unevictable", "Mlocked"];
    let shown = experiment.drive("locked 32", 32 << 10, &moved);
    absolute(&shown, 32 << 10, &moved);
}

#[test]
fn page_cache() {
    let test = "amounts::page_cache";
    let Some(disk) = Disk::new(test) else { return };
    let Some(mut experiment) = Experiment::new(test) else { return };
    let file = disk.file("file", 32);
    let moved = ["-MemFree", "Cached", FILE_LISTS];
    let shown = experiment.drive(&format!("read {file}"), 32 << 10, &moved);
    absolute(&shown, 32 << 10, &moved);
    if fs::read_to_string("/sys/kernel/mm/lru_gen/enabled").is_ok_and(|it| it.trim() != "0x0000") {
        return; // It has no two lists, but generations.
    }
    // What is read again is active.
    absolute(&shown, 32 << 10, &["Inactive(file)"]);
    experiment.driver.must(&format!("read {file}"));
    let shown = experiment.drive(&format!("read {file}"), 32 << 10, &[]);
    absolute(&shown, 32 << 10, &["Active(file)"]);
}

#[test]
fn mapped_files() {
    let test = "amounts::mapped_files";
    let Some(disk) = Disk::new(test) else { return };
    let Some(mut experiment) = Experiment::new(test) else { return };
    let file = disk.file("file", 32);
    let moved = ["-MemFree", "Cached", "Mapped", FILE_LISTS];
    experiment.drive(&format!("mapped {file}"), 32 << 10, &moved);
    // Locked, it can no longer be had for something else.
    let moved = ["-MemAvailable", "Unevictable", "Mlocked", &format!("-{FILE_LISTS}")];
    experiment.drive(&format!("locked-file {file}"), 32 << 10, &moved);
}

#[test]
fn dirty_files() {
    let test = "amounts::dirty_files";
    let Some(disk) = Disk::new(test) else { return };
    let Some(mut experiment) = Experiment::new(test) else { return };
    let path = disk.path("file");
    // Less than a tenth of the limit, where the kernel begins to write.
    let moved = ["-MemFree", "Cached", "Dirty + Writeback", FILE_LISTS];
    let before = Shown::to(experiment.driver.pid());
    let order = format!("write {path} 16");
    // Should somebody call sync(2) now, nothing is dirty any more.
    let mut dirty = Err(String::new());
    for _ in 0..3 {
        experiment.driver.must(&order);
        dirty = experiment.moves(&before, &order, 16 << 10, &moved);
        if dirty.is_ok() {
            break;
        }
    }
    absolute(&dirty.unwrap(), 16 << 10, &["Dirty + Writeback"]);
    fs::File::open(&path).unwrap().sync_all().unwrap();
    let moved = ["-MemFree", "Cached", FILE_LISTS];
    experiment.moved(&before, "sync", 16 << 10, &moved);
}

#[test]
fn files_in_memory() {
    let Some(mut experiment) = Experiment::new("amounts::files_in_memory") else { return };
    let directory = disk::in_memory();
    let path = directory.path().join("file");
    let moved = ["-MemFree", "-MemAvailable", "Cached", "Shmem", ANON_LISTS];
    let shown = experiment.drive(&format!("write {} 32", path.display()), 32 << 10, &moved);
    absolute(&shown, 32 << 10, &moved);
    let mapped = experiment.drive(&format!("mapped {}", path.display()), 32 << 10, &["Mapped"]);
    absolute(&mapped, 32 << 10, &["Shmem", "Cached"]);
}

/// Bytes that an object of the kernel's takes with what tells its group, a
/// pointer (`obj_full_size` in `mm/slab.h`).
fn size_of(test: &str, cache: &str) -> Option<u64> {
    match fs::read_to_string(format!("/sys/kernel/slab/{cache}/slab_size")) {
        Ok(size) => Some(size.trim().parse::<u64>().unwrap() + 8),
        Err(error) => {
            skip(test, &format!("this kernel does not tell the size of a {cache}: {error}"));
            None
        }
    }
}

/// Names that do not exist, and which the kernel remembers as such.
#[test]
fn reclaimable_kernel_memory() {
    let test = "amounts::reclaimable_kernel_memory";
    let Some(disk) = Disk::new(test) else { return };
    let Some(size) = size_of(test, "dentry") else { return };
    let Some(mut experiment) = Experiment::new(test) else { return };
    let count = 60_000;
    let kib = (count * size) >> 10;
    // v1 counts the kernel's memory, but not what of it is reclaimable.
    let moved: &[&str] = match experiment.is_v1() {
        true => &["-MemFree", "-MemAvailable", "SUnreclaim"],
        false => &["-MemFree", "SReclaimable"],
    };
    let directory = disk.path("");
    experiment.drive(&format!("look-up {directory} {count}"), kib, moved);
}

#[test]
fn other_kernel_memory() {
    let test = "amounts::other_kernel_memory";
    let Some(size) = size_of(test, "filp") else { return };
    let Some(mut experiment) = Experiment::new(test) else { return };
    // Fewer than a process may have open, in several processes; each has a
    // table of them, too large for the caches of slab but counted with them
    // (`___kmalloc_large_node` in mm/slub.c).
    let (count, processes) = (15_000, 4);
    let kib = (processes * (count * size + 16_384 * 8)) >> 10;
    let mut others: Vec<Driver> = (1..processes).map(|_| experiment.group.driver()).collect();
    others.iter_mut().for_each(|driver| driver.must("sparse 0"));
    let before = Shown::to(experiment.driver.pid());
    let order = format!("open {count}");
    experiment.driver.must(&order);
    others.iter_mut().for_each(|driver| driver.must(&order));
    experiment.moved(&before, &order, kib, &["-MemFree", "-MemAvailable", "SUnreclaim"]);
}

/// A page of a page table for each page that is used.
#[test]
fn page_tables() {
    let test = "amounts::page_tables";
    let Some(mut experiment) = Experiment::new(test) else { return };
    if !experiment.is_v1() && !experiment.group.read("memory.stat").contains("\npagetables ") {
        return skip(test, "this kernel counts no page tables for a group");
    }
    let before = Shown::to(experiment.driver.pid());
    experiment.driver.must("sparse 8192");
    let (pages, tables) = (4 * 4096, 4 * 4096);
    let is_v1 = experiment.is_v1();
    settled(experiment.driver.pid(), |shown, differences| {
        let change = |label| shown.amount(label) as i64 - before.amount(label) as i64;
        // v1 knows no more than that it is the kernel's.
        let (label, other) =
            if is_v1 { ("SUnreclaim", "PageTables") } else { ("PageTables", "SUnreclaim") };
        differences.compare("AnonPages", change("AnonPages"), pages, pages as u64);
        differences.compare(label, change(label), tables, tables as u64);
        differences.compare(other, change(other), 0, tables as u64);
        let used = -change("MemFree");
        differences.compare("MemFree", used, pages + tables, (pages + tables) as u64);
    });
}

#[test]
fn kernel_stacks() {
    let Some(mut experiment) = Experiment::new("amounts::kernel_stacks") else { return };
    let before = Shown::to(experiment.driver.pid());
    let threads = 300;
    experiment.driver.must(&format!("threads {threads}"));
    let kib = threads * 16; // THREAD_SIZE of x86 and arm64
    let is_v1 = experiment.is_v1();
    settled(experiment.driver.pid(), |shown, differences| {
        let change = |label| shown.amount(label) as i64 - before.amount(label) as i64;
        let stacks = if is_v1 { 0 } else { kib };
        differences.compare("KernelStack", change("KernelStack"), stacks as i64, kib);
        if is_v1 && change("SUnreclaim") < kib as i64 {
            differences.exact("stacks of v1, at least", change("SUnreclaim") as u64, kib);
        }
    });
}
