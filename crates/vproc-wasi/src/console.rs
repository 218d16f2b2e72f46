//! Standard streams, arguments, and the environment without what is meant for
//! this component.

use crate::Component;
use crate::bindings::exports::wasi::cli::{environment, stderr, stdin, stdout};
use crate::bindings::exports::wasi::io::streams::{InputStream, OutputStream};
use crate::bindings::wasi::cli as host;
use crate::inputs::VARIABLES;
use crate::streams;

impl environment::Guest for Component {
    fn get_environment() -> Vec<(String, String)> {
        let mut variables = host::environment::get_environment();
        variables.retain(|(name, _)| !name.starts_with(VARIABLES));
        variables
    }

    fn get_arguments() -> Vec<String> {
        host::environment::get_arguments()
    }

    fn initial_cwd() -> Option<String> {
        host::environment::initial_cwd()
    }
}

impl stdin::Guest for Component {
    fn get_stdin() -> InputStream {
        streams::InputStream::host(host::stdin::get_stdin())
    }
}

impl stdout::Guest for Component {
    fn get_stdout() -> OutputStream {
        streams::OutputStream::host(host::stdout::get_stdout())
    }
}

impl stderr::Guest for Component {
    fn get_stderr() -> OutputStream {
        streams::OutputStream::host(host::stderr::get_stderr())
    }
}
