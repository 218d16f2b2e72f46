//! What is known of a process's container: read from this machine, or from a
//! capture.
//!
//! Which of the container's processes a path means shows only when the
//! directories above it were rendered. So files of theirs are read when they
//! are rendered; all others are read before, at one moment.

use crate::failure::Failure;
use crate::policy::Loaded;
use crate::render;
use std::cell::{Ref, RefCell};
use vproc_linux::{Host, Subject};
use vproc_snapshot::{Entry, Readings, Source};

/// Readings, and where more can be had.
pub(crate) struct Facts {
    readings: RefCell<Readings>,
    live: Option<(Host, Subject)>,
}

/// Links that stand for a directory; the first leads to the others.
const LINKS: [&str; 3] = ["/proc/net", "/proc/self", "/proc/thread-self"];

impl Facts {
    /// What a capture has.
    pub(crate) fn recorded(readings: Readings) -> Self {
        Facts { readings: RefCell::new(readings), live: None }
    }

    /// What was read of a machine, and the machine.
    pub(crate) fn live(readings: Readings, host: Host, subject: Subject) -> Self {
        Facts { readings: RefCell::new(readings), live: Some((host, subject)) }
    }

    pub(crate) fn readings(&self) -> Ref<'_, Readings> {
        self.readings.borrow()
    }

    /// Whether an entry can be rendered: of this machine, what was not read yet
    /// is read then.
    pub(crate) fn have(&self, entry: &Entry) -> bool {
        self.live.is_some() || self.readings().has(entry)
    }

    pub(crate) fn into_readings(self) -> Readings {
        self.readings.into_inner()
    }

    /// Reads what a path is rendered from, as far as it was not read.
    pub(crate) fn complete(&self, entry: &Entry, path: &str) -> Result<(), Failure> {
        let Some((host, subject)) = &self.live else { return Ok(()) };
        let missing: Vec<Source> = {
            let known = self.readings.borrow();
            let wanted = entry.needs.iter().map(|need| need.source.at(&entry.path, path));
            let is_new = |source: &Source| known.records.iter().all(|one| one.source != *source);
            wanted.filter(is_new).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let environment = self.readings.borrow().environment.clone();
        let more = host.read(subject, environment, &missing)?;
        self.readings.borrow_mut().records.extend(more.records);
        Ok(())
    }

    /// The bytes of one file, or of the directory that lists some.
    pub(crate) fn text(
        &self,
        loaded: &Loaded,
        path: &str,
        entry: &Entry,
    ) -> Result<Vec<u8>, Failure> {
        self.complete(entry, path)?;
        render::text(loaded, path, entry, &self.readings.borrow())
    }

    /// Paths with the directory in place of a link to it.
    pub(crate) fn follow(&self, loaded: &Loaded, paths: &[String]) -> Result<Vec<String>, Failure> {
        let follow = |path: &String| {
            let mut path = path.clone();
            for link in LINKS {
                let rest = path.strip_prefix(link).filter(|rest| rest.starts_with('/'));
                let Some((rest, entry)) = rest.zip(loaded.manifest.entry(link)) else { continue };
                let target = self.text(loaded, &entry.path, entry)?;
                path = format!("/proc/{}{rest}", String::from_utf8_lossy(&target).trim_end());
            }
            Ok(path)
        };
        paths.iter().map(follow).collect()
    }
}
