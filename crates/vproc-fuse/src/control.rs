//! The control socket: one JSON value a line, a question and its answer.
//!
//! It lies in the mount's state directory, which only root may enter.

use crate::board::{Choice, Component};
use crate::registry::Registry;
use crate::server::Server;
use crate::state::StateDirectory;
use crate::status::Report;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vproc_linux::HostPid;
use vproc_trust::Sha256;

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Command {
    /// How is the mount doing?
    Status,
    /// The numbers for Prometheus.
    Metrics,
    /// Render with the policy in this file, or with the embedded one; for
    /// everybody, or for the groups below a prefix.
    Policy {
        /// The component; none for the embedded policy.
        file: Option<PathBuf>,
        /// What it must hash to.
        #[serde(default)]
        sha256: Option<Sha256>,
        /// The prefix.
        prefix: Option<String>,
    },
    /// Load the policies' files again.
    Reload,
    /// Give a container a name.
    Register {
        /// The name.
        name: String,
        /// One of its processes.
        pid: u32,
    },
    /// Take a name back.
    Forget {
        /// The name.
        name: String,
    },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// To [`Command::Status`].
    Status(Box<Report>),
    /// To [`Command::Metrics`].
    Text(String),
    /// It could not be done, and nothing has changed.
    Refused(String),
}

/// Why a mount did not answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens.
    #[error("nothing is mounted there by vprocctl: {}: {error}", path.display())]
    NotThere {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It hung up, or took too long.
    #[error("the mount did not answer: {0}")]
    Broken(#[from] io::Error),
}

/// The socket's name in the state directory.
const SOCKET: &str = "control";

/// How long loading a policy and the like may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks a mount. While a worker is being replaced, nobody listens for a
/// moment.
pub fn ask(directory: &Path, command: &Command) -> Result<Answer, NoAnswer> {
    let path = directory.join(SOCKET);
    let started = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionRefused
                    && started.elapsed() < Duration::from_secs(2) =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(NoAnswer::NotThere { path, error }),
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(command).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer).map_err(io::Error::from)?)
}

/// Listens, in a thread.
pub(crate) fn listen(directory: &StateDirectory, server: Arc<Server>) -> io::Result<()> {
    let path = directory.file("control.new");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    // At no moment is there none, once there was one.
    std::fs::rename(&path, directory.file(SOCKET))?;
    let serve = move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => {
                    if let Err(error) = converse(&stream, &server) {
                        tracing::debug!(%error, "a client of the control socket went away");
                    }
                }
                // Out of descriptors: others may be closed in a moment.
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    std::thread::Builder::new().name("vproc-control".into()).spawn(serve)?;
    Ok(())
}

/// The longest question.
const MAX_LINE: u64 = 64 << 10;

fn converse(stream: &UnixStream, server: &Server) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(command) => obey(server, command),
            Err(error) => Answer::Refused(format!("not a command: {error}")),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        (&mut &*stream).write_all(&text)?;
    }
}

fn obey(server: &Server, command: Command) -> Answer {
    let containers = &server.containers;
    let done = |result: Result<(), String>| match result {
        Ok(()) => Answer::Done,
        Err(reason) => Answer::Refused(reason),
    };
    match command {
        Command::Status => Answer::Status(Box::new(server.facts.report(
            containers,
            &server.registry.list(),
            server.handles.count(),
        ))),
        Command::Metrics => Answer::Text(server.facts.metrics(containers, server.handles.count())),
        Command::Policy { file, sha256, prefix } => {
            let mut choice = containers.board.choice();
            let component = file.map(|file| Component { file, sha256, copy: None });
            match prefix {
                None => choice.policy = component,
                Some(prefix) => {
                    choice.policy_for.retain(|(known, _)| *known != prefix);
                    choice.policy_for.extend(component.map(|component| (prefix, component)));
                }
            }
            done(swap(server, choice))
        }
        Command::Reload => done(reload(server)),
        Command::Register { name, pid } => done(register(&server.registry, server, &name, pid)),
        Command::Forget { name } => {
            done(server.registry.forget(&name).map_err(|error| error.to_string()))
        }
    }
}

/// Loads the files of the policies again.
pub(crate) fn reload(server: &Server) -> Result<(), String> {
    let mut choice = server.containers.board.choice();
    let special = choice.policy_for.iter_mut().map(|(_, component)| component);
    choice.policy.iter_mut().chain(special).for_each(|component| component.copy = None);
    swap(server, choice)
}

/// Changes the policies, and tells the kernel which names it must look up
/// again.
fn swap(server: &Server, choice: Choice) -> Result<(), String> {
    let board = &server.containers.board;
    let before = Arc::clone(&board.current());
    board.swap(choice).map_err(|error| {
        tracing::warn!(%error, "a policy was refused; the one before stays");
        error.to_string()
    })?;
    let after = Arc::clone(&board.current());
    server.forget_names(&before.cover, &after.cover);
    for (prefix, policy) in after.policies() {
        let sha256 = policy.policy.digest();
        tracing::info!(prefix, policy = policy.name(), %sha256, "policy in use");
    }
    Ok(())
}

fn register(registry: &Registry, server: &Server, name: &str, pid: u32) -> Result<(), String> {
    let pid = HostPid::new(pid).ok_or("0 is no process")?;
    let subject = registry.register(name, pid).map_err(|error| error.to_string())?;
    // Its history begins now.
    server.containers.of_subject(subject);
    Ok(())
}
