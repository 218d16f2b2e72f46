//! `vprocctl attach` and `vprocctl detach`: files of a mount in a container
//! that runs already.

use crate::control::Which;
use crate::failure::{EXIT_CODES, Exit, Failure};
use crate::output;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vproc_linux::attach::{self, Attachment, Detached, Error, Life, Options, Outcome, Removal};
use vproc_linux::{Host, HostPid};

const EXAMPLES: &str = "\
Examples:
  vprocctl attach --pid 4242                   everything that the mount serves
  vprocctl attach --pid 4242 /proc/meminfo
  vprocctl attach --repair                     wherever a dead mount was left
  vprocctl detach --pid 4242";

/// Put the files of a mount into a container that runs already
///
/// The container's processes see them at once, and until the container is
/// restarted. What was attached before is replaced, also if its mount is dead.
/// Needs root.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Attach {
    /// A process of the container
    #[arg(long, value_name = "PID", required_unless_present = "repair")]
    pid: Option<HostPid>,

    /// Replace the files of dead mounts, in every container that has some
    #[arg(long, conflicts_with_all = ["pid", "files"])]
    repair: bool,

    /// Also cover what somebody else has mounted there, such as the /dev/null
    /// with which runtimes mask files
    #[arg(long)]
    cover: bool,

    #[command(flatten)]
    which: Which,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,

    /// Paths of files in the container; all that the mount serves if left out
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

/// Take the files of a mount out of a container
///
/// Only files of vproc are removed. The kernel's are there again at once.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Detach {
    /// A process of the container
    #[arg(long, value_name = "PID")]
    pid: HostPid,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,

    /// Paths of files in the container; all of vproc's if left out
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

/// What became of a file.
#[derive(Serialize)]
struct Line {
    pid: u32,
    path: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Line {
    fn attached(pid: HostPid, Attachment { target, outcome }: Attachment) -> Self {
        let (outcome, detail) = match outcome {
            Outcome::Attached { over } => ("attached", over.map(|fs| format!("over {fs}"))),
            Outcome::Replaced => ("replaced", None),
            Outcome::AlreadyThere => ("already there", None),
            Outcome::Skipped(reason) => ("skipped", Some(reason.to_string())),
        };
        Line { pid: pid.get(), path: target, outcome, detail }
    }

    fn detached(pid: HostPid, Detached { target, outcome: removal }: Detached) -> Self {
        let (outcome, detail) = match removal {
            Removal::Removed => ("detached", None),
            Removal::NotThere => ("not there", None),
            Removal::Skipped(reason) => ("skipped", Some(reason.to_string())),
        };
        Line { pid: pid.get(), path: target, outcome, detail }
    }
}

pub(crate) fn attach(arguments: &Attach) -> Result<ExitCode, Failure> {
    let host = Host::open()?;
    let mount = arguments.which.mount_point()?;
    let options = Options { cover_masks: arguments.cover, ..Options::default() };
    let lines = match arguments.pid {
        Some(pid) => {
            let files = match arguments.files.as_slice() {
                [] => served(&mount)?,
                files => files.to_vec(),
            };
            attach_to(&host, pid, &mount, &files, &options)?
        }
        None => repair(&host, &mount, &options)?,
    };
    print(&lines, arguments.json)?;
    // A container without some file is as it should be; with none, nothing
    // was done.
    let done = lines.iter().any(|line| line.outcome != "skipped");
    Ok(if done || lines.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Host as u8) })
}

pub(crate) fn detach(arguments: &Detach) -> Result<(), Failure> {
    let host = Host::open()?;
    let files = Some(arguments.files.as_slice()).filter(|files| !files.is_empty());
    let removed = attach::detach(&host, arguments.pid, files, &Options::default())?;
    let line = |removed| Line::detached(arguments.pid, removed);
    print(&removed.into_iter().map(line).collect::<Vec<_>>(), arguments.json)
}

fn attach_to(
    host: &Host,
    pid: HostPid,
    mount: &Path,
    files: &[String],
    options: &Options,
) -> Result<Vec<Line>, Failure> {
    let attached = attach::attach(host, pid, mount, files, options)?;
    Ok(attached.into_iter().map(|attachment| Line::attached(pid, attachment)).collect())
}

/// Replaces what is dead, once for each mount namespace.
fn repair(host: &Host, mount: &Path, options: &Options) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    let listing = std::fs::read_dir("/proc")
        .map_err(|error| Failure::file("list", Path::new("/proc"), &error))?;
    for entry in listing.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let namespace = std::fs::metadata(entry.path().join("ns/mnt")).map(|meta| meta.ino());
        if !namespace.is_ok_and(|namespace| seen.insert(namespace)) {
            continue;
        }
        let Ok(mounted) = attach::attached(host, pid, options) else { continue };
        let dead = mounted.into_iter().filter(|mounted| mounted.life == Life::Dead);
        let dead: Vec<String> = dead.map(|mounted| mounted.target).collect();
        if !dead.is_empty() {
            lines.extend(attach_to(host, pid, mount, &dead, options)?);
        }
    }
    Ok(lines)
}

/// Every file that a mount serves, by its path in a container.
pub(crate) fn served(mount: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for top in ["proc", "sys"] {
        list(&mount.join(top), mount, &mut files)
            .map_err(|error| Failure::file("list", mount, &error))?;
    }
    Ok(files)
}

/// Directories that are put into a container as a whole: which names they have
/// depends on the container.
const WHOLE: [&str; 2] = ["sys/devices/system/cpu", "sys/devices/system/node"];

/// Directories that are put there only by name: of most files in them the
/// kernel shows a container its own, and a worker may not join its namespaces.
const ON_REQUEST: [&str; 2] = ["proc/sys", "proc/sysvipc"];

fn list(directory: &Path, mount: &Path, files: &mut Vec<String>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    entries.sort();
    for path in entries {
        let is_one_of = |list: &[&str]| {
            list.iter().any(|known| path.strip_prefix(mount) == Ok(Path::new(known)))
        };
        let is_whole = is_one_of(&WHOLE);
        if is_one_of(&ON_REQUEST) {
            continue;
        }
        if path.is_dir() && !is_whole {
            list(&path, mount, files)?;
        } else if let Ok(below) = path.strip_prefix(mount) {
            files.push(format!("/{}", below.display()));
        }
    }
    Ok(())
}

fn print(lines: &[Line], json: bool) -> Result<(), Failure> {
    if json {
        return output::write_json(&lines);
    }
    let mut text = String::new();
    for Line { pid, path, outcome, detail } in lines {
        let detail = detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
        let _ = writeln!(text, "{pid} {path} {outcome}{detail}");
    }
    output::write(text.as_bytes())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::NoSuchProcess(_) => Exit::NoSuchProcess,
            Error::HostNamespace(_) | Error::Path(_) | Error::NotOurs { .. } => Exit::Usage,
            error if error.is_permission() => Exit::Permission,
            _ => Exit::Host,
        };
        let remedy = match (&error, exit) {
            (Error::Mount { .. }, Exit::Permission) => "; run as root",
            _ => "",
        };
        Failure::new(exit, format!("{error}{remedy}"))
    }
}
