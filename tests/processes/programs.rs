//! Programs that people look at processes with: inside, where they read the
//! kernel's files, and outside, where they read ours of the mount.

use crate::Test;
use crate::fixture::Mount;
use crate::stage::Container;
use std::process::{Command, Output};
use vproc_tests::skip;

pub(crate) const TESTS: &[Test] = &[
    ("programs_see_the_processes_from_outside", |test| look(test, false)),
    ("programs_see_the_processes_of_a_user_namespace", |test| look(test, true)),
    ("a_reader_sees_no_process_in_its_own_view", no_process_for_readers),
];

/// What each program is asked, and the words of a line that say what a process
/// is. Left out are those that count: of memory, `%MEM` is of the container's;
/// CPU time moves.
const LOOKS: [(&[&str], &[usize]); 6] = [
    (&["ps", "aux", "--width", "300"], &[0, 1, 4, 5, 6, 7, 10, 11, 12, 13]),
    (&["ps", "-eLo", "pid,ppid,pgid,sid,tpgid,lwp,nlwp,stat,user,group,ni,comm"], &[]),
    (&["ps", "-eo", "pid,ppid,uid,gid,ruid,suid,sgid,wchan,psr,sz,args"], &[]),
    (&["pstree", "-p", "-t", "-n", "1"], &[]),
    (&["top", "-b", "-n", "1", "-w", "300"], &[0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13]),
    (&["pgrep", "-a", "."], &[]),
];

/// Processes that look, and are seen inside.
const LOOKERS: [&str; 5] = ["ps", "nsenter", "pstree", "top", "pgrep"];

fn look(test: &str, with_users: bool) {
    let Some(container) = Container::start(test, with_users) else { return };
    let arguments = ["--set", "process-rank=attach"];
    let Some(mount) = Mount::start(test, &arguments) else { return };
    let view = mount.file(&format!("by-pid/{}/proc", container.init));
    // procps looks for itself by its number, so it must have one of the
    // container's; and who is in another pid namespace may not look into the
    // administrator's views. So it is given a copy of the files, and number 1.
    let copy = mount.directory.path().join("copy");
    let copied = Command::new("cp").arg("-a").arg(&view).arg(&copy).output().unwrap();
    let errors = String::from_utf8_lossy(&copied.stderr).into_owned();
    // Nobody may read what is denied, and the worker no file that only its owner
    // may, who is not root. What has ended has no files. And files that are not of
    // processes are not asked for here.
    const OWNERS: [&str; 6] = ["auxv", "environ", "io", "personality", "syscall", "fd"];
    let mut closed = crate::ours::View::new(container.init, "attach").denied();
    closed.extend(OWNERS.map(str::to_owned));
    let is_closed = |line: &str| closed.iter().any(|name| line.contains(&format!("/{name}'")));
    let prefix = format!("{}/", view.display());
    let is_of_process = |line: &str| {
        let name = line.split_once(&prefix).map_or("", |(_, name)| name);
        name.starts_with(|first: char| first.is_ascii_digit()) || name.starts_with("self")
    };
    let is_expected =
        |line: &str| line.contains("No such file") || !is_of_process(line) || is_closed(line);
    assert!(errors.lines().all(is_expected), "{errors}");
    for (words, columns) in LOOKS {
        if !Command::new("sh")
            .args(["-c", &format!("command -v {}", words[0])])
            .output()
            .unwrap()
            .status
            .success()
        {
            skip(test, &format!("{} is not installed", words[0]));
            continue;
        }
        let inside = text(container.command(words[0], None).args(&words[1..]).env("LC_ALL", "C"));
        let script = "mount --bind \"$1\" /proc && shift && exec \"$@\"";
        let mut outside = Command::new("unshare");
        outside.args(["--mount", "--pid", "--fork", "sh", "-c", script, "sh"]);
        outside.arg(&copy).args(words);
        let outside = text(outside.env("LC_ALL", "C"));
        let (kernels, ours) =
            (lines(&inside, words[0], columns), lines(&outside, words[0], columns));
        assert!(kernels.len() > 30, "{words:?}: {inside}");
        let differ = kernels.iter().filter(|line| !ours.contains(line));
        let differ: Vec<_> = differ.chain(ours.iter().filter(|l| !kernels.contains(l))).collect();
        assert!(differ.is_empty(), "{words:?}: {differ:#?}\n{inside}\n{outside}");
    }
}

fn text(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let error = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status} {error}");
    String::from_utf8_lossy(&stdout).into_owned()
}

/// What is said of each process, in order.
fn lines(text: &str, program: &str, columns: &[usize]) -> Vec<String> {
    // What top says above is about the machine.
    let table = match program {
        "top" => text.split_once("PID USER").map_or(text, |(_, table)| table),
        _ => text,
    };
    let is_other = |line: &&str| !line.split_whitespace().any(|word| LOOKERS.contains(&word));
    let picked = |line: &str| {
        let words = line.split_whitespace().enumerate();
        let words = words.filter(|(place, _)| columns.is_empty() || columns.contains(place));
        words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    };
    let headings = usize::from(!["pgrep", "pstree"].contains(&program));
    let rows = table.lines().skip(headings).filter(is_other);
    // pgrep leaves out itself: outside it has the number 1.
    let rows = rows.filter(|line| program != "pgrep" || !line.starts_with("1 "));
    let mut lines: Vec<String> = rows.map(picked).collect();
    lines.sort();
    lines
}

/// The files of `DIR/proc` are mounted over a container's own.
fn no_process_for_readers(test: &str) {
    let Some(mount) = Mount::start(test, &[]) else { return };
    let names = text(Command::new("ls").arg(mount.file("proc")));
    assert!(names.lines().any(|name| name == "meminfo"), "{names}");
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!names.lines().any(|name| name == "self" || is_number(name)), "{names}");
    for name in ["1", "1/stat", "self", "self/stat"] {
        assert!(!mount.file(&format!("proc/{name}")).exists(), "{name}");
    }
    // The administrator's views of one container have none of another's.
    let Some(container) = Container::start(test, false) else { return };
    let view = mount.file(&format!("by-pid/{}/proc", container.init));
    let mut reader = container.reader(None);
    let kernels = reader.numbers("/proc");
    let names = text(Command::new("ls").arg(&view));
    let mut ours: Vec<u32> = names.lines().flat_map(str::parse).collect();
    ours.sort_unstable();
    assert_eq!(ours, kernels);
    for pid in [kernels.iter().max().unwrap() + 1, std::process::id(), container.init] {
        if !kernels.contains(&pid) {
            assert!(!view.join(format!("{pid}/stat")).exists(), "{pid}");
        }
    }
    let comm = std::fs::read_to_string(view.join("self/status")).unwrap();
    assert!(comm.contains("\nPid:\t1\n"), "{comm}");
    // The links lead to the reader's own, which here is its process 1.
    assert_eq!(std::fs::read_link(view.join("mounts")).unwrap().to_str(), Some("self/mounts"));
    let namespaced = std::fs::read_to_string(view.join("net/dev")).unwrap();
    assert_eq!(Ok(namespaced.as_bytes()), reader.read("/proc/1/net/dev").as_deref());
    // On the command line, too; and what is the host's stands beside ours.
    let asked = |words: &[&str]| {
        let pid = container.init.to_string();
        text(Command::new(crate::command::VPROCCTL).args(words).args(["--pid", &pid]))
    };
    assert_eq!(asked(&["render", "/proc/net/dev"]), namespaced);
    let beside = asked(&["diff", "/proc/1/status"]);
    let line = beside.lines().find(|line| line.starts_with("Pid:")).unwrap();
    let (hosts, own) = line.split_once(" | ").unwrap();
    assert!(hosts.contains(&container.init.to_string()) && own.ends_with("  1"), "{beside}");
    // By default, what ptrace guards is nobody's.
    let denied = std::fs::read(view.join("1/environ")).unwrap_err();
    assert_eq!(denied.kind(), std::io::ErrorKind::PermissionDenied);
}
