//! What the processes of a sandbox tell each other.
//!
//! Reports go to the caller over a seqpacket socket, so that each arrives
//! whole, and so that the container cannot write its own: it may open
//! `/proc/1/fd/N` of a pipe, and may not of a socket.

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A part of the setup that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// New pid and time namespaces.
    UnsharePid,
    /// The fork of the container's init.
    ForkInit,
    /// The tie of the init's life to the guardian's.
    DeathSignal,
    /// The init's move into a group.
    JoinGroup,
    /// A mount namespace.
    UnshareMounts,
    /// Cutting the mounts off from the host's.
    PrivateMounts,
    /// A procfs for the pid namespace.
    MountProc,
    /// The rendered files' way to the init.
    ReceiveFiles,
    /// A tmpfs for the rendered files.
    StageFiles,
    /// One rendered file.
    ShowFile,
    /// The fork of the command.
    ForkCommand,
}

impl Step {
    const ALL: [Step; 11] = [
        Step::UnsharePid,
        Step::ForkInit,
        Step::DeathSignal,
        Step::JoinGroup,
        Step::UnshareMounts,
        Step::PrivateMounts,
        Step::MountProc,
        Step::ReceiveFiles,
        Step::StageFiles,
        Step::ShowFile,
        Step::ForkCommand,
    ];

    pub(super) fn remedy(self, errno: Errno) -> &'static str {
        match (self, errno) {
            (
                Step::UnsharePid | Step::UnshareMounts | Step::PrivateMounts | Step::MountProc,
                Errno::PERM | Errno::ACCESS,
            ) => "; a sandbox needs CAP_SYS_ADMIN: run as root",
            (Step::ForkCommand | Step::ForkInit, Errno::AGAIN) => {
                "; a limit on processes is reached, and the sandbox's init counts as one"
            }
            _ => "",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Step::UnsharePid => "make a pid namespace",
            Step::ForkInit => "fork the sandbox's init",
            Step::DeathSignal => "tie the sandbox's init to its guardian",
            Step::JoinGroup => "move the sandbox's init into the group",
            Step::UnshareMounts => "make a mount namespace",
            Step::PrivateMounts => "make the mounts private",
            Step::MountProc => "mount a procfs on",
            Step::ReceiveFiles => "hand the rendered files over",
            Step::StageFiles => "make a tmpfs for the rendered files on",
            Step::ShowFile => "show a rendered file as",
            Step::ForkCommand => "fork the command",
        })
    }
}

/// One report to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// From the guardian: the init's pid as the guardian sees it, and whether
    /// the container's clocks start at 0.
    Forked { init: i32, own_clock: bool },
    /// From the init: in its groups and namespaces, waiting for files.
    Ready,
    /// From the init: the file of this index has no place to go.
    Skipped { file: i32 },
    /// From the init: every file is in place.
    Shown,
    /// From the command before exec: why it did not become it.
    NotExecuted { errno: i32 },
    /// From the init: the command ended, with a status as of wait(2).
    Ended { status: i32 },
    /// From either: this could not be done, with the index of a group or file.
    Failed { step: Step, index: i32, errno: Errno },
    /// From the guardian: the init is gone, with a status as of wait(2).
    Gone { status: i32 },
}

const LENGTH: usize = 16;

impl Report {
    fn fields(self) -> [i32; 4] {
        match self {
            Report::Forked { init, own_clock } => [1, init, i32::from(own_clock), 0],
            Report::Ready => [2, 0, 0, 0],
            Report::Skipped { file } => [3, file, 0, 0],
            Report::Shown => [4, 0, 0, 0],
            Report::NotExecuted { errno } => [5, errno, 0, 0],
            Report::Ended { status } => [6, status, 0, 0],
            Report::Failed { step, index, errno } => {
                let step = Step::ALL.iter().position(|one| *one == step);
                let step = step.and_then(|step| i32::try_from(step).ok()).unwrap_or(-1);
                [7, step, index, errno.raw_os_error()]
            }
            Report::Gone { status } => [8, status, 0, 0],
        }
    }

    fn from_fields(fields: [i32; 4]) -> Option<Self> {
        Some(match fields {
            [1, init, own_clock, _] => Report::Forked { init, own_clock: own_clock != 0 },
            [2, ..] => Report::Ready,
            [3, file, ..] => Report::Skipped { file },
            [4, ..] => Report::Shown,
            [5, errno, ..] => Report::NotExecuted { errno },
            [6, status, ..] => Report::Ended { status },
            [7, step, index, errno] => Report::Failed {
                step: *Step::ALL.get(usize::try_from(step).ok()?)?,
                index,
                errno: Errno::from_raw_os_error(errno),
            },
            [8, status, ..] => Report::Gone { status },
            _ => return None,
        })
    }

    /// Sends the report. Whoever does not listen any more needs none.
    pub(super) fn send(self, to: &OwnedFd) {
        let mut bytes = [0; LENGTH];
        for (place, field) in bytes.chunks_exact_mut(4).zip(self.fields()) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        let _ = retry_on_intr(|| send(to, &bytes, SendFlags::NOSIGNAL));
    }

    /// Waits for a report; `None` once every process that could send one is
    /// gone.
    pub(super) fn receive(from: BorrowedFd<'_>) -> Result<Option<Self>, Errno> {
        let mut bytes = [0; LENGTH];
        let (length, _) = retry_on_intr(|| recv(from, &mut bytes, RecvFlags::empty()))?;
        if length == 0 {
            return Ok(None);
        }
        let mut fields = [0; 4];
        for (field, bytes) in fields.iter_mut().zip(bytes.chunks_exact(4)) {
            *field = i32::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        Report::from_fields(fields).map(Some).ok_or(Errno::BADMSG)
    }
}

/// A pair of connected sockets that exec closes.
pub(super) fn pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_sent_arrives() {
        let (to, from) = pair(SocketType::SEQPACKET).unwrap();
        let mut reports = vec![
            Report::Forked { init: 7, own_clock: true },
            Report::Ready,
            Report::Skipped { file: 3 },
            Report::Shown,
            Report::NotExecuted { errno: 2 },
            Report::Ended { status: 0x8b },
            Report::Gone { status: 9 },
        ];
        reports.extend(Step::ALL.map(|step| Report::Failed { step, index: 1, errno: Errno::PERM }));
        for report in reports {
            report.send(&to);
            assert_eq!(Report::receive(from.as_fd()), Ok(Some(report)));
        }
        drop(to);
        assert_eq!(Report::receive(from.as_fd()), Ok(None));
    }
}
