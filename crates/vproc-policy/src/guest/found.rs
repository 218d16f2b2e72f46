//! Single entries.

use super::exports::vproc::policy::finder as wit;
use super::{Policy, from_declared, from_error, to_environment};
use alloc::string::String;

impl wit::Guest for Policy {
    fn find(environment: wit::Environment, path: String) -> Result<wit::Entry, wit::Error> {
        let declared = vproc_core::declared(&path, &to_environment(&environment));
        declared.map(from_declared).map_err(from_error)
    }
}
