//! Programs that people use say of what was driven what the files say.

use crate::disk::{self, Disk};
use crate::shown::{Differences, Shown, has, settled};
use crate::stage::{Tree, mib};
use std::path::Path;
use std::process::Command;
use vproc_tests::skip;

/// Runs a script where these files lie over those of `/proc`.
pub(crate) fn run_with(directory: &Path, script: &str) -> String {
    let bind = "for file in $(cd \"$0\" && find proc -type f); do \
                mount --bind \"$0/$file\" \"/$file\" || exit; done; ";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", &format!("{bind}{script}")]).arg(directory);
    let output = unshare.env("LC_ALL", "C").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{script}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn free_and_vmstat() {
    let test = "programs::free_and_vmstat";
    if !(has("free") && has("vmstat")) {
        return skip(test, "free and vmstat of procps are not installed");
    }
    let Some(disk) = Disk::new(test) else { return };
    let Some(tree) = Tree::new(test) else { return };
    let group = tree.group("leaf");
    group.limit(Some(mib(256)));
    let mut driver = group.driver();
    let in_memory = disk::in_memory();
    driver.must("anonymous 48");
    driver.must(&format!("write {} 24", in_memory.path().join("file").display()));
    driver.must(&format!("read {}", disk.file("file", 32)));
    for limit in [256, 160] {
        group.limit(Some(mib(limit)));
        let shown = settled(driver.pid(), |shown, differences| settles(shown, differences, limit));
        let directory = tempfile::tempdir().unwrap();
        shown.write_below(directory.path());
        free(&run_with(directory.path(), "free -k"), &shown, limit as i64);
        vmstat(&run_with(directory.path(), "vmstat -s"), &shown);
    }
}

/// Files and anonymous memory stay as they were driven when the limit is lowered.
fn settles(shown: &Shown, differences: &mut Differences, limit: u64) {
    differences.exact("MemTotal", shown.amount("MemTotal"), limit << 10);
    let cached = shown.amount("Cached") as i64;
    differences.compare("Cached", cached, (24 + 32) << 10, 32 << 10);
    let anonymous = shown.amount("AnonPages") as i64;
    differences.compare("AnonPages", anonymous, 48 << 10, 32 << 10);
}

fn free(text: &str, shown: &Shown, limit: i64) {
    let line = text.lines().find_map(|line| line.strip_prefix("Mem:")).unwrap();
    let column: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [total, used, free, shared, cache, available] = column[..] else { panic!("{text}") };
    assert_eq!(total as i64, limit << 10, "{text}");
    assert_eq!((free, available), (shown.amount("MemFree"), shown.amount("MemAvailable")));
    let mut differences = Differences::default();
    let smallest = 24 << 10;
    let mut compare = |what: &str, is: u64, mib: i64| {
        differences.compare(what, is as i64, mib << 10, smallest);
    };
    compare("free", free, limit - 48 - 24 - 32);
    compare("shared", shared, 24);
    compare("available", available, limit - 48 - 24);
    // Before procps 4, what files in memory use was not `used`.
    compare("used", used, if used > 60 << 10 { 48 + 24 } else { 48 });
    compare("buff/cache", cache, 24 + 32);
    differences.none();
    let swap = text.lines().find_map(|line| line.strip_prefix("Swap:")).unwrap();
    let column: Vec<u64> = swap.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let (total, free) = (shown.amount("SwapTotal"), shown.amount("SwapFree"));
    assert_eq!(column, [total, total - free, free], "{text}");
}

fn vmstat(text: &str, shown: &Shown) {
    let number = |what: &str| -> u64 {
        let line = text.lines().find_map(|line| line.trim().strip_suffix(what));
        let line = line.unwrap_or_else(|| panic!("{what} in {text}"));
        line.trim().trim_end_matches([' ', 'K']).trim_end_matches(" pages").parse().unwrap()
    };
    let mut differences = Differences::default();
    for (what, label) in [
        ("total memory", "MemTotal"),
        ("free memory", "MemFree"),
        ("active memory", "Active"),
        ("inactive memory", "Inactive"),
        ("buffer memory", "Buffers"),
        ("swap cache", "Cached + SReclaimable"),
        ("total swap", "SwapTotal"),
        ("free swap", "SwapFree"),
    ] {
        // `inactive memory` ends with `active memory`, so with the blank.
        differences.exact(what, number(&format!(" K {what}")), shown.amount(label));
    }
    let lists = number(" K active memory") + number(" K inactive memory");
    differences.compare("active + inactive", lists as i64, (48 + 24 + 32) << 10, 24 << 10);
    differences.exact("pages swapped out", number(" pages swapped out"), shown.count("pswpout"));
    differences.exact("KiB paged in", number(" paged in"), shown.count("pgpgin"));
    differences.none();
}
