//! `vprocctl render`: prints what a process should see.

use crate::facts::Facts;
use crate::failure::{EXIT_CODES, Exit, Failure, words};
use crate::files::{File, files};
use crate::policy::Loaded;
use crate::{output, policy, readings, subject};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use vproc_runtime::{Error, Refusal};
use vproc_snapshot::{Class, Content, Entry, Readings, Snapshot, Source};

const EXAMPLES: &str = "\
Examples:
  vprocctl render --pid 4242 /proc/meminfo         one file, byte for byte
  vprocctl render --pid 4242 /proc/pressure        a directory, with headers
  vprocctl render --pid self --set cpus=cpuset /proc/cpuinfo
  vprocctl render --pid 4242 /proc/1/stat          a process, by its number inside
  vprocctl render --from box.json /proc/stat       from a capture, anywhere";

/// Print the files that a process should see
///
/// Several paths, or a directory, are printed with a header line each.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: subject::Choice,

    /// Render from a capture instead of this machine; needs no privileges
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["pid", "identity"])]
    from: Option<PathBuf>,

    #[command(flatten)]
    policy: policy::Choice,

    /// Print a JSON array of objects with `path` and `text`
    #[arg(long)]
    json: bool,

    /// Absolute paths of files or directories, as the container sees them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

#[derive(Serialize)]
struct Printed {
    path: String,
    text: String,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { subject, from, policy, paths, .. } = &arguments;
    let (loaded, facts, paths) =
        readings::obtain("render", subject, from.as_deref(), policy, paths)?;
    let files = files(&loaded, &paths, &facts)?;
    if arguments.json {
        print_json(&loaded, files, &facts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let headers = files.len() > 1 || arguments.paths.len() > 1;
    let mut code = None;
    let mut printed = false;
    for file in files {
        let body = file.and_then(|file| {
            let body = facts.text(&loaded, &file.path, file.entry)?;
            Ok((file.path, body))
        });
        match body {
            Ok((path, body)) => {
                let mut page = Vec::with_capacity(body.len() + path.len() + 16);
                if headers {
                    let blank = if printed { "\n" } else { "" };
                    page.extend_from_slice(format!("{blank}==> {path} <==\n").as_bytes());
                }
                page.extend_from_slice(&body);
                output::write(&page)?;
                printed = true;
            }
            Err(failure) if headers => {
                failure.print();
                code.get_or_insert(failure.code());
            }
            Err(failure) => return Err(failure),
        }
    }
    // As `head` does: the other files are printed all the same.
    Ok(code.unwrap_or(ExitCode::SUCCESS))
}

fn print_json(
    loaded: &Loaded,
    files: Vec<Result<File<'_>, Failure>>,
    facts: &Facts,
) -> Result<(), Failure> {
    let mut printed = Vec::with_capacity(files.len());
    for file in files {
        let File { path, entry } = file?;
        let text = facts.text(loaded, &path, entry)?;
        printed.push(Printed { path, text: String::from_utf8_lossy(&text).into_owned() });
    }
    output::write_json(&printed)
}

/// The bytes of one file, or of the directory that lists some.
pub(crate) fn text(
    loaded: &Loaded,
    path: &str,
    entry: &Entry,
    readings: &Readings,
) -> Result<Vec<u8>, Failure> {
    if entry.class == Class::Denied {
        return Err(loaded.denied(path, entry));
    }
    let snapshot = snapshot(entry, path, readings)?;
    match loaded.policy.render(path, &snapshot) {
        Ok(rendered) => Ok(rendered.body),
        Err(Error::Refused(Refusal::MissingInput(key))) => {
            Err(missing(path, entry, &key, readings))
        }
        Err(error) => Err(loaded.failure(path, &error)),
    }
}

/// What one render sees.
pub(crate) fn snapshot<'a>(
    entry: &'a Entry,
    path: &str,
    readings: &'a Readings,
) -> Result<Snapshot<'a>, Failure> {
    readings.snapshot_at(entry, path, None).map_err(|missing| {
        let remedy = "capture it again with this path, policy and settings";
        Failure::new(Exit::InputOutput, format!("{missing}; {remedy}"))
    })
}

/// The errno of a group that was removed while it was read.
const ESTALE: i32 = 116;

/// The failure for an input without which a policy can say nothing: what it
/// is, and why it could not be read.
fn missing(path: &str, entry: &Entry, key: &str, readings: &Readings) -> Failure {
    let source = entry.needs.iter().find(|need| need.key == key).map(|need| &need.source);
    let source = source.map(|source| source.at(&entry.path, path));
    let found = readings.records.iter().filter(|record| Some(&record.source) == source.as_ref());
    let errno = found.flat_map(|record| &record.found).find_map(|reading| match reading.content {
        Content::Absent(errno) => i32::try_from(errno).ok(),
        _ => None,
    });
    let reason = match errno {
        Some(errno) => words(&std::io::Error::from_raw_os_error(errno)),
        None => "it is not there".to_owned(),
    };
    let remedy = match &source {
        Some(Source::Cgroup { .. }) if errno == Some(ESTALE) => {
            "the process moves between groups; try again".to_owned()
        }
        Some(Source::Cgroup { controller, .. }) if !controller.is_empty() => {
            format!("is the cgroup hierarchy of `{controller}` mounted and readable here?")
        }
        Some(Source::Cgroup { .. } | Source::Tasks) => {
            "are the process's cgroups mounted and readable here?".to_owned()
        }
        _ => "`vprocctl doctor` tells what this machine lacks".to_owned(),
    };
    let source = source.map_or_else(|| key.to_owned(), |source| source.to_string());
    let message = format!("cannot render {path}: it needs {source}: {reason}; {remedy}");
    Failure::new(Exit::Host, message)
}
