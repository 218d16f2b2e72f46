//! The container in which the readers are.

use crate::groups::Group;
use crate::inside::receive;
use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A container with its own pid namespace, mount namespace and groups.
pub(crate) struct Container {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: RefCell<ChildStdout>,
    files: PathBuf,
    // After the child: it is removed when that is gone.
    _group: Group,
}

impl Container {
    /// Starts one. `binds` are what is bound over empty files of these names
    /// in `files`, as a runtime does it over `/proc/meminfo`.
    pub(crate) fn start(name: &str, files: &Path, binds: &[(PathBuf, String)]) -> Self {
        let group = Group::new(name);
        group.limit(256);
        let mut command = Command::new("unshare");
        command.args(["--pid", "--mount", "--fork", "--kill-child"]);
        command.arg(std::env::current_exe().unwrap()).args(["--role", "init"]);
        command.args(group.doors()).arg("--");
        for (source, name) in binds {
            let target = files.join(name);
            fs::write(&target, "").unwrap();
            command.arg(source).arg(target);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take().unwrap();
        // It says so when it is ready.
        receive(&mut stdout);
        let stdout = RefCell::new(stdout);
        Container { child, stdin, stdout, files: files.to_path_buf(), _group: group }
    }

    /// Reads for a while; the nanoseconds that each read took.
    pub(crate) fn read(
        &self,
        readers: usize,
        mode: &str,
        name: &str,
        length: Duration,
    ) -> Vec<u32> {
        let path = self.files.join(name);
        let line = format!("{readers} {mode} {} {}\n", path.display(), length.as_millis());
        self.ask(&line)
    }

    /// A first read in a fresh container: nanoseconds, and the length of the
    /// text.
    pub(crate) fn first(&self, name: &str) -> (u32, u32) {
        let times = self.ask(&format!("1 first {}\n", self.files.join(name).display()));
        (times[0], times[1])
    }

    fn ask(&self, line: &str) -> Vec<u32> {
        self.stdin.as_ref().unwrap().write_all(line.as_bytes()).unwrap();
        let bytes = receive(&mut *self.stdout.borrow_mut());
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        bytes.chunks(4).map(number).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
