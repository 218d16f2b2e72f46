//! Modules of WASI preview 1, as most toolchains still make them.

use crate::Error;
use std::borrow::Cow;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1,
    WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as COMMAND,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// What a program, as opposed to a library, exports.
const START: &str = "_start";

/// The component itself, or the one that the standard adapter makes of a
/// module.
pub(crate) fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if !Parser::is_core_wasm(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let module = Module::read(bytes).map_err(|error| Error::Malformed(error.to_string()))?;
    if let Some(foreign) = module.foreign {
        return Err(Error::CoreModule(foreign));
    }
    let adapter = if module.is_program { COMMAND } else { REACTOR };
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|encoder| encoder.adapter(PREVIEW1, adapter))
        .and_then(|encoder| encoder.encode());
    encoded.map(Cow::Owned).map_err(|error| Error::NotAdapted(format!("{error:#}")))
}

/// What has to be known of a module.
#[derive(Default)]
struct Module {
    is_program: bool,
    /// Something that it imports from elsewhere than preview 1.
    foreign: Option<String>,
}

impl Module {
    fn read(bytes: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut module = Module::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        if import.module != PREVIEW1 {
                            module.foreign = Some(format!("{} {}", import.module, import.name));
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        module.is_program |= export?.name == START;
                    }
                }
                _ => {}
            }
        }
        Ok(module)
    }
}
