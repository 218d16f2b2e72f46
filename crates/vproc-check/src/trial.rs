//! One policy and the default one on one recorded machine.

use crate::Named;
use vproc_runtime::{Error, Policy, Rendered};
use vproc_snapshot::pattern::is_pattern;
use vproc_snapshot::{Capture, Entry, Kind, Manifest, Readings, Setting};

pub(crate) struct Trial<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) default: &'a Policy,
    pub(crate) name: &'a str,
    /// What was recorded, with the settings of this check.
    pub(crate) readings: Readings,
}

/// A file that exists on the machine.
pub(crate) struct File<'m> {
    pub(crate) entry: &'m Entry,
    /// With all numbers in place.
    pub(crate) path: String,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        default: &'a Policy,
        name: &'a str,
        capture: &Capture,
        settings: &[Setting],
    ) -> Self {
        let mut readings = capture.readings.clone();
        readings.environment.settings.extend_from_slice(settings);
        Trial { policy, default, name, readings }
    }

    pub(crate) fn declare(&self) -> Result<Manifest, Error> {
        self.policy.declare(&self.readings.environment)
    }

    /// What the default policy declares without the settings, which are not
    /// its own.
    pub(crate) fn default_manifest(&self) -> Option<Manifest> {
        let mut environment = self.readings.environment.clone();
        environment.settings.clear();
        self.default.declare(&environment).ok()
    }

    /// The files whose inputs were recorded. Of numbered ones the first that
    /// its directory lists. Not those of processes, which are recorded by the
    /// number of each.
    pub(crate) fn files<'m>(&self, manifest: &'m Manifest) -> Vec<File<'m>> {
        let recorded = manifest.entries.iter().filter(|entry| {
            let has_text = entry.kind != Kind::Directory || manifest.has_numbers_in(&entry.path);
            let is_recorded = || self.readings.snapshot(entry, None).is_ok();
            has_text && !entry.is_of_processes() && !self.readings.lacks(entry) && is_recorded()
        });
        let path = |entry: &Entry| match is_pattern(&entry.path) {
            true => entry.path.replace('*', "0"),
            false => entry.path.clone(),
        };
        recorded.map(|entry| File { entry, path: path(entry) }).collect()
    }

    /// Renders a file from these readings in a fresh instance.
    pub(crate) fn render(&self, file: &File<'_>, readings: &Readings) -> Option<Answer> {
        let snapshot = readings.snapshot(file.entry, None).ok()?;
        Some(self.policy.render(&file.path, &snapshot))
    }
}

pub(crate) type Answer = Result<Rendered, Error>;

impl Named {
    /// A capture of the caller's own.
    pub fn new(name: impl Into<String>, capture: Capture) -> Self {
        Named { name: name.into(), capture }
    }
}
