//! Compiled code on disk.
//!
//! Compiled code is native code, and loading it is trusting it. So a cache is
//! trusted only where nobody but its user (and root) can have written to it:
//! the directory and each file in it belong to the user and are writable by
//! nobody else. A file carries the digest of its content; one that was
//! truncated or damaged is compiled anew.

use crate::{Digest, Engine};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

/// A directory of compiled policies.
#[derive(Debug)]
pub struct Cache {
    directory: OwnedFd,
}

/// Why a directory is no cache.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// It could not be made or opened.
    #[error("cannot open the cache {}: {source}", path.display())]
    Unavailable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else could have written to it.
    #[error("the cache {} is not trusted: {reason}", path.display())]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
}

/// Largest code that is loaded.
const MAX_CODE: u64 = 256 << 20;

impl Cache {
    /// Opens a directory, which is made if it is missing.
    pub fn open(path: &Path) -> Result<Self, Distrust> {
        let unavailable =
            |source: std::io::Error| Distrust::Unavailable { path: path.to_owned(), source };
        make_private(path).map_err(unavailable)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            fs::open(path, flags, Mode::empty()).map_err(|errno| unavailable(errno.into()))?;
        let stat = fs::fstat(&directory).map_err(|errno| unavailable(errno.into()))?;
        match distrust(&stat) {
            Some(reason) => Err(Distrust::Untrusted { path: path.to_owned(), reason }),
            None => Ok(Cache { directory }),
        }
    }

    /// The user's cache: `$XDG_CACHE_HOME/vproc`, or `~/.cache/vproc`.
    pub fn user_directory() -> Option<PathBuf> {
        let absolute =
            |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|p| p.is_absolute());
        let base = match std::env::var_os("XDG_CACHE_HOME").and_then(absolute) {
            Some(base) => base,
            None => std::env::var_os("HOME").and_then(absolute)?.join(".cache"),
        };
        Some(base.join("vproc"))
    }

    /// The code of a policy, if it is there and whole. Whatever is wrong with
    /// it, the policy can be compiled.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let code = self.read(&name(engine, digest)).ok()??;
        deserialize(engine, &code)
    }

    fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = fs::openat(&self.directory, name, flags, Mode::empty())?;
        let stat = fs::fstat(&file)?;
        let regular = fs::FileType::from_raw_mode(stat.st_mode).is_file();
        if !regular || distrust(&stat).is_some() {
            return Ok(None);
        }
        let mut content = Vec::new();
        File::from(file).take(MAX_CODE).read_to_end(&mut content)?;
        let Some((seal, code)) = content.split_at_checked(SEAL) else { return Ok(None) };
        if seal != Sha256::digest(code).as_slice() {
            return Ok(None);
        }
        content.drain(..SEAL);
        Ok(Some(content))
    }

    /// Keeps the code of a policy. A cache that cannot be written costs time,
    /// not correctness, so nothing is said.
    pub(crate) fn store(&self, engine: &Engine, digest: Digest, code: &[u8]) {
        let _ = self.write(&name(engine, digest), code);
    }

    /// Writes beside and renames, so that a reader sees all or nothing.
    fn write(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        let draft = format!("{name}.{}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let written = fs::openat(&self.directory, &draft, flags, Mode::from(0o600))
            .map_err(std::io::Error::from)
            .map(File::from)
            .and_then(|mut file| {
                file.write_all(&Sha256::digest(code))?;
                file.write_all(code)?;
                file.sync_all()
            })
            .and_then(|()| Ok(fs::renameat(&self.directory, &draft, &self.directory, name)?));
        if written.is_err() {
            let _ = fs::unlinkat(&self.directory, &draft, AtFlags::empty());
        }
        written
    }
}

/// Bytes of the digest before the code.
const SEAL: usize = 32;

fn name(engine: &Engine, digest: Digest) -> String {
    let mut hasher = Sha256::new();
    hasher.update(engine.fingerprint());
    hasher.update(digest.0);
    format!("{}.cwasm", Digest(hasher.finalize().into()))
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: only this user and root can write to the cache (`Cache::open`,
    // `Cache::read`), and the digest shows that the file is as it was written:
    // what `Component::serialize` returned.
    unsafe { Component::deserialize(engine.wasmtime(), code) }.ok()
}

/// Why somebody other than this user and root could have written here.
fn distrust(stat: &fs::Stat) -> Option<&'static str> {
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Some("it belongs to another user");
    }
    if stat.st_mode & 0o022 != 0 {
        return Some("others can write to it");
    }
    None
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
