//! The sources of one entry for one subject, kept open.

use crate::batch::{Batch, is_constant, process_file};
use crate::content::{CGROUP_LIMIT, Scratch, Unread};
use crate::freshness::Moment;
use crate::host_file::HostFile;
use crate::kept::{End, keep, refill};
use crate::ladder::absent;
use crate::process_file::Held;
use crate::subject::Standing;
use crate::tasks::TaskSampler;
use crate::{Error, Host, HostPid, Subject, namespaced};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::sync::Arc;
use vproc_snapshot::{Content, Environment, Process, Reading, Readings, Record, Source};

/// The sources of one entry for one subject, kept open and read again and
/// again: what [`Host::read`] does, as fresh as [`Freshness`](crate::Freshness)
/// says, for a fraction of the cost.
///
/// It follows the subject from group to group. Where descriptors run short it
/// keeps none and opens what it reads, each time.
#[derive(Debug)]
pub struct Feed {
    subject: Arc<Subject>,
    readings: Readings,
    /// How to read each of the records again.
    lines: Vec<Line>,
    groups: Option<Groups>,
}

/// What is rendered, where an entry stands for several paths or tells of who
/// asks.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The path as declared.
    pub declared: &'a str,
    /// The path, with all numbers in place.
    pub path: &'a str,
    /// Who asks; `None` for the reader that the subject was found for.
    pub reader: Option<HostPid>,
}

/// One source.
#[derive(Debug)]
enum Line {
    Host {
        file: Arc<HostFile>,
        edition: u64,
    },
    /// One file for each of the readings.
    Cgroup(Vec<Option<OwnedFd>>),
    Process {
        of: Process,
        name: String,
        file: Option<OwnedFd>,
        read_at: Option<Moment>,
    },
    Namespaced {
        path: String,
        read_at: Option<Moment>,
    },
    /// A file of the process that the path names, or of who asks.
    Named,
    Processes,
    Tasks {
        sampler: TaskSampler,
        read_at: Option<Moment>,
    },
}

/// The subject's groups, as they were when their files were opened.
#[derive(Debug)]
struct Groups {
    standing: Standing,
    /// The moves of the subject at that time.
    moves: u64,
    looked_at: Moment,
    /// Files that were not there: the place of the group in the membership,
    /// and the path below the mount.
    missing: Vec<(usize, Vec<u8>)>,
    /// Something else could not be opened.
    has_gaps: bool,
    /// Not every file could be kept.
    is_partial: bool,
}

impl Feed {
    pub(crate) fn new(
        host: &Host,
        subject: Arc<Subject>,
        environment: Environment,
        sources: &[Source],
    ) -> Self {
        let lines = sources.iter().map(|source| Line::new(host, &subject, source)).collect();
        let records = sources.iter().map(|source| {
            let found = match source {
                Source::Cgroup { .. } => Vec::new(),
                _ => vec![Reading::plain(absent(Errno::AGAIN))],
            };
            Record { source: source.clone(), found }
        });
        let readings = Readings {
            environment,
            now: 0,
            is_host: subject.is_host(),
            records: records.collect(),
        };
        Feed { subject, readings, lines, groups: None }
    }

    /// Reads the sources for one of the paths that an entry stands for, and for
    /// who asks: see [`Ask`].
    pub fn read_for(&mut self, host: &Host, ask: &Ask<'_>) -> Result<&Readings, Error> {
        let now = Moment::now();
        let updated = self.update(host, now).map(|()| self.update_named(host, ask, now));
        self.subject.check()?;
        updated?;
        self.readings.now = Moment::now().0;
        Ok(&self.readings)
    }

    /// Reads what is of a process that is named. It is held from the first file
    /// to the last, so that they belong together.
    fn update_named(&mut self, host: &Host, ask: &Ask<'_>, now: Moment) {
        let mut held: Vec<(Process, Result<Held, Errno>)> = Vec::new();
        let mut scratch = Scratch::default();
        for (line, record) in self.lines.iter().zip(&mut self.readings.records) {
            let Some(reading) = record.found.first_mut() else { continue };
            let subject = &self.subject;
            match line {
                Line::Named => {
                    let Source::Process { of, name } = record.source.at(ask.declared, ask.path)
                    else {
                        continue;
                    };
                    if !held.iter().any(|(known, _)| *known == of) {
                        held.push((of, Held::open_for(host, subject, of, ask.reader)));
                    }
                    let found = held.iter().find(|(known, _)| *known == of);
                    reading.content = match found.map(|(_, held)| held) {
                        Some(Ok(held)) => held.read(host, subject, &name, &mut scratch),
                        Some(Err(errno)) => absent(*errno),
                        None => absent(Errno::NOENT),
                    };
                }
                Line::Processes => {
                    let roster = subject.roster().get(host, subject, now);
                    let text = roster.map(|roster| Content::Text(roster.text().to_owned()));
                    reading.content = text.unwrap_or_else(absent);
                }
                _ => {}
            }
        }
    }

    /// Whose sources these are.
    pub fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// How many descriptors it keeps open. Files of the host do not count:
    /// all feeds share them.
    pub fn descriptors(&self) -> usize {
        self.lines.iter().map(Line::descriptors).sum()
    }

    /// Reads the sources, in place of what was read before.
    pub fn read(&mut self, host: &Host) -> Result<&Readings, Error> {
        let updated = self.update(host, Moment::now());
        // The cause of an error may well be that the subject has ended.
        self.subject.check()?;
        updated?;
        self.readings.now = Moment::now().0;
        Ok(&self.readings)
    }

    fn update(&mut self, host: &Host, now: Moment) -> Result<(), Error> {
        let moves = self.subject.moves(host, now)?;
        let groups = self.groups.as_mut();
        let is_current = groups.is_some_and(|groups| groups.is_current(host, moves, now));
        if !is_current || !self.reread_groups()? {
            self.open_groups(host, moves, now)?;
        }
        // Where a container holds up one reader, it would the next.
        let mut is_late = false;
        for (line, record) in self.lines.iter_mut().zip(&mut self.readings.records) {
            let Some(Reading { content, .. }) = record.found.first_mut() else { continue };
            match line {
                Line::Namespaced { .. } if is_late => *content = absent(Errno::TIMEDOUT),
                line => line.update(host, &self.subject, now, content)?,
            }
            is_late |= *content == absent(Errno::TIMEDOUT);
        }
        Ok(())
    }

    /// Reads the group files that are open. `false` if one is of a group that
    /// is gone.
    fn reread_groups(&mut self) -> Result<bool, Error> {
        for (line, record) in self.lines.iter().zip(&mut self.readings.records) {
            let Line::Cgroup(files) = line else { continue };
            for (file, reading) in files.iter().zip(&mut record.found) {
                let Some(file) = file else { continue };
                let content = &mut reading.content;
                match refill(content, file.as_fd(), CGROUP_LIMIT, End::ShortRead) {
                    Ok(()) => {}
                    // kernfs answers so for the open files of what is removed.
                    Err(Unread::Errno(Errno::NODEV)) => return Ok(false),
                    Err(Unread::Errno(errno)) => *content = absent(errno),
                    Err(Unread::TooLarge) => {
                        let path = reading.group.clone().unwrap_or_default();
                        return Err(Error::TooLarge { path, limit: CGROUP_LIMIT });
                    }
                }
            }
        }
        Ok(true)
    }

    /// Finds and reads the group files anew.
    fn open_groups(&mut self, host: &Host, moves: u64, now: Moment) -> Result<(), Error> {
        self.groups = None;
        // Where a group is gone, the subject is somewhere else: it is looked
        // for once more, and what is missing then is missing until next time.
        for _ in 0..2 {
            let standing = self.subject.current_standing(host, &mut Scratch::default())?;
            self.readings.is_host = standing.is_host;
            self.groups = self.look(host, standing, moves, now)?;
            if self.groups.is_some() {
                break;
            }
        }
        if self.groups.as_ref().is_none_or(|groups| groups.is_partial) {
            self.lines.iter_mut().for_each(Line::close_group_files);
        }
        Ok(())
    }

    /// Reads the group files where the subject stands; `None` if it does not
    /// stand there any more.
    fn look(
        &mut self,
        host: &Host,
        standing: Standing,
        moves: u64,
        now: Moment,
    ) -> Result<Option<Groups>, Error> {
        let mut batch = Batch::new(host, &self.subject, &standing);
        let (mut missing, mut has_gaps, mut is_partial) = (Vec::new(), false, false);
        for (line, record) in self.lines.iter_mut().zip(&mut self.readings.records) {
            let Line::Cgroup(kept) = line else { continue };
            let Source::Cgroup { version, controller, name, scope } = &record.source else {
                continue;
            };
            kept.clear();
            record.found.clear();
            let Some(sight) = batch.cgroup_file(*version, controller, name, *scope)? else {
                continue;
            };
            has_gaps |= sight.look.files.iter().any(Option::is_none);
            is_partial |= sight.look.found.iter().any(|reading| is_shortage(&reading.content));
            has_gaps |= sight.look.files.is_empty() && sight.look.missing.is_empty();
            record.found = sight.look.found;
            missing.extend(sight.look.missing.into_iter().map(|path| (sight.place, path)));
            for file in sight.look.files {
                let was_open = file.is_some();
                let file = file.and_then(keep);
                is_partial |= was_open && file.is_none();
                kept.push(file);
            }
        }
        let lost_leaf = batch.lost_leaf();
        let groups = Groups { standing, moves, looked_at: now, missing, has_gaps, is_partial };
        Ok((!lost_leaf).then_some(groups))
    }
}

impl Groups {
    /// Whether the files that are open are still the ones to read.
    fn is_current(&mut self, host: &Host, moves: u64, now: Moment) -> bool {
        if self.moves != moves || self.is_partial {
            return false;
        }
        if !self.looked_at.is_stale(now, host.freshness().absence) {
            return true;
        }
        self.looked_at = now;
        !self.has_gaps && !self.has_news(host)
    }

    /// Whether a file that was missing is there now.
    fn has_news(&self, host: &Host) -> bool {
        let mut spot = None;
        self.missing.iter().any(|(place, path)| {
            if spot.as_ref().is_none_or(|(known, _)| known != place) {
                let group = self.standing.membership.groups().get(*place);
                let found = group.and_then(|group| host.hierarchy_set().locate(group));
                spot = Some((*place, found));
            }
            let Some((_, Some(spot))) = &spot else { return true };
            let looked = statat(spot.directory, path.as_slice(), AtFlags::SYMLINK_NOFOLLOW);
            !matches!(looked, Err(Errno::NOENT))
        })
    }
}

impl Line {
    fn new(host: &Host, subject: &Arc<Subject>, source: &Source) -> Self {
        match source {
            Source::Host(path) => Line::Host { file: host.files().file(path), edition: 0 },
            Source::Cgroup { .. } => Line::Cgroup(Vec::new()),
            Source::Process { of, name } if !is_constant(*of) => Line::Named,
            Source::Processes => Line::Processes,
            Source::Process { of, name } => {
                Line::Process { of: *of, name: name.clone(), file: None, read_at: None }
            }
            Source::Namespaced(path) => Line::Namespaced { path: path.clone(), read_at: None },
            Source::Tasks => {
                Line::Tasks { sampler: TaskSampler::new(Arc::clone(subject)), read_at: None }
            }
        }
    }

    fn descriptors(&self) -> usize {
        match self {
            Line::Host { .. } | Line::Namespaced { .. } | Line::Named | Line::Processes => 0,
            Line::Cgroup(files) => files.iter().flatten().count(),
            Line::Process { file, .. } => usize::from(file.is_some()),
            Line::Tasks { sampler, .. } => sampler.descriptors(),
        }
    }

    fn close_group_files(&mut self) {
        if let Line::Cgroup(files) = self {
            files.clear();
        }
    }

    /// Brings the one reading of a source up to date that is not of a group.
    fn update(
        &mut self,
        host: &Host,
        subject: &Subject,
        now: Moment,
        content: &mut Content,
    ) -> Result<(), Error> {
        let freshness = host.freshness();
        match self {
            Line::Cgroup(_) | Line::Named | Line::Processes => {}
            Line::Host { file, edition } => file.update(host, now, content, edition)?,
            Line::Process { of, name, file, read_at } => {
                if read_at.is_none_or(|read_at| read_at.is_stale(now, freshness.process)) {
                    *read_at = None;
                    let reread = file
                        .as_ref()
                        .map(|file| refill(content, file.as_fd(), CGROUP_LIMIT, end_of(name)));
                    if !matches!(reread, Some(Ok(()))) {
                        let mut scratch = Scratch::default();
                        (*content, *file) = process_file(host, subject, *of, name, &mut scratch)?;
                    }
                    *read_at = (!is_shortage(content)).then_some(now);
                }
            }
            Line::Namespaced { path, read_at } => {
                if read_at.is_none_or(|read_at| read_at.is_stale(now, freshness.process)) {
                    *read_at = None;
                    *content = namespaced::read(host, subject, path)?;
                    *read_at = (!is_shortage(content)).then_some(now);
                }
            }
            Line::Tasks { sampler, read_at } => {
                if read_at.is_none_or(|read_at| read_at.is_stale(now, freshness.tasks)) {
                    *read_at = None;
                    *content = match sampler.sample_at(host, now)? {
                        Ok(counts) => Content::Tasks(counts),
                        Err(errno) => absent(errno),
                    };
                    *read_at = (!is_shortage(content)).then_some(now);
                }
            }
        }
        Ok(())
    }
}

/// How the end of a file of a process shows: mounts and maps are a record each.
fn end_of(name: &str) -> End {
    match name {
        "stat" | "status" | "timens_offsets" | "cgroup" => End::ShortRead,
        _ => End::EmptyRead,
    }
}

/// Whether an input is missing only because nothing could be opened just then.
fn is_shortage(content: &Content) -> bool {
    [Errno::MFILE, Errno::NFILE].into_iter().any(|errno| *content == absent(errno))
}
