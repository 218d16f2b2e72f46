//! What a command renders from: this machine, or a capture.

use crate::facts::Facts;
use crate::failure::{Exit, Failure};
use crate::policy::Loaded;
use crate::{policy, subject};
use std::io::Read;
use std::path::Path;
use vproc_linux::Host;
use vproc_snapshot::{Capture, Readings};

/// A policy, what it renders from, and the paths that are wanted, with no links
/// in them.
pub(crate) type Found = (Loaded, Facts, Vec<String>);

/// The policy, and what it is to render the files at some paths from.
pub(crate) fn obtain(
    command: &str,
    subject: &subject::Choice,
    from: Option<&Path>,
    policy: &policy::Choice,
    paths: &[String],
) -> Result<Found, Failure> {
    let Some(capture) = from else { return live(command, subject, policy, paths) };
    let (loaded, readings) = replay(capture, policy)?;
    let facts = Facts::recorded(readings);
    let paths = facts.follow(&loaded, paths)?;
    Ok((loaded, facts, paths))
}

fn live(
    command: &str,
    subject: &subject::Choice,
    policy: &policy::Choice,
    paths: &[String],
) -> Result<Found, Failure> {
    let Some(pid) = subject.pid else {
        let message = format!("{command} needs --pid PID, --pid self, or --from FILE.json");
        return Err(Failure::new(Exit::Usage, message));
    };
    let host = Host::open()?;
    let environment = host.environment(policy.settings.clone());
    let mut loaded = policy.load_for(&environment, paths)?;
    loaded.leave_out_missing(&host, paths);
    let cannot =
        |failure: Failure| failure.during(format_args!("cannot {command} for process {pid}"));
    // Below a link, they are known when it was followed.
    let entries = loaded.entries(paths).ok();
    let sources = entries.map(|entries| loaded.sources(&entries)).unwrap_or_default();
    let subject = subject.resolve(&host)?;
    let readings =
        host.read(&subject, environment, &sources).map_err(|error| cannot(error.into()))?;
    let facts = Facts::live(readings, host, subject);
    let paths = facts.follow(&loaded, paths).map_err(cannot)?;
    loaded.entries(&paths)?;
    Ok((loaded, facts, paths))
}

/// The policy under the settings of a capture, and what was captured.
pub(crate) fn replay(path: &Path, policy: &policy::Choice) -> Result<(Loaded, Readings), Failure> {
    let Capture { mut readings, .. } = read_capture(path)?;
    readings.environment.settings.extend(policy.settings.iter().cloned());
    let loaded = policy.load(&readings.environment)?;
    Ok((loaded, readings))
}

/// More than a capture of a host with thousands of CPUs.
const MAX_CAPTURE: u64 = 256 << 20;

/// Reads a capture from a file.
pub(crate) fn read_capture(path: &Path) -> Result<Capture, Failure> {
    let json = std::fs::File::open(path)
        .and_then(|file| std::io::read_to_string(file.take(MAX_CAPTURE)))
        .map_err(|error| Failure::file("read", path, &error))?;
    Capture::from_json(&json).map_err(|error| {
        let message = format!("cannot replay {}: {error}", path.display());
        Failure::new(Exit::InputOutput, message)
    })
}
