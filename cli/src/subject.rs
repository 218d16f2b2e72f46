//! Whose view is rendered.

use crate::failure::Failure;
use vproc_linux::{Host, HostPid, Identity, Subject};

#[derive(clap::Args)]
pub(crate) struct Choice {
    /// The process that reads, by its pid in this /proc, or `self`
    #[arg(long, value_name = "PID", value_parser = pid)]
    pub(crate) pid: Option<HostPid>,

    /// Whose cgroup counts: the init process of the reader's pid namespace,
    /// the reader itself, or the reader's parent. A reader in the host's pid
    /// namespace is always itself
    #[arg(long, value_name = "WHO", default_value = "init", value_parser = ["init", "reader", "parent"])]
    identity: String,
}

fn pid(text: &str) -> Result<HostPid, String> {
    if text == "self" {
        return Ok(HostPid::current());
    }
    text.parse().map_err(|_| "neither a pid nor `self`".to_owned())
}

impl Choice {
    pub(crate) fn identity(&self) -> Identity {
        self.identity.parse().unwrap_or(Identity::Init) // clap admits no other
    }

    /// The subject of the process that was named, or of this one.
    pub(crate) fn resolve(&self, host: &Host) -> Result<Subject, Failure> {
        let pid = self.pid.unwrap_or_else(HostPid::current);
        Ok(host.subject(pid, self.identity())?)
    }
}
