//! Every file of every process, twice: as the kernel prints it inside, and as
//! it is rendered outside.

use crate::Test;
use crate::differences::DIFFERENCES;
use crate::ours::View;
use crate::stage::{Container, Reader};
use std::collections::BTreeMap;

pub(crate) const TESTS: &[Test] = &[
    ("files_are_the_kernels", |test| compare(test, false)),
    ("files_are_the_kernels_in_a_user_namespace", |test| compare(test, true)),
];

/// How often two texts are compared: a counter may move between the reads.
const ATTEMPTS: usize = 6;

/// A user of the container with no process but the one that reads.
const NOBODY: u32 = 4711;

fn compare(test: &str, with_users: bool) {
    let Some(container) = Container::start(test, with_users) else { return };
    let (mut root, mut nobody) = (container.reader(None), container.reader(Some(NOBODY)));
    let all = View::new(container.init, "attach");
    let little = View::new(container.init, "none");
    assert_eq!(all.numbers("/proc"), root.numbers("/proc"), "processes");
    let readers = [root.id(), nobody.id()];
    let mut pids = all.numbers("/proc");
    pids.retain(|pid| !readers.contains(pid));
    assert!(pids.len() >= 50, "a tree of processes: {pids:?}");
    let mut wrong = BTreeMap::new();
    let mut files = 0;
    let mut check = |path: String, file: &str, view: &View, reader: &mut Reader| {
        files += 1;
        if let Err(difference) = is_equal(&path, file, view, reader) {
            wrong.entry(file.to_owned()).or_insert(difference);
        }
    };
    for pid in pids {
        let home = format!("/proc/{pid}");
        for file in all.files("/proc/*/") {
            if ["task", "fd", "fdinfo"].contains(&file.as_str()) {
                continue;
            }
            check(format!("{home}/{file}"), &file, &all, &mut root);
            check(format!("{home}/{file}"), &file, &little, &mut nobody);
        }
        let task = format!("{home}/task");
        assert_eq!(sorted(all.numbers(&task)), root.numbers(&task), "{task}");
        for tid in all.numbers(&task) {
            for file in all.files("/proc/*/task/*/") {
                if !["fd", "fdinfo"].contains(&file.as_str()) {
                    check(format!("{task}/{tid}/{file}"), &file, &all, &mut root);
                }
            }
        }
        let Ok(_) = root.read(&format!("{home}/fd")) else { continue };
        assert_eq!(all.numbers(&format!("{home}/fd")), root.numbers(&format!("{home}/fd")));
        assert_eq!(little.read(&format!("{home}/fd")), Err(13), "{home}/fd");
        for fd in all.numbers(&format!("{home}/fd")) {
            check(format!("{home}/fd/{fd}"), "fd/", &all, &mut root);
            check(format!("{home}/fdinfo/{fd}"), "fdinfo/", &all, &mut root);
        }
    }
    let list: Vec<String> = wrong.into_values().collect();
    assert!(list.is_empty(), "of {files} files these differ:\n{}", list.join("\n"));
    eprintln!("{test}: {files} files are equal");
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

/// Compares one file, again and again where it differs.
fn is_equal(path: &str, file: &str, view: &View, reader: &mut Reader) -> Result<(), String> {
    let known = DIFFERENCES.iter().find(|difference| difference.file == file);
    let changed = |text: Result<Vec<u8>, i32>| match (text, known) {
        (Ok(text), Some(known)) => Ok((known.compared)(&text)),
        // EPERM is what the kernel says to who may open a file and not read it.
        (Err(1), _) => Err(13),
        (text, _) => text,
    };
    let mut last = String::new();
    let home: String = path.split_inclusive('/').take(3).collect();
    let status = reader.read(&format!("{home}status")).unwrap_or_default();
    let has_ended = String::from_utf8_lossy(&status).contains("\nState:\tZ");
    for _ in 0..ATTEMPTS {
        let (ours, kernels) = (changed(view.read(path)), changed(reader.read(path)));
        // What is left of a process that has ended and was not waited for: which
        // errno stands for the rest depends on the file, and newer kernels show
        // none of what ptrace guards to root of a container.
        let is_left = has_ended && (kernels.is_err() || kernels == Ok(Vec::new()));
        if ours == kernels
            || is_left
            || known.is_some_and(|known| known.file == "stack") && ours.is_err()
        {
            return Ok(());
        }
        let show = |text: &Result<Vec<u8>, i32>| match text {
            Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Err(errno) => format!("errno {errno}"),
        };
        let reason = known.map_or("", |known| known.reason);
        last = format!("{path} {reason}\nours:\n{}\nkernel's:\n{}", show(&ours), show(&kernels));
    }
    Err(last)
}

impl Reader {
    /// Its own number inside.
    fn id(&mut self) -> u32 {
        let target = self.read("/proc/self").unwrap();
        String::from_utf8(target).unwrap().parse().unwrap()
    }
}
