//! Files below `/vproc`, which only this component sees.
//!
//! A guest may have the root directory, and `/vproc` in it. What lies there is
//! the guest's own word, so only what the runtime preopened at or below
//! `/vproc` is read.

use crate::preopens::{host_directories, is_hidden};
use std::fs::{DirEntry, File};
use std::io::{self, ErrorKind, Read};

/// More than any file of the kernel that a policy needs, and any capture.
const MOST: u64 = 256 << 20;

/// Whether a hidden directory has the path: the longest name that fits decides
/// (`__wasilibc_find_relpath`).
fn check(path: &str) -> io::Result<()> {
    let path = path.trim_start_matches('/');
    let has = |directory: &String| {
        is_hidden(directory)
            && path
                .strip_prefix(directory.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_plain = path.split('/').all(|name| !matches!(name, "" | "." | ".."));
    if is_plain && host_directories().iter().any(has) {
        Ok(())
    } else {
        Err(ErrorKind::NotFound.into())
    }
}

/// The bytes of a file.
pub(super) fn read(path: &str) -> io::Result<Vec<u8>> {
    check(path)?;
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= MOST) {
        Ok(bytes)
    } else {
        Err(ErrorKind::FileTooLarge.into())
    }
}

/// A file that is text.
pub(super) fn text(path: &str) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| ErrorKind::InvalidData.into())
}

/// Whether something is there, as far as that can be told.
pub(super) fn exists(path: &str) -> io::Result<bool> {
    let found = check(path).and_then(|()| std::fs::symlink_metadata(path).map(drop));
    match found {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is in a directory.
pub(super) fn list(path: &str) -> io::Result<impl Iterator<Item = DirEntry>> {
    check(path)?;
    Ok(std::fs::read_dir(path)?.flatten())
}
