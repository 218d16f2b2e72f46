//! What a policy gets that imports something: a trap. A policy is a function of
//! what it is handed, and what `std` imports for the message of a panic must
//! not open the runtime's files to it.

use crate::Error;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, World};

/// A component that exports what another imports, all of it traps. None where
/// that one imports nothing.
pub(crate) fn of(component: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let fails = |error: &dyn std::fmt::Display| Error::Malformed(format!("{error:#}"));
    let decoded = decode(component).map_err(|error| fails(&error))?;
    let DecodedWasm::Component(mut resolve, world) = decoded else {
        return Err(Error::Malformed("a WIT package and not a component".into()));
    };
    let imports = resolve.worlds.get(world).map(|world| world.imports.clone()).unwrap_or_default();
    if imports.is_empty() {
        return Ok(None);
    }
    let package = resolve.worlds.get(world).and_then(|world| world.package);
    let stub = resolve.worlds.alloc(World {
        name: "stub".into(),
        imports: Default::default(),
        exports: imports,
        package,
        docs: Default::default(),
        stability: Default::default(),
        includes: Vec::new(),
        span: Default::default(),
    });
    if let Some(package) = package.and_then(|package| resolve.packages.get_mut(package)) {
        package.worlds.insert("stub".into(), stub);
    }
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut module = wit_component::dummy_module(&resolve, stub, abi);
    embed_component_metadata(&mut module, &resolve, stub, StringEncoding::UTF8)
        .map_err(|error| fails(&error))?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .map(Some)
        .map_err(|error| fails(&error))
}
