//! What containers write.

use super::exports::vproc::policy::writer as wit;
use super::{Component, Exported, from_error, to_snapshot};
use crate::answer;
use alloc::string::String;
use alloc::vec::Vec;
use vproc_core::WriteError;

impl<E: Exported> wit::Guest for Component<E> {
    fn accept(
        path: String,
        snapshot: wit::Snapshot,
        written: Vec<u8>,
    ) -> Result<Vec<u8>, wit::WriteError> {
        let accepted = answer::accept::<E::Policy>(&path, to_snapshot(&snapshot), &written);
        accepted.map_err(|error| match error {
            WriteError::Invalid => wit::WriteError::Invalid,
            WriteError::Refused(error) => wit::WriteError::Refused(from_error(error)),
        })
    }
}
