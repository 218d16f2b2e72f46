//! The embedded policy, rendering for a container from outside.

use std::collections::BTreeSet;
use vproc_linux::{Host, HostPid, Identity, Subject};
use vproc_runtime::{Engine, Error, Options, Policy, Refusal};
use vproc_snapshot::{Class, Manifest, Setting};

/// A view of a container.
pub(crate) struct View {
    host: Host,
    subject: Subject,
    policy: Policy,
    manifest: Manifest,
    settings: Vec<Setting>,
}

impl View {
    pub(crate) fn new(init: u32, rank: &str) -> Self {
        let host = Host::open().unwrap();
        let subject = host.subject(HostPid::new(init).unwrap(), Identity::Init).unwrap();
        let policy = vproc_default::load(&Engine::new(Options::default()).unwrap(), None).unwrap();
        let settings = vec![Setting { knob: "process-rank".into(), value: rank.into() }];
        let manifest = policy.declare(&host.environment(settings.clone())).unwrap();
        View { host, subject, policy, manifest, settings }
    }

    /// The text of a file, or the errno in its place.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, i32> {
        let entry = self.manifest.entry(path).unwrap_or_else(|| panic!("{path}"));
        let environment = self.host.environment(self.settings.clone());
        let mut sources: Vec<_> =
            entry.needs.iter().map(|need| need.source.at(&entry.path, path)).collect();
        sources.dedup();
        let readings = self.host.read(&self.subject, environment, &sources).unwrap();
        let snapshot = readings.snapshot_at(entry, path, None).unwrap();
        match self.policy.render(path, &snapshot) {
            Ok(rendered) => Ok(rendered.body),
            Err(Error::Refused(Refusal::UnsupportedPath)) => Err(2),
            Err(Error::Refused(Refusal::Denied)) => Err(13),
            Err(error) => {
                eprintln!("{path}: {error}");
                Err(5)
            }
        }
    }

    /// The numbers that a directory lists.
    pub(crate) fn numbers(&self, path: &str) -> Vec<u32> {
        let text = String::from_utf8(self.read(path).unwrap()).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// The files of a process, or with `task` of a thread, without numbers of
    /// their own. Of those that nobody may open, `stack` is one.
    pub(crate) fn files(&self, below: &str) -> BTreeSet<String> {
        let mut names = self.names(below, |class| class != Class::Denied);
        names.insert("stack".into());
        names
    }

    /// The files of a process that nobody may open.
    pub(crate) fn denied(&self) -> BTreeSet<String> {
        self.names("/proc/*/", |class| class == Class::Denied)
    }

    fn names(&self, below: &str, wanted: impl Fn(Class) -> bool) -> BTreeSet<String> {
        let entries = self.manifest.entries.iter().filter(|entry| wanted(entry.class));
        let names = entries.filter_map(|entry| entry.path.strip_prefix(below));
        names.filter(|name| !name.contains('*')).map(str::to_owned).collect()
    }
}
