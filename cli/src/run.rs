//! `vprocctl run`: runs a command in a container of its own.

use crate::failure::{EXIT_CODES, Exit, Failure};
use crate::policy::Loaded;
use crate::private_mount::PrivateMount;
use crate::{policy, render};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use vproc_linux::sandbox::{Cpus, Error, Limits, Sandbox, Size, Spec};
use vproc_linux::{Host, Identity};
use vproc_snapshot::{Class, Kind, Readings};

const EXAMPLES: &str = "\
Examples:
  vprocctl run --memory 256M -- free -m
  vprocctl run --cpus 1.5 --cpuset 0-3 -- sh -c 'grep -c ^processor /proc/cpuinfo'
  vprocctl run --memory 1G --swap 512M -- bash";

/// Run a command in a cgroup of its own, and show it its own /proc
///
/// The command gets new pid, mount and (where the kernel has them) time
/// namespaces, and live files in place of the host's, from a mount of its own.
/// Where nothing can be mounted (no /dev/fuse), the files show the moment at
/// which the command started, and /proc/uptime is the kernel's.
/// The cgroup is removed when the command ends, whatever ends it. Needs root.
///
/// This is a demonstration, not a sandbox for hostile code: the command keeps
/// your user, capabilities, network and files.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    /// Limit of memory, such as 256M or 1.5G
    #[arg(long, value_name = "SIZE")]
    memory: Option<Size>,

    /// Limit of swap beside the memory, such as 0 or 512M
    #[arg(long, value_name = "SIZE")]
    swap: Option<Size>,

    /// CPU time, as a number of CPUs, such as 1.5
    #[arg(long, value_name = "CPUS")]
    cpus: Option<Cpus>,

    /// CPUs to run on, such as 0-2,5
    #[arg(long, value_name = "LIST")]
    cpuset: Option<String>,

    /// Limit of processes and threads
    #[arg(long, value_name = "NUMBER")]
    pids: Option<u32>,

    /// The group below which the command's is made, as in /proc/PID/cgroup;
    /// limits of the group that you are in do not hold below another
    #[arg(long, value_name = "GROUP", default_value = "/")]
    cgroup_parent: PathBuf,

    #[command(flatten)]
    policy: policy::Choice,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The exit code is the command's, or that of what kept it from running.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let spec = Spec {
        command: arguments.command,
        limits: Limits {
            memory: arguments.memory,
            swap: arguments.swap,
            cpus: arguments.cpus,
            cpuset: arguments.cpuset,
            pids: arguments.pids,
        },
        cgroup_parent: arguments.cgroup_parent,
    };
    // First of all, because it forks: rendering starts a thread.
    let mut sandbox = Sandbox::start(&spec)?;
    let host = Host::open()?;
    // The policy is tried here, where its errors are told best.
    let environment = host.environment(arguments.policy.settings.clone());
    let loaded = arguments.policy.load(&environment)?;
    let mount = PrivateMount::start(&arguments.policy);
    let files = match &mount {
        Ok(mount) => {
            mount.attach_to(&host, sandbox.init_pid())?;
            Vec::new()
        }
        Err(reason) => {
            eprintln!("vprocctl: warning: {reason}; the files show the start of the command");
            let subject = host.subject(sandbox.init_pid(), Identity::Init)?;
            let sources = loaded.sources(&loaded.entries(&[])?);
            files(&loaded, &host.read(&subject, environment, &sources)?)?
        }
    };
    // What this kernel does not have is not missed by the command either.
    let _not_here = sandbox.release(&files)?;
    let outcome = sandbox.wait()?;
    if let Some(message) = outcome.message() {
        eprintln!("vprocctl: {message}");
    }
    Ok(ExitCode::from(outcome.code()))
}

/// A text of it that stands still breaks `ps`: new processes would have
/// started after it. Without live files it is left to the kernel.
const LIVE: &str = "/proc/uptime";

/// Every file that the policy has for a container, but for [`LIVE`], as it is
/// now. One that the settings deny is shown empty: a bind mount has no other
/// way to keep the host's away.
fn files(loaded: &Loaded, readings: &Readings) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let entries = loaded.manifest.entries.iter().filter(|entry| {
        // A directory of the kernel's cannot be replaced name by name.
        let is_single = entry.kind != Kind::Directory && !entry.is_pattern();
        is_single
            // Among these are files that would seem to take what is written.
            && !entry.path.starts_with("/proc/sys/")
            && entry.covers
            && entry.path != LIVE
            && !readings.lacks(entry)
    });
    entries
        .map(|entry| {
            let text = match entry.class {
                Class::Denied => Vec::new(),
                _ => render::text(loaded, &entry.path, entry, readings)?,
            };
            Ok((entry.path.clone(), text))
        })
        .collect()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            error if error.is_unacceptable() => Exit::Usage,
            error if error.is_permission() => Exit::Permission,
            _ => Exit::Host,
        };
        let remedy = match exit {
            Exit::Permission => "; run as root, or in a group that was delegated to you",
            Exit::Usage if matches!(error, Error::File { .. }) => {
                "; --cgroup-parent must name a group that every hierarchy has"
            }
            Exit::Usage if matches!(error, Error::Write { .. }) => {
                "; this machine or the parent group does not allow the value"
            }
            Exit::Host if matches!(error, Error::InitKilled { .. }) => "",
            Exit::Host => "; `vprocctl doctor` tells what this machine lacks",
            _ => "",
        };
        let message = error.to_string();
        // Some errors bring a remedy of their own.
        let remedy = if message.contains("; ") { "" } else { remedy };
        Failure::new(exit, format!("cannot run the command: {message}{remedy}"))
    }
}
