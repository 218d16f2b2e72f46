//! How a command ended.

use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a sandbox's command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this status.
    Exited(u8),
    /// By a signal.
    Killed(i32),
    /// It was never started.
    NotStarted {
        /// Its first word.
        command: OsString,
        /// The reason of the `PATH` search's end.
        errno: Errno,
    },
}

impl Outcome {
    pub(super) fn from_wait(status: i32) -> Self {
        let status = ExitStatus::from_raw(status);
        match (status.code(), status.signal()) {
            (Some(code), _) => Outcome::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, signal) => Outcome::Killed(signal.unwrap_or(0)),
        }
    }

    /// The status that a shell would give: the command's own, 128 and the
    /// signal, 127 for a command that was not found, 126 for one that could
    /// not be executed.
    pub fn code(&self) -> u8 {
        match self {
            Outcome::Exited(code) => *code,
            Outcome::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Outcome::NotStarted { errno, .. } if super::is_missing(*errno) => 127,
            Outcome::NotStarted { .. } => 126,
        }
    }

    /// One line for a person, where the command itself could say nothing.
    pub fn message(&self) -> Option<String> {
        let Outcome::NotStarted { command, errno } = self else { return None };
        let command = command.to_string_lossy();
        Some(match *errno {
            Errno::NOENT if !command.contains('/') => {
                format!("`{command}`: command not found in PATH")
            }
            errno => format!("cannot run `{command}`: {errno}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        let not_started = |errno| Outcome::NotStarted { command: "x".into(), errno };
        let cases = [
            (Outcome::from_wait(3 << 8), 3),
            (Outcome::from_wait(9), 137),
            (Outcome::from_wait(0x80 | 6), 134),
            (not_started(Errno::NOENT), 127),
            (not_started(Errno::NOTDIR), 127),
            (not_started(Errno::ACCESS), 126),
            (not_started(Errno::NOEXEC), 126),
        ];
        for (outcome, code) in cases {
            assert_eq!(outcome.code(), code, "{outcome:?}");
        }
    }
}
