//! What a command sees, and how it ends.

use crate::{Test, eventually};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::channel;
use tempfile::TempDir;
use vproc_linux::sandbox::{Error, Limits, Outcome, Sandbox, Size, Spec};

pub(crate) const TESTS: &[Test] = &[
    ("commands::files_are_replaced", files_are_replaced),
    ("commands::files_cannot_be_changed", files_cannot_be_changed),
    ("commands::paths_that_do_not_exist_are_skipped", paths_that_do_not_exist_are_skipped),
    ("commands::it_is_process_2_of_a_small_init", it_is_process_2_of_a_small_init),
    ("commands::its_clocks_start_at_0", its_clocks_start_at_0),
    ("commands::statuses_are_those_of_a_shell", statuses_are_those_of_a_shell),
    ("commands::a_command_that_cannot_run_is_named", a_command_that_cannot_run_is_named),
    ("commands::too_much_memory_is_a_sigkill", too_much_memory_is_a_sigkill),
    ("commands::daemons_end_with_it", daemons_end_with_it),
    ("commands::groups_that_it_made_are_removed", groups_that_it_made_are_removed),
    ("commands::dropping_ends_it", dropping_ends_it),
    ("commands::waiting_without_files_starts_it", waiting_without_files_starts_it),
    ("commands::threads_are_refused", threads_are_refused),
    ("commands::signals_are_given_back", signals_are_given_back),
];

const SIGPIPE: u32 = 13;

fn shell(script: &str) -> Spec {
    Spec::new(["sh", "-c", script])
}

/// Runs a script that writes to `$OUT`, and returns what it wrote.
fn output(script: &str, files: &[(String, Vec<u8>)]) -> String {
    let scratch = TempDir::new().unwrap();
    let out = scratch.path().join("out");
    File::create(&out).unwrap();
    let mut sandbox =
        Sandbox::start(&shell(&format!("exec >{} 2>&1\n{script}", out.display()))).unwrap();
    assert_eq!(sandbox.release(files).unwrap(), [""; 0]);
    assert_eq!(sandbox.wait().unwrap(), Outcome::Exited(0));
    fs::read_to_string(out).unwrap()
}

fn file(path: &str, text: &str) -> (String, Vec<u8>) {
    (path.to_owned(), text.as_bytes().to_vec())
}

fn files_are_replaced() {
    let long = "x".repeat(300_000);
    let files = [
        file("/proc/meminfo", "MemTotal:              1 kB\n"),
        file("/proc/uptime", ""),
        file("/proc/stat", &long),
    ];
    let script = "cat /proc/meminfo /proc/uptime; stat -c '%a %s' /proc/meminfo; cat /proc/stat";
    assert_eq!(output(script, &files), format!("MemTotal:              1 kB\n444 28\n{long}"));
}

fn files_cannot_be_changed() {
    let script =
        "echo 1 >/proc/meminfo || cat /proc/meminfo; grep -c ' /proc/driver ' /proc/mounts";
    let text = output(&format!("({script}) 2>/dev/null; true"), &[file("/proc/meminfo", "ours\n")]);
    assert_eq!(text, "ours\n0\n");
}

fn paths_that_do_not_exist_are_skipped() {
    let mut sandbox = Sandbox::start(&shell("test \"$(cat /proc/meminfo)\" = ours")).unwrap();
    let files = [
        file("/proc/no/such/file", ""),
        file("/proc/meminfo", "ours\n"),
        file("/proc/version/x", ""),
    ];
    let skipped = sandbox.release(&files).unwrap();
    assert_eq!(skipped, ["/proc/no/such/file", "/proc/version/x"]);
    assert_eq!(sandbox.wait().unwrap().code(), 0);
    let mut sandbox = Sandbox::start(&shell("true")).unwrap();
    assert!(matches!(sandbox.release(&[file("relative", "")]), Err(Error::FilePath(_))));
    let mut sandbox = Sandbox::start(&shell("true")).unwrap();
    let error = sandbox.release(&[file("/proc/fs", "")]).unwrap_err().to_string();
    assert!(error.contains("/proc/fs") && error.contains("os error"), "{error}");
}

/// A line of the tests' own status, as a set of signals.
fn own_signals(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let set = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    u64::from_str_radix(set.trim(), 16).unwrap()
}

fn it_is_process_2_of_a_small_init() {
    let text = output("echo $$ $PPID; cat /proc/1/comm; grep Sig[BI] /proc/self/status", &[]);
    let blocked = own_signals("SigBlk:");
    let ignored = own_signals("SigIgn:") & !(1 << (SIGPIPE - 1));
    let expected = format!("2 1\nvproc-init\nSigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\n");
    assert_eq!(text, expected);
}

fn its_clocks_start_at_0() {
    if !Path::new("/proc/self/ns/time_for_children").exists() {
        return eprintln!("skipped, because the kernel has no time namespaces");
    }
    let sandbox = Sandbox::start(&shell("true")).unwrap();
    if start_times_stay() {
        assert!(!sandbox.has_own_clock());
        return eprintln!("skipped, because time namespaces do not move start times before 5.11");
    }
    assert!(sandbox.has_own_clock());
    drop(sandbox);
    let text = output("cat /proc/uptime", &[]);
    let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
    assert!(uptime < 60.0, "{text}");
}

/// Whether the kernel has time namespaces and leaves start times out of them.
fn start_times_stay() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) < (Some(5), Some(11))
}

fn run(spec: &Spec) -> Outcome {
    let mut sandbox = Sandbox::start(spec).unwrap();
    assert_eq!(sandbox.release(&[]).unwrap(), [""; 0]);
    sandbox.wait().unwrap()
}

fn statuses_are_those_of_a_shell() {
    assert_eq!(run(&Spec::new(["true"])), Outcome::Exited(0));
    assert_eq!(run(&shell("exit 3")).code(), 3);
    let killed = run(&shell("kill -9 $$"));
    assert_eq!((&killed, killed.code()), (&Outcome::Killed(9), 137));
    assert_eq!(run(&shell("kill -TERM $$")).code(), 143);
    assert!(matches!(Sandbox::start(&Spec::new([""; 0])), Err(Error::NoCommand)));
    assert!(matches!(Sandbox::start(&Spec::new(["a\0b"])), Err(Error::NullByte(_))));
}

fn a_command_that_cannot_run_is_named() {
    let missing = run(&Spec::new(["vproc-no-such-command"]));
    assert_eq!(missing.code(), 127);
    assert_eq!(
        missing.message().as_deref(),
        Some("`vproc-no-such-command`: command not found in PATH")
    );
    let scratch = TempDir::new().unwrap();
    let plain: OsString = scratch.path().join("plain").into();
    File::create(&plain).unwrap();
    let plain = run(&Spec::new([plain]));
    assert_eq!(plain.code(), 126);
    let message = plain.message().unwrap();
    assert!(message.contains("plain") && message.contains("Permission denied"), "{message}");
    assert_eq!(run(&Spec::new(["/no/such"])).code(), 127);
}

fn too_much_memory_is_a_sigkill() {
    let mut spec = shell("dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null");
    spec.limits = Limits {
        memory: Some(Size::Bytes(32 << 20)),
        swap: Some(Size::Bytes(0)),
        ..Limits::default()
    };
    match Sandbox::start(&spec) {
        Err(Error::NoSwapAccounting(_)) => eprintln!("skipped, because swap is not accounted"),
        other => {
            other.unwrap();
            assert_eq!(run(&spec).code(), 137);
        }
    }
}

fn paths(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    sandbox.groups().list().iter().map(|group| group.path.clone()).collect()
}

fn daemons_end_with_it() {
    let script = "setsid sleep 1000 & (setsid sleep 1000 &) ; trap '' TERM HUP; exit 5";
    let mut sandbox = Sandbox::start(&shell(script)).unwrap();
    let groups = paths(&sandbox);
    sandbox.release(&[]).unwrap();
    assert_eq!(sandbox.wait().unwrap().code(), 5);
    assert!(groups.iter().all(|path| !path.exists()));
}

fn groups_that_it_made_are_removed() {
    let mut sandbox = Sandbox::start(&shell("true")).unwrap();
    let groups = paths(&sandbox);
    for group in &groups {
        fs::create_dir_all(group.join("a/b")).unwrap();
    }
    sandbox.release(&[]).unwrap();
    sandbox.wait().unwrap();
    assert!(groups.iter().all(|path| !path.exists()));
}

fn dropping_ends_it() {
    let mut sandbox = Sandbox::start(&shell("sleep 1000")).unwrap();
    let (groups, init) = (paths(&sandbox), sandbox.init_pid());
    sandbox.release(&[]).unwrap();
    drop(sandbox);
    assert!(groups.iter().all(|path| !path.exists()));
    assert!(!Path::new("/proc").join(init.to_string()).exists());
}

fn waiting_without_files_starts_it() {
    assert_eq!(Sandbox::start(&shell("exit 4")).unwrap().wait().unwrap().code(), 4);
}

fn threads_are_refused() {
    let (end, ended) = channel::<()>();
    let thread = std::thread::spawn(move || ended.recv());
    let refused = Sandbox::start(&shell("true"));
    assert!(matches!(refused, Err(Error::Threads(Some(2)))), "{refused:?}");
    drop(end);
    thread.join().unwrap().unwrap_err();
    eventually("the thread has left", || fs::read_dir("/proc/self/task").unwrap().count() == 1);
}

fn signals_are_given_back() {
    let signals = || ["SigBlk:", "SigIgn:", "SigCgt:"].map(own_signals);
    let before = signals();
    run(&shell("true"));
    assert_eq!(signals(), before);
}
