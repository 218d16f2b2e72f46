//! Single entries.

use super::exports::vproc::policy::finder as wit;
use super::{Component, Exported, from_entry, from_error, to_environment};
use crate::answer;
use alloc::string::String;

impl<E: Exported> wit::Guest for Component<E> {
    fn find(environment: wit::Environment, path: String) -> Result<wit::Entry, wit::Error> {
        let found = answer::find::<E::Policy>(&path, to_environment(&environment));
        found.map(from_entry).map_err(from_error)
    }
}
