//! Detaching.

use super::error::{Error, Skip};
use super::inside::{self, Inside};
use super::put::ATTEMPTS;
use super::thread::Progress;
use super::{Marks, attached};
use rustix::io::Errno;

/// What became of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// The path in the container.
    pub target: String,
    /// What was done.
    pub outcome: Removal,
}

/// What was done with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Our mount was removed.
    Removed,
    /// None of ours was there.
    NotThere,
    /// Ours is still there, or could not be looked for.
    Skipped(Skip),
}

/// Removes what is ours at the paths, or everywhere.
pub(super) fn remove(
    inside: &Inside,
    paths: Option<Vec<String>>,
    ours: &Marks,
    progress: &Progress,
) -> Result<Vec<Detached>, Error> {
    let paths = match paths {
        Some(paths) => paths,
        None => {
            let mut points = attached::points(&inside.known()?, ours);
            // Mounts on one another, the later ones first.
            points.reverse();
            points
        }
    };
    let remove_one = |target: String| {
        progress.at(&target);
        let outcome = remove_all_at(inside, &target, ours, progress);
        Detached { target, outcome: outcome.unwrap_or_else(Removal::Skipped) }
    };
    Ok(paths.into_iter().map(remove_one).collect())
}

fn remove_all_at(
    inside: &Inside,
    path: &str,
    ours: &Marks,
    progress: &Progress,
) -> Result<Removal, Skip> {
    let mut outcome = Removal::NotThere;
    for _ in 0..ATTEMPTS {
        let place = match inside.find(path) {
            Ok(place) => place,
            Err(Skip::Missing) => return Ok(outcome),
            Err(skip) => return Err(skip),
        };
        let mut stack = place.stack.iter();
        match stack.next() {
            Some(top) if ours.matches(top) => {
                match progress.change(|| inside::unmount_top(&place))? {
                    Ok(()) => outcome = Removal::Removed,
                    Err(Errno::INVAL) => return Err(Skip::Locked),
                    Err(errno) => return Err(Skip::Refused(errno)),
                }
            }
            Some(top) if stack.any(|mount| ours.matches(mount)) => {
                return Err(Skip::Covered(top.fs.clone()));
            }
            _ => return Ok(outcome),
        }
    }
    Err(Skip::Unsettled)
}
