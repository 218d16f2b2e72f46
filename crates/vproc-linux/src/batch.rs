//! One batch of inputs.

use crate::content::{CGROUP_LIMIT, Scratch, Unread};
use crate::freshness::Moment;
use crate::host_file;
use crate::kept::keep;
use crate::ladder::{Ladder, Look, absent};
use crate::membership::{Group, Membership};
use crate::process_file::{Held, is_text};
use crate::subject::Standing;
use crate::{Error, Host, Subject, namespaced, tasks};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use vproc_snapshot::{CgroupVersion, Content, Process, Reading, Record, Scope, Source};

/// Inputs of one moment, as far as files of the kernel have one.
pub(crate) struct Batch<'h> {
    host: &'h Host,
    subject: &'h Subject,
    standing: &'h Standing,
    scratch: Scratch,
    /// The ways up that were opened, by the place of the group in the
    /// membership; `None` where no mount shows the group.
    ladders: Vec<(usize, Option<Ladder<'h>>)>,
    /// Processes whose files were read.
    held: Vec<(Process, Result<Held, Errno>)>,
}

/// What a cgroup source gives, and how to see it again.
pub(crate) struct Sight {
    pub(crate) look: Look,
    /// Which group of the membership it is about.
    pub(crate) place: usize,
}

impl<'h> Batch<'h> {
    pub(crate) fn new(host: &'h Host, subject: &'h Subject, standing: &'h Standing) -> Self {
        let scratch = Scratch::default();
        Batch { host, subject, standing, scratch, ladders: Vec::new(), held: Vec::new() }
    }

    /// Whether a group of the subject was removed meanwhile, so that the
    /// subject must be somewhere else.
    pub(crate) fn lost_leaf(&self) -> bool {
        self.ladders.iter().any(|(_, ladder)| ladder.as_ref().is_some_and(Ladder::lost_leaf))
    }

    /// Reads everything that is found at a source.
    pub(crate) fn record(&mut self, source: &Source) -> Result<Record, Error> {
        let found = match source {
            Source::Host(path) => {
                let (content, _) = host_file::open_and_read(self.host, path, &mut self.scratch)?;
                vec![Reading::plain(content)]
            }
            Source::Cgroup { version, controller, name, scope } => {
                let sight = self.cgroup_file(*version, controller, name, *scope)?;
                sight.map(|sight| sight.look.found).unwrap_or_default()
            }
            Source::Process { of, name } if !is_constant(*of) => {
                vec![Reading::plain(self.named(*of, name))]
            }
            Source::Processes => {
                let roster = self.subject.roster().get(self.host, self.subject, Moment::now());
                let text = roster.map(|roster| Content::Text(roster.text().to_owned()));
                vec![Reading::plain(text.unwrap_or_else(absent))]
            }
            Source::Process { of, name } => {
                let scratch = &mut self.scratch;
                let (content, _) = process_file(self.host, self.subject, *of, name, scratch)?;
                vec![Reading::plain(content)]
            }
            Source::Namespaced(path) => {
                let content = namespaced::read(self.host, self.subject, path)?;
                vec![Reading::plain(content)]
            }
            Source::Tasks => {
                let scratch = &mut self.scratch;
                let counts = tasks::count(self.host, self.subject, self.standing, scratch);
                vec![Reading::plain(counts.map_or_else(absent, Content::Tasks))]
            }
        };
        Ok(Record { source: source.clone(), found })
    }

    /// Reads what is not a plain file of init or of the subject. Each process
    /// is held from its first file to the last, so that they belong together.
    fn named(&mut self, of: Process, name: &str) -> Content {
        let (host, subject) = (self.host, self.subject);
        if !self.held.iter().any(|(known, _)| *known == of) {
            self.held.push((of, Held::open(host, subject, of)));
        }
        match self.held.iter().find(|(known, _)| *known == of) {
            Some((_, Ok(held))) => held.read(host, subject, name, &mut self.scratch),
            Some((_, Err(errno))) => absent(*errno),
            None => absent(Errno::NOENT),
        }
    }

    /// Reads a cgroup file; `None` where this host lacks the hierarchy.
    pub(crate) fn cgroup_file(
        &mut self,
        version: CgroupVersion,
        controller: &str,
        name: &str,
        scope: Scope,
    ) -> Result<Option<Sight>, Error> {
        let Some((place, group)) = self.group(version, controller) else { return Ok(None) };
        if !self.ladders.iter().any(|(known, _)| *known == place) {
            let ladder = self.host.hierarchy_set().locate(group).map(Ladder::new);
            self.ladders.push((place, ladder));
        }
        let look = match self.ladders.iter_mut().find(|(known, _)| *known == place) {
            Some((_, Some(ladder))) => ladder.look(&mut self.scratch, name, scope)?,
            _ => Look::at(hidden(group)),
        };
        Ok(Some(Sight { look, place }))
    }

    /// The subject's group in the hierarchy that a need means, if this host
    /// has that hierarchy.
    fn group(&self, version: CgroupVersion, controller: &str) -> Option<(usize, &'h Group)> {
        let membership: &'h Membership = &self.standing.membership;
        let group = match version {
            CgroupVersion::V1 => membership.v1(controller)?,
            CgroupVersion::V2 if membership.is_v1_controller(controller) => return None,
            CgroupVersion::V2 => membership.v2()?,
        };
        // A hierarchy that distributes something and is not mounted here may
        // hold limits that we do not see. Without controllers it holds none,
        // and is as good as not there.
        let counts = membership.with_controllers().any(|counted| counted == group);
        if !counts && !self.host.hierarchy_set().is_mounted(group) {
            return None;
        }
        let place = membership.groups().iter().position(|candidate| candidate == group)?;
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

/// Whether a process is the same for all renders for a subject, which holds it.
pub(crate) fn is_constant(of: Process) -> bool {
    matches!(of, Process::Init | Process::Subject)
}

/// Reads a file of init or of the subject, and hands out the descriptor if it can be kept.
pub(crate) fn process_file(
    host: &Host,
    subject: &Subject,
    of: Process,
    name: &str,
    scratch: &mut Scratch,
) -> Result<(Content, Option<OwnedFd>), Error> {
    if !is_text(name) {
        let held = Held::open(host, subject, of);
        let content = held.map(|held| held.read(host, subject, name, scratch));
        return Ok((content.unwrap_or_else(absent), None));
    }
    let process = match of {
        Process::Init => subject.init_process(),
        _ => subject.process(),
    };
    let read = process.open_file(host.procfs(), name).map_err(Unread::Errno).and_then(|file| {
        let content = scratch.read(file.as_fd(), CGROUP_LIMIT)?.to_vec().into();
        Ok((content, keep(file)))
    });
    match read {
        Ok(read) => Ok(read),
        Err(Unread::Errno(Errno::XDEV)) => {
            Err(host.procfs().error(&format!("{}/{name}", process.id()), Errno::XDEV))
        }
        Err(Unread::Errno(errno)) => Ok((absent(errno), None)),
        Err(Unread::TooLarge) => {
            Err(Error::TooLarge { path: process.path(name), limit: CGROUP_LIMIT })
        }
    }
}
