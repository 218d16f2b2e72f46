//! Files of the container's processes, by the container's numbers.
//!
//! A process is held by its directory in procfs. That directory is of one
//! process for ever: once the process is gone, nothing opens below it, even if
//! its number is used again (`proc_pid_lookup` pins a `struct pid`).

use crate::content::{HOST_LIMIT, Scratch, Unread};
use crate::freshness::Moment;
use crate::ladder::absent;
use crate::roster::{self, numbers_in};
use crate::stat::status_numbers;
use crate::{Host, HostPid, Subject, beneath, sys};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, openat, readlinkat, statx};
use rustix::io::Errno;
use std::fmt::Write as _;
use vproc_snapshot::{Content, Process};

/// A process or a thread of a container, held.
#[derive(Debug)]
pub(crate) struct Held {
    directory: OwnedFd,
}

/// What is read below a name.
enum Kind {
    Text,
    Link,
    Numbers,
    Threads,
}

fn kind(name: &str) -> Kind {
    match name {
        "task/" => Kind::Threads,
        "exe" | "cwd" | "root" => Kind::Link,
        _ if name.ends_with('/') => Kind::Numbers,
        _ if name.starts_with("ns/") || name.starts_with("fd/") => Kind::Link,
        _ => Kind::Text,
    }
}

/// Whether a name is that of a file with text, which can be kept open.
pub(crate) fn is_text(name: &str) -> bool {
    matches!(kind(name), Kind::Text)
}

impl Held {
    /// Finds and holds whom a source means.
    pub(crate) fn open(host: &Host, subject: &Subject, of: Process) -> Result<Self, Errno> {
        match of {
            Process::Init => Held::by_number(host, subject.init().get()),
            Process::Subject => Held::by_number(host, subject.pid().get()),
            Process::Reader => Held::by_number(host, reader(host, subject, subject.reader())),
            Process::Numbered(pid) => Held::process(host, subject, pid),
            Process::Thread(pid, tid) => {
                Held::process(host, subject, pid)?.thread(host, subject, tid)
            }
            Process::Path => Err(Errno::NOENT),
        }
    }

    /// The same, where somebody else asks than the subject was found for.
    pub(crate) fn open_for(
        host: &Host,
        subject: &Subject,
        of: Process,
        asking: Option<HostPid>,
    ) -> Result<Self, Errno> {
        match (of, asking) {
            (Process::Reader, Some(asking)) => Held::by_number(host, reader(host, subject, asking)),
            _ => Held::open(host, subject, of),
        }
    }

    fn by_number(host: &Host, outside: u32) -> Result<Self, Errno> {
        let directory = host.procfs().open_directory(&outside.to_string())?;
        Ok(Held { directory })
    }

    /// The process that a container numbers so.
    fn process(host: &Host, subject: &Subject, inside: u32) -> Result<Self, Errno> {
        let outside = find(host, subject, inside)?;
        let held = Held::by_number(host, outside)?;
        // Had the number been used again before it was held, it would have
        // come to mean something else since.
        if find(host, subject, inside)? == outside { Ok(held) } else { Err(Errno::NOENT) }
    }

    /// One of its threads.
    fn thread(&self, host: &Host, subject: &Subject, inside: u32) -> Result<Self, Errno> {
        let level = roster::level(host, subject)?;
        for outside in numbers_in(self.list("task")?)? {
            let Ok(number) = self.thread_number(outside, level) else { continue };
            if number == inside {
                let name = format!("task/{outside}");
                let directory = beneath::open_directory(self.fd(), name.as_bytes())?;
                return Ok(Held { directory });
            }
        }
        Err(Errno::NOENT)
    }

    /// What the container calls a thread.
    fn thread_number(&self, outside: u32, level: usize) -> Result<u32, Errno> {
        let mut scratch = Scratch::default();
        let status = self.text(&format!("task/{outside}/status"), &mut scratch)?;
        let ids = status_numbers(status, "NSpid:");
        ids.get(level).copied().ok_or(Errno::NOENT)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    fn list(&self, name: &str) -> Result<OwnedFd, Errno> {
        beneath::open_listing(self.fd(), name.as_bytes())
    }

    /// Reads what is at a name; an errno stands in its place.
    pub(crate) fn read(
        &self,
        host: &Host,
        subject: &Subject,
        name: &str,
        scratch: &mut Scratch,
    ) -> Content {
        let read = match kind(name) {
            Kind::Text => self.text(name, scratch).map(<[u8]>::to_vec),
            Kind::Link => self.link(name),
            Kind::Numbers => {
                self.list(name.trim_end_matches('/')).and_then(numbers_in).map(|list| {
                    list.iter().map(|number| format!("{number}\n")).collect::<String>().into_bytes()
                })
            }
            Kind::Threads => self.threads(host, subject).map(String::into_bytes),
        };
        read.map_or_else(absent, Content::from)
    }

    fn text<'s>(&self, name: &str, scratch: &'s mut Scratch) -> Result<&'s [u8], Errno> {
        let file = beneath::open_file(self.fd(), name.as_bytes())?;
        scratch.read(file.as_fd(), HOST_LIMIT).map_err(|unread| match unread {
            Unread::Errno(errno) => errno,
            Unread::TooLarge => Errno::FBIG,
        })
    }

    /// The mount of a link's target, and the target.
    fn link(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let (parent, last) = match name.rsplit_once('/') {
            Some((parent, last)) => {
                (Some(beneath::open_directory(self.fd(), parent.as_bytes())?), last)
            }
            None => (None, name),
        };
        let parent = parent.as_ref().map_or(self.fd(), |parent| parent.as_fd());
        let target = readlinkat(parent, last, Vec::new())?;
        let mount = if target.to_bytes().starts_with(b"/") { mount_of(parent, last) } else { None };
        let mut text = mount.map_or_else(|| "-".to_owned(), |mount| mount.to_string()).into_bytes();
        text.push(b' ');
        text.extend_from_slice(target.to_bytes());
        Ok(text)
    }

    fn threads(&self, host: &Host, subject: &Subject) -> Result<String, Errno> {
        let level = roster::level(host, subject)?;
        let mut text = String::new();
        for outside in numbers_in(self.list("task")?)? {
            if let Ok(inside) = self.thread_number(outside, level) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{outside} {inside}");
            }
        }
        Ok(text)
    }
}

/// The id of the mount that a magic link leads to. Nothing is asked of the file
/// system there, which may be anybody's.
fn mount_of(parent: BorrowedFd<'_>, name: &str) -> Option<u64> {
    let target = openat(parent, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let facts = statx(target, "", flags, StatxFlags::MNT_ID).ok()?;
    (facts.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(facts.stx_mnt_id)
}

/// The host's number of one of the container's processes.
fn find(host: &Host, subject: &Subject, inside: u32) -> Result<u32, Errno> {
    if !subject.in_own_namespace() {
        let namespace = subject.pid_namespace();
        match sys::tgid_from_pid_namespace(namespace.as_fd(), inside.into()) {
            Ok(Some(pid)) => {
                let outside =
                    u32::try_from(pid.as_raw_nonzero().get()).map_err(|_| Errno::NOENT)?;
                // A thread has a number too, and is not listed.
                let number = sys::pid_in_pid_namespace(namespace.as_fd(), outside);
                return if number == Ok(inside) { Ok(outside) } else { Err(Errno::NOENT) };
            }
            Ok(None) | Err(Errno::SRCH) => return Err(Errno::NOENT),
            // Before Linux 6.11.
            Err(_) => {}
        }
    }
    let known = subject.roster().get(host, subject, Moment::now())?.outside(inside);
    if let Some(outside) = known {
        return Ok(outside);
    }
    subject.roster().forget();
    let roster = subject.roster().get(host, subject, Moment::now())?;
    roster.outside(inside).ok_or(Errno::NOENT)
}

/// Who asks, if it is one of the container's; else its init.
fn reader(host: &Host, subject: &Subject, asking: HostPid) -> u32 {
    let (reader, init) = (asking.get(), subject.init().get());
    if subject.in_own_namespace() {
        return reader;
    }
    match sys::tgid_in_pid_namespace(subject.pid_namespace().as_fd(), reader) {
        Ok(_) => reader,
        Err(Errno::SRCH) => init,
        Err(_) => {
            let roster = subject.roster().get(host, subject, Moment::now());
            let is_member = roster.is_ok_and(|roster| roster.has(reader));
            if is_member { reader } else { init }
        }
    }
}
