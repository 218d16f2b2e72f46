//! The engine: how policies are compiled, and within which limits they run.

use crate::Error;
use crate::watchdog::{Guard, TICK, Watchdog};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// What one call into a policy may use. Exceeding a limit ends the call with
/// an [`Error`] that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of a call, and of making an instance for it, each exact to
    /// some 10 ms. Default: 2 s.
    pub time: Duration,
    /// Bytes of linear memory. Default: 64 MiB, because the text of a host
    /// with thousands of CPUs has to fit.
    pub memory: usize,
    /// Elements of a table. Default: 20,000.
    pub table_elements: usize,
    /// Bytes of a rendered file. Default: 32 MiB.
    pub output: usize,
    /// Bytes of the state that an entry keeps. Default: 1 MiB.
    pub state: usize,
    /// Bytes of a component that is loaded. Default: 32 MiB.
    pub component: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: Duration::from_secs(2),
            memory: 64 << 20,
            table_elements: 20_000,
            output: 32 << 20,
            state: 1 << 20,
            component: 32 << 20,
        }
    }
}

/// Where instances get their memory from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allocation {
    /// Mapped for each instance: right for a process that renders a few times.
    #[default]
    OnDemand,
    /// Slots that are mapped once and reused, wiped in between: right for a
    /// process that renders all the time. Reserves 4 GiB of address space,
    /// not memory, for each slot.
    Pooled {
        /// How many instances may exist at once.
        slots: u32,
    },
}

/// How to set up an [`Engine`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What calls may use.
    pub limits: Limits,
    /// Where instances get their memory from.
    pub allocation: Allocation,
    /// Compile for any processor of this target, such as
    /// `x86_64-unknown-linux-gnu`, in place of the one that is here. Code
    /// that travels has to.
    pub target: Option<String>,
}

/// Compiles and runs policies. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    limits: Limits,
    watchdog: Arc<OnceLock<Watchdog>>,
}

impl Engine {
    /// Sets up an engine.
    pub fn new(options: Options) -> Result<Self, Error> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        // Errors name the policy's functions without this; a trap needs no
        // more, and collecting it slows the trap down.
        config.wasm_backtrace_max_frames(None);
        if let Some(target) = &options.target {
            config.target(target).map_err(|error| Error::Engine(error.to_string()))?;
        }
        if let Allocation::Pooled { slots } = options.allocation {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
                slots,
                options.limits.memory,
                options.limits.table_elements,
            )));
        }
        let wasmtime =
            wasmtime::Engine::new(&config).map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Engine { wasmtime, limits: options.limits, watchdog: Arc::default() })
    }

    /// Takes the engine of a program that runs wasm of its own, so that policies
    /// share its settings and its pool of memory.
    ///
    /// It must have been made with [`Config::epoch_interruption`]: a policy that
    /// loops ends by it, and without it this is an error. From the first render on
    /// a thread of ours calls [`wasmtime::Engine::increment_epoch`] every 10 ms
    /// while a policy runs. So deadlines of other stores of the engine that count
    /// epochs come sooner, and where the program counts up epochs too, the limit on
    /// time does. Where fuel is consumed, policies get as much as there can be.
    ///
    /// A pool has to have room for a policy: one in Rust is a single core module,
    /// one in Python some 40. [`Limits::memory`] holds in any case.
    pub fn from_wasmtime(wasmtime: wasmtime::Engine, limits: Limits) -> Result<Self, Error> {
        if !is_interruptible(&wasmtime).map_err(|error| Error::Engine(error.to_string()))? {
            let reason = "the engine cannot end a policy that loops: make it with \
                          `Config::epoch_interruption(true)`";
            return Err(Error::Engine(reason.into()));
        }
        Ok(Engine { wasmtime, limits, watchdog: Arc::default() })
    }

    /// What calls may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// Starts to watch over a call. The thread comes with the first call.
    pub(crate) fn guard(&self) -> Result<Guard<'_>, Error> {
        if self.watchdog.get().is_none() {
            let watchdog = Watchdog::start(self.wasmtime.clone())
                .map_err(|error| Error::Engine(format!("cannot start a thread: {error}")))?;
            let _ = self.watchdog.set(watchdog);
        }
        match self.watchdog.get() {
            Some(watchdog) => Ok(watchdog.guard()),
            None => Err(Error::Engine("the watchdog did not start".into())),
        }
    }

    /// Epochs after which a call that starts now has used up its time.
    pub(crate) fn deadline(&self) -> u64 {
        let ticks = self.limits.time.as_nanos().div_ceil(TICK.as_nanos()).max(1);
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
    }

    /// Names everything that compiled code depends on beside the component:
    /// this crate, wasmtime, and the settings.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = ShaHasher(Sha256::new());
        hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
        self.wasmtime.precompile_compatibility_hash().hash(&mut hasher);
        hasher.0.finalize().into()
    }
}

/// Whether calls end when the epoch has passed their deadline: an engine does not
/// say how it was configured. A store begins with a deadline that has passed.
fn is_interruptible(engine: &wasmtime::Engine) -> wasmtime::Result<bool> {
    /// `(module (func (export "f")))`
    const EMPTY: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x05\x01\x01f\0\0\x0a\x04\x01\x02\0\x0b";
    let module = wasmtime::Module::new(engine, EMPTY)?;
    let mut store = wasmtime::Store::new(engine, ());
    give_fuel(&mut store);
    store.set_epoch_deadline(0);
    let instance = wasmtime::Instance::new(&mut store, &module, &[])?;
    let function = instance.get_typed_func::<(), ()>(&mut store, "f")?;
    Ok(match function.call(&mut store, ()) {
        Ok(()) => false,
        Err(error) => error.downcast_ref() == Some(&wasmtime::Trap::Interrupt),
    })
}

/// Time is what limits a call. Where nothing is configured there is no fuel.
pub(crate) fn give_fuel<T: 'static>(store: &mut wasmtime::Store<T>) {
    let _ = store.set_fuel(u64::MAX);
}

/// Feeds what `Hash` writes into SHA-256, which two processes agree on.
struct ShaHasher(Sha256);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0 // only the whole digest is used
    }
}

/// Core instances that a component may consist of. One in Rust or JavaScript
/// is a single module; one that componentize-py makes has some 40, which are
/// the shared libraries of Python and a stub for each interface of WASI. Each
/// takes a few KiB; their memories and tables are counted by themselves.
pub(crate) const INSTANCES: u32 = 64;

/// Policies are small: what an instance touched first, its stack and its data,
/// is zeroed rather than unmapped, which makes a fresh instance cheaper.
///
/// Not by `pagemap_scan`, although that is faster: it asks the kernel which
/// pages were written, and what is swapped out then is not among them, so that
/// the next instance sees it (wasmtime pull request 14357). On Linux 7.3 fresh
/// instances trap with it.
fn pool(slots: u32, memory: usize, table_elements: usize) -> PoolingAllocationConfig {
    const KEEP_RESIDENT: usize = 64 << 10;
    const MEMORIES: u32 = 2;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_tables(slots.saturating_mul(4))
        .max_core_instances_per_component(INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(4)
        .max_memory_size(memory)
        .table_elements(table_elements)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(4096)
        .pagemap_scan(wasmtime::Enabled::No);
    pool
}
