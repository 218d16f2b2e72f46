//! Paths that start above or in a rendered directory.
//!
//! The runtime would follow a link out of a directory of the guest's into the
//! `/proc` that happens to lie beside it. So such a path is followed here, name
//! by name, from directories that are held open: where a rendered directory
//! begins, the policy answers. A link that somebody changes meanwhile is not
//! followed, because no name is opened with that permission.

use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use crate::tree::{Found, is_above_rendered, is_rendered, tree};

/// As many as Linux follows (`MAXSYMLINKS` in `include/linux/namei.h`).
const MAX_LINKS: u32 = 40;

/// Where a path ends.
pub(crate) enum Place<'d> {
    /// At a path that is rendered, or would be.
    Rendered(String),
    /// At a name in a directory of the runtime's.
    Host(HostPlace<'d>),
}

/// A name in a directory of the runtime's.
pub(crate) struct HostPlace<'d> {
    pub(crate) directory: Directory<'d>,
    pub(crate) name: String,
    /// Whether the runtime is to follow a link there.
    pub(crate) follow: PathFlags,
    /// The path below the root, where it is known.
    pub(crate) path: Option<String>,
}

/// A directory of the runtime's: the guest's own, or one on the way from it.
pub(crate) enum Directory<'d> {
    Given(&'d Descriptor),
    Opened(Descriptor),
}

impl std::ops::Deref for Directory<'_> {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        match self {
            Directory::Given(descriptor) => descriptor,
            Directory::Opened(descriptor) => descriptor,
        }
    }
}

/// A directory that the walk has come through.
struct Step {
    name: String,
    /// None where it is rendered.
    opened: Option<Descriptor>,
}

/// A walk from a directory on.
pub(crate) struct Walk<'d> {
    /// The directory's path below the root.
    origin: &'d str,
    /// None where it is rendered.
    base: Option<&'d Descriptor>,
    steps: Vec<Step>,
    /// What is still to be walked, the next name last.
    pending: Vec<String>,
    links: u32,
}

impl<'d> Walk<'d> {
    pub(crate) fn new(origin: &'d str, base: Option<&'d Descriptor>) -> Self {
        Walk { origin, base, steps: Vec::new(), pending: Vec::new(), links: 0 }
    }

    /// Follows a path, links at its end too if `follow` says so.
    pub(crate) fn to(mut self, path: &str, follow: PathFlags) -> Result<Place<'d>, ErrorCode> {
        if path.is_empty() {
            return Err(ErrorCode::NoEntry);
        }
        let is_directory = path.ends_with('/');
        let follow = follow.contains(PathFlags::SYMLINK_FOLLOW) || is_directory;
        self.expect(path)?;
        while let Some(name) = self.pending.pop() {
            match name.as_str() {
                "." => {}
                // Out of what was given, as the runtime would answer.
                ".." => drop(self.steps.pop().ok_or(ErrorCode::NotPermitted)?),
                _ => {
                    let is_last = self.pending.is_empty();
                    if let Some(end) = self.enter(name, is_last, follow, is_directory)? {
                        return Ok(end);
                    }
                }
            }
        }
        self.end(None, is_directory)
    }

    fn expect(&mut self, path: &str) -> Result<(), ErrorCode> {
        if path.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        self.pending
            .extend(path.split('/').rev().filter(|name| !name.is_empty()).map(str::to_owned));
        Ok(())
    }

    /// Goes to a name in the directory where the walk is. At the end of the
    /// path, says what is there.
    fn enter(
        &mut self,
        name: String,
        is_last: bool,
        follow: bool,
        is_directory: bool,
    ) -> Result<Option<Place<'d>>, ErrorCode> {
        let path = self.path_of(&name);
        let is_ours = is_rendered(&path) || self.current().is_none();
        let target = if is_last && !follow {
            None
        } else if is_ours {
            rendered_link(&path)
        } else {
            self.current().and_then(|directory| directory.readlink_at(&name).ok())
        };
        if let Some(target) = target {
            self.links += 1;
            if self.links > MAX_LINKS {
                return Err(ErrorCode::Loop);
            }
            self.expect(&target)?;
            return Ok(None);
        }
        if is_last {
            return self.end(Some(name), is_directory).map(Some);
        }
        let opened = if is_ours { None } else { self.open(&name, &path)? };
        if opened.is_none() && !matches!(tree()?.find(&path)?, Found::Directory) {
            return Err(ErrorCode::NotDirectory);
        }
        self.steps.push(Step { name, opened });
        Ok(None)
    }

    /// Opens a directory of the runtime's. None where there is none, but a
    /// rendered one lies below.
    fn open(&self, name: &str, path: &str) -> Result<Option<Descriptor>, ErrorCode> {
        let Some(current) = self.current() else { return Ok(None) };
        let flags = (OpenFlags::DIRECTORY, DescriptorFlags::READ);
        match current.open_at(PathFlags::empty(), name, flags.0, flags.1) {
            Ok(opened) => Ok(Some(opened)),
            Err(ErrorCode::NoEntry) if is_above_rendered(path) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The directory where the walk is; none where it is rendered.
    fn current(&self) -> Option<&Descriptor> {
        match self.steps.last() {
            Some(step) => step.opened.as_ref(),
            None => self.base,
        }
    }

    fn path_of(&self, name: &str) -> String {
        let names = self.steps.iter().map(|step| step.name.as_str());
        let all = std::iter::once(self.origin).chain(names).chain([name]);
        all.filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// The end of the path: a name where the walk is, or that directory itself.
    fn end(&mut self, name: Option<String>, is_directory: bool) -> Result<Place<'d>, ErrorCode> {
        let path = self.path_of(name.as_deref().unwrap_or_default());
        let is_ours = name.is_some() && is_rendered(&path);
        let directory = match self.steps.pop() {
            Some(step) => step.opened.map(Directory::Opened),
            None => self.base.map(Directory::Given),
        };
        let Some(directory) = directory.filter(|_| !is_ours) else {
            if is_directory && matches!(tree()?.find(&path), Ok(Found::File)) {
                return Err(ErrorCode::NotDirectory);
            }
            return Ok(Place::Rendered(path));
        };
        let Some(mut name) = name else {
            let (name, follow) = (".".to_owned(), PathFlags::empty());
            return Ok(Place::Host(HostPlace { directory, name, follow, path: Some(path) }));
        };
        // Where the runtime lacks a directory above a rendered one, it is ours.
        let is_missing = || {
            let found = directory.stat_at(PathFlags::empty(), &name);
            matches!(found, Err(ErrorCode::NoEntry))
        };
        if is_above_rendered(&path) && is_missing() {
            return Ok(Place::Rendered(path));
        }
        if is_directory {
            name.push('/');
        }
        let (follow, path) = (PathFlags::empty(), Some(path));
        Ok(Place::Host(HostPlace { directory, name, follow, path }))
    }
}

fn rendered_link(path: &str) -> Option<String> {
    let tree = tree().ok()?;
    if !matches!(tree.find(path), Ok(Found::Link)) {
        return None;
    }
    String::from_utf8(tree.text(path).ok()?.to_vec()).ok()
}
