//! `vprocctl capture`: records what a policy asks for.

use crate::facts::Facts;
use crate::failure::{EXIT_CODES, Exit, Failure};
use crate::files::{File, files};
use crate::{output, policy, subject};
use std::path::PathBuf;
use vproc_linux::Host;
use vproc_snapshot::{Capture, Origin};

const EXAMPLES: &str = "\
Examples:
  vprocctl capture --pid 4242 -o box.json
  vprocctl capture --pid 4242 -o ps.json '/proc/*/stat' '/proc/*/status' /proc/stat
  vprocctl capture --pid 4242 --redact -o report.json /proc/meminfo
  vprocctl render --from box.json /proc/meminfo";

/// Record every input that the policy declares, to be rendered anywhere
///
/// The file is JSON: text as text, other bytes as base64, what cannot be read
/// as its errno. It says which kernel, cgroup layout and policy made it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: subject::Choice,

    #[command(flatten)]
    policy: policy::Choice,

    /// The file to write; standard output if left out
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,

    /// Blank what rendering does not need and a stranger should not know:
    /// cgroup names, command names, serial numbers, foreign disks
    #[arg(long)]
    redact: bool,

    /// A line for people, kept in the capture
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,

    /// Files or directories to record; all that the policy serves if left out,
    /// but for those of single processes and /proc/kallsyms, which has megabytes
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Some(pid) = arguments.subject.pid else {
        return Err(Failure::new(Exit::Usage, "capture needs --pid PID or --pid self"));
    };
    let host = Host::open()?;
    let environment = host.environment(arguments.policy.settings.clone());
    let loaded = arguments.policy.load(&environment)?;
    let entries = loaded.entries(&arguments.paths)?;
    let subject = arguments.subject.resolve(&host)?;
    let readings =
        host.read(&subject, environment, &loaded.sources(&entries)).map_err(|error| {
            Failure::from(error).during(format_args!("cannot capture process {pid}"))
        })?;
    let (kernel, layout) = (host.kernel_release(), host.layout());
    let facts = Facts::live(readings, host, subject);
    if entries.iter().any(|entry| entry.is_of_processes()) {
        // Of a process that ends meanwhile, files are missing.
        for File { path, entry } in files(&loaded, &arguments.paths, &facts)?.into_iter().flatten()
        {
            facts.complete(entry, &path)?;
        }
    }
    let readings = facts.into_readings();
    let origin = Origin {
        made_by: concat!("vprocctl ", env!("CARGO_PKG_VERSION")).to_owned(),
        kernel,
        cgroup: layout,
        identity: arguments.subject.identity().to_string(),
        policy: loaded.identity(),
        redacted: false,
        note: arguments.note,
    };
    let mut capture = Capture::new(origin, readings);
    if arguments.redact {
        capture.redact();
    }
    let json = capture
        .to_json()
        .map_err(|error| Failure::new(Exit::InputOutput, format!("cannot print it: {error}")))?;
    match &arguments.output {
        Some(path) => {
            std::fs::write(path, json).map_err(|error| Failure::file("write", path, &error))
        }
        None => output::write(json.as_bytes()),
    }
}
