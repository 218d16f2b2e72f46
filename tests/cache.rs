//! The cache holds native code, so it is believed only where nobody else can
//! have written to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use vproc_runtime::{Cache, Distrust, Engine, Options, Policy};
use vproc_tests::{HOSTILE, empty, environment, skip};

fn engine() -> Engine {
    Engine::new(Options::default()).unwrap()
}

/// Loads the policy through the cache and renders with it.
fn works(cache: &Cache) -> bool {
    let environment = environment(&[]);
    let policy = Policy::load(&engine(), HOSTILE, Some(cache)).unwrap();
    policy.render("/honest", &empty(&environment)).unwrap().body == b"honest\n"
}

fn only_file(directory: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// An inode that was not written again shows that the code was taken from it.
fn identity(file: &Path) -> (u64, std::time::SystemTime) {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(file).unwrap();
    (metadata.ino(), metadata.modified().unwrap())
}

#[test]
fn a_policy_is_compiled_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    let cache = Cache::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(works(&cache));
    let file = only_file(&path);
    let first = identity(&file);
    assert!(works(&cache));
    assert_eq!(identity(&only_file(&path)), first);
}

#[test]
fn damaged_code_is_compiled_anew() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    assert!(works(&cache));
    let file = only_file(directory.path());
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let damaged = [&b""[..], b"short", &whole[..whole.len() / 2], &flipped, &[0; 100_000]];
    for content in damaged {
        fs::write(&file, content).unwrap();
        assert!(works(&cache));
        assert_eq!(fs::read(&file).unwrap(), whole, "replaced by good code");
    }
}

#[test]
fn code_that_others_can_write_is_not_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    assert!(works(&cache));
    let file = only_file(directory.path());
    let first = identity(&file);
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    assert!(works(&cache));
    assert_ne!(identity(&file).0, first.0, "compiled anew and replaced");
    // A link to code elsewhere is not followed either.
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("code");
    fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    assert!(works(&cache));
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
}

#[test]
fn a_directory_that_others_can_write_is_no_cache() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [0o777, 0o770, 0o1777] {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        let error = Cache::open(directory.path()).unwrap_err();
        assert!(matches!(error, Distrust::Untrusted { reason: "others can write to it", .. }));
    }
    let link = tempfile::tempdir().unwrap();
    let path = link.path().join("cache");
    symlink(directory.path(), &path).unwrap();
    assert!(matches!(Cache::open(&path), Err(Distrust::Unavailable { .. })));
}

#[test]
fn another_users_directory_is_no_cache() {
    if !rustix::process::geteuid().is_root() {
        return skip("another_users_directory_is_no_cache", "only root can give a directory away");
    }
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(directory.path(), Some(65534), None).unwrap();
    let error = Cache::open(directory.path()).unwrap_err();
    assert!(matches!(error, Distrust::Untrusted { reason: "it belongs to another user", .. }));
}
