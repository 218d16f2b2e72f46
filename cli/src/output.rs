//! Writing to standard output.

use crate::failure::{Exit, Failure};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Writes bytes. A reader that went away, such as `head`, is no failure.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(Failure::new(Exit::InputOutput, format!("cannot write the output: {error}")))
        }
        Ok(()) => Ok(()),
    }
}

/// Writes a value as JSON for scripts.
pub(crate) fn write_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::new(Exit::InputOutput, format!("cannot print JSON: {error}")))?;
    json.push(b'\n');
    write(&json)
}
