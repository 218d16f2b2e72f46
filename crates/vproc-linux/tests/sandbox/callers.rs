//! Callers that are signalled and killed.

use crate::groups::groups_of;
use crate::{Test, eventually};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use vproc_linux::sandbox::{Groups, Limits, Sandbox, Spec};

pub(crate) const TESTS: &[Test] = &[
    ("callers::a_killed_caller_leaves_nothing", a_killed_caller_leaves_nothing),
    ("callers::a_killed_guardian_leaves_nothing", a_killed_guardian_leaves_nothing),
    ("callers::what_both_leave_is_swept", what_both_leave_is_swept),
    ("callers::sigterm_and_sighup_are_passed_on", sigterm_and_sighup_are_passed_on),
    ("callers::an_ignored_sighup_stays_ignored", an_ignored_sighup_stays_ignored),
    ("callers::sigint_is_the_commands", sigint_is_the_commands),
];

/// Names the variable that makes this program a caller.
pub(crate) const ROLE: &str = "VPROC_TEST_CALLER_OF";

/// Is a caller, if the environment says so: runs a script in a sandbox.
pub(crate) fn play_role() -> Option<ExitCode> {
    let script = std::env::var_os(ROLE)?;
    let mut sandbox = Sandbox::start(&Spec::new(["sh".into(), "-c".into(), script])).unwrap();
    sandbox.release(&[]).unwrap();
    Some(match sandbox.wait() {
        Ok(outcome) => outcome.code().into(),
        Err(error) => {
            println!("{error}");
            ExitCode::from(125)
        }
    })
}

/// A caller in a process group of its own, whose script is past `echo on`.
struct Caller {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Caller {
    fn start(script: &str) -> Self {
        // What a shell starts in the background ignores SIGINT, and so do we then.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(std::env::current_exe().unwrap());
        Self::spawn(command.env(ROLE, script))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "on\n");
        Caller { process, output }
    }

    fn guardian(&self) -> u32 {
        child_of(self.process.id())
    }

    fn code(mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

fn child_of(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().unwrap()
}

fn signal(target: &str, name: &str) {
    let status = Command::new("kill").args(["-s", name, "--", target]).status().unwrap();
    assert!(status.success());
}

fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
}

const DAEMONS: &str = "trap '' TERM HUP; setsid sleep 1000 & echo on; sleep 1000";

fn a_killed_caller_leaves_nothing() {
    let mut caller = Caller::start(DAEMONS);
    let pid = caller.process.id();
    let (guardian, init) = (caller.guardian(), child_of(caller.guardian()));
    assert!(!groups_of(pid).is_empty());
    caller.process.kill().unwrap();
    caller.process.wait().unwrap();
    eventually("its groups are gone", || groups_of(pid).is_empty());
    eventually("its processes are gone", || is_gone(guardian) && is_gone(init));
}

fn a_killed_guardian_leaves_nothing() {
    let mut caller = Caller::start(DAEMONS);
    let (pid, guardian) = (caller.process.id(), caller.guardian());
    let init = child_of(guardian);
    signal(&guardian.to_string(), "KILL");
    let mut message = String::new();
    caller.output.read_line(&mut message).unwrap();
    assert!(message.contains("guardian process was killed"), "{message}");
    assert_eq!(caller.code(), Some(125));
    assert!(groups_of(pid).is_empty() && is_gone(init));
}

fn what_both_leave_is_swept() {
    let mut caller = Caller::start(DAEMONS);
    let (pid, guardian) = (caller.process.id(), caller.guardian());
    let init = child_of(guardian);
    signal(&guardian.to_string(), "STOP");
    caller.process.kill().unwrap();
    signal(&guardian.to_string(), "KILL");
    caller.process.wait().unwrap();
    eventually("the init is gone", || is_gone(init));
    eventually("its groups are swept", || {
        drop(Groups::create("/".as_ref(), &Limits::default()).unwrap());
        groups_of(pid).is_empty()
    });
}

fn sigterm_and_sighup_are_passed_on() {
    for (name, code) in [("TERM", 8), ("HUP", 9)] {
        let wait = "while :; do sleep 0.05; done";
        let script = format!("trap 'exit 8' TERM; trap 'exit 9' HUP; echo on; {wait}");
        let caller = Caller::start(&script);
        signal(&caller.process.id().to_string(), name);
        assert_eq!(caller.code(), Some(code));
    }
}

fn an_ignored_sighup_stays_ignored() {
    let script = "echo on; sleep 0.5; exit 6";
    let program = std::env::current_exe().unwrap();
    let caller = Caller::spawn(Command::new("nohup").arg(program).env(ROLE, script));
    signal(&caller.process.id().to_string(), "HUP");
    assert_eq!(caller.code(), Some(6));
}

/// As a terminal sends it: to the whole foreground process group.
fn sigint_is_the_commands() {
    let caller = Caller::start("trap 'exit 7' INT; echo on; while :; do sleep 0.05; done");
    signal(&format!("-{}", caller.process.id()), "INT");
    assert_eq!(caller.code(), Some(7));
}
