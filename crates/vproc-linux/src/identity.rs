//! Who asks, and whose cgroup answers.

use rustix::process::Pid;
use std::fmt;
use std::str::FromStr;

/// A process or thread id in the pid namespace that this program runs in.
/// Never 0: the kernel says 0 for "a process that you cannot see".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostPid(Pid);

impl HostPid {
    /// Process 1 of our own pid namespace.
    pub const INIT: HostPid = HostPid(Pid::INIT);

    /// A process id; `None` for 0 and for what no process id can be.
    pub fn new(pid: u32) -> Option<Self> {
        i32::try_from(pid).ok().and_then(Pid::from_raw).map(HostPid)
    }

    /// This process.
    pub fn current() -> Self {
        HostPid(rustix::process::getpid())
    }

    /// The id as a number.
    pub fn get(self) -> u32 {
        self.0.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn as_pid(self) -> Pid {
        self.0
    }
}

impl From<Pid> for HostPid {
    fn from(pid: Pid) -> Self {
        HostPid(pid)
    }
}

impl fmt::Display for HostPid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(out)
    }
}

/// Text that is no process id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a process id: a number from 1 to 4194304 is wanted")]
pub struct UnknownPid(pub String);

impl FromStr for HostPid {
    type Err = UnknownPid;

    fn from_str(text: &str) -> Result<Self, UnknownPid> {
        text.parse().ok().and_then(HostPid::new).ok_or_else(|| UnknownPid(text.to_owned()))
    }
}

/// Whose cgroup counts for a reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Identity {
    /// That of process 1 of the reader's pid namespace: the container's own,
    /// whichever group the reader sits in. A reader in our own pid namespace
    /// counts for itself, so that a container without a pid namespace of its
    /// own is not taken for the host.
    #[default]
    Init,
    /// The reader's own.
    Reader,
    /// That of the reader's parent.
    Parent,
}

impl Identity {
    const ALL: [Identity; 3] = [Identity::Init, Identity::Reader, Identity::Parent];

    /// The identity in a word: `init`, `reader` or `parent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Identity::Init => "init",
            Identity::Reader => "reader",
            Identity::Parent => "parent",
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Text that names no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identity: `init`, `reader` or `parent` is wanted")]
pub struct UnknownIdentity(pub String);

impl FromStr for Identity {
    type Err = UnknownIdentity;

    fn from_str(text: &str) -> Result<Self, UnknownIdentity> {
        Identity::ALL
            .into_iter()
            .find(|identity| identity.as_str() == text)
            .ok_or_else(|| UnknownIdentity(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_numbers_are_pids() {
        for text in ["0", "-1", "", "self", "4294967296", "2147483648"] {
            assert_eq!(text.parse::<HostPid>(), Err(UnknownPid(text.into())));
        }
        assert_eq!("17".parse::<HostPid>().map(HostPid::get), Ok(17));
    }

    #[test]
    fn identities_read_back() {
        for identity in Identity::ALL {
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
        assert_eq!("self".parse::<Identity>(), Err(UnknownIdentity("self".into())));
    }
}
