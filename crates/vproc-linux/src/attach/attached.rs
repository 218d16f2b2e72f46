//! What is attached.

use super::error::{Error, Skip};
use super::inside::{self, Doors, Inside};
use super::{Marks, Options, thread};
use crate::mountinfo::Mount;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::Errno;
use std::sync::mpsc::channel;

/// A mount of ours in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where, from the container's root.
    pub target: String,
    /// What a process of the container meets there.
    pub life: Life,
}

/// What a process of a container meets at our mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Its server answers.
    Alive,
    /// Its server is gone: every access fails with `ENOTCONN` (`ECONNREFUSED` on Linux 7.3).
    Dead,
    /// There was no answer in time.
    Silent,
    /// Another mount covers it.
    Covered(String),
    /// It could not be looked at.
    Unknown(Skip),
}

/// The mount points of ours where it may be attached, each once, in the order
/// of mountinfo. A mount namespace that was copied from the host's also has
/// the mount itself.
pub(super) fn points(mounts: &[Mount], ours: &Marks) -> Vec<String> {
    let mut points: Vec<String> = Vec::new();
    for mount in mounts.iter().filter(|mount| ours.matches(mount)) {
        let point = String::from_utf8_lossy(&mount.point).into_owned();
        if inside::is_eligible(&point) && !points.contains(&point) {
            points.push(point);
        }
    }
    points
}

pub(super) fn list(doors: Doors, options: &Options) -> Result<Vec<Mounted>, Error> {
    let failed = |errno| Error::Enter { action: "read the mounts", pid: doors.pid, errno };
    let mounts = inside::read_mounts(doors.mountinfo.as_fd()).map_err(failed)?;
    let points = points(&mounts, &options.ours);
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let (answer, answers) = channel();
    let (targets, ours) = (points.clone(), options.ours.clone());
    let result = thread::run(options.patience, move |progress| {
        let inside = Inside::enter(doors)?;
        for target in targets {
            progress.at(&target);
            // Nobody listens any more once the patience is at its end.
            let _ = answer.send(look(&inside, &target, &ours));
        }
        Ok(())
    });
    match result {
        Ok(()) | Err(Error::Timeout { .. }) => {}
        Err(error) => return Err(error),
    }
    let lives = answers.try_iter().chain(std::iter::repeat(Life::Silent));
    Ok(points.into_iter().zip(lives).map(|(target, life)| Mounted { target, life }).collect())
}

fn look(inside: &Inside, target: &str, ours: &Marks) -> Life {
    let place = match inside.find(target) {
        Ok(place) => place,
        Err(skip) => return Life::Unknown(skip),
    };
    match place.stack.first() {
        Some(top) if ours.matches(top) => {}
        Some(top) => return Life::Covered(top.fs.clone()),
        None => return Life::Unknown(Skip::Unsettled),
    }
    // What the kernel remembers of the file says nothing about the server.
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
    match statx(&place.fd, "", flags, StatxFlags::BASIC_STATS) {
        Ok(_) => Life::Alive,
        Err(Errno::NOTCONN | Errno::CONNABORTED | Errno::CONNREFUSED) => Life::Dead,
        Err(errno) => Life::Unknown(Skip::Refused(errno)),
    }
}
