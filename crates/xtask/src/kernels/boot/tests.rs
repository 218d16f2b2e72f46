//! Guests that say nothing any more, played by a shell.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::kernels::programs::Counts;
use crate::kernels::report::{self, Outcome, Row};
use std::os::unix::fs::PermissionsExt;

/// In QEMU's place: says who it is, says what it is told to say, and hangs.
const MACHINE: &str = r#"#!/bin/sh
echo $$ >> "${0%/*}/pids"
for word; do
    case $word in
    file,id=status,path=*) cat "${0%/*}/says" > "${word##*path=}" ;;
    esac
done
exec sleep 1000
"#;

/// In the place of the file server: has a socket.
const SERVER: &str = r#"#!/bin/sh
echo $$ >> "${0%/*}/pids"
: > "${1#--socket-path=}"
exec sleep 1000
"#;

struct Place(PathBuf);

impl Place {
    /// `None` where a guest cannot have a root directory of its own.
    fn new(test: &str) -> Option<Self> {
        let begins = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "true"])
            .output();
        if !begins.is_ok_and(|output| output.status.success()) {
            let _ = writeln!(std::io::stderr(), "{test}: skipped, because it needs root");
            return None;
        }
        let place = std::env::temp_dir().join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(place.join("work")).expect("a directory");
        Some(Place(place))
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        path
    }

    /// What becomes of a guest that says this and no more.
    fn run(&self, says: &str, boot: Duration) -> Run {
        let kernel =
            Kernel { release: "none".into(), image: self.0.clone(), modules: self.0.clone() };
        let guest = Guest {
            kernel: &kernel,
            archive: Vec::new(),
            layout: "v2",
            programs: &["first", "second"],
            limit: Duration::from_millis(200),
            patience: Patience { boot, after_limit: Duration::from_millis(200) },
            directories: &[],
            work: &self.0.join("work"),
        };
        self.program("says", says);
        let tools = Tools {
            qemu: self.program("machine", MACHINE),
            virtiofsd: self.program("server", SERVER),
            busybox: PathBuf::new(),
        };
        guest.run(&tools).expect("a run that is reported")
    }

    /// The processes that were started, of which none may be left.
    fn started(&self) -> Vec<String> {
        let pids = fs::read_to_string(self.0.join("pids")).expect("pids");
        pids.lines().map(str::to_owned).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_alive(pid: &String) -> bool {
    Path::new("/proc").join(pid).exists()
}

/// The table says that it failed.
fn assert_reported(run: Run, names: [&str; 2]) {
    let outcome = |name: &&str| {
        let ended = run.ended.iter().find(|ended| ended.name == **name);
        Outcome::new(name, ended, Counts::default())
    };
    let row = Row {
        kernel: "none".into(),
        layout: "v2".into(),
        booted: run.booted,
        starts: run.starts,
        outcomes: names.iter().map(outcome).collect(),
        failure: run.failure,
        wall: Duration::ZERO,
    };
    assert_eq!(row.failed(), ["second"]);
    assert!(report::print(&[row]).is_err());
}

#[test]
fn a_guest_that_hangs_in_a_program_is_killed_and_reported() {
    let Some(place) = Place::new("a_guest_that_hangs_in_a_program") else { return };
    let run = place.run("started\nbegin first\nend first 0\nbegin second\n", Patience::USUAL.boot);
    let failure = run.failure.as_deref().expect("a failure");
    assert!(failure.contains("hung in the test program second, and was killed"), "{failure}");
    assert_eq!((run.starts, run.ended.len()), (1, 1), "what ended counts, and once is enough");
    let started = place.started();
    assert_eq!(started.len(), 2, "a machine and its file server");
    assert!(!started.iter().any(is_alive), "{started:?}");
    assert_reported(run, ["first", "second"]);
}

#[test]
fn a_guest_that_does_not_boot_is_killed_and_started_again() {
    let Some(place) = Place::new("a_guest_that_does_not_boot") else { return };
    let run = place.run("", Duration::from_secs(1));
    let failure = run.failure.as_deref().expect("a failure");
    assert!(failure.contains("hung while it booted, and was killed"), "{failure}");
    assert_eq!((run.starts, run.booted), (STARTS, None));
    let started = place.started();
    assert!(!started.is_empty() && !started.iter().any(is_alive), "{started:?}");
}
