//! What outlives a worker: a directory on a tmpfs.
//!
//! A worker may be killed at any moment. What the next one needs to go on as
//! if nothing had happened is written here *before* the answer that depends on
//! it is sent: the states of entries with a history, which handles were
//! rendered, the numbers of paths.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory of one mount.
#[derive(Debug, Clone)]
pub struct StateDirectory(PathBuf);

impl StateDirectory {
    /// Where a mount keeps it: `/run/vproc/` and the mount point with `-` for
    /// each `/`, as systemd escapes paths.
    pub fn of_mount(point: &Path) -> PathBuf {
        let name = point.to_string_lossy().trim_matches('/').replace('-', "\\x2d");
        let name = name.replace('/', "-");
        Path::new("/run/vproc").join(if name.is_empty() { "-".to_owned() } else { name })
    }

    /// Makes the directory, for this user alone.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path)?;
        for name in ["states", "texts", "policies"] {
            builder.create(path.join(name))?;
        }
        Ok(StateDirectory(path.to_path_buf()))
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Removes everything that belongs to the connection before this one.
    /// States of containers stay.
    pub fn forget_connection(&self) -> io::Result<()> {
        for name in ["paths", "handles", "requests", "policy.json", "connection.json"] {
            remove(&self.file(name))?;
        }
        for text in fs::read_dir(self.file("texts"))?.flatten() {
            remove(&text.path())?;
        }
        Ok(())
    }

    /// Replaces a file by a value as JSON.
    pub(crate) fn save(&self, name: &str, value: &impl serde::Serialize) -> io::Result<()> {
        let new = self.file(name).with_extension("new");
        fs::write(&new, serde_json::to_vec(value)?)?;
        fs::rename(new, self.file(name))
    }

    /// Reads a value back.
    pub(crate) fn load<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.file(name)).ok()?).ok()
    }

    /// Where the copy of a policy is.
    pub(crate) fn component(&self, digest: &str) -> PathBuf {
        self.file("policies").join(format!("{digest}.wasm"))
    }

    /// Keeps a copy of a policy.
    pub(crate) fn keep_component(&self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.component(digest);
        if file.exists() {
            return Ok(());
        }
        let new = file.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(new, file)
    }

    /// Removes the copies of all policies but these.
    pub(crate) fn keep_only<'d>(&self, digests: impl Iterator<Item = &'d str>) {
        let kept: Vec<PathBuf> = digests.map(|digest| self.component(digest)).collect();
        let Ok(copies) = fs::read_dir(self.file("policies")) else { return };
        for copy in copies.flatten().filter(|copy| !kept.contains(&copy.path())) {
            let _ = fs::remove_file(copy.path());
        }
    }

    /// The state of an entry of a container.
    pub(crate) fn history(&self, container: &str, entry: &str) -> Record {
        let entry = entry.trim_matches('/').replace('/', "-");
        Record::new(self.0.join("states").join(container), &entry)
    }

    /// Removes the states of containers that nobody knows and that were not
    /// written for a while.
    pub(crate) fn forget_containers(&self, after: Duration, is_known: impl Fn(&str) -> bool) {
        let Ok(listing) = fs::read_dir(self.file("states")) else { return };
        for container in listing.flatten() {
            let is_known = container.file_name().to_str().is_some_and(&is_known);
            if !is_known && last_write(&container.path()).is_some_and(|age| age > after) {
                let _ = fs::remove_dir_all(container.path());
            }
        }
    }
}

/// How long ago something in a directory was written.
fn last_write(directory: &Path) -> Option<Duration> {
    let files = fs::read_dir(directory).ok()?.flatten();
    let newest = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()?;
    newest.elapsed().ok()
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes that are replaced as a whole or not at all: two files that are
/// written in turn, each with a sequence number and a checksum. No rename,
/// because this is on the way of a read.
pub(crate) struct Record {
    directory: PathBuf,
    name: String,
    sequence: u64,
    files: [Option<File>; 2],
}

const HEADER: usize = 16;

impl Record {
    fn new(directory: PathBuf, name: &str) -> Self {
        Record { directory, name: name.to_owned(), sequence: 0, files: [None, None] }
    }

    fn path(&self, side: usize) -> PathBuf {
        self.directory.join(format!("{}.{side}", self.name))
    }

    /// What was written last.
    pub(crate) fn load(&mut self) -> Option<Vec<u8>> {
        let sides = [0, 1].map(|side| fs::read(self.path(side)).ok().as_deref().and_then(unpack));
        let newest = sides.into_iter().flatten().max_by_key(|(sequence, _)| *sequence)?;
        self.sequence = newest.0;
        Some(newest.1)
    }

    /// Replaces it.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sequence = self.sequence.wrapping_add(1);
        let side = usize::from(sequence % 2 == 1);
        let path = self.path(side);
        let Some(slot) = self.files.get_mut(side) else { return Ok(()) };
        let file = match slot {
            Some(file) => file,
            None => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let create = || open(&path, flags, Mode::RUSR | Mode::WUSR);
                let file = match create() {
                    Err(Errno::NOENT) => {
                        let mut builder = fs::DirBuilder::new();
                        builder.recursive(true).mode(0o700).create(&self.directory)?;
                        create()?
                    }
                    opened => opened?,
                };
                slot.insert(File::from(file))
            }
        };
        let mut page = Vec::with_capacity(HEADER + 4 + bytes.len());
        page.extend_from_slice(&sequence.to_le_bytes());
        page.extend_from_slice(&checksum(sequence, bytes).to_le_bytes());
        page.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        page.extend_from_slice(bytes);
        file.write_all_at(&page, 0)?;
        self.sequence = sequence;
        Ok(())
    }

    /// Closes its files. They are opened again when they are needed.
    pub(crate) fn close(&mut self) {
        self.files = [None, None];
    }
}

fn unpack(page: &[u8]) -> Option<(u64, Vec<u8>)> {
    let sequence = u64::from_le_bytes(page.get(..8)?.try_into().ok()?);
    let sum = u64::from_le_bytes(page.get(8..HEADER)?.try_into().ok()?);
    let length = u32::from_le_bytes(page.get(HEADER..HEADER + 4)?.try_into().ok()?);
    let start = HEADER + 4;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let bytes = page.get(start..end)?;
    (checksum(sequence, bytes) == sum).then(|| (sequence, bytes.to_vec()))
}

/// FNV-1a. Against a write that was cut short, not against an attacker: the
/// directory is the user's own.
fn checksum(sequence: u64, bytes: &[u8]) -> u64 {
    let all = sequence.to_le_bytes().into_iter().chain(bytes.iter().copied());
    all.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn directory() -> (tempfile::TempDir, StateDirectory) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::create(&temporary.path().join("x")).unwrap();
        (temporary, directory)
    }

    #[test]
    fn the_newest_state_is_loaded() {
        let (_keep, directory) = directory();
        let mut record = directory.history("c", "/proc/stat");
        assert_eq!(record.load(), None);
        for state in [&b"one"[..], b"two, which is longer", b"3"] {
            record.store(state).unwrap();
            assert_eq!(directory.history("c", "/proc/stat").load().unwrap(), state);
        }
        assert_eq!(directory.history("other", "/proc/stat").load(), None);
    }

    #[test]
    fn a_write_that_was_cut_short_is_as_if_it_had_not_been() {
        let (_keep, directory) = directory();
        let mut record = directory.history("c", "e");
        record.store(b"before").unwrap();
        record.store(b"after, and longer").unwrap();
        let newest = record.path(0);
        let page = fs::read(&newest).unwrap();
        for length in 0..page.len() {
            fs::write(&newest, &page[..length]).unwrap();
            assert_eq!(directory.history("c", "e").load().unwrap(), b"before", "{length}");
        }
    }

    #[test]
    fn mounts_have_directories_of_their_own() {
        let name = |point: &str| StateDirectory::of_mount(Path::new(point));
        assert_eq!(name("/var/lib/vproc"), Path::new("/run/vproc/var-lib-vproc"));
        assert_ne!(name("/a-b"), name("/a/b"));
    }
}
