//! One batch of inputs.

use crate::content::{CGROUP_LIMIT, HOST_LIMIT, Scratch, Unread};
use crate::ladder::{Ladder, absent};
use crate::membership::{Group, Membership};
use crate::pseudofs::PseudoFs;
use crate::{Error, Host, Subject, allowed, tasks};
use rustix::fd::AsFd;
use rustix::fs::{Mode, fstat};
use rustix::io::Errno;
use vproc_snapshot::{CgroupVersion, Content, Process, Reading, Record, Scope, Source};

/// Inputs of one moment, as far as files of the kernel have one.
pub(crate) struct Batch<'h> {
    host: &'h Host,
    subject: &'h Subject,
    membership: &'h Membership,
    scratch: Scratch,
    /// The ways up that were opened, by the place of the group in the
    /// membership; `None` where no mount shows the group.
    ladders: Vec<(usize, Option<Ladder<'h>>)>,
}

impl<'h> Batch<'h> {
    pub(crate) fn new(host: &'h Host, subject: &'h Subject, membership: &'h Membership) -> Self {
        let scratch = Scratch::default();
        Batch { host, subject, membership, scratch, ladders: Vec::new() }
    }

    /// Whether a group of the subject was removed meanwhile, so that the
    /// subject must be somewhere else.
    pub(crate) fn lost_leaf(&self) -> bool {
        self.ladders.iter().any(|(_, ladder)| ladder.as_ref().is_some_and(Ladder::lost_leaf))
    }

    /// Reads everything that is found at a source.
    pub(crate) fn record(&mut self, source: &Source) -> Result<Record, Error> {
        let found = match source {
            Source::Host(path) => vec![Reading::plain(self.host_file(path)?)],
            Source::Cgroup { version, controller, name, scope } => {
                self.cgroup_file(*version, controller, name, *scope)?
            }
            Source::Process { of, name } => {
                vec![Reading::plain(self.process_file(*of, name)?)]
            }
            Source::Tasks => vec![Reading::plain(tasks::count(
                self.host.procfs(),
                self.host.hierarchy_set(),
                self.membership,
                self.subject,
                &mut self.scratch,
            ))],
        };
        Ok(Record { source: source.clone(), found })
    }

    fn host_file(&mut self, path: &str) -> Result<Content, Error> {
        let (filesystem, below): (&PseudoFs, &str) =
            match (path.strip_prefix("/proc/"), path.strip_prefix("/sys/")) {
                (Some(below), _) => (self.host.procfs(), below),
                (None, Some(below)) => (self.host.sysfs()?, below),
                (None, None) => return Ok(absent(Errno::NOENT)),
            };
        match host_content(filesystem, below, &mut self.scratch) {
            Ok(content) => Ok(content),
            Err(Unread::Errno(Errno::XDEV)) => Err(filesystem.error(below, Errno::XDEV)),
            Err(Unread::Errno(errno)) => Ok(absent(errno)),
            Err(Unread::TooLarge) => {
                Err(Error::TooLarge { path: path.to_owned(), limit: HOST_LIMIT })
            }
        }
    }

    fn process_file(&mut self, of: Process, name: &str) -> Result<Content, Error> {
        let process = match of {
            Process::Init => self.subject.init_process(),
            Process::Subject => self.subject.process(),
        };
        let read = process
            .open_file(self.host.procfs(), name)
            .map_err(Unread::Errno)
            .and_then(|file| Ok(self.scratch.read(file.as_fd(), CGROUP_LIMIT)?.to_vec()));
        match read {
            Ok(bytes) => Ok(bytes.into()),
            Err(Unread::Errno(Errno::XDEV)) => {
                Err(self.host.procfs().error(&format!("{}/{name}", process.id()), Errno::XDEV))
            }
            Err(Unread::Errno(errno)) => Ok(absent(errno)),
            Err(Unread::TooLarge) => {
                Err(Error::TooLarge { path: process.path(name), limit: CGROUP_LIMIT })
            }
        }
    }

    fn cgroup_file(
        &mut self,
        version: CgroupVersion,
        controller: &str,
        name: &str,
        scope: Scope,
    ) -> Result<Vec<Reading>, Error> {
        let Some((place, group)) = self.group(version, controller) else { return Ok(Vec::new()) };
        if !self.ladders.iter().any(|(known, _)| *known == place) {
            let ladder = self.host.hierarchy_set().locate(group).map(Ladder::new);
            self.ladders.push((place, ladder));
        }
        match self.ladders.iter_mut().find(|(known, _)| *known == place) {
            Some((_, Some(ladder))) => ladder.read(&mut self.scratch, name, scope),
            _ => Ok(vec![hidden(group)]),
        }
    }

    /// The subject's group in the hierarchy that a need means, if this host
    /// has that hierarchy.
    fn group(&self, version: CgroupVersion, controller: &str) -> Option<(usize, &'h Group)> {
        let group = match version {
            CgroupVersion::V1 => self.membership.v1(controller)?,
            CgroupVersion::V2 if self.membership.is_v1_controller(controller) => return None,
            CgroupVersion::V2 => self.membership.v2()?,
        };
        // A hierarchy that distributes something and is not mounted here may
        // hold limits that we do not see. Without controllers it holds none,
        // and is as good as not there.
        let counts = self.membership.with_controllers().any(|counted| counted == group);
        if !counts && !self.host.hierarchy_set().is_mounted(group) {
            return None;
        }
        let place = self.membership.groups().iter().position(|candidate| candidate == group)?;
        Some((place, group))
    }
}

/// What stands for a file of a group that no mount shows. It is there, so
/// "no such file" would be wrong.
fn hidden(group: &Group) -> Reading {
    let names = group.components().iter().filter(|name| **name != b"..").count();
    Reading {
        group: Some(group.path().into_owned()),
        level: 0,
        depth: u32::try_from(names).unwrap_or(u32::MAX).max(1),
        content: absent(Errno::ACCESS),
    }
}

fn host_content(
    filesystem: &PseudoFs,
    path: &str,
    scratch: &mut Scratch,
) -> Result<Content, Unread> {
    let file = filesystem.open_file(path)?;
    // A container's readers are not root, whatever we are.
    let is_public = Mode::from_raw_mode(fstat(&file)?.st_mode).contains(Mode::ROTH);
    if !is_public && !allowed::ROOT_ONLY_ALLOWED.contains(&path) {
        return Err(Unread::Errno(Errno::ACCESS));
    }
    Ok(scratch.read(file.as_fd(), HOST_LIMIT)?.to_vec().into())
}
