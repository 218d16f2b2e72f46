//! A loaded policy.

use crate::bindings::{self, Contract};
use crate::engine::INSTANCES;
use crate::manifest::{check, check_found};
use crate::{Cache, Engine, Error, Refusal};
use sha2::{Digest as _, Sha256};
use std::fmt;
use vproc_snapshot::{Entry, Environment, Explanation, Manifest, Snapshot};
use wasmtime::component::{Component, Linker};
use wasmtime::{ResourceLimiter, Store};

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

/// A loaded policy. Cheap to clone; `Send + Sync`.
#[derive(Clone)]
pub struct Policy {
    engine: Engine,
    component: Component,
    contract: Contract,
    digest: Digest,
}

impl fmt::Debug for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Policy").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Policy {
    /// Compiles a component, which takes some 50 ms for the default policy.
    pub fn compile(engine: &Engine, component: &[u8]) -> Result<Self, Error> {
        Policy::load(engine, component, None)
    }

    /// Compiles a component, or takes its code from a cache.
    pub fn load(engine: &Engine, component: &[u8], cache: Option<&Cache>) -> Result<Self, Error> {
        let limit = engine.limits().component;
        if component.len() > limit {
            let size = component.len();
            return Err(Error::NotAComponent(format!("{size} bytes, more than {limit}")));
        }
        let digest = Digest::of(component);
        if let Some(cache) = cache
            && let Some(loaded) = cache.load(engine, digest)
        {
            return Policy::new(engine, loaded, digest);
        }
        let compiled = Component::new(engine.wasmtime(), component)
            .map_err(|error| Error::NotAComponent(describe(&error)))?;
        // Checked first: what is no policy does not belong in the cache.
        let policy = Policy::new(engine, compiled, digest)?;
        if let Some(cache) = cache
            && let Ok(code) = policy.component.serialize()
        {
            cache.store(engine, digest, &code);
        }
        Ok(policy)
    }

    /// Compiles a component to code that [`Policy::from_precompiled`] loads.
    pub fn precompile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, Error> {
        engine
            .wasmtime()
            .precompile_component(component)
            .map_err(|error| Error::NotAComponent(describe(&error)))
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
        match unsafe { Component::deserialize(engine.wasmtime(), code) } {
            Ok(loaded) => Policy::new(engine, loaded, digest),
            Err(_) => Policy::load(engine, component, cache),
        }
    }

    fn new(engine: &Engine, component: Component, digest: Digest) -> Result<Self, Error> {
        // A policy needs no import. One that was built with a standard library
        // has some all the same; they end the call when they are called.
        let mut linker = Linker::new(engine.wasmtime());
        linker
            .define_unknown_imports_as_traps(&component)
            .map_err(|error| Error::NotAPolicy(describe(&error)))?;
        let contract = linker
            .instantiate_pre(&component)
            .and_then(Contract::new)
            .map_err(|error| Error::NotAPolicy(describe(&error)))?;
        Ok(Policy { engine: engine.clone(), component, contract, digest })
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Names of what the component imports. The default policy imports
    /// nothing. Calling an import ends the call with [`Error::Trap`].
    pub fn imports(&self) -> Vec<String> {
        let ty = self.component.component_type();
        ty.imports(self.engine.wasmtime()).map(|(name, _)| name.to_owned()).collect()
    }

    /// An instance of its own.
    pub fn instance(&self) -> Result<Instance, Error> {
        let limiter = Limiter::new(&self.engine);
        let mut store = Store::new(self.engine.wasmtime(), limiter);
        store.limiter(|limiter| limiter);
        store.set_epoch_deadline(self.engine.deadline());
        let guard = self.engine.guard()?;
        let bound = self.contract.instantiate(&mut store);
        drop(guard);
        match bound {
            Ok(bound) => Ok(Instance { engine: self.engine.clone(), store, bound }),
            Err(error) => Err(failure(&self.engine, store.data(), &error)),
        }
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

    /// Whether it exports `vproc:policy/explainer`, which a policy need not.
    pub fn can_explain(&self) -> bool {
        self.contract.can_explain()
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
pub struct Instance {
    engine: Engine,
    store: Store<Limiter>,
    bound: bindings::Bound,
}

impl Instance {
    /// What the policy serves and asks for under these settings.
    pub fn declare(&mut self, environment: &Environment) -> Result<Manifest, Error> {
        let manifest = self.call(|bound, store| bound.declare(store, environment))??;
        check(&manifest).map_err(Error::Manifest)?;
        Ok(manifest)
    }

    /// Renders an entry.
    pub fn render(&mut self, path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
        let rendered = self.call(|bound, store| bound.render(store, path, snapshot))??;
        let limits = self.engine.limits();
        let state = rendered.state.as_ref().map_or(0, Vec::len);
        for (found, limit) in [(rendered.body.len(), limits.output), (state, limits.state)] {
            if found > limit {
                return Err(Error::Output { found, limit });
            }
        }
        Ok(rendered)
    }

    /// Explains an entry. What it takes to do so stays in the instance's
    /// memory until the instance is dropped.
    pub fn explain(&mut self, path: &str, snapshot: &Snapshot<'_>) -> Result<Explanation, Error> {
        let explained = self.call(|bound, store| bound.explain(store, path, snapshot))?;
        let explained = explained.ok_or(Error::CannotExplain)??;
        let (found, limit) = (explained.text.len(), self.engine.limits().output);
        if found > limit {
            return Err(Error::Output { found, limit });
        }
        explained.check().map_err(Error::Explanation)?;
        Ok(explained)
    }

    /// The entry at a path, as [`Instance::declare`] lists it; `None` where the
    /// policy cannot tell without declaring all.
    pub fn find(&mut self, path: &str, environment: &Environment) -> Result<Option<Entry>, Error> {
        let Some(found) = self.call(|bound, store| bound.find(store, path, environment))? else {
            return Ok(None);
        };
        let entry = found?;
        check_found(path, &entry).map_err(Error::Manifest)?;
        Ok(Some(entry))
    }

    /// Gives a policy what a container wrote; returns the state of the entry
    /// from now on.
    pub fn accept(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
        written: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let accepted = self.call(|bound, store| bound.accept(store, path, snapshot, written))?;
        let state = accepted.ok_or(Refusal::Denied)??;
        let (found, limit) = (state.len(), self.engine.limits().state);
        if found > limit {
            return Err(Error::Output { found, limit });
        }
        Ok(state)
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&bindings::Bound, &mut Store<Limiter>) -> wasmtime::Result<T>,
    ) -> Result<T, Error> {
        self.store.set_epoch_deadline(self.engine.deadline());
        let guard = self.engine.guard()?;
        let result = call(&self.bound, &mut self.store);
        drop(guard);
        result.map_err(|error| failure(&self.engine, self.store.data(), &error))
    }
}

/// Counts what an instance uses, and remembers which limit it hit.
pub(crate) struct Limiter {
    memory: usize,
    memory_limit: usize,
    table_limit: usize,
    hit: Option<Hit>,
}

#[derive(Clone, Copy)]
enum Hit {
    Memory,
    Table,
}

impl Limiter {
    fn new(engine: &Engine) -> Self {
        let limits = engine.limits();
        Limiter {
            memory: 0,
            memory_limit: limits.memory,
            table_limit: limits.table_elements,
            hit: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            self.hit = Some(Hit::Memory);
            return Err(wasmtime::Error::msg("memory limit"));
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_limit {
            self.hit = Some(Hit::Table);
            return Err(wasmtime::Error::msg("table limit"));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn memories(&self) -> usize {
        2
    }

    fn tables(&self) -> usize {
        8
    }
}

fn failure(engine: &Engine, limiter: &Limiter, error: &wasmtime::Error) -> Error {
    let limits = engine.limits();
    match limiter.hit {
        Some(Hit::Memory) => return Error::Memory(limits.memory),
        Some(Hit::Table) => return Error::Table(limits.table_elements),
        None => {}
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => Error::Timeout(limits.time),
        Some(trap) => Error::Trap(trap.to_string()),
        None => Error::Trap(describe(error)),
    }
}

/// The error and its causes on one line.
fn describe(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(|cause| cause.to_string()).collect();
    causes.join(": ").replace('\n', " ")
}
