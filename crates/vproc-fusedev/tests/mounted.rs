//! A small file system, as processes see it through the kernel.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod served;

use rustix::event::{PollFd, PollFlags, poll};
use served::{MANY_ENTRIES, Mounted, Served, cannot_mount, text};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::Duration;
use vproc_fusedev::{MountOptions, unmount};

/// Runs a test with two threads that serve, and sees that they end.
fn with_served(name: &str, test: impl FnOnce(&Mounted, &Served)) {
    if cannot_mount(name) {
        return;
    }
    let (mut mounted, connection) = Mounted::new(&MountOptions::default(), Duration::from_secs(60));
    let served = Arc::new(Served::new(connection));
    let serve = |served: &Arc<Served>| {
        let served = Arc::clone(served);
        std::thread::spawn(move || served.serve())
    };
    let threads = [serve(&served), serve(&served)];
    test(&mounted, &served);
    unmount(mounted.point()).unwrap();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert!(!mounted.end(), "the test took too long");
}

#[test]
fn a_file_reads_as_it_is() {
    with_served("a_file_reads_as_it_is", |mounted, _| {
        let text = text();
        assert_eq!(fs::read(mounted.path("text")).unwrap(), text);
        assert_eq!(fs::read(mounted.path("cached")).unwrap(), text);
        assert_eq!(fs::read(mounted.path("link")).unwrap(), text);
        let file = File::open(mounted.path("text")).unwrap();
        let mut part = [0; 100];
        file.read_exact_at(&mut part, 70_001).unwrap();
        assert_eq!(part, text[70_001..70_101]);
        assert_eq!(file.read_at(&mut part, text.len() as u64 - 7).unwrap(), 7);
        assert_eq!(file.read_at(&mut part, 1 << 40).unwrap(), 0);
    });
}

#[test]
fn reads_of_any_size_give_the_same() {
    with_served("reads_of_any_size_give_the_same", |mounted, _| {
        for size in [4096, 65536, 1 << 20] {
            let mut file = File::open(mounted.path("text")).unwrap();
            let mut chunk = vec![0; size];
            let mut all = Vec::new();
            loop {
                let length = file.read(&mut chunk).unwrap();
                if length == 0 {
                    break;
                }
                assert_eq!(length, size.min(text().len() - all.len()), "a read came in parts");
                all.extend_from_slice(&chunk[..length]);
            }
            assert_eq!(all, text());
        }
    });
}

#[test]
fn stat_shows_the_attributes() {
    with_served("stat_shows_the_attributes", |mounted, _| {
        let text = fs::metadata(mounted.path("text")).unwrap();
        assert_eq!((text.ino(), text.mode(), text.uid()), (2, 0o100444, 12));
        assert_eq!((text.len(), text.blocks(), text.mtime()), (100 * 1024, 200, 1000));
        assert_eq!(fs::read_link(mounted.path("link")).unwrap().to_str(), Some("text"));
        let missing = fs::metadata(mounted.path("missing")).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(2));
        assert_eq!(rustix::fs::statfs(mounted.point()).unwrap().f_files, 7);
    });
}

#[test]
fn a_large_directory_is_listed_once_and_entirely() {
    with_served("a_large_directory_is_listed_once_and_entirely", |mounted, _| {
        let list = || {
            let entries = fs::read_dir(mounted.path("many")).unwrap();
            entries.map(|entry| entry.unwrap()).collect::<Vec<_>>()
        };
        let expected: BTreeSet<_> = (0..MANY_ENTRIES).map(|i| format!("entry-{i}")).collect();
        // The kernel uses READDIRPLUS for the first part and after lookups.
        for _ in 0..2 {
            let entries = list();
            assert_eq!(entries.len(), expected.len());
            let names = entries.iter().map(|entry| entry.file_name().into_string().unwrap());
            assert_eq!(names.collect::<BTreeSet<_>>(), expected);
            assert!(entries.iter().all(|entry| entry.file_type().unwrap().is_file()));
            assert!(entries.iter().all(|entry| entry.metadata().unwrap().mode() == 0o100444));
        }
    });
}

#[test]
fn a_write_arrives() {
    with_served("a_write_arrives", |mounted, served| {
        // Larger than one request may be.
        let sent = &text()[..10_000];
        let mut file = File::create(mounted.path("writable")).unwrap();
        file.write_all(sent).unwrap();
        assert_eq!(*served.written.lock().unwrap(), sent);
        drop(file);
        assert_eq!(fs::metadata(mounted.path("writable")).unwrap().len(), 10_000);
        let file = fs::OpenOptions::new().write(true).open(mounted.path("writable")).unwrap();
        file.set_len(0).unwrap();
        assert!(served.written.lock().unwrap().is_empty());
    });
}

#[test]
fn extended_attributes_are_asked_for() {
    with_served("extended_attributes_are_asked_for", |mounted, _| {
        let path = mounted.path("text");
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.answer", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"42");
        let size = rustix::fs::getxattr_query(&path, "user.answer").unwrap();
        assert_eq!(size, 2);
        assert!(rustix::fs::getxattr(&path, "user.other", &mut value[..]).is_err());
    });
}

#[test]
fn a_poll_ends_with_the_notification() {
    with_served("a_poll_ends_with_the_notification", |mounted, served| {
        let file = File::open(mounted.path("polled")).unwrap();
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut files = [PollFd::new(&file, PollFlags::IN)];
        assert_eq!(poll(&mut files, Some(&now)).unwrap(), 0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| poll(&mut [PollFd::new(&file, PollFlags::IN)], None));
            let pollers = loop {
                let mut pollers = served.pollers.lock().unwrap();
                if pollers.as_ref().is_some_and(|pollers| !pollers.is_empty()) {
                    break pollers.take().unwrap();
                }
                drop(pollers);
                std::thread::sleep(Duration::from_millis(1));
            };
            for kernel_handle in pollers {
                served.connection.notify_poll(kernel_handle).unwrap();
            }
            assert_eq!(waiting.join().unwrap().unwrap(), 1);
        });
    });
}

#[test]
fn what_the_kernel_keeps_can_be_invalidated() {
    with_served("what_the_kernel_keeps_can_be_invalidated", |mounted, served| {
        fs::read(mounted.path("cached")).unwrap();
        served.connection.notify_invalidate_inode(7, 0, 0).unwrap();
        served.connection.notify_invalidate_entry(1, "cached".as_ref()).unwrap();
        served.connection.notify_invalidate_entry(1, "unknown".as_ref()).unwrap();
        served.connection.notify_invalidate_inode(99, 0, 0).unwrap();
        assert_eq!(fs::read(mounted.path("cached")).unwrap(), text());
    });
}

#[test]
fn an_unusable_mount_point_is_named() {
    if cannot_mount("an_unusable_mount_point_is_named") {
        return;
    }
    let point = std::path::Path::new("/nonexistent");
    let error = vproc_fusedev::Connection::mount(point, &MountOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("cannot mount on /nonexistent: "), "{error}");
}
