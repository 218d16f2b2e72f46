//! A v2 tree of ordinary files, since the machine that runs the tests may
//! have its controllers in v1.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::Membership;
use crate::hierarchy::Hierarchies;
use crate::mountinfo::CgroupMount;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;
use vproc_snapshot::{CgroupLayout, CgroupVersion};

/// A tree that is mounted as a view of `root`.
struct Tree {
    directory: TempDir,
    hierarchies: Hierarchies,
}

impl Tree {
    fn new(root: &str) -> Self {
        let mut tree =
            Tree { directory: tempfile::tempdir().unwrap(), hierarchies: Hierarchies::default() };
        tree.write("cgroup.procs", "");
        tree.mount(root, "");
        tree
    }

    fn mount(&mut self, root: &str, below: &str) {
        let mount = CgroupMount {
            version: CgroupVersion::V2,
            controllers: Vec::new(),
            root: root.into(),
            point: b"/nowhere".to_vec(),
        };
        let directory = fs::File::open(self.path().join(below)).unwrap();
        self.hierarchies.mount_fake(&mount, directory.into());
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn ladder(&self, group: &str) -> Option<Ladder<'_>> {
        let membership = Membership::parse(format!("0::{group}\n").as_bytes()).unwrap();
        self.hierarchies.locate(membership.v2().unwrap()).map(Ladder::new)
    }

    fn read(&self, group: &str, name: &str, scope: Scope) -> Vec<Found> {
        let mut ladder = self.ladder(group).unwrap();
        let read = ladder.look(&mut Scratch::default(), name, scope).unwrap().found;
        read.into_iter().map(Found::from).collect()
    }
}

/// A reading: group, level, depth, and the text or errno.
#[derive(Debug, PartialEq)]
struct Found(String, u32, u32, Result<String, u32>);

impl From<Reading> for Found {
    fn from(reading: Reading) -> Self {
        let content = match reading.content {
            Content::Text(text) => Ok(text),
            Content::Absent(errno) => Err(errno),
            other => panic!("{other:?}"),
        };
        Found(reading.group.unwrap(), reading.level, reading.depth, content)
    }
}

fn text(group: &str, level: u32, depth: u32, text: &str) -> Found {
    Found(group.to_owned(), level, depth, Ok(text.to_owned()))
}

fn error(group: &str, level: u32, depth: u32, errno: u32) -> Found {
    Found(group.to_owned(), level, depth, Err(errno))
}

const ENOENT: u32 = 2;
const ELOOP: u32 = 40;
const ESTALE: u32 = 116;

/// `/a/b/c`, with the file on the root, on `a` and on `b`.
fn nested() -> Tree {
    let tree = Tree::new("/");
    tree.write("cpu.stat", "root").write("a/cpu.stat", "a").write("a/b/cpu.stat", "b");
    tree.write("a/b/c/other", "");
    tree
}

#[test]
fn leaf_is_the_group_alone() {
    let tree = nested();
    assert_eq!(tree.read("/a/b", "cpu.stat", Scope::Leaf), [text("/a/b", 0, 2, "b")]);
    assert_eq!(tree.read("/a/b/c", "cpu.stat", Scope::Leaf), [error("/a/b/c", 0, 3, ENOENT)]);
    assert_eq!(tree.read("/", "cpu.stat", Scope::Leaf), [text("/", 0, 0, "root")]);
}

#[test]
fn nearest_goes_up_but_not_to_the_root() {
    let tree = nested();
    assert_eq!(tree.read("/a/b/c", "cpu.stat", Scope::Nearest), [text("/a/b", 1, 2, "b")]);
    fs::remove_file(tree.path().join("a/b/cpu.stat")).unwrap();
    assert_eq!(tree.read("/a/b/c", "cpu.stat", Scope::Nearest), [text("/a", 2, 1, "a")]);
    fs::remove_file(tree.path().join("a/cpu.stat")).unwrap();
    assert_eq!(tree.read("/a/b/c", "cpu.stat", Scope::Nearest), [error("/a/b/c", 0, 3, ENOENT)]);
    assert_eq!(tree.read("/", "cpu.stat", Scope::Nearest), [text("/", 0, 0, "root")]);
}

#[test]
fn lineage_leaves_groups_without_the_file_out() {
    let tree = nested();
    assert_eq!(
        tree.read("/a/b/c", "cpu.stat", Scope::Lineage),
        [text("/a/b", 1, 2, "b"), text("/a", 2, 1, "a"), text("/", 3, 0, "root")]
    );
    assert_eq!(tree.read("/a/b/c", "io.stat", Scope::Lineage), [error("/a/b/c", 0, 3, ENOENT)]);
}

#[test]
fn what_is_there_and_cannot_be_read_is_not_left_out() {
    let tree = nested();
    symlink("/etc/hostname", tree.path().join("a/b/c/cpu.stat")).unwrap();
    assert_eq!(tree.read("/a/b/c", "cpu.stat", Scope::Nearest), [error("/a/b/c", 0, 3, ELOOP)]);
    assert_eq!(tree.read("/a/b/c", "cpu.stat", Scope::Lineage)[0], error("/a/b/c", 0, 3, ELOOP));
}

#[test]
fn a_group_that_is_a_symlink_is_not_entered() {
    let tree = nested();
    symlink("a", tree.path().join("link")).unwrap();
    assert_eq!(tree.read("/link/b", "cpu.stat", Scope::Nearest), [error("/link/b", 0, 2, ELOOP)]);
}

#[test]
fn a_removed_leaf_is_stale_and_its_parents_do_not_answer() {
    let tree = nested();
    for scope in [Scope::Leaf, Scope::Nearest, Scope::Lineage] {
        assert_eq!(tree.read("/a/gone", "cpu.stat", scope), [error("/a/gone", 0, 2, ESTALE)]);
    }
    let mut ladder = tree.ladder("/a/b (deleted)").unwrap();
    ladder.look(&mut Scratch::default(), "cpu.stat", Scope::Leaf).unwrap();
    assert!(ladder.lost_leaf());
}

#[test]
fn systemd_in_the_container_is_measured_by_its_parent() {
    let tree = nested();
    assert_eq!(tree.read("/a/init.scope", "cpu.stat", Scope::Leaf), [text("/a", 0, 1, "a")]);
}

#[test]
fn a_cgroup_namespace_has_no_real_root() {
    let tree = nested();
    tree.write("cgroup.events", "populated 1\n");
    assert_eq!(tree.read("/", "cpu.stat", Scope::Leaf), [text("/", 0, 1, "root")]);
    // So `nearest` may reach the top, which is some group's.
    tree.write("x/y", "");
    assert_eq!(tree.read("/x", "cpu.stat", Scope::Nearest), [text("/", 1, 1, "root")]);
    assert!(tree.ladder("/../x").is_none());
    assert!(tree.ladder("/..").is_none());
}

#[test]
fn bind_mounts_show_what_is_below_their_root() {
    let tree = Tree::new("/docker/4f3c");
    tree.write("cpu.stat", "top").write("x/cpu.stat", "x");
    assert_eq!(
        tree.read("/docker/4f3c/x", "cpu.stat", Scope::Lineage),
        [text("/docker/4f3c/x", 0, 3, "x"), text("/docker/4f3c", 1, 2, "top")]
    );
    assert!(tree.ladder("/docker").is_none());
    assert!(tree.ladder("/docker/4f3cd").is_none());
    assert!(tree.ladder("/other").is_none());
}

#[test]
fn mounts_from_outside_of_our_namespace_reach_siblings() {
    // Our namespace's root is two groups below the mount's, whose names the
    // kernel does not say.
    let tree = Tree::new("/../..");
    tree.write("x/cpu.stat", "x");
    assert_eq!(tree.read("/../../x", "cpu.stat", Scope::Leaf), [text("/x", 0, 1, "x")]);
    assert!(tree.ladder("/").is_none());
    assert!(tree.ladder("/../x").is_none());
}

#[test]
fn from_outside_our_own_group_says_the_names_on_the_way() {
    let mut tree = Tree::new("/../..");
    let own = std::process::id();
    tree.write("pods/other/cgroup.procs", "1\n").write("pods/file", "");
    tree.write("pods/ours/cpu.stat", "ours").write("pods/cpu.stat", "pods");
    tree.write("pods/ours/sub/cgroup.procs", &format!("1\n{own}\n"));
    tree.write("pods/other/sub/cgroup.procs", &format!("{own}0\n"));
    tree.hierarchies.set_own(Membership::parse(b"0::/sub\n").unwrap());
    assert_eq!(
        tree.read("/", "cpu.stat", Scope::Lineage),
        [text("/pods/ours", 0, 2, "ours"), text("/pods", 1, 1, "pods")]
    );
    tree.write("pods/other/cpu.stat", "other");
    let other = [text("/pods/other", 0, 2, "other")];
    assert_eq!(tree.read("/../other", "cpu.stat", Scope::Leaf), other);
    assert!(tree.ladder("/../../..").is_none());
}

#[test]
fn the_mount_with_most_ancestors_is_taken() {
    let mut tree = Tree::new("/a/b");
    tree.write("whole/a/b/cpu.stat", "b").write("whole/a/cpu.stat", "a").write("cpu.stat", "bind");
    tree.write("whole/cgroup.procs", "");
    tree.mount("/", "whole");
    assert_eq!(
        tree.read("/a/b", "cpu.stat", Scope::Lineage),
        [text("/a/b", 0, 2, "b"), text("/a", 1, 1, "a")]
    );
    assert_eq!(tree.hierarchies.layout(), CgroupLayout::V2);
    assert_eq!(tree.hierarchies.all().len(), 1);
}

#[test]
fn hostile_group_names_are_names() {
    let tree = Tree::new("/");
    for name in ["a b", "a:b", "x (deleted)", "\u{e9}", "...", "-", "a\\040b"] {
        tree.write(&format!("{name}/cpu.stat"), name);
        let group = format!("/{name}");
        assert_eq!(tree.read(&group, "cpu.stat", Scope::Leaf), [text(&group, 0, 1, name)]);
    }
}

#[test]
fn directories_and_large_files_are_not_text() {
    let tree = Tree::new("/");
    fs::create_dir_all(tree.path().join("a/cpu.stat")).unwrap();
    const EISDIR: u32 = 21;
    assert_eq!(tree.read("/a", "cpu.stat", Scope::Leaf), [error("/a", 0, 1, EISDIR)]);
    tree.write("a/memory.stat", &"x".repeat(CGROUP_LIMIT + 1));
    let mut ladder = tree.ladder("/a").unwrap();
    let refused = ladder.look(&mut Scratch::default(), "memory.stat", Scope::Leaf).unwrap_err();
    assert_eq!(refused.to_string(), "/a/memory.stat is longer than 1048576 bytes");
}

#[test]
fn other_bytes_are_kept() {
    let tree = Tree::new("/");
    tree.write("a/b", "");
    fs::write(tree.path().join("a/raw"), b"\xff\n").unwrap();
    let mut ladder = tree.ladder("/a").unwrap();
    let read = ladder.look(&mut Scratch::default(), "raw", Scope::Leaf).unwrap().found;
    assert_eq!(read[0].content, Content::Bytes(b"\xff\n".to_vec()));
}
