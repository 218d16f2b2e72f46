//! The rendered files: from the caller to their places.

use super::init::Failure;
use super::message::Step;
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use rustix::net::{SendFlags, send};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where the files are made before they are bound to their places: a
/// directory that every procfs has (`proc_root_init` in fs/proc/root.c), and
/// below which there is nothing to render. Nobody else sees it: the command
/// starts later, and by then it is unmounted.
pub(super) const STAGE: &str = "/proc/driver";

/// One file: where it is to be seen, and what it says.
pub(super) type Rendered = (Vec<u8>, Vec<u8>);

/// Sends files to the init.
pub(super) fn send_all(to: &OwnedFd, files: &[(String, Vec<u8>)]) -> Result<(), Errno> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, number: usize| {
        bytes.extend_from_slice(&(number as u64).to_ne_bytes());
    };
    number(&mut bytes, files.len());
    for (path, text) in files {
        for part in [path.as_bytes(), text] {
            number(&mut bytes, part.len());
            bytes.extend_from_slice(part);
        }
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let sent = retry_on_intr(|| send(to, rest, SendFlags::NOSIGNAL))?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Waits for the files.
pub(super) fn receive(from: &OwnedFd) -> Result<Vec<Rendered>, Errno> {
    read_all(from).map_err(|error| super::error::errno(&error))
}

fn read_all(from: &OwnedFd) -> io::Result<Vec<Rendered>> {
    let mut from = File::from(from.try_clone()?);
    let mut files = Vec::new();
    for _ in 0..read_number(&mut from)? {
        files.push((read_part(&mut from)?, read_part(&mut from)?));
    }
    Ok(files)
}

fn read_number(from: &mut File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn read_part(from: &mut File) -> io::Result<Vec<u8>> {
    let length = read_number(from)?;
    let mut part = Vec::new();
    let read = from.take(length).read_to_end(&mut part)?;
    if read as u64 == length { Ok(part) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Puts each file over its path, and tells of those whose path there is not.
pub(super) fn show(files: &[Rendered], mut skipped: impl FnMut(usize)) -> Result<(), Failure> {
    if files.is_empty() {
        return Ok(());
    }
    stage(files).map_err(Step::StageFiles.failed(0))?;
    for (index, (path, _)) in files.iter().enumerate() {
        let path = Path::new(OsStr::from_bytes(path));
        match fs::metadata(path) {
            Ok(_) => mount_bind(staged(index), path).map_err(Step::ShowFile.failed(index))?,
            Err(error) if super::is_missing(super::error::errno(&error)) => skipped(index),
            Err(error) => Err(Step::ShowFile.failed(index)(super::error::errno(&error)))?,
        }
    }
    unmount(STAGE, UnmountFlags::DETACH).map_err(Step::StageFiles.failed(0))
}

fn stage(files: &[Rendered]) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("vproc", STAGE, "tmpfs", flags, c"mode=0755")?;
    for (index, (_, text)) in files.iter().enumerate() {
        write(&staged(index), text).map_err(|error| super::error::errno(&error))?;
    }
    // The whole file system: a mode of 0444 alone would not keep root out.
    mount_remount(STAGE, flags | MountFlags::RDONLY, c"")
}

fn staged(index: usize) -> PathBuf {
    Path::new(STAGE).join(index.to_string())
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
    file.write_all(text)?;
    // Once more, because the umask had a say in the first.
    file.set_permissions(Permissions::from_mode(0o444))
}
