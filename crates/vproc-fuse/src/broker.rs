//! The process that reads files of containers' namespaces for the worker.
//!
//! To join a namespace, a process needs `CAP_SYS_ADMIN`, which the worker does
//! not have. So before the worker gives it up, it starts a broker: the same
//! program, so that the two understand each other whatever the holder's version
//! is. The socket to it is the worker's. The broker ends with the worker,
//! needs no holder, and has no part in the connection to the kernel.

use crate::holder::Program;
use crate::privileges;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vproc_linux::{Broker, Host, broker};

/// A broker that ends earlier would not live longer the next time.
const SHORT_LIFE: Duration = Duration::from_secs(10);

/// A broker that was started.
pub(crate) struct Started {
    process: Child,
    at: Instant,
}

/// Starts a broker, with the privileges that we have still.
pub(crate) fn start(program: &Program) -> io::Result<(Broker, Started)> {
    let (asker, answerer) = broker::pair()?;
    let process = Command::new(&program.path)
        .arg0("vprocctl")
        .args(&program.arguments)
        .stdin(Stdio::from(answerer))
        .stdout(Stdio::null())
        .current_dir("/")
        .spawn()?;
    Ok((asker, Started { process, at: Instant::now() }))
}

impl Started {
    /// Waits for its end. Then only another worker can start another broker,
    /// so this one goes, as if by SIGTERM, if there is a holder to start it.
    pub(crate) fn replace_worker_at_end(mut self, holder: u32) {
        let status = self.process.wait();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let has_holder = getppid().map(Pid::as_raw_pid) == i32::try_from(holder).ok();
        if !has_holder || self.at.elapsed() < SHORT_LIFE {
            tracing::error!(status, "the broker has ended; no files of containers' namespaces");
            return;
        }
        tracing::warn!(status, "the broker has ended; the next worker starts another");
        let _ = kill_process(getpid(), Signal::TERM);
    }
}

/// Runs a broker: answers the worker whose socket is standard input.
pub fn serve_worker() -> ExitCode {
    let _ = rustix::thread::set_name(c"vproc-broker");
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot read files of containers' namespaces");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> io::Result<()> {
    // The worker answers what it has begun before it ends, and we are needed
    // for that.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    let host = Host::open().map_err(io::Error::other)?;
    privileges::keep_those_of_broker();
    broker::serve(&host, io::stdin().as_fd())
}
