//! What an operator may ask of a running mount.

use crate::container::Containers;
use crate::metrics::{FileStatus, prometheus};
use crate::registry::Registration;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A policy in use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// The groups that it is for; absent for everybody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The name that it gives itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The file; absent for the embedded policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// SHA-256 of the component.
    pub sha256: String,
    /// How many reads it failed.
    pub failures: u64,
    /// Whether it failed too often, so that the embedded policy answers.
    pub aside: bool,
}

/// A container that was read or registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// The process whose cgroup counts, in the host's numbering.
    pub pid: u32,
    /// Its groups, as in `/proc/PID/cgroup`: where the memory controller is,
    /// or the first.
    pub group: String,
    /// The name under which it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the process lives.
    pub alive: bool,
}

/// How a mount is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The mount point.
    pub mount: PathBuf,
    /// The worker's pid.
    pub worker: u32,
    /// The holder's pid.
    pub holder: u32,
    /// Seconds since the mount was made.
    pub uptime_seconds: f64,
    /// How often a worker was replaced.
    pub restarts: u32,
    /// How often policies were replaced since the worker started.
    pub swaps: u64,
    /// How requests that a dead worker left are answered: `resend` or
    /// `journal`.
    pub recovery: String,
    /// Policies in use.
    pub policies: Vec<PolicyStatus>,
    /// Files that are open.
    pub handles: usize,
    /// Containers that were read or registered.
    pub containers: Vec<ContainerStatus>,
    /// Numbers for each file, since the worker started.
    pub files: Vec<FileStatus>,
}

/// What does not change while a worker runs.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) mount: PathBuf,
    pub(crate) holder: u32,
    pub(crate) incarnation: u32,
    pub(crate) recovery: &'static str,
    /// When the mount was made: `CLOCK_BOOTTIME`.
    pub(crate) mounted: Duration,
}

impl Facts {
    fn uptime(&self) -> Duration {
        crate::clock::boot_time().saturating_sub(self.mounted)
    }

    /// The report.
    pub(crate) fn report(
        &self,
        containers: &Containers,
        registered: &[Registration],
        handles: usize,
    ) -> Report {
        let board = &containers.board;
        let policies = board.current();
        let policies = policies.policies().map(|(prefix, policy)| PolicyStatus {
            prefix: prefix.map(str::to_owned),
            name: policy.manifest.name.clone(),
            version: policy.manifest.version.clone(),
            file: policy.file.clone(),
            sha256: policy.policy.digest().to_string(),
            failures: policy.failures(),
            aside: policy.is_aside(),
        });
        let status = |container: std::sync::Arc<crate::container::Container>| {
            let subject = container.subject();
            let name = registered.iter().find(|registration| registration.key == container.key());
            ContainerStatus {
                pid: subject.pid().get(),
                group: group(subject.membership()),
                name: name.map(|registration| registration.name.clone()),
                alive: subject.is_alive(),
            }
        };
        let mut list: Vec<_> = containers.list().into_iter().map(status).collect();
        list.sort_by(|one, other| (&one.group, one.pid).cmp(&(&other.group, other.pid)));
        Report {
            mount: self.mount.clone(),
            worker: std::process::id(),
            holder: self.holder,
            uptime_seconds: self.uptime().as_secs_f64(),
            restarts: self.incarnation.saturating_sub(1),
            swaps: board.swaps(),
            recovery: self.recovery.to_owned(),
            policies: policies.collect(),
            handles,
            containers: list,
            files: containers.metrics.files(),
        }
    }

    /// The report for Prometheus.
    #[allow(clippy::cast_precision_loss)] // counts
    pub(crate) fn metrics(&self, containers: &Containers, handles: usize) -> String {
        let board = &containers.board;
        let policies = board.current();
        let failures: u64 = policies.policies().map(|(_, policy)| policy.failures()).sum();
        let more = [
            ("vproc_uptime_seconds", "gauge", "Age of the mount.", self.uptime().as_secs_f64()),
            (
                "vproc_worker_restarts_total",
                "counter",
                "How often the worker was replaced.",
                f64::from(self.incarnation.saturating_sub(1)),
            ),
            (
                "vproc_policy_swaps_total",
                "counter",
                "How often policies were replaced since the worker started.",
                board.swaps() as f64,
            ),
            (
                "vproc_policy_failures",
                "gauge",
                "Reads that the policies in use have failed.",
                failures as f64,
            ),
            ("vproc_open_files", "gauge", "Files that are open.", handles as f64),
            (
                "vproc_containers",
                "gauge",
                "Containers that were read or registered.",
                containers.list().len() as f64,
            ),
        ];
        prometheus(&containers.metrics.files(), &more)
    }
}

fn group(membership: &vproc_linux::Membership) -> String {
    let groups = membership.groups();
    let memory = groups
        .iter()
        .find(|group| group.controllers().iter().any(|controller| controller == "memory"));
    let group = memory.or_else(|| groups.iter().find(|group| group.controllers().is_empty()));
    group.or(groups.first()).map(|group| group.path().into_owned()).unwrap_or_default()
}
