//! The names in a directory.

use crate::bindings::exports::wasi::filesystem::types as exported;
use crate::bindings::wasi::filesystem::types as host;
use crate::tree::{is_rendered, to_rendered};
use exported::{DescriptorType, DirectoryEntry, ErrorCode};
use std::cell::RefCell;

/// A directory that is being listed.
pub(crate) struct Listing {
    host: Option<host::DirectoryEntryStream>,
    /// The path of a directory that has rendered ones below it.
    above: Option<String>,
    /// Names of ours that have not come yet.
    ours: RefCell<Vec<(String, DescriptorType)>>,
}

impl Listing {
    pub(crate) fn rendered(names: Vec<(String, DescriptorType)>) -> Self {
        Listing { host: None, above: None, ours: RefCell::new(names) }
    }

    /// The runtime's names, with rendered directories in the place of what it
    /// has there.
    pub(crate) fn host(stream: host::DirectoryEntryStream, above: Option<&str>) -> Self {
        let ours = above.map(to_rendered).unwrap_or_default();
        let above = above.map(str::to_owned);
        Listing { host: Some(stream), above, ours: RefCell::new(ours) }
    }

    /// Whether a name of the runtime's is shown.
    fn is_shown(&self, name: &str) -> bool {
        let Some(above) = &self.above else { return true };
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        if is_rendered(&path) {
            return false;
        }
        self.ours.borrow_mut().retain(|(ours, _)| ours != name);
        true
    }
}

impl exported::GuestDirectoryEntryStream for Listing {
    fn read_directory_entry(&self) -> Result<Option<DirectoryEntry>, ErrorCode> {
        if let Some(stream) = &self.host {
            while let Some(entry) = stream.read_directory_entry()? {
                if self.is_shown(&entry.name) {
                    return Ok(Some(entry));
                }
            }
        }
        let next = self.ours.borrow_mut().pop();
        Ok(next.map(|(name, type_)| DirectoryEntry { type_, name }))
    }
}
