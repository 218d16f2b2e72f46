//! One policy and the default one on one recorded machine.

use crate::Named;
use vproc_runtime::{Error, Policy, Rendered};
use vproc_snapshot::pattern::{is_pattern, listed, stands_for};
use vproc_snapshot::{Capture, Entry, Kind, Manifest, Readings, Setting, Snapshot};

/// Of the numbered files in a directory, the first ones and the last.
const SAMPLES: usize = 2;

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
    /// Whether it is to be tried at length: of numbered files a few are.
    pub(crate) is_sample: bool,
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

    /// The files whose inputs were recorded, with all numbers that their
    /// directories list. Not those of processes, which are recorded by the
    /// number of each.
    pub(crate) fn files<'m>(&self, manifest: &'m Manifest) -> Vec<File<'m>> {
        let recorded = manifest.entries.iter().filter(|entry| {
            let has_text = entry.kind != Kind::Directory || manifest.has_numbers_in(&entry.path);
            has_text && !entry.is_of_processes() && !self.readings.lacks(entry)
        });
        let files = recorded.flat_map(|entry| {
            let paths = self.paths(manifest, &entry.path).into_iter();
            paths.map(move |(path, is_sample)| File { entry, path, is_sample })
        });
        files
            .filter(|file| self.readings.snapshot_at(file.entry, &file.path, None).is_ok())
            .collect()
    }

    /// The paths that a declared one stands for, and whether each is a sample.
    fn paths(&self, manifest: &Manifest, declared: &str) -> Vec<(String, bool)> {
        let mut paths = vec![(String::new(), true)];
        for (place, component) in declared.split('/').enumerate() {
            if place > 0 {
                paths.iter_mut().for_each(|(path, _)| path.push('/'));
            }
            if !is_pattern(component) {
                paths.iter_mut().for_each(|(path, _)| path.push_str(component));
                continue;
            }
            let mut longer = Vec::new();
            for (path, is_sample) in paths {
                let names = self.names(manifest, path.trim_end_matches('/'), component);
                let last = names.len().saturating_sub(1);
                longer.extend(names.into_iter().enumerate().map(|(place, name)| {
                    let is_one = place < SAMPLES || place == last;
                    (format!("{path}{name}"), is_sample && is_one)
                }));
            }
            paths = longer;
        }
        paths
    }

    fn names(&self, manifest: &Manifest, directory: &str, component: &str) -> Vec<String> {
        let text = manifest.entry(directory).and_then(|entry| {
            let snapshot = self.readings.snapshot_at(entry, directory, None).ok()?;
            Some(self.policy.render(directory, &snapshot).ok()?.body)
        });
        let text = text.unwrap_or_default();
        let names = listed(&text).filter(|name| stands_for(component, name));
        let names: Vec<String> = names.map(str::to_owned).collect();
        match names.is_empty() {
            true => vec![component.replace('*', "0")],
            false => names,
        }
    }

    /// The file as the default policy has it, if it does.
    pub(crate) fn of_default<'m>(
        &self,
        default: &'m Manifest,
        file: &File<'_>,
    ) -> Option<File<'m>> {
        let entry = default.entry(&file.path)?;
        Some(File { entry, path: file.path.clone(), is_sample: true })
    }

    /// The default policy's text of a file, without the settings of the other.
    pub(crate) fn by_default(&self, file: &File<'_>, readings: &Readings) -> Option<Answer> {
        let snapshot = readings.snapshot_at(file.entry, &file.path, None).ok()?;
        let mut environment = readings.environment.clone();
        environment.settings.clear();
        let snapshot = Snapshot { environment: &environment, ..snapshot };
        Some(self.default.render(&file.path, &snapshot))
    }

    /// Renders a file from these readings in a fresh instance.
    pub(crate) fn render(&self, file: &File<'_>, readings: &Readings) -> Option<Answer> {
        let snapshot = readings.snapshot_at(file.entry, &file.path, None).ok()?;
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
