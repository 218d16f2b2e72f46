//! Attaching.

use super::error::{Error, Skip};
use super::inside::{self, Doors, Inside, Place};
use super::source::{Origin, Tree};
use super::thread::Progress;
use super::{Attachment, Options, Outcome};
use crate::mountinfo::Mount;
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::path::PathBuf;

/// How often one path is looked at. A container could mount what looks like
/// ours as fast as we remove it.
pub(super) const ATTEMPTS: usize = 64;

/// What the thread has to do.
pub(super) struct Job {
    pub(super) mount: PathBuf,
    pub(super) paths: Vec<String>,
    pub(super) options: Options,
    /// Our own mounts.
    pub(super) mounts: Vec<Mount>,
    pub(super) host_peers: Vec<u32>,
}

impl Job {
    pub(super) fn run(&self, doors: Doors, progress: &Progress) -> Result<Vec<Attachment>, Error> {
        progress.at(&self.mount.to_string_lossy());
        let procfs = doors.procfs.as_fd();
        let origin = Origin::open(&self.mount, procfs, &self.mounts, &self.options)?;
        // All before we leave the mount namespace in which they lie.
        let mut trees = Vec::new();
        for path in &self.paths {
            progress.at(&self.mount.join(path.trim_start_matches('/')).to_string_lossy());
            trees.push(origin.tree(path, &self.options)?);
        }
        let inside = Inside::enter(doors)?;
        let mut attachments = Vec::new();
        for (path, tree) in self.paths.iter().zip(trees) {
            progress.at(path);
            let outcome = match tree {
                Ok(tree) => self.put(&inside, path, &tree, progress),
                Err(skip) => Err(skip),
            };
            let outcome = outcome.unwrap_or_else(Outcome::Skipped);
            attachments.push(Attachment { target: path.clone(), outcome });
        }
        Ok(attachments)
    }

    /// Puts one tree over one path.
    fn put(
        &self,
        inside: &Inside,
        path: &str,
        tree: &Tree,
        progress: &Progress,
    ) -> Result<Outcome, Skip> {
        let (mut replaced, mut locked) = (false, false);
        for _ in 0..ATTEMPTS {
            let place = inside.find(path)?;
            match self.choose(&place, tree, locked)? {
                Action::Nothing if replaced => return Ok(Outcome::Replaced),
                Action::Nothing => return Ok(Outcome::AlreadyThere),
                Action::Replace => match progress.change(|| self.replace(tree, &place))? {
                    Ok(()) => replaced = true,
                    Err(Errno::INVAL) => locked = true,
                    Err(errno) => return Err(Skip::Refused(errno)),
                },
                Action::Cover { over } => {
                    progress
                        .change(|| inside::mount(&tree.fd, &place, false))?
                        .map_err(Skip::Refused)?;
                    let is_replaced = replaced || locked;
                    return Ok(if is_replaced {
                        Outcome::Replaced
                    } else {
                        Outcome::Attached { over }
                    });
                }
            }
        }
        Err(Skip::Unsettled)
    }

    fn choose(&self, place: &Place, tree: &Tree, locked: bool) -> Result<Action, Skip> {
        let top = place.stack.first();
        if top.is_some_and(|top| tree.is_same(top)) {
            return Ok(Action::Nothing);
        }
        if place.is_directory != tree.is_directory {
            return Err(Skip::OtherKind { directory: place.is_directory });
        }
        let reaches_host =
            |mount: &Mount| mount.peers.is_some_and(|group| self.host_peers.contains(&group));
        if reaches_host(&place.base) || place.stack.iter().any(reaches_host) {
            return Err(Skip::SharedWithHost);
        }
        match top {
            Some(top) if self.options.ours.matches(top) => {
                Ok(if locked { Action::Cover { over: None } } else { Action::Replace })
            }
            // Runtimes mount files of procfs over themselves, read-only.
            Some(top) if top.fs != place.base.fs => {
                let fs = top.fs.clone();
                match self.options.cover_masks || is_fuse(&fs) {
                    true => Ok(Action::Cover { over: Some(fs) }),
                    false => Err(Skip::Covered(fs)),
                }
            }
            _ => Ok(Action::Cover { over: None }),
        }
    }

    /// Removes our mount, after the tree was put beneath it where the kernel
    /// can do that (Linux 6.5), so that no reader meets the host's numbers.
    /// `EINVAL` says that the mount is locked (`can_umount` in
    /// fs/namespace.c).
    fn replace(&self, tree: &Tree, place: &Place) -> Result<(), Errno> {
        let is_ours = |mount: &Mount| self.options.ours.matches(mount);
        if !place.stack.get(1).is_some_and(is_ours) {
            // Where this fails, the tree is mounted when the other is gone.
            let _ = inside::mount(&tree.fd, place, true);
        }
        inside::unmount_top(place)
    }
}

/// What to do at a place.
enum Action {
    /// The tree is there.
    Nothing,
    /// Ours is on top, and not this tree.
    Replace,
    /// Something else is, maybe somebody else's mount.
    Cover { over: Option<String> },
}

fn is_fuse(fs: &str) -> bool {
    matches!(fs, "fuse" | "fuseblk") || fs.starts_with("fuse.") || fs.starts_with("fuseblk.")
}
