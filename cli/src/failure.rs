//! What went wrong, as one line for a person and an exit code for a script.

use std::fmt::Display;
use std::process::ExitCode;
use vproc_runtime::Refusal;

/// The documentation of [`Exit`], for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  a file or a registry could not be read or written, or a capture is
     malformed
  2  the command line is wrong, or the policy rejects a --set
  3  no such process, or it ended meanwhile
  4  permission is missing
  5  the policy does not serve a path, or denies it
  6  the policy failed: not a policy, not the pinned or an allowed one, trapped,
     timed out, malformed answer
  7  the host lacks something: a cgroup mount, a controller, a namespace
  8  `vprocctl diff --exit-code` found differences
`vprocctl run` exits with CMD's code; 126 if CMD cannot be executed, 127 if it
is not found, 128+N if signal N ended it; its own failures are those above.";

/// The exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    InputOutput = 1,
    Usage = 2,
    NoSuchProcess = 3,
    Permission = 4,
    UnsupportedPath = 5,
    Policy = 6,
    Host = 7,
    Differs = 8,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into() }
    }

    /// A file of the user's that cannot be read or written.
    pub(crate) fn file(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::Permission,
            _ => Exit::InputOutput,
        };
        Failure::new(exit, format!("cannot {action} {}: {}", path.display(), words(error)))
    }

    /// A policy that could not be loaded or did not answer.
    /// `remedy` is for one that is broken.
    pub(crate) fn policy(what: impl Display, error: &vproc_runtime::Error, remedy: &str) -> Self {
        let (exit, remedy) = match error {
            vproc_runtime::Error::Refused(refusal) => match refusal {
                Refusal::UnsupportedPath => {
                    (Exit::UnsupportedPath, "`vprocctl ls` lists what it serves")
                }
                Refusal::Denied => (Exit::UnsupportedPath, "`vprocctl ls` tells why"),
                Refusal::RejectedSetting { .. } => {
                    (Exit::Usage, "`vprocctl ls --knobs` lists the knobs")
                }
                Refusal::MissingInput(_) => {
                    (Exit::Host, "`vprocctl doctor` tells what this machine lacks")
                }
                Refusal::MalformedInput { .. } => {
                    (Exit::Policy, "a capture shows the text that it stumbled over")
                }
            },
            _ => (Exit::Policy, remedy),
        };
        Failure::new(exit, format!("{what}: {error}; {remedy}"))
    }

    /// Adds what was being done.
    pub(crate) fn during(self, what: impl Display) -> Self {
        Failure { message: format!("{what}: {}", self.message), ..self }
    }

    /// Prints the line.
    pub(crate) fn print(&self) {
        eprintln!("vprocctl: {}", self.message.replace('\n', " "));
    }

    /// Prints the line and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        self.print();
        self.code()
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

/// An I/O error in words, without the number.
pub(crate) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl From<vproc_linux::Error> for Failure {
    fn from(error: vproc_linux::Error) -> Self {
        use vproc_linux::Error;
        let (exit, remedy) = match &error {
            Error::NoSuchProcess(_) => {
                (Exit::NoSuchProcess, "; it has ended or never was (pids are those of this /proc)")
            }
            Error::NoParent(_) => (Exit::NoSuchProcess, "; use --identity reader"),
            Error::Permission { .. } => (Exit::Permission, ""),
            Error::Refused(_) => (Exit::Policy, ""),
            _ => (Exit::Host, "; `vprocctl doctor` tells what this machine lacks"),
        };
        let message = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}{remedy}"),
            None => format!("{error}{remedy}"),
        };
        Failure::new(exit, message)
    }
}
