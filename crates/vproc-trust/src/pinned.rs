//! A file, and which bytes are meant by it.

use crate::{NotSha256, Sha256};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A policy's file as an operator names it: `FILE.wasm`, or
/// `FILE.wasm@sha256:HEX` for these very bytes.
///
/// The last `@sha256:` begins the pin; any other `@` belongs to the name. A file
/// with `@sha256:` in its own name can be given with a pin only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The file.
    pub file: PathBuf,
    /// What it must hash to.
    pub sha256: Option<Sha256>,
}

/// What was given is no file with or without a pin.
#[derive(Debug, thiserror::Error)]
pub enum NotAFile {
    /// The pin is none.
    #[error("{0}; `vprocctl policy inspect FILE` prints a policy's")]
    Pin(#[from] NotSha256),
    /// There is only a pin.
    #[error("there is no file before @sha256:")]
    Empty,
    /// A registry is not asked when something is rendered.
    #[error("policies are used from files: `vprocctl policy pull REFERENCE -o FILE.wasm` first")]
    Reference,
}

const MARK: &[u8] = b"@sha256:";

impl Pinned {
    /// Reads what an operator wrote.
    pub fn parse(argument: OsString) -> Result<Self, NotAFile> {
        let bytes = argument.as_bytes();
        if bytes.starts_with(b"oci://") {
            return Err(NotAFile::Reference);
        }
        let Some(place) = bytes.windows(MARK.len()).rposition(|window| window == MARK) else {
            return Ok(Pinned { file: argument.into(), sha256: None });
        };
        let (file, pin) = bytes.split_at_checked(place).unwrap_or((bytes, b""));
        if file.is_empty() {
            return Err(NotAFile::Empty);
        }
        let pin = pin.strip_prefix(MARK).unwrap_or(pin);
        let sha256 = String::from_utf8_lossy(pin).parse()?;
        Ok(Pinned { file: OsStr::from_bytes(file).into(), sha256: Some(sha256) })
    }

    /// What [`Pinned::parse`] reads as this.
    pub fn argument(&self) -> OsString {
        let mut bytes = self.file.clone().into_os_string().into_vec();
        if let Some(sha256) = &self.sha256 {
            bytes.extend_from_slice(MARK);
            bytes.extend_from_slice(sha256.to_string().as_bytes());
        }
        OsString::from_vec(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Pinned, NotAFile> {
        Pinned::parse(text.into())
    }

    #[test]
    fn the_last_mark_begins_the_pin() {
        let hash = Sha256::of(b"abc");
        for name in ["a.wasm", "/x/a@b.wasm", "a@sha512:00", "a@sha256:no.wasm", "a@"] {
            let pinned = parse(&format!("{name}@sha256:{hash}")).unwrap();
            assert_eq!(pinned.file, PathBuf::from(name));
            assert_eq!(pinned.sha256, Some(hash));
            assert_eq!(Pinned::parse(pinned.argument()).unwrap(), pinned);
        }
        for name in ["a.wasm", "/x/a@b.wasm", "a@sha512:00", "sha256:00"] {
            assert_eq!(parse(name).unwrap(), Pinned { file: name.into(), sha256: None });
        }
        let bytes = OsString::from_vec(b"\xff@x.wasm".to_vec());
        assert_eq!(Pinned::parse(bytes.clone()).unwrap().argument(), bytes);
    }

    #[test]
    fn a_pin_that_is_cut_short_is_not_taken_for_a_name() {
        let hash = Sha256::of(b"abc").to_string();
        for text in [format!("a@sha256:{}", &hash[1..]), "a@sha256:".into(), "a@sha256:x".into()] {
            assert!(matches!(parse(&text), Err(NotAFile::Pin(_))), "{text}");
        }
        assert!(matches!(parse(&format!("@sha256:{hash}")), Err(NotAFile::Empty)));
        assert!(matches!(parse("oci://ghcr.io/a/b:1"), Err(NotAFile::Reference)));
    }
}
