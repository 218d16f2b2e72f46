//! Answers the kernel.
//!
//! # Who may see what
//!
//! Below `proc` and `sys`, everybody sees the view of their own container.
//! Below `by-pid`, `containers` and `.vproc` stand views of others: those are
//! for root of the host alone, and root of a container is not (its pid
//! namespace tells), even if somebody gave the container the whole mount.

use crate::container::{Body, Container, Containers, errno};
use crate::directory::{BY_PID, CONTAINERS, CONTROL, METRICS};
use crate::handle::{Handle, Handles, Text};
use crate::node::{Node, PathId, Paths, View};
use crate::psi::{self, Triggers};
use crate::registry::Registry;
use crate::status::Facts;
use crate::tree::{Item, Tree, join};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vproc_fusedev::{
    Attributes, Connection, Directory, Entry, FileType, OpenFlags, Operation, Request,
    SetAttributes, Statistics, Unique,
};
use vproc_linux::{HostPid, Identity};
use vproc_snapshot::Kind;
use vproc_snapshot::pattern::{is_pattern, listed, numbered, stands_for};

/// For how long the kernel may remember names and attributes that do not
/// change. Where a policy is replaced, it is told to forget.
const STATIC: Duration = Duration::from_secs(3600);

/// The same for what belongs to one reader, or to a process that may end.
const VOLATILE: Duration = Duration::ZERO;

/// Operations that make, remove or rename something, by their numbers in
/// `include/uapi/linux/fuse.h`: SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME,
/// LINK, SETXATTR, REMOVEXATTR, CREATE, FALLOCATE, RENAME2, TMPFILE.
const CHANGES: [u32; 13] = [6, 8, 9, 10, 11, 12, 13, 21, 24, 35, 43, 45, 51];

/// The size that files show, as those of sysfs do. With procfs's 0, Linux 6.5
/// and newer would tell sendfile(2) that there is nothing to send, without
/// asking (`filemap_splice_read`). Reads are not cut to it.
const SIZE: u64 = 4096;

/// How often a container is looked for again whose process has ended.
const MORE_ATTEMPTS: usize = 3;

/// Where files are that take triggers.
const PRESSURE: &str = "/proc/pressure/";

/// A file system over one connection.
pub(crate) struct Server {
    pub(crate) connection: Arc<Connection>,
    pub(crate) containers: Arc<Containers>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) handles: Handles,
    pub(crate) triggers: Arc<Triggers>,
    pub(crate) registry: Arc<Registry>,
    /// Whether a reader sees the registered container around it.
    pub(crate) by_registration: bool,
    pub(crate) facts: Facts,
    /// The time that files show.
    pub(crate) since: Duration,
}

/// Who asks.
#[derive(Clone, Copy)]
struct Caller {
    pid: u32,
    uid: u32,
}

/// Whether a path is in the directory of a process.
fn is_process(path: &str) -> bool {
    let name = path.strip_prefix("/proc/").and_then(|below| below.split('/').next());
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty())
}

/// Who is said to read in a view that is not the reader's own.
fn asking(view: View) -> Option<HostPid> {
    match view {
        View::Process(pid) => Some(pid),
        View::Reader | View::Registered(_) => None,
    }
}

impl Server {
    /// Answers one request.
    pub(crate) fn answer(&self, request: &Request<'_>) {
        let unique = request.unique;
        if let Err(errno) = self.dispatch(request) {
            self.send(self.connection.reply(unique).error(errno));
        }
    }

    fn dispatch(&self, request: &Request<'_>) -> Result<(), Errno> {
        let unique = request.unique;
        let caller = Caller { pid: request.pid, uid: request.uid };
        match &request.operation {
            // A text in the page cache would be everybody's: containers share
            // nodes. Whoever gets this reads (sendfile(2) of busybox's `cat`),
            // or meant to map the file, which procfs does not allow either.
            Operation::Read { is_cached: true, .. } => Err(Errno::INVAL),
            Operation::Read { handle, offset, size, .. } => {
                self.read(unique, request.node, caller, *handle, *offset, *size)
            }
            Operation::Open { flags } => {
                let handle = self.open(self.node(request.node)?, caller, *flags)?;
                self.opened(unique, handle);
                Ok(())
            }
            Operation::Release { handle } => {
                // Before the answer: after it, nobody would do it again.
                self.handles.release(*handle);
                self.send(self.connection.reply(unique).done());
                Ok(())
            }
            Operation::Lookup { name } => {
                let entry = self.lookup(self.node(request.node)?, name, caller)?;
                self.send(self.connection.reply(unique).entry(&entry));
                Ok(())
            }
            Operation::GetAttr { .. } => {
                let (attributes, valid) = self.attributes(self.node(request.node)?, caller)?;
                self.send(self.connection.reply(unique).attributes(&attributes, valid));
                Ok(())
            }
            // Only what `open(O_TRUNC)` asks for, as a shell's `>` does.
            Operation::SetAttr(SetAttributes { size: Some(0), .. }) => {
                let (attributes, _) = self.attributes(self.node(request.node)?, caller)?;
                self.send(self.connection.reply(unique).attributes(&attributes, VOLATILE));
                Ok(())
            }
            Operation::SetAttr(_) => Err(Errno::PERM),
            Operation::ReadLink => {
                let node = self.node(request.node)?;
                let body = self.body(node, caller)?;
                self.send(self.connection.reply(unique).data(body.trim_ascii_end()));
                Ok(())
            }
            Operation::Write { handle, offset, data, .. } => {
                self.write(request.node, caller, *handle, (*offset, data))?;
                let written = u32::try_from(data.len()).unwrap_or(0);
                self.send(self.connection.reply(unique).written(written));
                Ok(())
            }
            Operation::Poll { handle, kernel_handle, schedule_notify, .. } => {
                let wake = schedule_notify.then_some(*kernel_handle);
                let events = self.poll(request.node, caller, *handle, wake)?;
                self.send(self.connection.reply(unique).poll(events));
                Ok(())
            }
            Operation::OpenDir { .. } => {
                self.list(self.node(request.node)?, caller)?;
                self.send(self.connection.reply(unique).opened(0, OpenFlags::NONE).map(drop));
                Ok(())
            }
            Operation::ReadDir { offset, size, .. } => {
                self.read_directory(unique, request.node, caller, *offset, *size, false)
            }
            Operation::ReadDirPlus { offset, size, .. } => {
                self.read_directory(unique, request.node, caller, *offset, *size, true)
            }
            Operation::StatFs => {
                self.send(self.connection.reply(unique).statistics(&Statistics::default()));
                Ok(())
            }
            Operation::ReleaseDir { .. } => {
                self.send(self.connection.reply(unique).done());
                Ok(())
            }
            // Nothing is counted: node ids are never used again. And requests
            // end soon by themselves.
            Operation::Forget { .. } | Operation::BatchForget(_) | Operation::Interrupt { .. } => {
                Ok(())
            }
            // Told so, the kernel stops asking.
            Operation::Flush { .. }
            | Operation::FSync { .. }
            | Operation::Access { .. }
            | Operation::LSeek { .. }
            | Operation::GetXAttr { .. }
            | Operation::ListXAttr { .. } => Err(Errno::NOSYS),
            Operation::Ioctl { .. } => Err(Errno::NOTTY),
            Operation::Destroy => {
                self.send(self.connection.reply(unique).done());
                Ok(())
            }
            Operation::Other(opcode) if CHANGES.contains(opcode) => Err(Errno::ROFS),
            _ => Err(Errno::NOSYS),
        }
    }

    fn send(&self, sent: Result<(), vproc_fusedev::Error>) {
        if let Err(error) = sent {
            tracing::debug!(%error, "an answer was not taken");
        }
    }

    fn node(&self, id: u64) -> Result<Node, Errno> {
        Node::from_id(id).ok_or(Errno::STALE)
    }

    fn path(&self, node: Node) -> Result<Arc<str>, Errno> {
        self.paths.path(node.path).ok_or(Errno::STALE)
    }

    /// The container whose view a node shows to a caller.
    fn container(&self, node: Node, caller: Caller) -> Result<Arc<Container>, Errno> {
        let pid = match node.view {
            // The kernel says 0 for a process that this one cannot see.
            View::Reader => HostPid::new(caller.pid).ok_or(Errno::SRCH)?,
            View::Process(pid) => {
                self.admit(caller)?;
                pid
            }
            View::Registered(number) => {
                self.admit(caller)?;
                let subject = self.registry.subject(number).ok_or(Errno::NOENT)?;
                return Ok(self.containers.of_subject(subject));
            }
        };
        if self.by_registration {
            self.containers.turn.give_up();
        }
        if node.view == View::Reader
            && self.by_registration
            && let Ok(own) = self.containers.host.subject(pid, Identity::Reader)
            && let Some(subject) = self.registry.around(own.membership())
        {
            return Ok(self.containers.of_subject(subject));
        }
        self.containers.of_reader(pid).map_err(|error| {
            tracing::debug!(%error, "cannot tell whose view it is");
            errno(&error)
        })
    }

    /// Lets root of the host pass.
    fn admit(&self, caller: Caller) -> Result<(), Errno> {
        let pid = HostPid::new(caller.pid).ok_or(Errno::ACCESS)?;
        if caller.uid != 0 {
            return Err(Errno::ACCESS);
        }
        match self.containers.of_reader(pid) {
            Ok(container) if container.subject().in_own_namespace() => Ok(()),
            _ => Err(Errno::ACCESS),
        }
    }

    fn is_private(&self, node: Node, path: &str) -> bool {
        node.view != View::Reader || [BY_PID, CONTAINERS, CONTROL, METRICS].contains(&path)
    }

    // ------------------------------------------------------------- directories

    fn lookup(&self, parent: Node, name: &OsStr, caller: Caller) -> Result<Entry, Errno> {
        let name = name.to_str().ok_or(Errno::NOENT)?;
        let directory = self.path(parent)?;
        if self.is_private(parent, &directory) {
            self.admit(caller)?;
        }
        let node = match &*directory {
            BY_PID if parent.view == View::Reader => {
                let pid = name.parse().map_err(|_| Errno::NOENT)?;
                self.containers.of_reader(pid).map_err(|_| Errno::NOENT)?;
                Node::new(View::Process(pid), PathId::ROOT)
            }
            CONTAINERS if parent.view == View::Reader => {
                let list = self.registry.list();
                let found = list.iter().find(|registration| registration.name == name);
                let number = found.ok_or(Errno::NOENT)?.number;
                Node::new(View::Registered(number), PathId::ROOT)
            }
            _ => {
                let path = join(&directory, name);
                // Only what exists gets a number, of which there is an end.
                self.item(parent.view, &path, caller)?;
                Node::new(parent.view, self.intern(&path)?)
            }
        };
        let (attributes, valid) = self.attributes(node, caller)?;
        Ok(Entry {
            node: node.id(),
            generation: 0,
            attributes,
            entry_valid: valid,
            attributes_valid: valid,
        })
    }

    /// What is at a path, in a view, and whether that depends on who looks.
    fn item(&self, view: View, path: &str, caller: Caller) -> Result<(Item, bool), Errno> {
        let special = (view == View::Reader).then(|| crate::directory::special(path)).flatten();
        let current = self.containers.board.current();
        let Some(found) = current.tree_of(view).find(path) else {
            return special.map(|item| (item, false)).ok_or(Errno::NOENT);
        };
        let numbered = numbered(found.declared, path);
        if !numbered.is_empty() {
            let container = self.container(Node::new(view, PathId::ROOT), caller)?;
            for (directory, name) in &numbered {
                let has = |text: &Body| listed(text).any(|listed| listed == *name);
                if has(&self.listing(&container, view, directory)?) {
                    continue;
                }
                // A process may be younger than the list.
                container.subject().forget_processes();
                if !is_process(path) || !has(&self.listing(&container, view, directory)?) {
                    return Err(Errno::NOENT);
                }
            }
        }
        let item = match (special, found.item.clone()) {
            (Some(Item::Directory(ours)), Item::Directory(mut names)) => {
                names.extend(ours);
                Item::Directory(names)
            }
            (special, served) => special.unwrap_or(served),
        };
        Ok((item, !numbered.is_empty()))
    }

    /// The number of a path. Those of processes come and go; see [`Paths`].
    fn intern(&self, path: &str) -> Result<PathId, Errno> {
        if is_process(path) {
            return Ok(self.paths.number_for_now(path));
        }
        self.paths.intern(path).map_err(|_| Errno::NOSPC)
    }

    /// The numbered names that a directory has for a container.
    fn listing(
        &self,
        container: &Arc<Container>,
        view: View,
        directory: &str,
    ) -> Result<Body, Errno> {
        let id = self.intern(directory)?;
        let metrics = self.containers.metrics.file(&self.containers.declared(directory));
        match self.containers.render(container, id, directory, (asking(view), &metrics)) {
            // The container's policy is another one than that which has it.
            Err(Errno::NOENT) => Ok(Body::from(&b""[..])),
            result => result,
        }
    }

    fn attributes(&self, node: Node, caller: Caller) -> Result<(Attributes, Duration), Errno> {
        let path = self.path(node)?;
        let (item, depends_on_reader) = self.item(node.view, &path, caller)?;
        let (kind, mode, nlink) = match item {
            Item::Directory(_) if self.is_private(node, &path) => (FileType::Directory, 0o500, 2),
            Item::Directory(_) => (FileType::Directory, 0o555, 2),
            Item::Entry { kind: Kind::Symlink, mode } => (FileType::Symlink, mode, 1),
            Item::Entry { mode, .. } => (FileType::RegularFile, mode, 1),
        };
        let (uid, gid) = self.owner(node, &path, caller);
        let attributes = Attributes {
            node: node.id(),
            size: if kind == FileType::RegularFile { SIZE } else { 0 },
            mode: kind.as_raw_mode() | u32::from(mode),
            nlink,
            uid,
            gid,
            rdev: 0,
            block_size: 4096,
            accessed: self.since,
            modified: self.since,
            changed: self.since,
        };
        // What one container looked up, others find in the kernel's cache.
        let is_static = node.view == View::Reader && !depends_on_reader;
        let valid = if is_static { STATIC } else { VOLATILE };
        Ok((attributes, valid))
    }

    /// Whose a directory of a process is: `ps` takes that for the process's
    /// user. All else is root's.
    fn owner(&self, node: Node, path: &str, caller: Caller) -> (u32, u32) {
        if node.view == View::Reader || !is_process(path) || path.matches('/').count() != 2 {
            return (0, 0);
        }
        let status = || {
            let path = join(path, "status");
            let container = self.container(node, caller)?;
            let metrics = self.containers.metrics.file(&self.containers.declared(&path));
            let ask = (asking(node.view), &*metrics);
            self.containers.render(&container, self.intern(&path)?, &path, ask)
        };
        let Ok(status) = status() else { return (0, 0) };
        // Real, effective, saved, of the file system.
        let effective = |label: &[u8]| {
            let line = status.split(|byte| *byte == b'\n').find_map(|l| l.strip_prefix(label))?;
            std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
        };
        (effective(b"Uid:").unwrap_or(0), effective(b"Gid:").unwrap_or(0))
    }

    /// The names in a directory, with their nodes.
    fn list(&self, node: Node, caller: Caller) -> Result<Vec<(u64, FileType, String)>, Errno> {
        let path = self.path(node)?;
        if self.is_private(node, &path) {
            self.admit(caller)?;
        }
        match (node.view, &*path) {
            (View::Reader, BY_PID) => {
                let containers = self.containers.list();
                let subjects = containers.iter().map(|container| container.subject());
                let alive = subjects.filter(|subject| subject.is_alive());
                let list = alive.map(|subject| {
                    let pid = subject.pid();
                    let node = Node::new(View::Process(pid), PathId::ROOT);
                    (node.id(), FileType::Directory, pid.to_string())
                });
                return Ok(list.collect());
            }
            (View::Reader, CONTAINERS) => {
                let list = self.registry.list().into_iter().map(|registration| {
                    let node = Node::new(View::Registered(registration.number), PathId::ROOT);
                    (node.id(), FileType::Directory, registration.name)
                });
                return Ok(list.collect());
            }
            _ => {}
        }
        let (Item::Directory(names), _) = self.item(node.view, &path, caller)? else {
            return Err(Errno::NOTDIR);
        };
        // Below `proc` and `sys`, no directory is denied.
        if node.view != View::Reader
            && self.containers.admits(&*self.container(node, caller)?, &path) == Err(Errno::ACCESS)
        {
            return Err(Errno::ACCESS);
        }
        let (patterns, fixed): (Vec<_>, Vec<_>) = names.into_iter().partition(|n| is_pattern(n));
        let mut list = Vec::with_capacity(fixed.len());
        let mut add = |name: String| {
            let path = join(&path, &name);
            let current = self.containers.board.current();
            let item = current.tree_of(node.view).find(&path).map(|found| found.item.clone());
            let kind = match item.or_else(|| crate::directory::special(&path)) {
                Some(Item::Directory(_)) => FileType::Directory,
                Some(Item::Entry { kind: Kind::Symlink, .. }) => FileType::Symlink,
                _ => FileType::RegularFile,
            };
            let id = self.intern(&path)?;
            list.push((Node::new(node.view, id).id(), kind, name));
            Ok(())
        };
        // Those that may come and go are last, so that the places of others
        // do not change while somebody lists them.
        fixed.into_iter().try_for_each(&mut add)?;
        if !patterns.is_empty() {
            let text = self.listing(&self.container(node, caller)?, node.view, &path)?;
            let is_declared = |name: &&str| patterns.iter().any(|own| stands_for(own, name));
            let mut seen = HashSet::new();
            let names = listed(&text).filter(is_declared).filter(|name| seen.insert(*name));
            names.map(str::to_owned).try_for_each(&mut add)?;
        }
        Ok(list)
    }

    fn read_directory(
        &self,
        unique: Unique,
        id: u64,
        caller: Caller,
        offset: u64,
        size: u32,
        plus: bool,
    ) -> Result<(), Errno> {
        let node = self.node(id)?;
        let dots = [".", ".."].map(|name| (id, FileType::Directory, name.to_owned()));
        let names = dots.into_iter().chain(self.list(node, caller)?);
        let mut page = Directory::new(size);
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        for (place, (node, kind, name)) in (1..).zip(names).skip(skipped) {
            let name = OsStr::new(&name);
            let is_full = if plus {
                // Names and types; the kernel looks up what it wants to know
                // more of.
                let mode = kind.as_raw_mode();
                let attributes = Attributes { node, mode, ..Attributes::default() };
                page.push_plus(&Entry { attributes, ..Entry::default() }, place, name)
            } else {
                page.push(node, place, kind, name)
            };
            if is_full {
                break;
            }
        }
        self.send(self.connection.reply(unique).directory(&page));
        Ok(())
    }

    /// Tells the kernel to look names up again that a change of policies has
    /// brought or taken away.
    pub(crate) fn forget_names(&self, before: &Tree, after: &Tree) {
        let changed = before
            .paths()
            .filter(|path| !after.has(path))
            .chain(after.paths().filter(|path| !before.has(path)));
        for path in changed {
            let Some((parent, name)) = path.rsplit_once('/') else { continue };
            let parent = if parent.is_empty() { "/" } else { parent };
            let Some(id) = self.paths.number(parent) else { continue };
            let node = Node::new(View::Reader, id);
            // It is well if the kernel does not have it.
            let _ = self.connection.notify_invalidate_entry(node.id(), OsStr::new(name));
        }
    }

    // ------------------------------------------------------------------- files

    fn open(&self, node: Node, caller: Caller, flags: u32) -> Result<u64, Errno> {
        let path = self.path(node)?;
        let (Item::Entry { mode, .. }, _) = self.item(node.view, &path, caller)? else {
            return Err(Errno::NOENT);
        };
        let writes = flags & OFlags::RWMODE.bits() != OFlags::RDONLY.bits();
        if writes && mode & 0o222 == 0 {
            return Err(Errno::ACCESS);
        }
        if node.view == View::Reader && &*path == METRICS {
            self.admit(caller)?;
            return Ok(self.handles.add(node, None).id);
        }
        let container = self.container(node, caller)?;
        self.containers.admits(&container, &path)?;
        Ok(self.handles.add(node, Some(container)).id)
    }

    /// The handle, which a worker before this one may have given out.
    fn handle(&self, id: u64, node: u64, caller: Caller) -> Result<Arc<Handle>, Errno> {
        if let Some(handle) = self.handles.get(id) {
            return Ok(handle);
        }
        let node = self.node(node)?;
        let path = self.path(node)?;
        let container = if node.view == View::Reader && &*path == METRICS {
            None
        } else {
            Some(self.container(node, caller)?)
        };
        Ok(self.handles.adopt(id, node, container))
    }

    /// Nobody would release a handle that the reader did not get.
    fn opened(&self, unique: Unique, handle: u64) {
        let taken = self.connection.reply(unique).opened(handle, OpenFlags::DIRECT_IO);
        if !matches!(taken, Ok(true)) {
            self.handles.release(handle);
        }
        self.send(taken.map(drop));
    }

    fn read(
        &self,
        unique: Unique,
        node: u64,
        caller: Caller,
        handle: u64,
        offset: u64,
        size: u32,
    ) -> Result<(), Errno> {
        let handle = self.handle(handle, node, caller)?;
        let mut text = self.containers.patiently(&handle.text);
        let body = match &*text {
            Text::Here(body)
                if offset > 0 || self.handles.was_rendered_for(&handle, unique.number()) =>
            {
                Arc::clone(body)
            }
            Text::Delivered(length) if offset >= *length => {
                drop(text);
                self.send(self.connection.reply(unique).data(&[]));
                return Ok(());
            }
            _ => {
                let body = self.render(&handle, caller)?;
                let at_once =
                    offset == 0 && usize::try_from(size).is_ok_and(|size| size >= body.len());
                self.handles.rendered(&handle, unique.number(), &body, at_once);
                *text = Text::Here(Arc::clone(&body));
                body
            }
        };
        drop(text);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
        let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(body.len());
        self.send(self.connection.reply(unique).data(body.get(start..end).unwrap_or_default()));
        Ok(())
    }

    fn render(&self, handle: &Handle, caller: Caller) -> Result<Body, Errno> {
        let Some(container) = &handle.container else {
            let text = self.facts.metrics(&self.containers, self.handles.count());
            return Ok(text.into_bytes().into());
        };
        let path = self.path(handle.node)?;
        let metrics = self.containers.metrics.file(&self.containers.declared(&path));
        let started = Instant::now();
        let ask = (asking(handle.node.view), &*metrics);
        let mut result = self.containers.render(container, handle.node.path, &path, ask);
        // The process that stood for a container of several may have ended.
        // Whoever reads now stands for it then, if it is of the same container.
        for _ in 0..MORE_ATTEMPTS {
            if !matches!(result, Err(Errno::SRCH)) {
                break;
            }
            self.containers.forget_subject(container);
            match self.container(handle.node, caller) {
                Ok(again) if again.key() == container.key() => {
                    result = self.containers.render(&again, handle.node.path, &path, ask);
                }
                _ => break,
            }
        }
        match &result {
            Ok(_) => metrics.answered(started.elapsed()),
            Err(_) => metrics.failed(),
        }
        result
    }

    /// The text of a node without a handle.
    fn body(&self, node: Node, caller: Caller) -> Result<Body, Errno> {
        let path = self.path(node)?;
        let container = self.container(node, caller)?;
        let metrics = self.containers.metrics.file(&self.containers.declared(&path));
        self.containers.render(&container, node.path, &path, (asking(node.view), &metrics))
    }

    // ----------------------------------------------------------------- writing

    fn write(
        &self,
        node: u64,
        caller: Caller,
        handle: u64,
        (offset, data): (u64, &[u8]),
    ) -> Result<(), Errno> {
        let handle = self.handle(handle, node, caller)?;
        let path = self.path(handle.node)?;
        if let Some(name) = path.strip_prefix(PRESSURE) {
            return self.set_trigger(&handle, name, data, false);
        }
        // As `sysctl_writes_strict` has it: a text is written by one write(2).
        if offset != 0 {
            return Err(Errno::INVAL);
        }
        let container = handle.container.as_ref().ok_or(Errno::ACCESS)?;
        self.containers.write(container, handle.node.path, &path, data)
    }

    /// Watches the pressure of a container (`psi_write`); `again`, as a worker
    /// before this one did for the handle.
    fn set_trigger(
        &self,
        handle: &Handle,
        name: &str,
        data: &[u8],
        again: bool,
    ) -> Result<(), Errno> {
        let container = handle.container.as_ref().ok_or(Errno::ACCESS)?;
        let subject = container.subject();
        let file =
            self.containers.host.pressure_file(&subject, name).map_err(|error| match error {
                // As a kernel without PSI says (`psi_write`).
                vproc_linux::Error::System { errno: Errno::NOENT, .. } => Errno::OPNOTSUPP,
                vproc_linux::Error::System { errno, .. } => errno,
                error => errno(&error),
            })?;
        let mut trigger = crate::container::lock(&handle.trigger);
        // Several may poll at once, and each wants it set again.
        if again && trigger.is_some() {
            return Ok(());
        }
        // As the kernel: one trigger for each open file. One that a worker
        // before this one has set may be this very request, which it did not
        // come to answer.
        let kept = || self.handles.kept_trigger(handle);
        if trigger.is_some() || kept().is_some_and(|kept| kept != data) {
            return Err(Errno::BUSY);
        }
        *trigger = Some(self.triggers.set(handle.id, file, data)?);
        self.handles.keep_trigger(handle, None, data);
        Ok(())
    }

    fn poll(
        &self,
        node: u64,
        caller: Caller,
        handle: u64,
        wake: Option<u64>,
    ) -> Result<u32, Errno> {
        let handle = self.handle(handle, node, caller)?;
        let path = self.path(handle.node)?;
        let Some(name) = path.strip_prefix(PRESSURE) else { return Ok(psi::READY) };
        if crate::container::lock(&handle.trigger).is_none()
            && let Some(text) = self.handles.kept_trigger(&handle)
        {
            self.set_trigger(&handle, name, &text, true)?;
        }
        match &*crate::container::lock(&handle.trigger) {
            Some(trigger) => {
                if let Some(kernel_handle) = wake {
                    self.handles.keep_trigger(&handle, Some(kernel_handle), trigger.text());
                }
                Ok(psi::READY | trigger.poll(wake))
            }
            None => Ok(psi::READY | psi::PRI | psi::ERR),
        }
    }
}
