//! The directories and files that policies serve.

use std::collections::{BTreeSet, HashMap};
use vproc_snapshot::{Kind, Manifest};

/// What is at a path.
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

/// Everything that some policy serves, by its path.
#[derive(Debug, Default)]
pub(crate) struct Tree(HashMap<String, Item>);

impl Tree {
    /// All entries of some manifests. Where several declare a path, the first
    /// one's mode counts.
    pub(crate) fn new<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let mut tree = Tree::default();
        tree.0.insert("/".to_owned(), Item::Directory(BTreeSet::new()));
        for entry in manifests.into_iter().flat_map(|manifest| &manifest.entries) {
            if entry.kind == Kind::Directory {
                tree.0
                    .entry(entry.path.clone())
                    .or_insert_with(|| Item::Directory(BTreeSet::new()));
            } else if !tree.0.contains_key(&entry.path) {
                let item = Item::Entry { kind: entry.kind, mode: entry.mode };
                tree.0.insert(entry.path.clone(), item);
            }
            tree.add_to_parents(&entry.path);
        }
        tree
    }

    fn add_to_parents(&mut self, path: &str) {
        let mut child = path;
        while let Some((parent, name)) = child.rsplit_once('/') {
            let parent = if parent.is_empty() { "/" } else { parent };
            let item =
                self.0.entry(parent.to_owned()).or_insert_with(|| Item::Directory(BTreeSet::new()));
            // A file that another policy has a directory for stays a file.
            let Item::Directory(names) = item else { return };
            if !names.insert(name.to_owned()) || parent == "/" {
                return;
            }
            child = parent;
        }
    }

    /// What is at a path.
    pub(crate) fn get(&self, path: &str) -> Option<&Item> {
        self.0.get(path)
    }

    /// Every path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The path of a name in a directory.
pub(crate) fn join(directory: &str, name: &str) -> String {
    let directory = directory.trim_end_matches('/');
    format!("{directory}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vproc_snapshot::{Class, Entry};

    fn manifest(paths: &[&str]) -> Manifest {
        let entry = |path: &&str| Entry {
            path: (*path).to_owned(),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Virtual,
            summary: String::new(),
            needs: Vec::new(),
            history: None,
        };
        Manifest {
            name: "test".into(),
            version: "0".into(),
            entries: paths.iter().map(entry).collect(),
            knobs: Vec::new(),
        }
    }

    fn names(tree: &Tree, path: &str) -> Vec<String> {
        match tree.get(path) {
            Some(Item::Directory(names)) => names.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn directories_come_from_paths() {
        let one = manifest(&["/proc/stat", "/proc/pressure/cpu"]);
        let other = manifest(&["/sys/devices/system/cpu/online", "/proc/stat"]);
        let tree = Tree::new([&one, &other]);
        assert_eq!(names(&tree, "/"), ["proc", "sys"]);
        assert_eq!(names(&tree, "/proc"), ["pressure", "stat"]);
        assert_eq!(names(&tree, "/sys/devices/system"), ["cpu"]);
        assert!(matches!(tree.get("/proc/stat"), Some(Item::Entry { mode: 0o444, .. })));
        assert_eq!(tree.get("/proc/vmstat"), None);
    }

    #[test]
    fn a_file_is_no_directory() {
        let tree = Tree::new([&manifest(&["/proc/x", "/proc/x/y"])]);
        assert!(matches!(tree.get("/proc/x"), Some(Item::Entry { .. })));
        assert_eq!(names(&tree, "/proc"), ["x"]);
    }
}
