//! What a runtime keeps to serve the files of its containers: one [`Renderer`] for
//! the process, and a [`Container`] for each of them.

use std::collections::HashMap;
use std::path::Path;
use vproc_linux::{Host, Subject, check_sources};
use vproc_runtime::{Cache, Engine, Error, Options, Policy, Refusal};
use vproc_snapshot::{Environment, Kind, Manifest, Readings, Source};

/// Why a file cannot be read. A reader gets an errno, and an operator the text; the
/// host's own file is never shown instead.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such file, ENOENT.
    #[error("{0} is not served")]
    NotServed(String),
    /// The policy or the operator denies it, EACCES.
    #[error("{0} is denied")]
    Denied(String),
    /// The policy wants to read what no policy may; EIO.
    #[error(transparent)]
    Source(#[from] vproc_linux::RefusedSource),
    /// The machine does not tell; EIO.
    #[error(transparent)]
    Host(#[from] vproc_linux::Error),
    /// It was not captured; EIO.
    #[error(transparent)]
    Capture(#[from] vproc_snapshot::SourceNotRead),
    /// The policy fails, or an input that it needs is missing; EIO.
    #[error("{path}: {error}")]
    Policy {
        /// The file.
        path: String,
        /// How.
        error: Error,
    },
}

impl Failure {
    fn of(path: &str, error: Error) -> Self {
        match error {
            Error::Refused(Refusal::UnsupportedPath) => Failure::NotServed(path.to_owned()),
            Error::Refused(Refusal::Denied) => Failure::Denied(path.to_owned()),
            error => Failure::Policy { path: path.to_owned(), error },
        }
    }
}

/// A policy that is loaded: one for the process. `Send` and `Sync`.
pub struct Renderer(Policy);

impl Renderer {
    /// Loads the policy in a file, or the default one. Its code is compiled once and
    /// kept, as far as the user has a directory that nobody else can write to.
    pub fn load(component: Option<&[u8]>, cache: Option<&Path>) -> Result<Self, Error> {
        let engine = Engine::new(Options::default())?;
        let cache = cache.and_then(|directory| Cache::open(directory).ok());
        let policy = match component {
            Some(component) => Policy::load(&engine, component, cache.as_ref()),
            None => vproc_default::load(&engine, cache.as_ref()),
        };
        policy.map(Renderer)
    }

    /// What is served to a container of this machine, under the operator's settings.
    pub fn container(&self, environment: Environment) -> Result<Container, Failure> {
        let declared = self.0.declare(&environment);
        let manifest = declared.map_err(|error| Failure::of("/", error))?;
        // The policy may be a stranger's: what it wants to read is looked at first.
        check_sources(&Manifest::sources(&manifest.entries))?;
        Ok(Container { policy: self.0.clone(), environment, manifest, states: HashMap::new() })
    }
}

/// The files of one container.
pub struct Container {
    policy: Policy,
    environment: Environment,
    manifest: Manifest,
    /// What the last render of a file left for the next one: `/proc/loadavg` is an
    /// average over time. It is this container's, and goes with it.
    states: HashMap<String, Vec<u8>>,
}

impl Container {
    /// What is served. A `*` in a path stands for numbers, which the text of the
    /// directory above lists.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What has to be read before a file is rendered.
    pub fn sources(&self, path: &str) -> Result<Vec<Source>, Failure> {
        let entry = self.manifest.entry(path);
        let entry = entry.ok_or_else(|| Failure::NotServed(path.to_owned()))?;
        Ok(entry.needs.iter().map(|need| need.source.at(&entry.path, path)).collect())
    }

    /// A file as a process of the container reads it now.
    pub fn read(&mut self, path: &str, host: &Host, of: &Subject) -> Result<Vec<u8>, Failure> {
        let readings = host.read(of, self.environment.clone(), &self.sources(path)?)?;
        self.render(path, &readings)
    }

    /// A file from what was read, now or by `vprocctl capture`.
    pub fn render(&mut self, path: &str, readings: &Readings) -> Result<Vec<u8>, Failure> {
        let entry = self.manifest.entry(path).filter(|entry| entry.kind != Kind::Directory);
        let entry = entry.ok_or_else(|| Failure::NotServed(path.to_owned()))?;
        let state = self.states.get(path).map(Vec::as_slice);
        let snapshot = readings.snapshot_at(entry, path, state)?;
        // In an instance of its own: what one container is shown cannot reach another.
        let rendered = self.policy.render(path, &snapshot);
        let rendered = rendered.map_err(|error| Failure::of(path, error))?;
        match rendered.state {
            Some(state) => self.states.insert(path.to_owned(), state),
            None => self.states.remove(path),
        };
        Ok(rendered.body)
    }
}
