//! What the kernel says about a container: the files of its groups, its tasks
//! and the host, read without any of vproc's code.

use super::stage::Text;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Numbers by name, at one moment. Amounts of memory are in kB, times in
/// seconds; statistics have the names of v2.
#[derive(Default)]
pub(super) struct Facts {
    numbers: BTreeMap<String, f64>,
    /// The host's own files.
    pub(super) host: Text,
}

/// The name in v1's `memory.stat`, below `total_`, and in v2's.
const STATISTICS: &[(&str, &str)] = &[
    ("rss", "anon"),
    ("cache", "file"),
    ("rss_huge", "anon_thp"),
    ("mapped_file", "file_mapped"),
    ("dirty", "file_dirty"),
    ("writeback", "file_writeback"),
];

impl Facts {
    /// A number; 0 where the kernel does not have it.
    pub(super) fn get(&self, name: &str) -> f64 {
        self.numbers.get(name).copied().unwrap_or(0.0)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    /// A line `Label: number` or `label number` of a file of the host.
    pub(super) fn host(&self, file: &str, label: &str) -> f64 {
        let word = self.host.get(file).and_then(|text| super::rules::word(text, label, 1));
        word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
    }

    pub(super) fn read(init: u32, files: &[&str]) -> Result<Self, String> {
        let host = files
            .iter()
            .filter_map(|path| Some(((*path).to_owned(), fs::read_to_string(path).ok()?)));
        let mut facts = Facts { numbers: BTreeMap::new(), host: host.collect() };
        facts.memory(init);
        facts.commit();
        facts.cpu(init);
        facts.blocks(init);
        facts.tasks(init);
        for resource in ["cpu", "memory", "io"] {
            let text =
                leaf(init, "").and_then(|group| read(&group, &format!("{resource}.pressure")));
            let total = text
                .as_deref()
                .and_then(|text| text.split("total=").nth(1)?.lines().next()?.parse().ok());
            facts.set(&format!("{resource}.pressure"), total);
        }
        match facts.has("usage") {
            true => Ok(facts),
            false => Err(format!("process {init} has no memory group, or has ended")),
        }
    }

    fn set(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.numbers.insert(name.to_owned(), value);
        }
    }

    fn memory(&mut self, init: u32) {
        let kib = |bytes: f64| (bytes / 1024.0).floor();
        self.set(
            "limit",
            lowest(init, "memory", &["memory.max", "memory.limit_in_bytes"]).map(kib),
        );
        let Some(group) = leaf(init, "memory") else { return };
        let one =
            |names: &[&str]| names.iter().find_map(|name| read(&group, name)?.trim().parse().ok());
        self.set("usage", one(&["memory.current", "memory.usage_in_bytes"]).map(kib));
        // v2 has a statistic `kernel`.
        self.set("kernel of v1", one(&["memory.kmem.usage_in_bytes"]).map(kib));
        let text = read(&group, "memory.stat").unwrap_or_default();
        let is_v1 = text.contains("\ntotal_");
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let name = match is_v1 {
                true => name.strip_prefix("total_"),
                false => Some(name),
            };
            let Some(name) = name else { continue };
            let v2 = STATISTICS.iter().find(|(v1, _)| is_v1 && *v1 == name);
            self.set(v2.map_or(name, |(_, v2)| v2), value.parse().ok().map(kib));
        }
        // v1 limits memory and swap together, and says in its statistics what
        // is swapped out.
        let together = lowest(init, "memory", &["memory.memsw.limit_in_bytes"]);
        let apart = lowest(init, "memory", &["memory.swap.max"]);
        let memory = self.get("limit").min(self.host("/proc/meminfo", "MemTotal"));
        self.set(
            "swap limit",
            apart.or(together).map(kib).map(|limit| match apart {
                Some(_) => limit,
                None => limit - memory,
            }),
        );
        if !is_v1 {
            self.set("swap", one(&["memory.swap.current"]).map(kib));
        }
    }

    /// The share of the memory that may be promised (`vm_commit_limit` in
    /// `mm/util.c`).
    fn commit(&mut self) {
        let of = |name: &str| {
            let text = fs::read_to_string(format!("/proc/sys/vm/{name}")).unwrap_or_default();
            text.trim().parse::<f64>().unwrap_or(0.0)
        };
        let share = match of("overcommit_kbytes") {
            0.0 => of("overcommit_ratio") / 100.0,
            kib => kib / self.host("/proc/meminfo", "MemTotal").max(1.0),
        };
        self.set("commit", Some(share));
    }

    fn cpu(&mut self, init: u32) {
        let mut quota = None::<f64>;
        for group in lineage(init, "cpu") {
            let words = |name: &str| read(&group, name).unwrap_or_default();
            let text =
                words("cpu.max") + &words("cpu.cfs_quota_us") + " " + &words("cpu.cfs_period_us");
            let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>().ok());
            if let (Some(Some(time)), Some(Some(period))) = (numbers.next(), numbers.next())
                && time >= 0.0
            {
                quota = Some(quota.unwrap_or(f64::MAX).min(time / period));
            }
        }
        let set = leaf(init, "cpuset").and_then(|group| {
            read(&group, "cpuset.cpus.effective").or_else(|| read(&group, "cpuset.effective_cpus"))
        });
        let set = set.or_else(|| fs::read_to_string("/sys/devices/system/cpu/online").ok());
        let cpus = set.map_or(1.0, |list| list.trim().split(',').map(length).sum());
        self.set("quota", Some(quota.map_or(cpus, |quota| quota.min(cpus))));
        self.set("cpus", Some(quota.map_or(cpus, |quota| quota.ceil().min(cpus))));

        let is_v1 = |group: &PathBuf| group.join("cpuacct.usage").exists();
        let second = if let Some(group) = leaf(init, "cpuacct").filter(is_v1) {
            let table = read(&group, "cpuacct.usage_all").unwrap_or_default();
            let column = |at: usize| -> f64 {
                let words = table.lines().skip(1).filter_map(|line| line.split(' ').nth(at));
                words.filter_map(|word| word.parse::<f64>().ok()).sum()
            };
            // The table may be sampled at ticks (`cpuacct_account_field`): it
            // says how the time is split. How much there was is counted.
            let used = read(&group, "cpuacct.usage").and_then(|text| text.trim().parse().ok());
            let (user, system) = (column(1), column(2));
            let scale = used.unwrap_or(0.0_f64) / (user + system).max(1.0);
            Some((user * scale / 1e9, system * scale / 1e9))
        } else {
            leaf(init, "").and_then(|group| read(&group, "cpu.stat")).map(|text| {
                let of = |name| super::rules::word(&text, name, 1).and_then(|us| us.parse().ok());
                let seconds = |name| of(name).unwrap_or(0.0) / 1e6;
                (seconds("user_usec"), seconds("system_usec"))
            })
        };
        self.set("user", second.map(|(user, _)| user));
        self.set("system", second.map(|(_, system)| system));

        let offsets =
            fs::read_to_string(format!("/proc/{init}/timens_offsets")).unwrap_or_default();
        let boot = offsets.lines().find(|line| line.starts_with("boottime")).map(|line| {
            let mut words = line.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0.0));
            words.next().unwrap_or(0.0) + words.next().unwrap_or(0.0) / 1e9
        });
        self.set("offset", boot);
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let now = uptime.split(' ').next().and_then(|word| word.parse::<f64>().ok());
        self.set("clock", now.map(|now| now + boot.unwrap_or(0.0)));
    }

    /// Devices and what was moved from and to them.
    fn blocks(&mut self, init: u32) {
        let mut devices = BTreeMap::<String, f64>::new();
        let group = leaf(init, "io").or_else(|| leaf(init, "blkio"));
        let files = [
            "io.stat",
            "blkio.throttle.io_service_bytes_recursive",
            "blkio.bfq.io_service_bytes_recursive",
        ];
        for text in files.iter().filter_map(|file| read(group.as_ref()?, file)) {
            for line in text.lines() {
                let Some((device, rest)) = line.split_once(' ').filter(|(at, _)| at.contains(':'))
                else {
                    continue;
                };
                let counted = ["Read ", "Write ", "rbytes=", "wbytes="].iter().filter_map(|key| {
                    rest.split(key).nth(1)?.split(' ').next()?.parse::<f64>().ok()
                });
                *devices.entry(device.to_owned()).or_default() += counted.sum::<f64>();
            }
        }
        devices.retain(|_, bytes| *bytes > 0.0);
        self.set("disks", Some(devices.len() as f64));
        self.set("sectors", Some(devices.values().sum::<f64>() / 512.0));
    }

    fn tasks(&mut self, init: u32) {
        let procs =
            leaf(init, "memory").and_then(|group| read(&group, "cgroup.procs")).unwrap_or_default();
        let (mut total, mut running, mut blocked) = (0.0, 0.0, 0.0);
        let (mut last, mut locked) = (0.0f64, 0.0);
        for pid in procs.lines() {
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let of = |name: &str| read(&task.path(), name).unwrap_or_default();
                let state = of("stat").rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
                total += 1.0;
                running += if state == Some('R') { 1.0 } else { 0.0 };
                blocked += if state == Some('D') { 1.0 } else { 0.0 };
                let status = of("status");
                let inner = status.lines().find(|line| line.starts_with("NSpid:"));
                let inner = inner.and_then(|line| line.split_whitespace().last()?.parse().ok());
                last = last.max(inner.unwrap_or(0.0));
            }
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let kib = super::rules::word(&status, "VmLck", 1).and_then(|kib| kib.parse().ok());
            locked += kib.unwrap_or(0.0);
        }
        for (name, value) in [
            ("tasks", total),
            ("running", running),
            ("blocked", blocked),
            ("last", last),
            ("locked", locked),
        ] {
            self.set(name, Some(value));
        }
    }
}

/// `3` or `0-3`.
fn length(range: &str) -> f64 {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |word: &str| word.parse::<f64>().unwrap_or(0.0);
    number(last) - number(first) + 1.0
}

fn read(group: &Path, name: &str) -> Option<String> {
    fs::read_to_string(group.join(name)).ok()
}

/// The lowest number in one of these files over the leaf and its ancestors.
fn lowest(init: u32, controller: &str, names: &[&str]) -> Option<f64> {
    let groups = lineage(init, controller);
    let found = groups.iter().flat_map(|group| names.iter().filter_map(|name| read(group, name)));
    found.filter_map(|text| text.trim().parse::<f64>().ok()).min_by(f64::total_cmp)
}

fn leaf(init: u32, controller: &str) -> Option<PathBuf> {
    lineage(init, controller).into_iter().next()
}

/// The group of a process and its ancestors, in the hierarchy of a v1
/// controller, else in the unified one if the controller is there; `""` is the
/// unified one.
fn lineage(init: u32, controller: &str) -> Vec<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let below = |own: &dyn Fn(&str) -> bool, kind: &str, option: &str| {
        let path = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            own(controllers).then(|| path.trim_start_matches('/').to_owned())
        })?;
        let mount = mounts.lines().find_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let &[_, point, of, options, ..] = words.as_slice() else { return None };
            let here = of == kind && (option.is_empty() || options.split(',').any(|o| o == option));
            here.then(|| PathBuf::from(point))
        })?;
        Some((mount, path))
    };
    let v1 = |list: &str| !controller.is_empty() && list.split(',').any(|name| name == controller);
    let found = below(&v1, "cgroup", controller).or_else(|| below(&str::is_empty, "cgroup2", ""));
    let Some((mount, path)) = found else { return Vec::new() };
    let leaf = mount.join(path);
    leaf.ancestors().take_while(|group| group.starts_with(&mount)).map(Path::to_owned).collect()
}
