//! `vprocctl mount`: serves the files live.

use crate::admission::with_full_path;
use crate::failure::{EXIT_CODES, Exit, Failure};
use crate::{log, policy, service};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vproc_fuse::{Choice, HoldError, Program, Settings, StateDirectory};
use vproc_fusedev::MountOptions;
use vproc_trust::Pinned;

const EXAMPLES: &str = "\
Examples:
  vprocctl mount /var/lib/vproc
  docker run -v /var/lib/vproc/proc/meminfo:/proc/meminfo:ro ...
  vprocctl attach --pid 4242            into a container that runs already
  vprocctl status --mount /var/lib/vproc";

/// Serve the files live, to be mounted into containers
///
/// DIR/proc and DIR/sys/devices/system/cpu show each reader the view of its own
/// container. DIR/by-pid/N shows the view of process N, to root of the host.
///
/// Stays in the foreground. The process that renders may crash or be replaced
/// at any time; readers wait a moment and notice nothing. SIGHUP loads the
/// policy's file again, SIGUSR2 starts a new worker (after an upgrade of this
/// program), SIGTERM unmounts and ends. If this process itself is killed, files
/// are served on, and `vprocctl mount DIR` again takes them over, with the
/// policies in use. Prints DIR when it can be used. Needs root.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    /// The directory to mount at; made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    policy: policy::Choice,

    /// Render with another policy for the containers in groups below a prefix,
    /// as in /proc/PID/cgroup; may be given several times
    #[arg(long, value_name = "CGROUP_PREFIX=FILE", value_parser = policy_for)]
    policy_for: Vec<(String, Pinned)>,

    /// Whose cgroup counts for a reader: the init process of its pid
    /// namespace, itself, its parent, or the registered container around it
    #[arg(long, value_name = "WHO", default_value = "init",
          value_parser = ["init", "reader", "parent", "registered"])]
    identity: String,

    /// How old a text may be when it is handed out again, in milliseconds;
    /// limits are always read anew if this is 0. A file that counts time up to
    /// the read is never older than the read
    #[arg(long, value_name = "MS", default_value_t = 1.0, value_parser = milliseconds)]
    max_age: f64,

    /// Where to keep what the next worker needs, on a tmpfs
    /// [default: below /run/vproc]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// How many requests are answered at the same time
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Load policies again when their files change
    #[arg(long)]
    watch: bool,

    /// Remove DIR and the state when nobody uses the mount any more
    #[arg(long)]
    ephemeral: bool,

    /// Keep requests in a journal, as for kernels before 6.9
    #[arg(long, hide = true)]
    no_resend: bool,

    #[command(flatten)]
    log: log::Choice,
}

fn policy_for(text: &str) -> Result<(String, Pinned), String> {
    match text.split_once('=') {
        Some((prefix, file)) if prefix.starts_with('/') && !file.is_empty() => {
            let file = Pinned::parse(file.into()).map_err(|error| error.to_string())?;
            Ok((prefix.to_owned(), file))
        }
        _ => Err("not of the form /CGROUP_PREFIX=FILE".to_owned()),
    }
}

fn milliseconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1000.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 1000 is wanted".to_owned()),
    }
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    arguments.log.start();
    let directory = prepare(&arguments.directory)?;
    let policy = arguments.policy.file().map(with_full_path).transpose()?;
    let policy_for = arguments
        .policy_for
        .iter()
        .map(|(prefix, file)| Ok((prefix.clone(), with_full_path(file)?.into())))
        .collect::<Result<_, Failure>>()?;
    let knobs = arguments.policy.settings.iter();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 1000
    let settings = Settings {
        state: arguments.state.unwrap_or_else(|| StateDirectory::of_mount(&directory)),
        choice: Choice { policy: policy.map(Into::into), policy_for },
        trust: arguments.policy.rules.absolute()?,
        knobs: knobs.map(|knob| (knob.knob.clone(), knob.value.clone())).collect(),
        identity: arguments.identity,
        freshness_us: (arguments.max_age * 1000.0) as u64,
        threads: arguments.threads.map_or_else(threads, usize::from),
        watch: arguments.watch,
        ephemeral: arguments.ephemeral,
        point: directory,
    };
    let path = std::env::current_exe()
        .map_err(|error| Failure::file("find", Path::new("/proc/self/exe"), &error))?;
    let log = arguments.log.arguments();
    let program =
        Program { path, arguments: ["worker".to_owned()].into_iter().chain(log).collect() };
    let options = MountOptions { resend: !arguments.no_resend, ..MountOptions::default() };
    vproc_fuse::hold(&settings, &program, &options, &mut service::Manager::new(&settings.point))?;
    Ok(ExitCode::SUCCESS)
}

/// As many as there are CPUs, and some more that may wait for the kernel.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(16) + 2
}

/// The mount point by its full path.
fn prepare(directory: &Path) -> Result<PathBuf, Failure> {
    let absolute =
        std::path::absolute(directory).map_err(|error| Failure::file("find", directory, &error))?;
    // Who looks at a mount waits for its worker, which may hang.
    if vproc_fuse::is_mounted(&absolute) {
        return Ok(absolute);
    }
    match std::fs::create_dir_all(&absolute) {
        // Where a server has died, nothing can be seen of it.
        Err(error)
            if error.kind() != std::io::ErrorKind::NotConnected && !absolute_is_dead(&absolute) =>
        {
            Err(Failure::file("make", directory, &error))
        }
        _ => Ok(absolute),
    }
}

fn absolute_is_dead(directory: &Path) -> bool {
    std::fs::metadata(directory)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotConnected)
}

/// errno(3).
const EPERM: i32 = 1;
const EACCES: i32 = 13;

impl From<HoldError> for Failure {
    fn from(error: HoldError) -> Self {
        let exit = match &error {
            HoldError::Held(_) | HoldError::Succession(_) => Exit::Usage,
            HoldError::Worker => Exit::Policy,
            HoldError::Mount(
                vproc_fusedev::Error::Open(errno) | vproc_fusedev::Error::Mount { errno, .. },
            ) if matches!(errno.raw_os_error(), EPERM | EACCES) => Exit::Permission,
            HoldError::State { error, .. }
                if error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Exit::Permission
            }
            _ => Exit::Host,
        };
        let remedy = match exit {
            Exit::Permission => "; run as root",
            _ => "",
        };
        Failure::new(exit, format!("{error}{remedy}"))
    }
}
