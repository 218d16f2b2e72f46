//! Files of processes from generated inputs: whatever the host's procfs says,
//! nothing of the host comes out.
//!
//! What must not come out is made to be known again: ids of the host's
//! processes, users and memory are numbers that nothing else has, and names of
//! the host have `HOST` in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::World;
use vproc_core::files::process::ENTRIES;
use vproc_core::{Class, Error, Kind};

/// Ids of processes outside start here, those of users there.
const OUTSIDE: u32 = 3_000_000;
const USERS: u32 = 700_000_000;

/// Where an address in user memory lies, and one of the kernel.
const ADDRESS: u64 = 140_700_000_000_000;

/// What is generated.
#[derive(Debug, Clone)]
struct Case {
    /// How deep the container's pid namespace is.
    level: usize,
    /// Whose ids appear: the process's own, its parent's, and so on. Those below
    /// 8 are the container's.
    ids: [u32; 8],
    user: u32,
    comm: String,
    /// Whether the container has changed its root, or only moved it.
    is_pivoted: bool,
    in_mount_namespace: bool,
    in_user_namespace: bool,
    /// Whether what a link leads to lies on one of the container's mounts.
    is_mounted: bool,
    group: &'static str,
    rank: &'static str,
    uptime: &'static str,
    oom: &'static str,
}

fn case() -> impl Strategy<Value = Case> {
    let ids = prop::array::uniform8(0u32..16);
    let comm =
        prop::sample::select(vec!["sh", "a b", ") R 1 (", "x\n----", "((", "a, #threads: 1)"]);
    let group = prop::sample::select(vec![
        "/HOSTslice/HOSTbox",
        "/HOSTslice/HOSTbox/below",
        "/HOSTslice",
        "/HOSTslice/HOSTother",
        "/HOSTslice/HOSTboxer",
        "/",
        "/HOSTslice/HOSTbox/gone (deleted)",
        "/HOSTslice/HOSTgone (deleted)",
    ]);
    let words = |words: &[&'static str]| prop::sample::select(words.to_vec());
    let flags = prop::array::uniform4(any::<bool>());
    let knobs =
        (words(&["none", "read", "attach"]), words(&["auto", "age"]), words(&["host", "limit"]));
    (1usize..3, ids, 0u32..12, comm, flags, group, knobs).prop_map(
        |(level, ids, user, comm, flags, group, (rank, uptime, oom))| Case {
            level,
            ids,
            user,
            comm: comm.to_owned(),
            is_pivoted: flags[0],
            in_mount_namespace: flags[1],
            in_user_namespace: flags[2],
            is_mounted: flags[3],
            group,
            rank,
            uptime,
            oom,
        },
    )
}

/// What the container calls the process with an id; 0 outside.
fn inside(id: u32) -> u32 {
    if id < 8 { id + 11 } else { 0 }
}

impl Case {
    /// The ids of one process at each level, as `NSpid` has them.
    fn levels(&self, id: u32) -> String {
        let mut text = format!("\t{}", OUTSIDE + id);
        for level in 1..=self.level {
            let own = if level == self.level { inside(id) } else { OUTSIDE + 100 + id };
            text.push_str(&format!("\t{own}"));
        }
        text
    }

    fn path(&self, below: &str) -> String {
        if self.is_pivoted { below.to_owned() } else { format!("/HOSTroot/c1{below}") }
    }

    fn stat(&self) -> String {
        let [own, parent, group, session, foreground, ..] = self.ids;
        let outside = |id: u32| OUTSIDE + id;
        let (own, address) = (own % 8, ADDRESS);
        format!(
            "{} ({}) S {} {} {} 34816 {} 4194560 1 2 3 4 5 6 7 8 20 0 1 0 91000 1000 20 \
             18446744073709551615 {address} {address} {address} {address} {address} 0 0 0 0 1 0 0 \
             17 3 0 0 0 0 0 {address} {address} {address} {address} {address} {address} {address} 9\n",
            outside(own),
            self.comm,
            outside(parent),
            outside(group),
            outside(session),
            outside(foreground),
        )
    }

    fn status(&self) -> String {
        let [own, parent, group, session, _, tracer, ..] = self.ids;
        let (own, user) = (own % 8, USERS + self.user * 10_000);
        let outside = |id: u32| OUTSIDE + id;
        format!(
            "Name:\tx\nState:\tS (sleeping)\nTgid:\t{0}\nNgid:\t{1}\nPid:\t{0}\nPPid:\t{1}\n\
             TracerPid:\t{2}\nUid:\t{user}\t{user}\t{user}\t{user}\nGid:\t{user}\t{user}\t{user}\t{user}\n\
             Groups:\t{user} {user} \nNStgid:{3}\nNSpid:{3}\nNSpgid:{4}\nNSsid:{5}\nVmRSS:\t 100 kB\n\
             Cpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t0\n",
            outside(own),
            outside(parent),
            outside(tracer),
            self.levels(own),
            self.levels(group),
            self.levels(session),
        )
    }

    fn mountinfo(&self, is_containers: bool) -> String {
        let mut text = String::from("51 50 0:31 / /HOSTelse rw - ext4 /dev/HOST rw\n");
        if is_containers {
            text = "60 50 0:31 / / rw - ext4 /dev/x rw\n".into();
        }
        text.push_str(&format!(
            "61 60 0:32 {} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
             62 60 0:33 {} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            self.group, self.group
        ));
        text
    }

    fn world(&self) -> World {
        let own = self.ids[0] % 8;
        let group = [("memory.max", "104857600\n"), ("memory.current", "1048576\n")];
        let mut world = World::empty().with_v2(&[&group]).with_setting("process-rank", self.rank);
        world = world.with_host("/sys/devices/system/cpu/online", "0-3\n");
        world = world.with_setting("uptime", self.uptime).with_setting("oom-score", self.oom);
        let list: String =
            (0..8u32).map(|id| format!("{} {} process\n", OUTSIDE + id, inside(id))).collect();
        let box_group = "5:memory:/HOSTslice/HOSTbox\n0::/HOSTslice/HOSTbox\n";
        let link = |target: String| format!("{} {target}", if self.is_mounted { 60 } else { 51 });
        let target = if self.is_mounted { self.path("/bin/sh") } else { "/HOSTbin/sh".into() };
        let namespace = |own: bool, name: &str| format!("- {name}:[{}]", 10 + u32::from(own));
        let range = format!("         0 {USERS}     100000\n");
        let mine = if self.in_user_namespace {
            range.clone()
        } else {
            format!("         0 {}       1000\n", USERS + 150_000 * (self.user % 2))
        };
        let locks = format!(
            "pos:\t0\nmnt_id:\t60\nPid:\t{0}\nNSpid:{1}\nlock:\t1: FLOCK  ADVISORY  WRITE {0} 08:02:9 0 EOF\n\
             SqThread:\t{0}\n",
            OUTSIDE + self.ids[6],
            self.levels(self.ids[6])
        );
        let maps = format!(
            "7f0000000000-7f0000001000 r-xp 00000000 08:02 99                         {}\n\
             7f0000002000-7f0000003000 rw-p 00000000 00:00 0                          [heap]\n",
            if self.in_mount_namespace { self.path("/bin/sh") } else { "/HOSTbin/sh".into() }
        );
        let sched = format!(
            "{} ({}, #threads: 1)\n{}\nse.exec_start : 1.0\ncurrent_node=0, numa_group_id={}\n",
            self.comm,
            OUTSIDE + own,
            "-".repeat(67),
            OUTSIDE + self.ids[7]
        );
        let init = format!("Name:\tinit\nNSpid:{}\n", self.levels(0));
        for (name, text) in [
            ("list", list),
            ("init/status", init.clone()),
            ("init/stat", self.stat()),
            ("init/timens_offsets", "monotonic 0 0\nboottime -900 0\n".into()),
            ("subject/uid_map", range.clone()),
            ("subject/gid_map", range),
            ("subject/ns/user", namespace(true, "user")),
            ("subject/ns/mnt", namespace(true, "mnt")),
            ("subject/cgroup", box_group.into()),
            ("subject/cpuset", "/HOSTslice/HOSTbox\n".into()),
            ("subject/root", format!("60 {}", if self.is_pivoted { "/" } else { "/HOSTroot/c1" })),
            ("subject/mountinfo", self.mountinfo(true)),
            ("reader/status", self.status()),
            ("path/stat", self.stat()),
            ("path/status", self.status()),
            ("path/uid_map", mine.clone()),
            ("path/gid_map", mine),
            ("path/ns/user", namespace(self.in_user_namespace, "user")),
            ("path/ns/mnt", namespace(self.in_mount_namespace, "mnt")),
            ("path/cgroup", format!("5:memory:{0}\n0::{0}\n", self.group)),
            ("path/cpuset", format!("{}\n", self.group)),
            ("path/mountinfo", self.mountinfo(self.in_mount_namespace)),
            (
                "path/mounts",
                if self.in_mount_namespace {
                    "/dev/x / ext4 rw 0 0\n"
                } else {
                    "/dev/HOST /HOST ext4 rw 0 0\n"
                }
                .into(),
            ),
            ("path/exe", link(target.clone())),
            ("path/cwd", link(target.clone())),
            ("path/root", link(target.clone())),
            ("path/fd/*", link(target)),
            ("path/fdinfo/*", locks),
            ("path/maps", maps),
            ("path/sched", sched),
            ("path/loginuid", format!("{}", USERS + self.user * 10_000)),
            ("path/oom_score", "666\n".into()),
            ("path/oom_score_adj", "0\n".into()),
            ("path/wchan", "futex_wait_queue".into()),
            ("path/children", format!("{} {} ", OUTSIDE + self.ids[6], OUTSIDE + self.ids[7])),
            ("path/task/", format!("{} {}\n", OUTSIDE + own, inside(own))),
        ] {
            world.processes.insert(name.to_owned(), text.as_str().into());
        }
        let lock = |id: u32| format!("1: POSIX  ADVISORY  WRITE {} fe:00:1 0 EOF\n", OUTSIDE + id);
        let others = format!("2: FLOCK  ADVISORY  READ {} fe:00:HOST 0 EOF\n", OUTSIDE + 500);
        let locks = format!("{}{others}{}", lock(self.ids[0] % 8), lock(self.ids[1]));
        world
            .with_host("/proc/meminfo", "MemTotal: 1000000 kB\nSwapTotal: 0 kB\n")
            .with_host("/proc/locks", &locks)
    }
}

/// All paths, with small numbers in place.
fn paths() -> Vec<String> {
    let entries = ENTRIES.iter().copied().flatten();
    entries.map(|entry| entry.path.replace('*', "17")).collect()
}

/// Files that the kernel's own text of the process goes into as it is.
fn is_passed(path: &str) -> bool {
    let own = ["statm", "cmdline", "comm", "schedstat", "limits", "oom_adj", "setgroups"];
    let guarded =
        ["environ", "auxv", "io", "smaps_rollup", "syscall", "personality", "fd", "fdinfo"];
    let name = path.rsplit('/').next().unwrap_or_default();
    own.contains(&name) || guarded.contains(&name) || path.contains("/ns/")
}

proptest! {
    #[test]
    fn nothing_of_the_host_comes_out(case in case()) {
        let world = case.world();
        for path in paths().iter().filter(|path| !is_passed(path)) {
            let text = match world.render(path) {
                Ok(rendered) => rendered.text,
                Err(Error::Denied | Error::UnsupportedPath) => continue,
                Err(error) => return Err(TestCaseError::fail(format!("{path}: {error}"))),
            };
            prop_assert!(!text.contains("HOST"), "{}: {}", path, text);
            let is_map = path.ends_with("_map") && case.in_user_namespace;
            for word in text.split(|c: char| !c.is_ascii_digit()) {
                let Ok(number) = word.parse::<u64>() else { continue };
                let outside = u64::from(OUTSIDE)..u64::from(OUTSIDE) + 1000;
                prop_assert!(!outside.contains(&number), "{}: {} in {}", path, number, text);
                let users = u64::from(USERS)..u64::from(USERS) + 100_000_000;
                prop_assert!(is_map || !users.contains(&number), "{}: {} in {}", path, number, text);
                prop_assert!(case.rank != "none" || number != ADDRESS, "{}: {}", path, text);
            }
        }
    }

    #[test]
    fn any_text_renders_or_is_refused(text in "\\PC{0,60}|[0-9 ():/\\-\\[\\]\n\t]{0,80}", which in 0usize..40) {
        let world = Case {
            level: 1, ids: [1; 8], user: 1, comm: "x".into(), is_pivoted: true,
            in_mount_namespace: true, in_user_namespace: false, is_mounted: true,
            group: "/", rank: "attach", uptime: "age", oom: "limit",
        }.world();
        let mut world = world;
        let names: Vec<String> = world.processes.keys().cloned().collect();
        world.processes.insert(names[which % names.len()].clone(), text.as_str().into());
        for path in paths() {
            let _ = world.render(&path);
        }
    }
}

#[test]
fn each_file_of_a_process_is_one_of_its_threads() {
    let entries: Vec<_> = ENTRIES.iter().copied().flatten().collect();
    let has = |path: &str| entries.iter().any(|entry| entry.path == path);
    for entry in &entries {
        if let Some(name) =
            entry.path.strip_prefix("/proc/*/").filter(|name| !name.starts_with("task"))
            // All threads are in one network; what nobody may see has one row.
            && !name.starts_with("net/")
            && (entry.class != Class::Denied || name == "stack")
        {
            assert!(has(&format!("/proc/*/task/*/{name}")), "{name}");
        }
        assert!(entry.kind != Kind::Symlink || entry.mode & 0o400 != 0);
    }
}

#[test]
fn denied_ranks_ask_for_nothing() {
    let case = |rank| {
        let mut world = World::empty().with_setting("process-rank", rank);
        world.is_host = true;
        let declared = vproc_core::manifest(&world.environment()).unwrap();
        let environ = declared.iter().find(|declared| declared.entry.path == "/proc/*/environ");
        environ.map(|declared| declared.needs.len())
    };
    assert_eq!((case("none"), case("read")), (Some(0), Some(1)));
}

/// A process of a container on CPUs 2 and 3 and the second of two memory nodes,
/// whose clock began when the host was 900 seconds old.
fn of_a_part() -> World {
    let case = Case {
        level: 1,
        ids: [1; 8],
        user: 1,
        comm: "x".into(),
        is_pivoted: true,
        in_mount_namespace: true,
        in_user_namespace: false,
        is_mounted: true,
        group: "/HOSTslice/HOSTbox",
        rank: "attach",
        uptime: "auto",
        oom: "limit",
    };
    let group = [
        ("memory.max", "104857600\n"),
        ("memory.current", "1048576\n"),
        ("cpuset.cpus.effective", "2-3\n"),
        ("cpuset.mems.effective", "1\n"),
    ];
    let zones = "Node 0, zone   Normal\n managed  90\nNode 1, zone   Normal\n managed  90\n";
    let mut world = case.world().with_v2(&[&group]).with_host("/proc/zoneinfo", zones);
    let status = case.status().replace("VmRSS:\t 100 kB", "VmRSS:\t 51200 kB").replace(
        "Mems_allowed_list:\t0",
        "Mems_allowed:\t00000000,00000003\nMems_allowed_list:\t0-1",
    );
    world.processes.insert("path/status".into(), status.as_str().into());
    world
}

#[test]
fn cpus_nodes_and_start_are_numbered_as_the_containers() {
    let world = of_a_part();
    let field = |text: &str, number: usize| -> String {
        let (_, rest) = text.rsplit_once(')').unwrap();
        rest.split_whitespace().nth(number - 3).unwrap().to_owned()
    };
    let stat = world.text("/proc/17/stat");
    assert_eq!(field(&stat, 39), "1", "the host's CPU 3: {stat}");
    assert_eq!(field(&stat, 22), "1000", "910 seconds, less 900: {stat}");
    let aged = of_a_part().with_setting("uptime", "age").text("/proc/17/stat");
    assert_eq!(field(&aged, 22), "0", "as old as its init: {aged}");
    let status = world.text("/proc/17/status");
    for line in [
        "Cpus_allowed:\t03",
        "Cpus_allowed_list:\t0-1",
        "Mems_allowed:\t00000000,00000001",
        "Mems_allowed_list:\t0",
    ] {
        assert!(status.lines().any(|own| own == line), "{line} in {status}");
    }
    let kept = of_a_part().with_setting("cpu-numbering", "host").text("/proc/17/status");
    assert!(kept.contains("Cpus_allowed_list:\t2-3\n"), "{kept}");
    assert!(kept.contains("Mems_allowed_list:\t1\n"), "{kept}");
}

#[test]
fn the_oom_score_is_a_part_of_the_limit() {
    let score = |adjustment: &str| {
        let mut world = of_a_part();
        world.processes.insert("path/oom_score_adj".into(), adjustment.into());
        world.text("/proc/17/oom_score")
    };
    // Half of 100 MiB: `oom_badness` in thousandths, and `proc_oom_score` of it.
    assert_eq!(score("0\n"), format!("{}\n", (1000 + 500) * 2 / 3));
    assert_eq!(score("500\n"), format!("{}\n", (1000 + 998) * 2 / 3));
    assert_eq!(score("-1000\n"), "0\n");
}
