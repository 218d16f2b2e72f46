//! Files of the host, read once for all who ask within a moment.

use crate::content::{HOST_LIMIT, Scratch, Unread};
use crate::freshness::Moment;
use crate::kept::{End, copy, keep, refill};
use crate::ladder::absent;
use crate::pseudofs::PseudoFs;
use crate::{Error, Host, allowed};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, fstat};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use vproc_snapshot::Content;

/// The host files that feeds have asked for. There are as many as policies
/// name, so none is ever dropped.
#[derive(Debug, Default)]
pub(crate) struct HostFiles(Mutex<HashMap<String, Arc<HostFile>>>);

impl HostFiles {
    pub(crate) fn file(&self, path: &str) -> Arc<HostFile> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get(path) {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(HostFile::new(path));
                files.insert(path.to_owned(), Arc::clone(&file));
                file
            }
        }
    }
}

/// One file, kept open, and its text.
#[derive(Debug)]
pub(crate) struct HostFile {
    path: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<OwnedFd>,
    content: Content,
    read_at: Option<Moment>,
    /// Counts how often it was read.
    edition: u64,
}

impl HostFile {
    fn new(path: &str) -> Self {
        let content = absent(Errno::AGAIN);
        let state = State { file: None, content, read_at: None, edition: 0 };
        HostFile { path: path.to_owned(), state: Mutex::new(state) }
    }

    /// Brings a copy of the file up to date. `edition` says which one the
    /// copy is of; there is none 0.
    pub(crate) fn update(
        &self,
        host: &Host,
        now: Moment,
        into: &mut Content,
        edition: &mut u64,
    ) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = host.freshness().host;
        if state.read_at.is_none_or(|read_at| read_at.is_stale(now, limit)) {
            state.read_at = None;
            state.read(host, &self.path)?;
            state.edition += 1;
            state.read_at = Some(now);
        }
        if *edition != state.edition {
            copy(&state.content, into);
            *edition = state.edition;
        }
        Ok(())
    }
}

impl State {
    fn read(&mut self, host: &Host, path: &str) -> Result<(), Error> {
        if let Some(file) = &self.file {
            let read = refill(&mut self.content, file.as_fd(), HOST_LIMIT, End::EmptyRead);
            if read.is_ok() {
                return Ok(());
            }
            // Taken away with a device, and perhaps put back since.
            self.file = None;
        }
        let mut scratch = Scratch::default();
        (self.content, self.file) = open_and_read(host, path, &mut scratch)?;
        Ok(())
    }
}

/// Reads a host file, and hands out the descriptor if it can be kept.
pub(crate) fn open_and_read(
    host: &Host,
    path: &str,
    scratch: &mut Scratch,
) -> Result<(Content, Option<OwnedFd>), Error> {
    let (filesystem, below): (&PseudoFs, &str) =
        match (path.strip_prefix("/proc/"), path.strip_prefix("/sys/")) {
            (Some(below), _) => (host.procfs(), below),
            (None, Some(below)) => (host.sysfs()?, below),
            (None, None) => return Ok((absent(Errno::NOENT), None)),
        };
    let read = open(filesystem, below).map_err(Unread::Errno).and_then(|file| {
        let content = scratch.read(file.as_fd(), HOST_LIMIT)?.to_vec().into();
        Ok((content, keep(file)))
    });
    match read {
        Err(Unread::Errno(Errno::XDEV)) => Err(filesystem.error(below, Errno::XDEV)),
        Err(Unread::Errno(errno)) => Ok((absent(errno), None)),
        Err(Unread::TooLarge) => Err(Error::TooLarge { path: path.to_owned(), limit: HOST_LIMIT }),
        Ok(read) => Ok(read),
    }
}

fn open(filesystem: &PseudoFs, path: &str) -> Result<OwnedFd, Errno> {
    if allowed::WITHOUT_PRIVILEGES.contains(&path) {
        return without_privileges(|| filesystem.open_file(path));
    }
    let file = filesystem.open_file(path)?;
    // A container's readers are not root, whatever we are.
    let is_public = Mode::from_raw_mode(fstat(&file)?.st_mode).contains(Mode::ROTH);
    if is_public || allowed::ROOT_ONLY_ALLOWED.contains(&path) {
        Ok(file)
    } else {
        Err(Errno::ACCESS)
    }
}

/// Opens something as a thread without capabilities. What a file shows depends
/// on the credentials with which it was opened (`file_ns_capable`), and this
/// thread has its own again afterwards.
fn without_privileges(open: impl FnOnce() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let own = capabilities(None)?;
    let effective = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective, ..own })?;
    let opened = open();
    set_capabilities(None, own)?;
    opened
}
