//! The directories and files that policies serve.

use std::collections::{BTreeSet, HashMap};
use vproc_snapshot::pattern::{is_pattern, path_stands_for};
use vproc_snapshot::{Entry, Kind};

/// What is at a path. Names and paths are as declared: a `*` in them stands
/// for the numbers that a container's own text lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A directory, with the names in it.
    Directory(BTreeSet<String>),
    /// An entry of a policy.
    Entry {
        /// File or symlink.
        kind: Kind,
        /// Permission bits.
        mode: u16,
    },
}

/// What some policy serves, by its path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    items: HashMap<String, Item>,
    /// The paths with a `*`, in order.
    patterns: Vec<String>,
}

/// What stands for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'t> {
    pub(crate) item: &'t Item,
    /// Its path as declared.
    pub(crate) declared: &'t str,
}

impl Tree {
    /// Entries of some manifests. Where several declare a path, the first one's
    /// mode counts.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut tree = Tree::default();
        tree.items.insert("/".to_owned(), Item::Directory(BTreeSet::new()));
        for entry in entries {
            if entry.kind == Kind::Directory {
                tree.items
                    .entry(entry.path.clone())
                    .or_insert_with(|| Item::Directory(BTreeSet::new()));
            } else if !tree.items.contains_key(&entry.path) {
                let item = Item::Entry { kind: entry.kind, mode: entry.mode };
                tree.items.insert(entry.path.clone(), item);
            }
            tree.add_to_parents(&entry.path);
        }
        tree.patterns = tree.items.keys().filter(|path| is_pattern(path)).cloned().collect();
        tree.patterns.sort_unstable();
        tree
    }

    fn add_to_parents(&mut self, path: &str) {
        let mut child = path;
        while let Some((parent, name)) = child.rsplit_once('/') {
            let parent = if parent.is_empty() { "/" } else { parent };
            let item = self
                .items
                .entry(parent.to_owned())
                .or_insert_with(|| Item::Directory(BTreeSet::new()));
            // A file that another policy has a directory for stays a file.
            let Item::Directory(names) = item else { return };
            if !names.insert(name.to_owned()) || parent == "/" {
                return;
            }
            child = parent;
        }
    }

    /// What is at a path. One with a number is there only for containers that
    /// have the number.
    pub(crate) fn find(&self, path: &str) -> Option<Found<'_>> {
        if is_pattern(path) {
            return None;
        }
        let declared = match self.items.contains_key(path) {
            true => path,
            false => match self.items.get_key_value(shape(path).as_str()) {
                Some((pattern, _)) if path_stands_for(pattern, path) => pattern,
                _ => self.patterns.iter().find(|pattern| path_stands_for(pattern, path))?,
            },
        };
        let (declared, item) = self.items.get_key_value(declared)?;
        Some(Found { item, declared })
    }

    /// Whether a path is declared.
    pub(crate) fn has(&self, declared: &str) -> bool {
        self.items.contains_key(declared)
    }

    /// Every path, as declared.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.items.keys().map(String::as_str)
    }
}

/// A path with a `*` in place of each name that is a number, which most
/// patterns are: looked up, not searched for.
fn shape(path: &str) -> String {
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let names = path.split('/').map(|name| if is_number(name) { "*" } else { name });
    names.collect::<Vec<_>>().join("/")
}

/// The path of a name in a directory.
pub(crate) fn join(directory: &str, name: &str) -> String {
    let directory = directory.trim_end_matches('/');
    format!("{directory}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vproc_snapshot::Class;

    fn entries(paths: &[&str]) -> Vec<Entry> {
        let entry = |path: &&str| Entry {
            path: (*path).to_owned(),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Virtual,
            summary: String::new(),
            reason: String::new(),
            needs: Vec::new(),
            history: None,
            covers: false,
        };
        paths.iter().map(entry).collect()
    }

    fn names(tree: &Tree, path: &str) -> Vec<String> {
        match tree.find(path).map(|found| found.item) {
            Some(Item::Directory(names)) => names.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn directories_come_from_paths() {
        let one = entries(&["/proc/stat", "/proc/pressure/cpu"]);
        let other = entries(&["/sys/devices/system/cpu/online", "/proc/stat"]);
        let tree = Tree::new(one.iter().chain(&other));
        assert_eq!(names(&tree, "/"), ["proc", "sys"]);
        assert_eq!(names(&tree, "/proc"), ["pressure", "stat"]);
        assert_eq!(names(&tree, "/sys/devices/system"), ["cpu"]);
        let stat = tree.find("/proc/stat").map(|found| found.item);
        assert!(matches!(stat, Some(Item::Entry { mode: 0o444, .. })));
        assert_eq!(tree.find("/proc/vmstat"), None);
    }

    #[test]
    fn a_file_is_no_directory() {
        let tree = Tree::new(&entries(&["/proc/x", "/proc/x/y"]));
        let x = tree.find("/proc/x").map(|found| found.item);
        assert!(matches!(x, Some(Item::Entry { .. })));
        assert_eq!(names(&tree, "/proc"), ["x"]);
    }

    #[test]
    fn a_star_stands_for_numbers() {
        let tree = Tree::new(&entries(&["/cpu/online", "/cpu/cpu*/topology/core_id"]));
        assert_eq!(names(&tree, "/cpu"), ["cpu*", "online"]);
        assert_eq!(names(&tree, "/cpu/cpu7"), ["topology"]);
        let found = tree.find("/cpu/cpu7/topology/core_id");
        assert_eq!(found.map(|found| found.declared), Some("/cpu/cpu*/topology/core_id"));
        let numbers = Tree::new(&entries(&["/proc/*/task/*/stat", "/proc/1"]));
        let declared = |path| numbers.find(path).map(|found| found.declared);
        assert_eq!(declared("/proc/17/task/18/stat"), Some("/proc/*/task/*/stat"));
        assert_eq!(declared("/proc/1"), Some("/proc/1"));
        assert_eq!(declared("/proc/01/task/18/stat"), None);
        for path in ["/cpu/cpu*", "/cpu/cpu07", "/cpu/cpux", "/cpu/cpu7/x", "/cpu/online/cpu7"] {
            assert_eq!(tree.find(path), None, "{path}");
        }
    }
}
