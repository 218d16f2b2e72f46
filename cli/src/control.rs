//! Asking a mount that runs: `status`, `policy`, `register`, `forget`.

use crate::admission::{pinned, with_full_path};
use crate::failure::{Exit, Failure};
use crate::{output, policy_check, policy_file, scaffold, shipping};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use vproc_fuse::{Answer, Command, FileStatus, NoAnswer, Report, StateDirectory, ask};
use vproc_linux::HostPid;
use vproc_trust::Pinned;

/// Which mount is asked.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// The mount; may be left out where there is just one
    #[arg(long, value_name = "DIR")]
    mount: Option<PathBuf>,
}

impl Which {
    /// The state directory of the mount.
    fn directory(&self) -> Result<PathBuf, Failure> {
        if let Some(mount) = &self.mount {
            let absolute =
                std::path::absolute(mount).map_err(|error| Failure::file("find", mount, &error))?;
            let state = StateDirectory::of_mount(&absolute);
            // A state directory itself, where --state chose another place.
            return Ok(if state.is_dir() || !absolute.join("control").exists() {
                state
            } else {
                absolute
            });
        }
        let all: Vec<PathBuf> = std::fs::read_dir("/run/vproc")
            .map(|listing| listing.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        let mut held = all.into_iter().filter(|directory| directory.join("control").exists());
        match (held.next(), held.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Failure::new(
                Exit::Host,
                "nothing is mounted by vprocctl; `vprocctl mount DIR` does it",
            )),
            _ => Err(Failure::new(Exit::Usage, "there are several mounts; name one with --mount")),
        }
    }

    /// Where it is mounted.
    pub(crate) fn mount_point(&self) -> Result<PathBuf, Failure> {
        match self.ask(&Command::Status)? {
            Answer::Status(report) => Ok(report.mount),
            _ => Err(Failure::new(Exit::Host, "the mount did not tell where it is")),
        }
    }

    fn ask(&self, command: &Command) -> Result<Answer, Failure> {
        match ask(&self.directory()?, command).map_err(Failure::from)? {
            Answer::Refused(reason) => Err(Failure::new(Exit::Policy, reason)),
            answer => Ok(answer),
        }
    }
}

/// Show how a mount is doing
///
/// Policies and their hashes, containers, and for each file how often it was
/// read and how long that took.
#[derive(clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    which: Which,

    /// Print JSON for scripts
    #[arg(long, conflicts_with = "metrics")]
    json: bool,

    /// Print the numbers for Prometheus
    #[arg(long)]
    metrics: bool,
}

/// Look into a policy, try it out, and change the policy of a mount while it
/// runs
#[derive(clap::Subcommand)]
pub(crate) enum Policy {
    New(scaffold::New),
    Inspect(policy_file::Inspect),
    Check(policy_check::Check),
    Test(policy_file::Test),
    Replay(policy_file::Replay),
    Precompile(policy_file::Precompile),
    Push(shipping::Push),
    Pull(shipping::Pull),
    Verify(shipping::Verify),
    /// Render with another policy from now on
    ///
    /// The policy is loaded, checked and tried out first. One that is broken, is
    /// not the one that was pinned, or is not allowed by the rules of the mount is
    /// refused, with the reason, and the one before stays.
    Set {
        /// The policy: a component of world vproc:policy/policy, or an overlay,
        /// FILE.toml
        #[arg(value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
        file: Pinned,
        #[command(flatten)]
        scope: Scope,
    },
    /// Render with the embedded policy again
    Reset {
        #[command(flatten)]
        scope: Scope,
    },
    /// Load the policies' files again
    Reload {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(clap::Args)]
pub(crate) struct Scope {
    /// Only for containers in groups below this one, as in /proc/PID/cgroup
    #[arg(long = "for", value_name = "CGROUP_PREFIX")]
    prefix: Option<String>,

    #[command(flatten)]
    which: Which,
}

/// Give a container a name in a mount
///
/// Its load average is counted from now on, and root of the host finds its view
/// in DIR/containers/NAME.
#[derive(clap::Args)]
pub(crate) struct Register {
    name: String,

    /// A process of the container
    #[arg(long)]
    pid: HostPid,

    #[command(flatten)]
    which: Which,
}

/// Take a container's name back
#[derive(clap::Args)]
pub(crate) struct Forget {
    name: String,

    #[command(flatten)]
    which: Which,
}

pub(crate) fn status(arguments: &Status) -> Result<(), Failure> {
    let command = if arguments.metrics { Command::Metrics } else { Command::Status };
    match arguments.which.ask(&command)? {
        Answer::Text(text) => output::write(text.as_bytes()),
        Answer::Status(report) if arguments.json => output::write_json(&report),
        Answer::Status(report) => output::write(page(&report).as_bytes()),
        _ => Ok(()),
    }
}

pub(crate) fn policy(command: &Policy) -> Result<ExitCode, Failure> {
    match command {
        Policy::New(arguments) => return scaffold::new(arguments),
        Policy::Inspect(arguments) => return policy_file::inspect(arguments),
        Policy::Check(arguments) => return policy_check::check(arguments),
        Policy::Test(arguments) => return policy_file::test(arguments),
        Policy::Replay(arguments) => return policy_file::replay(arguments),
        Policy::Precompile(arguments) => return policy_file::precompile(arguments),
        Policy::Push(arguments) => return shipping::push(arguments),
        Policy::Pull(arguments) => return shipping::pull(arguments),
        Policy::Verify(arguments) => return shipping::verify(arguments),
        Policy::Set { file, scope } => {
            let Pinned { file, sha256 } = with_full_path(file)?;
            let prefix = scope.prefix.clone();
            scope.which.ask(&Command::Policy { file: Some(file), sha256, prefix })
        }
        Policy::Reset { scope } => {
            let prefix = scope.prefix.clone();
            scope.which.ask(&Command::Policy { file: None, sha256: None, prefix })
        }
        Policy::Reload { which } => which.ask(&Command::Reload),
    }
    .map(|_| ExitCode::SUCCESS)
}

pub(crate) fn register(arguments: &Register) -> Result<(), Failure> {
    let Register { name, pid, which } = arguments;
    which.ask(&Command::Register { name: name.clone(), pid: pid.get() }).map(drop)
}

pub(crate) fn forget(arguments: &Forget) -> Result<(), Failure> {
    let Forget { name, which } = arguments;
    which.ask(&Command::Forget { name: name.clone() }).map(drop)
}

impl From<NoAnswer> for Failure {
    fn from(error: NoAnswer) -> Self {
        match &error {
            NoAnswer::NotThere { error: cause, .. }
                if cause.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Failure::new(Exit::Permission, format!("{error}; run as root"))
            }
            NoAnswer::NotThere { .. } => {
                Failure::new(Exit::Host, format!("{error}; `vprocctl mount DIR` mounts"))
            }
            NoAnswer::Broken(_) => Failure::new(Exit::Host, error.to_string()),
        }
    }
}

/// The report for a person.
fn page(report: &Report) -> String {
    let mut page = String::new();
    let up = duration(report.uptime_seconds);
    let _ = writeln!(page, "{} up {up}", report.mount.display());
    let _ = writeln!(
        page,
        "worker {} of holder {}, restarted {}; {} files open",
        report.worker,
        report.holder,
        times(u64::from(report.restarts)),
        report.handles
    );
    for policy in &report.policies {
        let whose = policy
            .prefix
            .as_deref()
            .map_or("policy".to_owned(), |prefix| format!("policy for {prefix}"));
        let file =
            policy.file.as_ref().map_or("embedded".to_owned(), |file| file.display().to_string());
        let short = policy.sha256.get(..12).unwrap_or(&policy.sha256);
        let aside = if policy.aside { ", PUT ASIDE: the embedded policy answers" } else { "" };
        let _ = writeln!(
            page,
            "{whose}: {} {} ({file}, sha256 {short}), failed {}{aside}",
            policy.name,
            policy.version,
            times(policy.failures)
        );
    }
    if !report.containers.is_empty() {
        let _ = writeln!(page, "\n{:>9} {:<16} GROUP", "PID", "NAME");
        for container in &report.containers {
            let name = container.name.as_deref().unwrap_or("-");
            let ended = if container.alive { "" } else { " (ended)" };
            let _ = writeln!(page, "{:>9} {name:<16} {}{ended}", container.pid, container.group);
        }
    }
    if !report.files.is_empty() {
        let _ = writeln!(
            page,
            "\n{:>10} {:>8} {:>9} {:>8} {:>8} FILE",
            "READS", "ERRORS", "FALLBACKS", "P50 µs", "P99 µs"
        );
        for FileStatus { path, requests, failures, fallbacks, p50_us, p99_us } in &report.files {
            let _ = writeln!(
                page,
                "{requests:>10} {failures:>8} {fallbacks:>9} {p50_us:>8.1} {p99_us:>8.1} {path}"
            );
        }
    }
    page
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // seconds of a machine's life
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}
