//! What a process is shown, and how far that is from what was driven.

use crate::command::printed;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Files that are read at one moment.
pub(crate) const FILES: [&str; 4] = ["/proc/meminfo", "/proc/vmstat", "/proc/swaps", "/proc/stat"];

/// What a process is shown at one moment.
#[derive(Debug)]
pub(crate) struct Shown {
    texts: HashMap<String, String>,
    meminfo: HashMap<String, u64>,
    vmstat: HashMap<String, u64>,
}

impl Shown {
    pub(crate) fn to(pid: u32) -> Self {
        Shown::with(pid, &[])
    }

    /// With settings, such as `--set memory-high=limit`.
    pub(crate) fn with(pid: u32, settings: &[&str]) -> Self {
        let pid = pid.to_string();
        let mut arguments = vec!["render", "--json", "--pid", &pid];
        arguments.extend(settings);
        arguments.extend(FILES);
        let files: serde_json::Value = serde_json::from_str(&printed(&arguments)).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let files = files.as_array().unwrap().iter();
        let texts: HashMap<String, String> =
            files.map(|file| (text(&file["path"]), text(&file["text"]))).collect();
        let numbers = |path, separator| {
            let numbers = texts[path].lines().map(|line: &str| {
                let (label, value) = line.split_once(separator).unwrap();
                (label.to_owned(), value.trim().trim_end_matches(" kB").parse().unwrap())
            });
            numbers.collect::<HashMap<String, u64>>()
        };
        let (meminfo, vmstat) = (numbers("/proc/meminfo", ':'), numbers("/proc/vmstat", ' '));
        let shown = Shown { meminfo, vmstat, texts };
        shown.assert_sane();
        shown
    }

    /// An amount of `/proc/meminfo`, in KiB. Some are sums of lines.
    #[track_caller]
    pub(crate) fn amount(&self, label: &str) -> u64 {
        label.split(" + ").map(|label| self.meminfo[label]).sum()
    }

    /// A number of `/proc/vmstat`.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.vmstat[name]
    }

    /// Size and use of the row of `/proc/swaps`, in KiB.
    pub(crate) fn area(&self) -> Option<(u64, u64)> {
        let mut rows = self.texts["/proc/swaps"].lines().skip(1);
        let row: Vec<&str> = rows.next()?.split_whitespace().collect();
        assert_eq!((row.len(), rows.next()), (5, None), "{}", self.texts["/proc/swaps"]);
        Some((row[2].parse().unwrap(), row[3].parse().unwrap()))
    }

    /// `/proc/meminfo` without what is 0.
    pub(crate) fn in_use(&self) -> String {
        let lines = self.texts["/proc/meminfo"].lines().filter(|line| !line.ends_with(" 0 kB"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What holds at any moment.
    fn assert_sane(&self) {
        let amount = |label| self.amount(label);
        let text = self.in_use();
        assert!(amount("MemFree") <= amount("MemAvailable"), "{text}");
        assert!(amount("MemAvailable") <= amount("MemTotal"), "{text}");
        assert!(amount("SwapFree") <= amount("SwapTotal"), "{text}");
        let (total, used) = (amount("SwapTotal"), amount("SwapTotal") - amount("SwapFree"));
        assert_eq!(self.area(), (total > 0).then_some((total, used)), "{text}");
        for (sum, parts) in [
            ("Active", "Active(anon) + Active(file)"),
            ("Inactive", "Inactive(anon) + Inactive(file)"),
            ("Slab", "SReclaimable + SUnreclaim"),
        ] {
            assert!(amount(sum).abs_diff(amount(parts)) <= 8, "{sum} is {parts}: {text}");
        }
        for part in ["Cached", "AnonPages", "Mapped", "Shmem", "Dirty", "Unevictable", "Slab"] {
            assert!(amount(part) <= amount("MemTotal"), "{part}: {text}");
        }
        for (name, label) in [
            ("nr_free_pages", "MemFree"),
            ("nr_anon_pages", "AnonPages"),
            ("nr_file_pages", "Cached + SwapCached"),
            ("nr_shmem", "Shmem"),
            ("nr_mapped", "Mapped"),
            ("nr_dirty", "Dirty"),
            ("nr_mlock", "Mlocked"),
            ("nr_unevictable", "Unevictable"),
            ("nr_slab_reclaimable", "SReclaimable"),
            ("nr_slab_unreclaimable", "SUnreclaim"),
            ("nr_page_table_pages", "PageTables"),
        ] {
            let pages = self.count(name) * 4;
            assert!(pages.abs_diff(amount(label)) <= 8, "{name}, {pages} kB, is {label}: {text}");
        }
        assert_eq!(self.count("nr_kernel_stack"), amount("KernelStack"));
    }

    /// Writes the files below a directory, as `proc/meminfo` and so on.
    pub(crate) fn write_below(&self, directory: &Path) {
        for (path, text) in &self.texts {
            let path = directory.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}

/// An amount of the host's own `/proc/meminfo`, in KiB.
pub(crate) fn host(label: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{label}:"))).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Amounts in KiB that differ from what is expected by more than they may.
#[derive(Default)]
pub(crate) struct Differences(Vec<String>);

impl Differences {
    /// Compares with what is expected, give or take 5 % of what was driven.
    pub(crate) fn compare(&mut self, what: &str, is: i64, expected: i64, driven: u64) {
        if is.abs_diff(expected) * 20 > driven {
            self.0.push(format!("{what}: {is} kB, expected {expected} kB"));
        }
    }

    pub(crate) fn exact(&mut self, what: &str, is: u64, expected: u64) {
        if is != expected {
            self.0.push(format!("{what}: {is}, expected {expected}"));
        }
    }

    /// There must be none.
    #[track_caller]
    pub(crate) fn none(&self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

/// Looks until there is no difference. The kernel sums its statistics up when
/// it has the time, within some seconds; one that stays is an error.
#[track_caller]
pub(crate) fn settled(pid: u32, compare: impl Fn(&Shown, &mut Differences)) -> Shown {
    match settles(pid, compare) {
        Ok(shown) => shown,
        Err(differences) => panic!("{differences}"),
    }
}

/// The same, or what differs.
pub(crate) fn settles(
    pid: u32,
    compare: impl Fn(&Shown, &mut Differences),
) -> Result<Shown, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = Shown::to(pid);
        let mut differences = Differences::default();
        compare(&shown, &mut differences);
        if differences.0.is_empty() {
            return Ok(shown);
        }
        if Instant::now() > deadline {
            return Err(format!("{}\n{}", differences.0.join("\n"), shown.in_use()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let look = format!("command -v {program}");
    Command::new("sh").args(["-c", &look]).output().unwrap().status.success()
}
