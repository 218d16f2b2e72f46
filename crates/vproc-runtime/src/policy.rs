//! A loaded policy.

pub(crate) use crate::component::Component as Part;
use crate::component::{Component, Running};
use crate::overlay::{Layered, Overlay};
use crate::{Cache, Engine, Error};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use vproc_snapshot::{Entry, Environment, Explanation, Manifest, Snapshot};

/// SHA-256 of a component. Prints as hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a component's bytes.
    pub fn of(component: &[u8]) -> Self {
        Digest(Sha256::digest(component).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// What a policy rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The bytes of the file.
    pub body: Vec<u8>,
    /// The state to hand in at the next render of the entry.
    pub state: Option<Vec<u8>>,
}

/// The version of the contract that a policy was built for; prints as `0.2.0`.
/// The package `vproc:policy` of each is in `wit/` of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// Without files of single processes, [`Policy::find`] and writing.
    V0_1,
    /// The current one.
    V0_2,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Version::V0_1 => "0.1.0",
            Version::V0_2 => "0.2.0",
        })
    }
}

/// A loaded policy: a component, or an [`Overlay`]. Cheap to clone; `Send + Sync`.
#[derive(Clone)]
pub struct Policy(Kind);

#[derive(Clone)]
enum Kind {
    Component(Arc<Component>),
    Overlay(Arc<Overlay>),
}

impl fmt::Debug for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Policy").field("digest", &self.digest()).finish_non_exhaustive()
    }
}

impl From<Overlay> for Policy {
    fn from(overlay: Overlay) -> Self {
        Policy(Kind::Overlay(Arc::new(overlay)))
    }
}

impl Policy {
    /// Compiles a component, which takes some 50 ms for the default policy.
    pub fn compile(engine: &Engine, component: &[u8]) -> Result<Self, Error> {
        Policy::load(engine, component, None)
    }

    /// Compiles a component, or takes its code from a cache.
    pub fn load(engine: &Engine, component: &[u8], cache: Option<&Cache>) -> Result<Self, Error> {
        Component::load(engine, component, cache).map(|one| Policy(Kind::Component(Arc::new(one))))
    }

    /// The component, if it is one.
    pub(crate) fn into_part(self) -> Option<Part> {
        match self.0 {
            Kind::Component(component) => Some(Arc::unwrap_or_clone(component)),
            Kind::Overlay(_) => None,
        }
    }

    /// Compiles a component to code that [`Policy::from_precompiled`] loads.
    pub fn precompile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, Error> {
        Component::precompile(engine, component)
    }

    /// Loads code that [`Policy::precompile`] made of `component`, or compiles
    /// the component where the code is for another engine or processor.
    ///
    /// # Safety
    ///
    /// `code` is what `precompile` returned, unchanged: it is executed.
    #[allow(unsafe_code)]
    pub unsafe fn from_precompiled(
        engine: &Engine,
        component: &[u8],
        digest: Digest,
        code: &[u8],
        cache: Option<&Cache>,
    ) -> Result<Self, Error> {
        // SAFETY: the caller's promise.
        match unsafe { Component::from_code(engine, digest, code) } {
            Some(loaded) => loaded.map(|one| Policy(Kind::Component(Arc::new(one)))),
            None => Policy::load(engine, component, cache),
        }
    }

    /// SHA-256 of the component; of an overlay, over all that it is made of.
    pub fn digest(&self) -> Digest {
        match &self.0 {
            Kind::Component(component) => component.digest,
            Kind::Overlay(overlay) => overlay.digest(),
        }
    }

    /// The version of the contract that it was built for. An overlay is none.
    pub fn version(&self) -> Option<Version> {
        match &self.0 {
            Kind::Component(component) => Some(component.version()),
            Kind::Overlay(_) => None,
        }
    }

    /// Names of what the component imports. The default policy imports
    /// nothing. Calling an import ends the call with [`Error::Trap`].
    pub fn imports(&self) -> Vec<String> {
        match &self.0 {
            Kind::Component(component) => component.imports(),
            Kind::Overlay(overlay) => overlay.imports(),
        }
    }

    /// What it offers: the contract's interface, and whatever else it has.
    pub fn exports(&self) -> Vec<String> {
        match &self.0 {
            Kind::Component(component) => component.exports(),
            Kind::Overlay(_) => Vec::new(),
        }
    }

    /// An instance of its own.
    pub fn instance(&self) -> Result<Instance, Error> {
        Ok(Instance(match &self.0 {
            Kind::Component(component) => Live::Component(Box::new(component.instance()?)),
            Kind::Overlay(overlay) => Live::Overlay(Layered::new(Arc::clone(overlay))),
        }))
    }

    /// What the policy serves and asks for under these settings.
    pub fn declare(&self, environment: &Environment) -> Result<Manifest, Error> {
        self.instance()?.declare(environment)
    }

    /// The entry at a path alone; `None` where the policy can only declare all.
    pub fn find(&self, path: &str, environment: &Environment) -> Result<Option<Entry>, Error> {
        self.instance()?.find(path, environment)
    }

    /// Renders an entry in a fresh instance.
    pub fn render(&self, path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
        self.instance()?.render(path, snapshot)
    }

    /// Whether it exports `vproc:policy/explainer`, which a policy need not. An
    /// overlay explains where one of its policies does.
    pub fn can_explain(&self) -> bool {
        match &self.0 {
            Kind::Component(component) => component.can_explain(),
            Kind::Overlay(overlay) => overlay.can_explain(),
        }
    }

    /// Explains an entry in a fresh instance, within the limits of a render.
    pub fn explain(&self, path: &str, snapshot: &Snapshot<'_>) -> Result<Explanation, Error> {
        self.instance()?.explain(path, snapshot)
    }
}

/// A running instance of a policy. What it rendered for one container may
/// linger in its memory, so it must not render for another.
///
/// An instance that trapped is dead: drop it after an error.
pub struct Instance(Live);

enum Live {
    Component(Box<Running>),
    Overlay(Layered),
}

impl Instance {
    /// What the policy serves and asks for under these settings.
    pub fn declare(&mut self, environment: &Environment) -> Result<Manifest, Error> {
        match &mut self.0 {
            Live::Component(running) => running.declare(environment),
            Live::Overlay(layered) => layered.declare(environment),
        }
    }

    /// Renders an entry.
    pub fn render(&mut self, path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
        match &mut self.0 {
            Live::Component(running) => running.render(path, snapshot),
            Live::Overlay(layered) => layered.render(path, snapshot),
        }
    }

    /// Explains an entry. What it takes to do so stays in the instance's
    /// memory until the instance is dropped.
    pub fn explain(&mut self, path: &str, snapshot: &Snapshot<'_>) -> Result<Explanation, Error> {
        match &mut self.0 {
            Live::Component(running) => running.explain(path, snapshot),
            Live::Overlay(layered) => layered.explain(path, snapshot),
        }
    }

    /// The entry at a path, as [`Instance::declare`] lists it; `None` where the
    /// policy cannot tell without declaring all.
    pub fn find(&mut self, path: &str, environment: &Environment) -> Result<Option<Entry>, Error> {
        match &mut self.0 {
            Live::Component(running) => running.find(path, environment),
            Live::Overlay(layered) => layered.find(path, environment),
        }
    }

    /// Gives a policy what a container wrote; returns the state of the entry
    /// from now on.
    pub fn accept(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
        written: &[u8],
    ) -> Result<Vec<u8>, Error> {
        match &mut self.0 {
            Live::Component(running) => running.accept(path, snapshot, written),
            Live::Overlay(layered) => layered.accept(path, snapshot, written),
        }
    }
}
