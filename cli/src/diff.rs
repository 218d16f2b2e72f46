//! `vprocctl diff`: the container's files beside the host's, or two captures
//! beside one another.

mod captures;
mod host;
mod lines;
mod table;

use crate::colour::Palette;
use crate::failure::{EXIT_CODES, Exit, Failure};
use crate::{policy, subject};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  vprocctl diff --pid 4242                       which files differ from the host's
  vprocctl diff --pid 4242 /proc/meminfo         the lines that do, side by side
  vprocctl diff --from box.json /proc/stat       the same from a capture
  vprocctl diff monday.json tuesday.json         what changed between two captures,
                                                 and the inputs that explain it

The host's text is on the left (<), the container's on the right (>). The exit
code is 0 whether or not there are differences, because for a container there
should be some; with --exit-code it is 8 where there are.";

/// Compare what a process sees with the host's files, or two captures
///
/// With --pid or --from: the host's text beside the container's. Without: the
/// first two arguments are captures, and what is shown is how the fields of
/// the files changed, and which inputs did that explain it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: subject::Choice,

    /// Compare within a capture instead of on this machine
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["pid", "identity"])]
    from: Option<PathBuf>,

    #[command(flatten)]
    policy: policy::Choice,

    /// Show equal lines, too
    #[arg(long)]
    all: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Exit with 8 where there are differences
    #[arg(long)]
    exit_code: bool,

    /// Files or directories, as the container sees them; or, without --pid
    /// and --from, two captures and then files
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let palette = if arguments.json { Palette::PLAIN } else { Palette::of_stdout() };
    let differs = match (
        arguments.subject.pid.is_some() || arguments.from.is_some(),
        arguments.paths.as_slice(),
    ) {
        (true, paths) => host::compare(arguments, paths, palette)?,
        (false, [one, other, paths @ ..]) => {
            captures::compare(arguments, [one, other], paths, palette)?
        }
        (false, _) => {
            let message = "diff needs --pid PID, --pid self, --from FILE.json, or two captures";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    Ok(match differs && arguments.exit_code {
        true => ExitCode::from(Exit::Differs as u8),
        false => ExitCode::SUCCESS,
    })
}
