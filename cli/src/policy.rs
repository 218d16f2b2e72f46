//! Which policy renders, and with which settings.

use crate::admission::{Rules, pinned};
use crate::failure::{Exit, Failure};
use crate::files::ANY_NUMBER;
use std::ffi::OsString;
use vproc_linux::{Host, check_sources};
use vproc_runtime::{Cache, Engine, Options, Policy};
use vproc_snapshot::pattern::stands_for;
use vproc_snapshot::{Entry, Environment, Kind, Manifest, PolicyIdentity, Setting, Source};
use vproc_trust::{Pinned, Trust};

#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Render with the policy in this file in place of the embedded one: a
    /// component of world vproc:policy/policy, or an overlay, FILE.toml; with
    /// @sha256:HEX, only if that is its hash
    #[arg(long, value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
    policy: Option<Pinned>,

    #[command(flatten)]
    pub(crate) rules: Rules,

    /// Turn a knob of the policy, such as cpus=cpuset or /proc/stat=deny;
    /// may be given several times (`vprocctl ls --knobs` lists them)
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<Setting>,
}

pub(crate) fn setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some((knob, value)) if !knob.is_empty() => {
            Ok(Setting { knob: knob.to_owned(), value: value.to_owned() })
        }
        _ => Err("not of the form KNOB=VALUE".to_owned()),
    }
}

/// A policy and what it declared.
pub(crate) struct Loaded {
    pub(crate) policy: Policy,
    pub(crate) manifest: Manifest,
    name: String,
    remedy: &'static str,
}

impl Choice {
    /// Loads the policy and asks it what it serves here.
    pub(crate) fn load(&self, environment: &Environment) -> Result<Loaded, Failure> {
        self.load_with(|policy| policy.declare(environment))
    }

    /// The same for these paths alone, where each is a single file: to declare
    /// all takes longer than to render one.
    pub(crate) fn load_for(
        &self,
        environment: &Environment,
        paths: &[String],
    ) -> Result<Loaded, Failure> {
        self.load_with(|policy| match found(policy, environment, paths) {
            Some(manifest) => Ok(manifest),
            None => policy.declare(environment),
        })
    }

    fn load_with(
        &self,
        declare: impl FnOnce(&Policy) -> Result<Manifest, vproc_runtime::Error>,
    ) -> Result<Loaded, Failure> {
        let (name, remedy) = match &self.policy {
            Some(pinned) => (
                format!("the policy {}", pinned.file.display()),
                "leave out --policy to use the embedded one",
            ),
            None => ("the embedded policy".to_owned(), "please report it, with a capture"),
        };
        let policy = self.policy().map_err(|cause| match cause {
            Cause::File(failure) => failure,
            Cause::Policy(error) => {
                Failure::policy(format_args!("cannot load {name}"), &error, remedy)
            }
        })?;
        let manifest = declare(&policy)
            .map_err(|error| Failure::policy(format_args!("cannot use {name}"), &error, remedy))?;
        check_sources(&Manifest::sources(&manifest.entries)).map_err(|refused| {
            Failure::new(Exit::Policy, format!("cannot use {name}: {refused}"))
        })?;
        Ok(Loaded { policy, manifest, name, remedy })
    }

    /// The file of the policy, if it is not the embedded one.
    pub(crate) fn file(&self) -> Option<&Pinned> {
        self.policy.as_ref()
    }

    /// The same choice as arguments of this program.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let policy = self.policy.iter().flat_map(|file| ["--policy".into(), file.argument()]);
        let trust = self.rules.trust.iter().flat_map(|file| ["--trust".into(), file.into()]);
        let settings = self.settings.iter().flat_map(|Setting { knob, value }| {
            ["--set".into(), OsString::from(format!("{knob}={value}"))]
        });
        policy.chain(trust).chain(settings).collect()
    }

    fn policy(&self) -> Result<Policy, Cause> {
        let engine = Engine::new(Options::default()).map_err(Cause::Policy)?;
        let Some(pinned) = &self.policy else {
            return vproc_default::load(&engine, None).map_err(Cause::Policy);
        };
        let trust = self.rules.load().map_err(Cause::File)?;
        let opened = opened(&engine, pinned, trust.as_ref(), cache().as_ref());
        opened.map(|(policy, _)| policy).map_err(Cause::File)
    }
}

/// A manifest of the single files at these paths; `None` where one is something
/// else, or the policy does not say: the whole manifest tells more of it.
fn found(policy: &Policy, environment: &Environment, paths: &[String]) -> Option<Manifest> {
    let mut manifest = Manifest::default();
    let mut instance = policy.instance().ok()?;
    for path in paths {
        let entry = instance.find(path, environment).ok().flatten()?;
        if entry.kind != Kind::File || entry.is_pattern() || entry.is_of_processes() {
            return None;
        }
        if manifest.entry(path).is_none() {
            manifest.entries.push(entry);
        }
    }
    (!paths.is_empty()).then_some(manifest)
}

/// The policy in a file, and the bytes that it is made of: a component, or an
/// overlay with all that it names.
pub(crate) fn opened(
    engine: &Engine,
    pinned: &Pinned,
    trust: Option<&Trust>,
    cache: Option<&Cache>,
) -> Result<(Policy, Vec<u8>), Failure> {
    let path = &pinned.file;
    let failure = |error| match error {
        vproc_overlay::Error::Refused(refused) => Failure::from(refused),
        vproc_overlay::Error::Policy(error) => {
            let remedy = "`wasm-tools component wit FILE` prints what a component is";
            Failure::policy(
                format_args!("cannot load the policy {}", path.display()),
                &error,
                remedy,
            )
        }
        error => Failure::new(Exit::Policy, format!("cannot load {}: {error}", path.display())),
    };
    let bytes = vproc_overlay::read(pinned, trust).map_err(failure)?;
    let policy = vproc_overlay::load(engine, &bytes, cache).map_err(failure)?;
    Ok((policy, bytes))
}

enum Cause {
    File(Failure),
    Policy(vproc_runtime::Error),
}

/// Whether a path leads to processes rather than to a directory above them.
fn names_processes(path: &str) -> bool {
    path.strip_prefix("/proc/").is_some_and(|below| !below.is_empty())
}

/// Whether a path is below the directory of a process, or of any.
fn is_of_process(path: &str) -> bool {
    let first = path.strip_prefix("/proc/").and_then(|below| below.split('/').next());
    first.is_some_and(|name| name == "*" || name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Compiled policies of this user. Doing without it costs time only.
pub(crate) fn cache() -> Option<Cache> {
    let directory = Cache::user_directory()?;
    match Cache::open(&directory) {
        Ok(cache) => Some(cache),
        Err(distrust) => {
            eprintln!("vprocctl: warning: {distrust}; the policy is compiled each time");
            None
        }
    }
}

/// The names of all functions of the kernel: megabytes that say nothing of a
/// container. Whoever wants them names the file.
const LARGE: &str = "/proc/kallsyms";

/// Whether an entry is one of many, or large, so that it is shown to who asks for
/// it and not to who asks for everything.
fn is_on_demand(entry: &Entry) -> bool {
    entry.is_of_processes() || entry.path == LARGE
}

impl Loaded {
    /// The entries that paths and directories name; all that is served where
    /// none is named, but for those of single processes and large ones.
    pub(crate) fn entries(&self, paths: &[String]) -> Result<Vec<&Entry>, Failure> {
        if paths.is_empty() {
            let entries = self.manifest.entries.iter();
            return Ok(entries.filter(|entry| !is_on_demand(entry)).collect());
        }
        let mut entries = Vec::new();
        for path in paths {
            entries.extend(self.expand(path)?);
        }
        Ok(entries)
    }

    /// What these entries are rendered from, with what says which numbers
    /// there are.
    pub(crate) fn sources(&self, entries: &[&Entry]) -> Vec<Source> {
        let listings = self.manifest.entries.iter().filter(|listing| {
            entries.iter().any(|entry| entry.is_pattern() && entry.path.starts_with(&listing.path))
                && listing.kind == Kind::Directory
        });
        let mut sources = Manifest::sources(entries.iter().copied().chain(listings));
        // What depends on a number in the path is read when that is known.
        sources.retain(|source| !source.is_relative());
        sources
    }

    /// The entries that paths and directories name, also those of processes; all
    /// where none is named.
    pub(crate) fn listed(&self, paths: &[String]) -> Result<Vec<&Entry>, Failure> {
        if paths.is_empty() {
            return Ok(self.manifest.entries.iter().collect());
        }
        let mut entries = Vec::new();
        for path in paths {
            entries.extend(self.below(path)?);
        }
        Ok(entries)
    }

    /// The entry at a path, or those below a directory, in the manifest's
    /// order. A container may have thousands of processes: whoever wants to see
    /// them names one, or `/proc/*`.
    pub(crate) fn expand(&self, path: &str) -> Result<Vec<&Entry>, Failure> {
        let mut entries = self.below(path)?;
        let trimmed = path.trim_end_matches('/');
        if trimmed != LARGE && !names_processes(trimmed) {
            entries.retain(|entry| !is_on_demand(entry));
        }
        Ok(entries)
    }

    fn below(&self, path: &str) -> Result<Vec<&Entry>, Failure> {
        let trimmed = path.trim_end_matches('/');
        if let Some(entry) = self.manifest.entry(trimmed)
            && entry.kind != Kind::Directory
        {
            return Ok(vec![entry]);
        }
        let below = |entry: &&Entry| {
            let mut components = entry.path.split('/');
            trimmed.split('/').all(|name| {
                components.next().is_some_and(|own| {
                    own == name || stands_for(own, name) || own == "*" && name == ANY_NUMBER
                })
            })
        };
        let entries: Vec<&Entry> = self.manifest.entries.iter().filter(below).collect();
        if path.starts_with('/') && !entries.is_empty() {
            return Ok(entries);
        }
        let remedy = match self.similar(trimmed) {
            Some(similar) => format!("did you mean {similar}?"),
            None => "`vprocctl ls` lists what it serves".to_owned(),
        };
        Err(self.not_served(path, &remedy))
    }

    /// Leaves out entries of what this machine does not have, unless they are
    /// named.
    pub(crate) fn leave_out_missing(&mut self, host: &Host, named: &[String]) {
        let is_named = |entry: &Entry| named.contains(&entry.path);
        // To look at each of them takes as long as to render one.
        let is_file =
            |path: &String| self.manifest.entry(path).is_some_and(|e| e.kind != Kind::Directory);
        if !named.is_empty() && named.iter().all(is_file) {
            return;
        }
        self.manifest.entries.retain(|entry| is_named(entry) || !host.lacks(entry));
    }

    /// The failure for a path that is denied.
    pub(crate) fn denied(&self, path: &str, entry: &Entry) -> Failure {
        let reason = match entry.reason.as_str() {
            "" => "it gives no reason",
            reason => reason,
        };
        Failure::new(Exit::UnsupportedPath, format!("{} denies {path}: {reason}", self.name))
    }

    /// The failure for a path without an entry.
    pub(crate) fn not_served(&self, path: &str, remedy: &str) -> Failure {
        let message = format!("{} does not serve {path}; {remedy}", self.name);
        Failure::new(Exit::UnsupportedPath, message)
    }

    /// A served path that ends like the one that was given, begins like it or is
    /// two letters from it.
    fn similar(&self, path: &str) -> Option<&str> {
        fn last(path: &str) -> &str {
            path.rsplit('/').next().unwrap_or_default()
        }
        let name = Some(last(path)).filter(|name| !name.is_empty())?;
        let entries = || self.manifest.entries.iter().map(|entry| entry.path.as_str());
        let paths = || entries().filter(|other| is_of_process(other) == is_of_process(path));
        let distance = |other: &str| strsim::damerau_levenshtein(last(other), name);
        paths()
            .find(|other| last(other) == name)
            .or_else(|| paths().find(|other| last(other).starts_with(name)))
            .or_else(|| paths().filter(|other| distance(other) <= 2).min_by_key(|o| distance(o)))
    }

    /// What a capture says of the policy.
    pub(crate) fn identity(&self) -> PolicyIdentity {
        PolicyIdentity {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            sha256: self.policy.digest().to_string(),
        }
    }

    /// A failure of the policy at a path.
    pub(crate) fn failure(&self, path: &str, error: &vproc_runtime::Error) -> Failure {
        Failure::policy(format_args!("{} cannot render {path}", self.name), error, self.remedy)
    }
}
