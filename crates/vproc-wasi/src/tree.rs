//! The files that a policy renders.

use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode};
use crate::inputs::Inputs;
use crate::renderer::{self, Error};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::rc::Rc;
use vproc_snapshot::pattern::{is_pattern, listed, numbered, stands_for};
use vproc_snapshot::{Class, Entry, Kind, Manifest};

/// The directories that are rendered as a whole. What a policy serves
/// elsewhere is not shown.
pub(crate) const ROOTS: [&str; 3] = ["proc", "sys/devices/system/cpu", "sys/devices/system/node"];

/// What lies at a path.
pub(crate) enum Found {
    Directory,
    File,
    Link,
}

impl Found {
    pub(crate) fn kind(&self) -> DescriptorType {
        match self {
            Found::Directory => DescriptorType::Directory,
            Found::File => DescriptorType::RegularFile,
            Found::Link => DescriptorType::SymbolicLink,
        }
    }
}

/// The policy and its inputs.
pub(crate) struct Tree {
    manifest: Manifest,
    inputs: Inputs,
    /// What renders left of entries that have a history, by path.
    states: RefCell<HashMap<String, Vec<u8>>>,
}

thread_local! {
    static TREE: RefCell<Option<Rc<Tree>>> = const { RefCell::new(None) };
}

/// The one tree. Where it cannot be had, each access tries again, and fails:
/// nothing is shown in its place.
pub(crate) fn tree() -> Result<Rc<Tree>, ErrorCode> {
    TREE.with_borrow_mut(|known| match known {
        Some(tree) => Ok(Rc::clone(tree)),
        None => Ok(Rc::clone(known.insert(Rc::new(Tree::open()?)))),
    })
}

/// Says on standard error what fails, where the runtime asked for it. A guest
/// gets an errno.
fn report(path: &str, reason: impl Display) -> ErrorCode {
    if std::env::var_os("VPROC_LOG").is_some() {
        eprintln!("vproc: {path}: {reason}");
    }
    ErrorCode::Io
}

/// The parts of a path without a slash at its head.
pub(crate) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Whether a path is, or lies in, a directory that is rendered.
pub(crate) fn is_rendered(path: &str) -> bool {
    ROOTS.iter().any(|root| path == *root || is_below(path, root))
}

/// Whether a rendered directory lies below a path.
pub(crate) fn is_above_rendered(path: &str) -> bool {
    ROOTS.iter().any(|root| is_below(root, path))
}

/// The names in a directory above rendered ones that lead to them.
pub(crate) fn to_rendered(path: &str) -> Vec<(String, DescriptorType)> {
    let below = ROOTS.iter().filter(|root| is_below(root, path));
    let next = below.filter_map(|root| parts(root.strip_prefix(path).unwrap_or(root)).next());
    let names: BTreeSet<&str> = next.collect();
    names.into_iter().map(|name| (name.to_owned(), DescriptorType::Directory)).collect()
}

fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

impl Tree {
    fn open() -> Result<Self, ErrorCode> {
        let inputs = Inputs::open().map_err(|error| report("inputs", error))?;
        let declared = renderer::declare(inputs.environment());
        let mut manifest = declared.map_err(|error| report("policy", format_args!("{error:?}")))?;
        // A WASI guest is no process: it has no id, and none of its own kind.
        manifest.entries.retain(|entry| !entry.is_of_processes());
        Ok(Tree { manifest, inputs, states: RefCell::default() })
    }

    /// What lies at a path, which has no slash at its head.
    pub(crate) fn find(&self, path: &str) -> Result<Found, ErrorCode> {
        if is_above_rendered(path) {
            return Ok(Found::Directory);
        }
        let absolute = format!("/{path}");
        if let Some(entry) = self.manifest.entry(&absolute) {
            self.check_numbers(&entry.path, &absolute)?;
            if self.inputs.lacks(entry) {
                return Err(ErrorCode::NoEntry);
            }
            return Ok(match entry.kind {
                Kind::Directory => Found::Directory,
                Kind::File => Found::File,
                Kind::Symlink => Found::Link,
            });
        }
        let below = self.manifest.entries.iter().find(|entry| holds(&absolute, &entry.path));
        match below {
            Some(entry) => {
                self.check_numbers(&entry.path, &absolute)?;
                Ok(Found::Directory)
            }
            None if ROOTS.contains(&path) => Ok(Found::Directory),
            None => Err(ErrorCode::NoEntry),
        }
    }

    /// Whether this container has the numbers in a path.
    fn check_numbers(&self, declared: &str, path: &str) -> Result<(), ErrorCode> {
        for (directory, name) in numbered(declared, path) {
            let text = self.listing(directory)?;
            if !listed(&text).any(|listed| listed == name) {
                return Err(ErrorCode::NoEntry);
            }
        }
        Ok(())
    }

    /// What a file says.
    pub(crate) fn text(&self, path: &str) -> Result<Rc<[u8]>, ErrorCode> {
        let path = format!("/{path}");
        let entry = self.manifest.entry(&path).ok_or(ErrorCode::NoEntry)?;
        if entry.class == Class::Denied {
            return Err(ErrorCode::Access);
        }
        self.render(&path, entry)
    }

    /// The names with a number in a directory.
    fn listing(&self, directory: &str) -> Result<Rc<[u8]>, ErrorCode> {
        match self.manifest.entry(directory) {
            Some(entry) => self.render(directory, entry),
            None => Err(ErrorCode::NoEntry),
        }
    }

    fn render(&self, path: &str, entry: &Entry) -> Result<Rc<[u8]>, ErrorCode> {
        let readings = self.inputs.readings(entry).map_err(|error| report(path, error))?;
        let state = self.states.borrow().get(path).cloned();
        let snapshot =
            readings.snapshot(entry, state.as_deref()).map_err(|error| report(path, error))?;
        match renderer::render(path, &snapshot) {
            Ok(rendered) => {
                if let Some(state) = rendered.state.filter(|_| entry.history.is_some()) {
                    self.states.borrow_mut().insert(path.to_owned(), state);
                }
                Ok(match rendered.body {
                    renderer::Body::Text(text) => text.into_bytes().into(),
                    renderer::Body::Bytes(bytes) => bytes.into(),
                })
            }
            Err(Error::UnsupportedPath) => Err(ErrorCode::NoEntry),
            Err(Error::Denied) => Err(ErrorCode::Access),
            Err(error) => Err(report(path, format_args!("{error:?}"))),
        }
    }

    /// The names in a directory.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<(String, DescriptorType)>, ErrorCode> {
        if !is_rendered(path) {
            return Ok(to_rendered(path));
        }
        let mut names = BTreeMap::new();
        self.add_rendered(&format!("/{path}"), &mut names)?;
        Ok(names.into_iter().collect())
    }

    fn add_rendered(
        &self,
        path: &str,
        names: &mut BTreeMap<String, DescriptorType>,
    ) -> Result<(), ErrorCode> {
        if self.manifest.entry(path).is_some_and(|entry| entry.class == Class::Masked) {
            return Ok(());
        }
        let mut listing = None;
        for entry in self.manifest.entries.iter().filter(|entry| holds(path, &entry.path)) {
            if !self.inputs.has(entry) || self.inputs.lacks(entry) {
                continue;
            }
            let mut below = parts(&entry.path).skip(parts(path).count());
            let Some(name) = below.next() else { continue };
            let kind = match (below.next(), entry.kind) {
                (Some(_), _) | (None, Kind::Directory) => DescriptorType::Directory,
                (None, Kind::File) => DescriptorType::RegularFile,
                (None, Kind::Symlink) => DescriptorType::SymbolicLink,
            };
            if !is_pattern(name) {
                names.insert(name.to_owned(), kind);
                continue;
            }
            let text = match &listing {
                Some(text) => Rc::clone(text),
                None => Rc::clone(listing.insert(self.listing(path)?)),
            };
            let numbered = listed(&text).filter(|listed| stands_for(name, listed));
            names.extend(numbered.map(|listed| (listed.to_owned(), kind)));
        }
        Ok(())
    }
}

/// Whether a directory is above what an entry declares.
fn holds(directory: &str, declared: &str) -> bool {
    let mut declared = parts(declared);
    parts(directory).all(|name| declared.next().is_some_and(|pattern| stands_for(pattern, name)))
        && declared.next().is_some()
}
