//! A compiled component, and running copies of it.

use crate::bindings::{self, Contract};
use crate::engine::{INSTANCES, give_fuel};
use crate::manifest::{check, check_found};
use crate::{Cache, Digest, Engine, Error, Refusal, Rendered, Version};
use vproc_snapshot::{Entry, Environment, Explanation, Manifest, Snapshot};
use wasmtime::component::{Component as Compiled, Linker};
use wasmtime::{ResourceLimiter, Store};

/// A compiled component of a policy.
#[derive(Clone)]
pub(crate) struct Component {
    engine: Engine,
    compiled: Compiled,
    contract: Contract,
    pub(crate) digest: Digest,
}

impl Component {
    pub(crate) fn load(
        engine: &Engine,
        component: &[u8],
        cache: Option<&Cache>,
    ) -> Result<Self, Error> {
        let limit = engine.limits().component;
        if component.len() > limit {
            let size = component.len();
            return Err(Error::NotAComponent(format!("{size} bytes, more than {limit}")));
        }
        let digest = Digest::of(component);
        if let Some(cache) = cache
            && let Some(loaded) = cache.load(engine, digest)
        {
            return Component::new(engine, loaded, digest);
        }
        let compiled = Compiled::new(engine.wasmtime(), component)
            .map_err(|error| Error::NotAComponent(describe(&error)))?;
        // Checked first: what is no policy does not belong in the cache.
        let policy = Component::new(engine, compiled, digest)?;
        if let Some(cache) = cache
            && let Ok(code) = policy.compiled.serialize()
        {
            cache.store(engine, digest, &code);
        }
        Ok(policy)
    }

    pub(crate) fn precompile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, Error> {
        engine
            .wasmtime()
            .precompile_component(component)
            .map_err(|error| Error::NotAComponent(describe(&error)))
    }

    /// Takes code that `precompile` made; `None` where it is for another engine.
    ///
    /// # Safety
    ///
    /// `code` is what `precompile` returned, unchanged: it is executed.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn from_code(
        engine: &Engine,
        digest: Digest,
        code: &[u8],
    ) -> Option<Result<Self, Error>> {
        // SAFETY: the caller's promise.
        let loaded = unsafe { Compiled::deserialize(engine.wasmtime(), code) };
        Some(Component::new(engine, loaded.ok()?, digest))
    }

    fn new(engine: &Engine, compiled: Compiled, digest: Digest) -> Result<Self, Error> {
        // A policy needs no import. One that was built with a standard library
        // has some all the same; they end the call when they are called.
        let mut linker = Linker::new(engine.wasmtime());
        linker
            .define_unknown_imports_as_traps(&compiled)
            .map_err(|error| Error::NotAPolicy(describe(&error)))?;
        let contract = linker
            .instantiate_pre(&compiled)
            .and_then(Contract::new)
            .map_err(|error| Error::NotAPolicy(describe(&error)))?;
        Ok(Component { engine: engine.clone(), compiled, contract, digest })
    }

    /// Names of what it imports.
    pub(crate) fn imports(&self) -> Vec<String> {
        let ty = self.compiled.component_type();
        ty.imports(self.engine.wasmtime()).map(|(name, _)| name.to_owned()).collect()
    }

    /// Names of what it exports.
    pub(crate) fn exports(&self) -> Vec<String> {
        let ty = self.compiled.component_type();
        ty.exports(self.engine.wasmtime()).map(|(name, _)| name.to_owned()).collect()
    }

    pub(crate) fn version(&self) -> Version {
        self.contract.version()
    }

    pub(crate) fn can_explain(&self) -> bool {
        self.contract.can_explain()
    }

    pub(crate) fn instance(&self) -> Result<Running, Error> {
        let limiter = Limiter::new(&self.engine);
        let mut store = Store::new(self.engine.wasmtime(), limiter);
        give_fuel(&mut store);
        store.limiter(|limiter| limiter);
        store.set_epoch_deadline(self.engine.deadline());
        let guard = self.engine.guard()?;
        let instance = self.contract.instantiate(&mut store);
        drop(guard);
        let instance = instance.map_err(|error| failure(&self.engine, store.data(), &error))?;
        let bound = self.contract.bind(&mut store, instance);
        let bound = bound.map_err(|error| Error::NotAPolicy(describe(&error)))?;
        Ok(Running { engine: self.engine.clone(), store, bound })
    }
}

/// A running copy of a component.
pub(crate) struct Running {
    engine: Engine,
    store: Store<Limiter>,
    bound: bindings::Bound,
}

impl Running {
    pub(crate) fn declare(&mut self, environment: &Environment) -> Result<Manifest, Error> {
        let manifest = self.call(|bound, store| bound.declare(store, environment))??;
        check(&manifest).map_err(Error::Manifest)?;
        Ok(manifest)
    }

    pub(crate) fn render(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
    ) -> Result<Rendered, Error> {
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

    pub(crate) fn explain(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
    ) -> Result<Explanation, Error> {
        let explained = self.call(|bound, store| bound.explain(store, path, snapshot))?;
        let explained = explained.ok_or(Error::CannotExplain)??;
        let (found, limit) = (explained.text.len(), self.engine.limits().output);
        if found > limit {
            return Err(Error::Output { found, limit });
        }
        explained.check().map_err(Error::Explanation)?;
        Ok(explained)
    }

    pub(crate) fn find(
        &mut self,
        path: &str,
        environment: &Environment,
    ) -> Result<Option<Entry>, Error> {
        let Some(found) = self.call(|bound, store| bound.find(store, path, environment))? else {
            return Ok(None);
        };
        let entry = found?;
        check_found(path, &entry).map_err(Error::Manifest)?;
        Ok(Some(entry))
    }

    pub(crate) fn accept(
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
