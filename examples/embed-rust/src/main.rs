//! Prints files as a container sees them:
//!
//! ```console
//! $ example-embed-rust fixtures/v1-nested.json /proc/uptime /sys/devices/system/cpu/online
//! $ example-embed-rust 4242 /proc/meminfo        # as process 4242 sees them now
//! ```

use example_embed_rust::Renderer;
use std::io::Write;
use std::process::ExitCode;
use vproc_linux::{Host, HostPid, Identity};
use vproc_runtime::Cache;
use vproc_snapshot::Capture;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("example-embed-rust: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let of = arguments.next().ok_or("usage: example-embed-rust CAPTURE.json|PID PATH…")?;
    let renderer = Renderer::load(None, Cache::user_directory().as_deref())?;
    let mut out = std::io::stdout().lock();
    if let Ok(pid) = of.parse::<HostPid>() {
        let host = Host::open()?;
        // The container that the process is in.
        let subject = host.subject(pid, Identity::Init)?;
        let mut container = renderer.container(host.environment(Vec::new()))?;
        for path in arguments {
            out.write_all(&container.read(&path, &host, &subject)?)?;
        }
        return Ok(());
    }
    let Capture { readings, .. } = Capture::from_json(&std::fs::read_to_string(of)?)?;
    let mut container = renderer.container(readings.environment.clone())?;
    for path in arguments {
        out.write_all(&container.render(&path, &readings)?)?;
    }
    Ok(())
}
