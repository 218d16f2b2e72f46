//! Puts a policy and a file system that renders with it between a WASI guest
//! and its runtime.
//!
//! ```text
//! policy ── vproc:policy/renderer ──► FILE_SYSTEM ── wasi:filesystem, wasi:io, … ──► guest
//!                                          ▲                                          ▲
//!                                          └─────────── the runtime's WASI ───────────┘
//! ```
//!
//! The result is one component, which any runtime with WASI 0.2 runs as it
//! would run the guest.

mod adapt;
mod stub;

use wac_graph::types::{Package, are_semver_compatible};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// The component of the world `vproc:wasi/file-system`.
pub static FILE_SYSTEM: &[u8] = include_bytes!(env!("FILE_SYSTEM"));

/// The policy that `vprocctl` renders with.
pub static DEFAULT_POLICY: &[u8] = include_bytes!(env!("DEFAULT_POLICY"));

/// Why components do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A module that uses something other than WASI preview 1.
    #[error(
        "it is a core module that imports `{0}`, and not a component: build it for \
         wasm32-wasip2, or make a component of it with `wasm-tools component new`"
    )]
    CoreModule(String),
    /// A module of WASI preview 1 that no component can be made of.
    #[error("no component can be made of the module: {0}")]
    NotAdapted(String),
    /// Neither a component nor a module.
    #[error("it is no WebAssembly: {0}")]
    Malformed(String),
    /// The guest opens no files.
    #[error("it does not import wasi:filesystem 0.2, so it would see no file of a policy")]
    NoFileSystem,
    /// The guest uses streams or pollables in an interface that is not passed
    /// on.
    #[error(
        "it imports `{0}`, whose streams are the runtime's: a guest cannot have these and those \
         of rendered files"
    )]
    ForeignStreams(String),
    /// The policy exports something else.
    #[error("the policy does not export vproc:policy/renderer 0.1")]
    NoRenderer,
    /// Types of an interface differ.
    #[error("`{interface}` does not fit: {reason}")]
    Mismatch {
        /// The interface.
        interface: String,
        /// How they differ.
        reason: String,
    },
    /// The result is not valid.
    #[error("they do not fit together: {0}")]
    Encoding(String),
}

/// What talks of streams or pollables of `wasi:io`, and is not wrapped.
const FOREIGN: [&str; 2] = ["wasi:sockets/", "wasi:http/"];

/// What a guest has to import for the files to be seen.
const FILES: &str = "wasi:filesystem/types@0.2.0";

/// Composes a guest, a component or a module of WASI preview 1, with a policy.
pub fn compose(guest: &[u8], policy: &[u8]) -> Result<Vec<u8>, Error> {
    let guest = adapt::component(guest)?;
    let stub = stub::of(policy)?;
    let mut graph = CompositionGraph::new();
    let policy = register(&mut graph, "policy", policy)?;
    let files = register(&mut graph, "files", FILE_SYSTEM)?;
    let guest = register(&mut graph, "guest", &guest)?;
    check(&imports(&graph, guest))?;

    let policy_instance = graph.instantiate(policy);
    if let Some(stub) = stub {
        let stub = register(&mut graph, "stub", &stub)?;
        let stub = graph.instantiate(stub);
        plug(&mut graph, stub, (policy, policy_instance))?;
    }
    let files_instance = graph.instantiate(files);
    if plug(&mut graph, policy_instance, (files, files_instance))? == 0 {
        return Err(Error::NoRenderer);
    }
    let guest_instance = graph.instantiate(guest);
    plug(&mut graph, files_instance, (guest, guest_instance))?;
    let exports: Vec<String> = graph.types()[graph[guest].ty()].exports.keys().cloned().collect();
    for name in exports {
        let fits = |error: &dyn std::error::Error| mismatch(&name, error);
        let export =
            graph.alias_instance_export(guest_instance, &name).map_err(|error| fits(&error))?;
        graph.export(export, &name).map_err(|error| fits(&error))?;
    }
    graph.encode(EncodeOptions::default()).map_err(|error| Error::Encoding(chain(&error)))
}

fn register(graph: &mut CompositionGraph, name: &str, bytes: &[u8]) -> Result<PackageId, Error> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())
        .map_err(|error| Error::Malformed(format!("{error:#}")))?;
    graph.register_package(package).map_err(|error| Error::Encoding(chain(&error)))
}

fn imports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].imports.keys().cloned().collect()
}

fn check(imports: &[String]) -> Result<(), Error> {
    if !imports.iter().any(|import| are_semver_compatible(import, FILES)) {
        return Err(Error::NoFileSystem);
    }
    let is_foreign = |import: &&String| FOREIGN.iter().any(|name| import.starts_with(name));
    match imports.iter().find(is_foreign) {
        Some(import) => Err(Error::ForeignStreams(import.clone())),
        None => Ok(()),
    }
}

/// Gives a component what an instance exports and it imports. How many
/// interfaces that are.
fn plug(
    graph: &mut CompositionGraph,
    from: NodeId,
    (package, into): (PackageId, NodeId),
) -> Result<usize, Error> {
    let exporting = graph[from].package().map(|package| graph[package].ty());
    let exports: Vec<String> = exporting
        .map(|world| graph.types()[world].exports.keys().cloned().collect())
        .unwrap_or_default();
    let mut plugged = 0;
    for import in imports(graph, package) {
        let Some(export) = exports.iter().find(|export| are_semver_compatible(export, &import))
        else {
            continue;
        };
        let fits = |error: &dyn std::error::Error| mismatch(&import, error);
        let alias = graph.alias_instance_export(from, export).map_err(|error| fits(&error))?;
        graph.set_instantiation_argument(into, &import, alias).map_err(|error| fits(&error))?;
        plugged += 1;
    }
    Ok(plugged)
}

fn mismatch(interface: &str, error: &dyn std::error::Error) -> Error {
    Error::Mismatch { interface: interface.to_owned(), reason: chain(error) }
}

/// An error with its causes, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
