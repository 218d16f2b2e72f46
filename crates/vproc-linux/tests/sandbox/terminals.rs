//! Commands in the foreground of a terminal.

use crate::Test;
use crate::callers::ROLE;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command};

pub(crate) const TESTS: &[Test] = &[
    ("terminals::ctrl_c_ends_the_command", ctrl_c_ends_the_command),
    ("terminals::the_foreground_comes_back", the_foreground_comes_back),
];

/// A session on a terminal of its own.
struct Terminal {
    keyboard: File,
    session: Child,
    seen: String,
}

impl Terminal {
    /// Runs a shell script, in which `"$0"` runs `script` in a sandbox.
    fn run(shell: &str, script: &str) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let keyboard = keyboard.unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let screen = File::from(open(name, flags, Mode::empty()).unwrap());
        // What a shell starts in the background ignores SIGINT, and so do we then.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "setsid", "--ctty", "--wait", "sh", "-c", shell]);
        command.arg(std::env::current_exe().unwrap()).env(ROLE, script);
        command.stdin(screen.try_clone().unwrap()).stdout(screen.try_clone().unwrap());
        let session = command.stderr(screen).spawn().unwrap();
        Terminal { keyboard: keyboard.into(), session, seen: String::new() }
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    fn await_text(&mut self, text: &str) {
        let mut bytes = [0; 1024];
        while !self.seen.contains(text) {
            // EIO says that the session has ended.
            let read = self.keyboard.read(&mut bytes).unwrap_or_else(|error| {
                assert_ne!(error.kind(), ErrorKind::Interrupted);
                panic!("no `{text}` in `{}`: {error}", self.seen)
            });
            self.seen += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    fn code(mut self) -> Option<i32> {
        self.session.wait().unwrap().code()
    }
}

fn ctrl_c_ends_the_command() {
    let script = "trap 'exit 7' INT; echo on; while :; do sleep 0.05; done";
    let mut terminal = Terminal::run("exec \"$0\"", script);
    terminal.await_text("on");
    terminal.type_in("\u{3}");
    assert_eq!(terminal.code(), Some(7));
}

/// An interactive shell takes the foreground and cannot give it back.
fn the_foreground_comes_back() {
    if Command::new("bash").arg("--version").output().is_err() {
        return eprintln!("skipped, because there is no bash");
    }
    let mut terminal = Terminal::run(
        "\"$0\"; read -r line && echo \"got $line\"",
        "exec bash --norc --noprofile -i",
    );
    terminal.type_in("echo $((40 + 2)); exit\n");
    terminal.await_text("42");
    terminal.type_in("back\n");
    terminal.await_text("got back");
    assert_eq!(terminal.code(), Some(0));
}
