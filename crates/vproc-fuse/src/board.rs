//! Which policy renders for whom, and what happens when one fails.

use crate::container::lock;
use crate::node::View;
use crate::state::StateDirectory;
use crate::tree::Tree;
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use vproc_linux::{Host, Membership, Subject, check_sources};
use vproc_runtime::{Cache, Engine, Error, Policy, Refusal};
use vproc_snapshot::pattern::path_stands_for;
use vproc_snapshot::{Entry, Environment, Kind, Manifest, Setting};
use vproc_trust::{Pinned, Refused, Sha256, Trust, TrustError};

/// After how many failures in a row a policy is put aside.
const PATIENCE: u32 = 5;

/// A policy that is in use, with what it declared.
pub(crate) struct Generation {
    /// Counts the policies that this worker loaded.
    pub(crate) number: u64,
    /// Where it came from: a file, or nothing for the embedded one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) policy: Policy,
    pub(crate) manifest: Manifest,
    pub(crate) environment: Environment,
    places: HashMap<String, usize>,
    /// Places of entries that stand for several files.
    patterns: Vec<usize>,
    failures: AtomicU64,
    in_a_row: AtomicU32,
    aside: AtomicBool,
}

impl Generation {
    /// The entry at a path, or the one that stands for it.
    pub(crate) fn entry(&self, path: &str) -> Option<&Entry> {
        let entries = &self.manifest.entries;
        let numbered = || {
            let stands_for = |place: &usize| {
                entries.get(*place).is_some_and(|entry| path_stands_for(&entry.path, path))
            };
            self.patterns.iter().copied().find(stands_for)
        };
        entries.get(self.places.get(path).copied().or_else(numbered)?)
    }

    /// Whether it failed too often.
    pub(crate) fn is_aside(&self) -> bool {
        self.aside.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A name for a person.
    pub(crate) fn name(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "the embedded policy".to_owned(),
        }
    }

    pub(crate) fn succeeded(&self) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure. The first is logged, and that the policy is put
    /// aside.
    pub(crate) fn failed(&self, path: &str, error: &dyn std::fmt::Display) {
        let policy = self.name();
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(%policy, path, %error, "the policy failed; the default answers instead");
        }
        if self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE
            && !self.aside.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                %policy, path, %error, failures = PATIENCE,
                "the policy is put aside until it is replaced; the default answers"
            );
        }
    }
}

/// Why a policy was not taken. The one before it stays.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not the one that was pinned, or no rule allows it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The rules cannot be used, so nothing is allowed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A copy that was kept for the next worker is not what it was.
    #[error("{} was changed: it has the sha256 {found} now", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What it holds.
        found: Sha256,
    },
    /// It is no policy, or does not take the settings.
    #[error("cannot use {}: {error}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Error,
    },
    /// It is an overlay that says what cannot be.
    #[error("cannot use {}: {error}", path.display())]
    Overlay {
        /// The file.
        path: PathBuf,
        /// What.
        error: Box<vproc_overlay::Error>,
    },
    /// It asks for what no policy may read.
    #[error("cannot use {}: {error}", path.display())]
    Sources {
        /// The file.
        path: PathBuf,
        /// What.
        error: vproc_linux::RefusedSource,
    },
    /// It calls for more than rendering needs.
    #[error("cannot use {}: it fails to render {entry} for this process: {error}", path.display())]
    Trial {
        /// The file.
        path: PathBuf,
        /// The entry that was tried.
        entry: String,
        /// Why.
        error: Error,
    },
}

/// What an overlay or a component fails with.
fn unusable(path: PathBuf, error: vproc_overlay::Error) -> Rejected {
    match error {
        vproc_overlay::Error::Refused(refused) => Rejected::Refused(refused),
        vproc_overlay::Error::Policy(error) => Rejected::Policy { path, error },
        error => Rejected::Overlay { path, error: Box::new(error) },
    }
}

/// The policies in use at a moment.
pub(crate) struct Arrangement {
    main: Arc<Generation>,
    /// Policies of some groups, the longest prefix first.
    special: Vec<(String, Arc<Generation>)>,
    /// What is below the view of one process or container: all of it.
    pub(crate) tree: Tree,
    /// What is below `proc` and `sys` of the mount: what is meant to be put
    /// over a container's own files.
    pub(crate) cover: Tree,
}

impl Arrangement {
    fn new(
        default: &Generation,
        main: Arc<Generation>,
        mut special: Vec<(String, Arc<Generation>)>,
    ) -> Self {
        special.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let all = [main.as_ref()]
            .into_iter()
            .chain(special.iter().map(|(_, generation)| generation.as_ref()))
            .chain([default]);
        let entries = all.flat_map(|generation| &generation.manifest.entries);
        let tree = Tree::new(entries.clone());
        let cover = Tree::new(entries.filter(|entry| entry.covers));
        Arrangement { main, special, tree, cover }
    }

    /// The tree that a view shows.
    pub(crate) fn tree_of(&self, view: View) -> &Tree {
        match view {
            View::Reader => &self.cover,
            View::Process(_) | View::Registered(_) => &self.tree,
        }
    }

    /// The policy for a container.
    pub(crate) fn policy_for(&self, subject: &Subject) -> &Arc<Generation> {
        if self.special.is_empty() {
            return &self.main;
        }
        let of_group = self.special.iter().find(|(prefix, _)| is_in(subject.membership(), prefix));
        of_group.map_or(&self.main, |(_, generation)| generation)
    }

    /// Every policy and whose it is; `None` for everybody else's.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (Option<&str>, &Arc<Generation>)> {
        let special =
            self.special.iter().map(|(prefix, generation)| (Some(prefix.as_str()), generation));
        [(None, &self.main)].into_iter().chain(special)
    }
}

/// Whether one of the groups is the one at `prefix`, or lies below it.
pub(crate) fn is_in(membership: &Membership, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    membership.groups().iter().any(|group| {
        group
            .path()
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What the operator chose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// A policy in place of the embedded one.
    pub policy: Option<Component>,
    /// Policies for the groups below a prefix.
    pub policy_for: Vec<(String, Component)>,
}

impl Choice {
    /// Every policy's files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let special = self.policy_for.iter().map(|(_, component)| component);
        let all = self.policy.iter().chain(special);
        all.flat_map(|component| vproc_overlay::files(&component.file)).collect()
    }
}

/// A policy in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Where the operator has it.
    pub file: PathBuf,
    /// What the operator pinned: nothing else is loaded from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The SHA-256 of what was loaded from there, under which a copy is kept
    /// for the next worker: the file itself may have changed by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
}

impl From<Pinned> for Component {
    fn from(Pinned { file, sha256 }: Pinned) -> Self {
        Component { file, sha256, copy: None }
    }
}

/// All policies, and the way to change them.
pub(crate) struct Board {
    engine: Engine,
    cache: Option<Cache>,
    host: Arc<Host>,
    settings: Vec<Setting>,
    directory: StateDirectory,
    /// Where the rules are, if not in their usual place.
    trust: Option<PathBuf>,
    choice: Mutex<Choice>,
    default: Arc<Generation>,
    current: ArcSwap<Arrangement>,
    loaded: AtomicU64,
    swaps: AtomicU64,
}

impl Board {
    /// The embedded policy for everybody.
    pub(crate) fn new(
        engine: Engine,
        cache: Option<Cache>,
        host: Arc<Host>,
        settings: Vec<Setting>,
        directory: StateDirectory,
        trust: Option<PathBuf>,
    ) -> Result<Self, Rejected> {
        let default = Arc::new(embedded(&engine, &host, &settings)?);
        let arrangement = Arrangement::new(&default, Arc::clone(&default), Vec::new());
        Ok(Board {
            engine,
            cache,
            host,
            settings,
            directory,
            trust,
            choice: Mutex::default(),
            default,
            current: ArcSwap::from_pointee(arrangement),
            loaded: AtomicU64::new(1),
            swaps: AtomicU64::new(0),
        })
    }

    /// Loads and checks what the operator chose, then changes to it. Where
    /// anything is wrong, nothing changes.
    pub(crate) fn arrange(&self, mut choice: Choice) -> Result<(), Rejected> {
        let mut current = lock(&self.choice);
        let main = match &mut choice.policy {
            Some(component) => Arc::new(self.load(component)?),
            None => Arc::clone(&self.default),
        };
        let special = choice
            .policy_for
            .iter_mut()
            .map(|(prefix, component)| Ok((prefix.clone(), Arc::new(self.load(component)?))))
            .collect::<Result<_, Rejected>>()?;
        let arrangement = Arc::new(Arrangement::new(&self.default, main, special));
        if let Err(error) = self.directory.save("policy.json", &choice) {
            tracing::warn!(%error, "cannot keep the choice of policies; a restart forgets it");
        }
        self.current.store(arrangement);
        let used =
            [&choice.policy].into_iter().flatten().chain(choice.policy_for.iter().map(|(_, c)| c));
        self.directory.keep_only(used.filter_map(|component| component.copy.as_deref()));
        *current = choice;
        Ok(())
    }

    /// What the worker before this one had, if there was one.
    pub(crate) fn inherited(directory: &StateDirectory) -> Option<Choice> {
        directory.load("policy.json")
    }

    /// What is in use.
    pub(crate) fn choice(&self) -> Choice {
        lock(&self.choice).clone()
    }

    /// Changes the policies. Readers under way finish with the old ones.
    pub(crate) fn swap(&self, choice: Choice) -> Result<(), Rejected> {
        self.arrange(choice)?;
        self.swaps.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    pub(crate) fn current(&self) -> arc_swap::Guard<Arc<Arrangement>> {
        self.current.load()
    }

    /// The embedded policy, which answers where another one fails.
    pub(crate) fn default(&self) -> &Arc<Generation> {
        &self.default
    }

    fn load(&self, component: &mut Component) -> Result<Generation, Rejected> {
        let path = || component.file.clone();
        let bytes = self.read(component)?;
        let refused = |error| Rejected::Policy { path: path(), error };
        let policy = vproc_overlay::load(&self.engine, &bytes, self.cache.as_ref());
        let policy = policy.map_err(|error| unusable(path(), error))?;
        let environment = self.host.environment(self.settings.clone());
        let manifest = policy.declare(&environment).map_err(refused)?;
        check_sources(&Manifest::sources(&manifest.entries))
            .map_err(|error| Rejected::Sources { path: path(), error })?;
        let manifest = without_missing(&self.host, manifest);
        let number = self.loaded.fetch_add(1, Ordering::Relaxed);
        let generation = generation(number, Some(path()), policy, manifest, environment);
        // One that was taken before stays, even if it fails now and then.
        if component.copy.is_none() {
            self.try_out(&generation).map_err(|(entry, error)| Rejected::Trial {
                path: path(),
                entry,
                error,
            })?;
        }
        let digest = generation.policy.digest().to_string();
        match self.directory.keep_component(&digest, &bytes) {
            Ok(()) => component.copy = Some(digest),
            Err(error) => {
                tracing::warn!(%error, "cannot keep a copy of the policy; a restart reads its file");
            }
        }
        Ok(generation)
    }

    /// The bytes of a policy: of the file, if its pin and the rules of now
    /// allow it, or the copy of what was allowed before. Nobody's decision
    /// about a container changes because a worker died.
    fn read(&self, component: &Component) -> Result<Vec<u8>, Rejected> {
        let Component { file, sha256, copy } = component;
        let Some(digest) = copy else {
            let trust = Trust::load(self.trust.as_deref())?;
            let pinned = Pinned { file: file.clone(), sha256: *sha256 };
            return vproc_overlay::read(&pinned, trust.as_ref())
                .map_err(|error| unusable(file.clone(), error));
        };
        let path = self.directory.component(digest);
        let bytes =
            std::fs::read(&path).map_err(|error| Rejected::File { path: path.clone(), error })?;
        let found = Sha256::of(&bytes);
        if found.to_string() != *digest || sha256.is_some_and(|pin| pin != found) {
            return Err(Rejected::Copy { path, found });
        }
        Ok(bytes)
    }

    /// Renders every entry once, for this process. An answer "this input is
    /// missing" is an answer; a trap is not.
    fn try_out(&self, generation: &Generation) -> Result<(), (String, Error)> {
        let me = vproc_linux::HostPid::current();
        let Ok(subject) = self.host.subject(me, vproc_linux::Identity::Reader) else {
            return Ok(());
        };
        let sources = Manifest::sources(&generation.manifest.entries);
        let read = self.host.read(&subject, generation.environment.clone(), &sources);
        let Ok(readings) = read else { return Ok(()) };
        let has_text = |entry: &&Entry| {
            entry.kind != Kind::Directory || generation.manifest.has_numbers_in(&entry.path)
        };
        for entry in generation.manifest.entries.iter().filter(has_text) {
            let Ok(snapshot) = readings.snapshot(entry, None) else { continue };
            // Where a number is meant, 0 is as good as any, and may not exist.
            match generation.policy.render(&entry.path.replace('*', "0"), &snapshot) {
                Ok(_)
                | Err(Error::Refused(
                    Refusal::Denied | Refusal::MissingInput(_) | Refusal::MalformedInput { .. },
                )) => {}
                Err(Error::Refused(Refusal::UnsupportedPath)) if entry.is_pattern() => {}
                Err(error) => return Err((entry.path.clone(), error)),
            }
        }
        Ok(())
    }
}

fn embedded(engine: &Engine, host: &Host, settings: &[Setting]) -> Result<Generation, Rejected> {
    let refused = |error| Rejected::Policy { path: "the embedded policy".into(), error };
    let policy = vproc_default::load(engine, None).map_err(refused)?;
    let environment = host.environment(settings.to_vec());
    // Knobs of another policy may mean nothing to this one.
    let (environment, manifest) = match policy.declare(&environment) {
        Ok(manifest) => (environment, manifest),
        Err(Error::Refused(Refusal::RejectedSetting { .. })) => {
            let plain = host.environment(Vec::new());
            let manifest = policy.declare(&plain).map_err(refused)?;
            (plain, manifest)
        }
        Err(error) => return Err(refused(error)),
    };
    let manifest = without_missing(host, manifest);
    Ok(generation(0, None, policy, manifest, environment))
}

/// Leaves out entries of what this host does not have. It will not get it
/// either: such files say what the kernel and the machine are.
fn without_missing(host: &Host, mut manifest: Manifest) -> Manifest {
    manifest.entries.retain(|entry| !host.lacks(entry));
    manifest
}

fn generation(
    number: u64,
    file: Option<PathBuf>,
    policy: Policy,
    manifest: Manifest,
    environment: Environment,
) -> Generation {
    let entries = manifest.entries.iter().enumerate();
    let places = entries.clone().map(|(place, entry)| (entry.path.clone(), place)).collect();
    let patterns =
        entries.filter(|(_, entry)| entry.is_pattern()).map(|(place, _)| place).collect();
    Generation {
        number,
        file,
        policy,
        manifest,
        environment,
        places,
        patterns,
        failures: AtomicU64::new(0),
        in_a_row: AtomicU32::new(0),
        aside: AtomicBool::new(false),
    }
}
