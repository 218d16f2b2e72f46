//! docker-registry, on a port of its own, until a test ends.

use crate::has;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vproc_tests::skip;

pub(crate) struct Registry {
    pub(crate) address: String,
    /// For the test's own files; the registry's are in `storage`.
    pub(crate) directory: tempfile::TempDir,
    server: Child,
}

impl Registry {
    /// Starts one; `None` where Debian's package is missing.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Registry::start_with(test, "")
    }

    /// With more lines in its configuration. `%` stands for its directory.
    pub(crate) fn start_with(test: &str, configuration: &str) -> Option<Self> {
        for program in ["docker-registry", "skopeo", "openssl", "curl"] {
            if !has(program) {
                skip(test, &format!("{program} is not installed"));
                return None;
            }
        }
        let directory = tempfile::tempdir().unwrap();
        // Somebody else may take the port before the registry does.
        for _ in 0..5 {
            let address = free_address();
            if let Some(server) = serve(&directory, &address, configuration) {
                return Some(Registry { address, directory, server });
            }
        }
        panic!("docker-registry does not listen");
    }

    /// Where a blob lies in its storage.
    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        let blobs = self.directory.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&sha256[..2]).join(sha256).join("data")
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn serve(directory: &tempfile::TempDir, address: &str, more: &str) -> Option<Child> {
    let root = directory.path().to_str().unwrap();
    let file = directory.path().join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\n\
         storage: {{filesystem: {{rootdirectory: {root}/storage}}}}\n\
         http: {{addr: '{address}'}}\n{}",
        more.replace('%', root)
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = command.env("OTEL_TRACES_EXPORTER", "none").spawn().unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        if server.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(address).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = server.kill();
    let _ = server.wait();
    None
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
