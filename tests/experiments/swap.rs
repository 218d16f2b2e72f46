//! Swap: its size is the lowest limit, its use what the kernel swapped out.

use crate::disk::{self, Disk, SwapArea};
use crate::driver::Driver;
use crate::programs::run_with;
use crate::shown::{Shown, has, host, settled};
use crate::stage::{Group, Tree, Version, mib};
use std::sync::{Mutex, MutexGuard, PoisonError};
use vproc_tests::skip;

/// Areas come and go: one experiment at a time.
static ONE: Mutex<()> = Mutex::new(());

/// A swap area, two groups, one below the other, and a driver in that.
struct Experiment {
    /// Dropped before its group is.
    driver: Driver,
    parent: Group,
    leaf: Group,
    _tree: Tree,
    area: SwapArea,
    _one: MutexGuard<'static, ()>,
}

const LISTS: &str = "Active(anon) + Inactive(anon)";

/// What is driven, and what of it may stay in memory, in KiB. What is swapped
/// out is not as much as what stays.
const DRIVEN: u64 = 48 << 10;
const KEPT: u64 = 16 << 10;

impl Experiment {
    fn new(test: &str) -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let tree = Tree::new(test)?;
        let (parent, leaf) = (tree.group("parent"), tree.group("parent/leaf"));
        if !leaf.accounts_swap() {
            skip(test, "this kernel does not account swap");
            return None;
        }
        let area = SwapArea::new(test, 96)?;
        Some(Experiment { driver: leaf.driver(), parent, leaf, _tree: tree, area, _one: one })
    }

    /// The same, where 48 MiB are in use of which not more than 16 MiB may
    /// stay in memory.
    fn squeezed(test: &str) -> Option<Self> {
        let mut experiment = Experiment::new(test)?;
        experiment.squeeze("anonymous 48");
        Some(experiment)
    }

    fn squeeze(&mut self, order: &str) {
        self.leaf.limit(Some(mib(128)));
        self.driver.must(order);
        self.leaf.limit(Some(mib(16)));
    }

    /// Has at least 40 MiB swapped out, though no limit is reached. `false`,
    /// and said why, where the kernel offers no way.
    fn swap_out(&self, test: &str) -> bool {
        let (file, amount) = match self.leaf.version {
            Version::V1 => ("memory.force_empty", "1"),
            Version::V2 => ("memory.reclaim", "40M"),
        };
        let written = self.leaf.write(file, amount);
        if let Err(error) = &written {
            skip(test, &format!("{file} does not work: {error}"));
        }
        written.is_ok()
    }

    /// What is swapped out, as the kernel counts it for a process: with what
    /// has still a copy in memory, which v1 counts as memory only. `mapped` is
    /// what of the lists of anonymous pages is no such copy.
    fn out(&self, shown: &Shown, mapped: &str) -> i64 {
        let copies = match self.leaf.version {
            Version::V1 => shown.amount(LISTS).saturating_sub(shown.amount(mapped)),
            Version::V2 => 0,
        };
        (shown.amount("SwapTotal") - shown.amount("SwapFree") + copies) as i64
    }

    /// The driver sees swap of this size, and of what it has at least so much
    /// swapped out, as the kernel says of its group and of itself. How much
    /// more than it has to, is the kernel's choice.
    #[track_caller]
    fn sees(&self, total: u64, at_least: u64) -> Shown {
        settled(self.driver.pid(), |shown, differences| {
            let used = shown.amount("SwapTotal") - shown.amount("SwapFree");
            differences.exact("SwapTotal", shown.amount("SwapTotal"), total);
            differences.exact("size of the area", shown.area().map_or(0, |it| it.0), total);
            differences.exact("use of the area", shown.area().map_or(0, |it| it.1), used);
            let mut compare = |what: &str, is: i64, expected: i64| {
                differences.compare(what, is, expected, DRIVEN);
            };
            let out = self.out(shown, "AnonPages");
            compare("swap of the group", used as i64, (self.leaf.swapped() >> 10) as i64);
            compare("swapped out", out, out.max(at_least as i64));
            compare("swap of the driver", out, self.driver.status("VmSwap"));
            let anonymous = shown.amount("AnonPages") as i64;
            compare("AnonPages", anonymous, self.driver.status("RssAnon"));
            compare("AnonPages and swap", anonymous + out, DRIVEN as i64);
            let in_memory = (shown.amount("MemTotal") - shown.amount("MemFree")) as i64;
            compare("memory in use", in_memory, shown.amount(LISTS) as i64);
        })
    }
}

#[test]
fn limited() {
    let Some(experiment) = Experiment::squeezed("swap::limited") else { return };
    experiment.leaf.limit_swap(mib(16), Some(mib(48)));
    let shown = experiment.sees(48 << 10, DRIVEN - KEPT);
    assert_eq!(shown.amount("MemTotal"), KEPT);
}

#[test]
fn limited_above() {
    let Some(experiment) = Experiment::squeezed("swap::limited_above") else { return };
    // Memory at the leaf, swap above it.
    experiment.parent.limit(Some(mib(16)));
    experiment.parent.limit_swap(mib(16), Some(mib(52)));
    experiment.sees(52 << 10, DRIVEN - KEPT);
    // The lowest counts.
    experiment.leaf.limit_swap(mib(16), Some(mib(48)));
    experiment.sees(48 << 10, DRIVEN - KEPT);
}

#[test]
fn without_a_limit() {
    let Some(experiment) = Experiment::squeezed("swap::without_a_limit") else { return };
    experiment.sees(host("SwapTotal"), DRIVEN - KEPT);
    experiment.leaf.limit_swap(mib(16), Some(mib(48)));
    experiment.leaf.limit_swap(mib(16), None);
    experiment.sees(host("SwapTotal"), DRIVEN - KEPT);
    // More than there is.
    experiment.leaf.limit_swap(mib(16), Some((host("SwapTotal") << 10) + mib(8)));
    experiment.sees(host("SwapTotal"), DRIVEN - KEPT);
}

#[test]
fn none_at_all() {
    let Some(mut experiment) = Experiment::new("swap::none_at_all") else { return };
    experiment.leaf.limit(Some(mib(64)));
    experiment.leaf.limit_swap(mib(64), Some(0));
    experiment.driver.must("anonymous 48");
    experiment.sees(0, 0);
}

/// Programs say of swap that is in use what the files say, and those what the kernel
/// counts.
#[test]
fn as_programs_show_it() {
    let test = "swap::as_programs_show_it";
    if !(has("free") && has("vmstat")) {
        return skip(test, "free and vmstat of procps are not installed");
    }
    let Some(experiment) = Experiment::squeezed(test) else { return };
    experiment.leaf.limit_swap(mib(16), Some(mib(48)));
    let shown = experiment.sees(48 << 10, DRIVEN - KEPT);
    let (total, free) = (shown.amount("SwapTotal"), shown.amount("SwapFree"));
    let directory = tempfile::tempdir().unwrap();
    shown.write_below(directory.path());
    let text = run_with(directory.path(), "free -k; vmstat -s");
    let row = |label: &str| -> Vec<u64> {
        let row = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        row.split_whitespace().map(|word| word.parse().unwrap()).collect()
    };
    assert_eq!(row("Mem:")[0], KEPT, "{text}");
    assert_eq!(row("Swap:"), [48 << 10, total - free, free], "{text}");
    for (what, amount) in [("total", total), ("used", total - free), ("free", free)] {
        let line = format!("{amount} K {what} swap");
        assert!(text.lines().any(|it| it.trim() == line), "{line} in {text}");
    }
    assert!(total - free > 0, "{text}");
}

/// Files of tmpfs are swapped out, too.
#[test]
fn files_in_memory() {
    let Some(mut experiment) = Experiment::new("swap::files_in_memory") else { return };
    let directory = disk::in_memory();
    experiment.squeeze(&format!("write {} 48", directory.path().join("file").display()));
    experiment.leaf.limit_swap(mib(16), Some(mib(48)));
    settled(experiment.driver.pid(), |shown, differences| {
        differences.exact("SwapTotal", shown.amount("SwapTotal"), 48 << 10);
        let used = (shown.amount("SwapTotal") - shown.amount("SwapFree")) as i64;
        let kernel = (experiment.leaf.swapped() >> 10) as i64;
        differences.compare("swap of the group", used, kernel, DRIVEN);
        let out = experiment.out(shown, "AnonPages + Shmem");
        differences.compare("swapped out", out, out.max((DRIVEN - KEPT) as i64), DRIVEN);
        for label in ["Shmem", "Cached"] {
            let both = shown.amount(label) as i64 + out;
            differences.compare(&format!("{label} and swap"), both, DRIVEN as i64, DRIVEN);
        }
    });
}

/// Without a limit that is reached: through a file of the group.
#[test]
fn reclaimed_on_demand() {
    let test = "swap::reclaimed_on_demand";
    let Some(mut experiment) = Experiment::new(test) else { return };
    experiment.leaf.limit(Some(mib(128)));
    experiment.leaf.limit_swap(mib(128), Some(mib(64)));
    experiment.driver.must("anonymous 48");
    if !experiment.swap_out(test) {
        return;
    }
    let shown = experiment.sees(64 << 10, 40 << 10);
    assert_eq!(shown.amount("MemTotal"), 128 << 10);
}

/// Then there is no swap left, and never less than none.
#[test]
fn lowered_below_what_is_in_use() {
    let Some(experiment) = Experiment::squeezed("swap::lowered_below_what_is_in_use") else {
        return;
    };
    experiment.leaf.limit_swap(mib(16), Some(mib(48)));
    let lowered = experiment.leaf.try_limit_swap(mib(16), Some(mib(8)));
    if experiment.leaf.version == Version::V1 {
        // Memory and swap together are in use.
        assert_eq!(lowered.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
        experiment.sees(48 << 10, DRIVEN - KEPT);
        return;
    }
    let shown = Shown::to(experiment.driver.pid());
    assert_eq!((shown.amount("SwapTotal"), shown.amount("SwapFree")), (8 << 10, 0));
    assert_eq!(shown.area(), Some((8 << 10, 8 << 10)));
    assert!(experiment.leaf.swapped() > mib(24), "it is in use all the same");
}

/// The host's swap is taken away, while the container uses it.
#[test]
fn taken_away() {
    let Some(experiment) = Experiment::squeezed("swap::taken_away") else { return };
    experiment.leaf.limit(Some(mib(128)));
    experiment.leaf.limit_swap(mib(128), Some(mib(48)));
    experiment.sees(48 << 10, DRIVEN - KEPT);
    experiment.area.off();
    experiment.sees(host("SwapTotal").min(48 << 10), 0);
}

/// What is swapped in again, and not changed, is in memory and in swap. The
/// page cache does not count it.
#[test]
fn brought_back() {
    let test = "swap::brought_back";
    let Some(disk) = Disk::new(test) else { return };
    let file = disk.file("file", 32);
    let Some(mut experiment) = Experiment::squeezed(test) else { return };
    experiment.leaf.limit(Some(mib(128)));
    let out = experiment.driver.status("VmSwap");
    experiment.driver.must("again");
    let still_out = experiment.driver.status("VmSwap");
    assert!(still_out < out / 10, "{still_out} kB of {out} kB were not brought back");
    experiment.driver.must(&format!("read {file}"));
    settled(experiment.driver.pid(), |shown, differences| {
        let amount = |label| shown.amount(label) as i64;
        let mut compare = |what: &str, is: i64, expected: i64| {
            differences.compare(what, is, expected, 32 << 10);
        };
        compare("AnonPages", amount("AnonPages"), DRIVEN as i64);
        compare("Cached", amount("Cached"), 32 << 10);
        compare("lists of anonymous pages", shown.amount(LISTS) as i64, DRIVEN as i64);
        // Older kernels do not count it for groups of v1.
        if experiment.leaf.read("memory.stat").contains("swapcached ") {
            // A kernel that is short of swap gives up some of it at once. v1 counts
            // what is in memory and in swap as memory alone.
            let kept = match experiment.leaf.version {
                Version::V1 => out,
                Version::V2 => (experiment.leaf.swapped() >> 10) as i64 - still_out,
            };
            compare("SwapCached", amount("SwapCached"), kept);
            assert!(kept > out / 2, "{kept} kB of {out} kB are still in swap");
        }
        let in_use = amount("MemTotal") - amount("MemFree");
        compare("memory in use", in_use, DRIVEN as i64 + (32 << 10));
        let used = amount("SwapTotal") - amount("SwapFree");
        compare("swap of the group", used, (experiment.leaf.swapped() >> 10) as i64);
    });
}

/// v1 limits memory and swap together. What was swapped out counts, whoever
/// wanted the memory, and also where there seems to be no swap.
#[test]
fn what_is_free_can_be_had() {
    let test = "swap::what_is_free_can_be_had";
    let Some(mut experiment) = Experiment::new(test) else { return };
    experiment.leaf.limit(Some(mib(64)));
    experiment.driver.must("anonymous 48");
    if experiment.leaf.version == Version::V1 {
        experiment.leaf.limit_swap(mib(64), Some(0));
    }
    if !experiment.swap_out(test) {
        return;
    }
    experiment.leaf.limit_swap(mib(64), Some(0));
    assert!(experiment.leaf.swapped() > mib(36));
    let shown = Shown::to(experiment.driver.pid());
    assert_eq!(shown.area(), None);
    let free = (shown.amount("MemFree") >> 10) - 4;
    experiment.driver.must(&format!("anonymous {free}"));
    assert_eq!(Shown::to(experiment.driver.pid()).count("oom_kill"), 0);
}

/// A limit above the size of the host's memory leaves the swap.
#[test]
fn a_limit_above_the_hosts_memory() {
    let test = "swap::a_limit_above_the_hosts_memory";
    let Some(experiment) = Experiment::squeezed(test) else { return };
    let above = (host("MemTotal") << 10) + mib(256);
    experiment.leaf.limit(Some(above));
    experiment.leaf.limit_swap(above, Some(mib(48)));
    let expected = match experiment.leaf.version {
        Version::V1 => (256 + 48) << 10,
        Version::V2 => 48 << 10,
    };
    let shown = experiment.sees(host("SwapTotal").min(expected), 0);
    assert_eq!(shown.amount("MemTotal"), host("MemTotal"));
}
