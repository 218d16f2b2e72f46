//! A file system with a page cache, and swap, that a test may do with as it
//! likes: in memory, packed, on a zram device of their own.

use crate::shown::has;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use vproc_tests::skip;

/// A block device of zram.
struct Zram(u32);

impl Zram {
    /// `None`, and said why, where there is none.
    fn new(test: &str, mib: u64) -> Option<Self> {
        let number = match fs::read_to_string("/sys/class/zram-control/hot_add") {
            Ok(number) => number.trim().parse().unwrap(),
            Err(error) => {
                skip(test, &format!("no zram device can be had: {error}"));
                return None;
            }
        };
        let device = Zram(number);
        fs::write(format!("/sys/block/zram{number}/disksize"), format!("{mib}M")).unwrap();
        Some(device)
    }

    fn path(&self) -> String {
        format!("/dev/zram{}", self.0)
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        // Busy for a moment after it was unmounted.
        for _ in 0..100 {
            let _ = fs::write(format!("/sys/block/zram{}/reset", self.0), "1");
            if fs::write("/sys/class/zram-control/hot_remove", self.0.to_string()).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[track_caller]
fn succeed(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// A directory whose files have pages in the page cache that are read from a
/// device and written to it.
pub(crate) struct Disk {
    directory: tempfile::TempDir,
    is_mounted: bool,
    _device: Option<Zram>,
}

impl Disk {
    /// The temporary directory, unless it is in memory, or a disk in its
    /// place. `None`, and said why, where there is neither.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        // EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC of linux/magic.h.
        let on_disks = [0xef53, 0x5846_5342, 0x9123_683e];
        let magic = rustix::fs::statfs(directory.path()).unwrap().f_type as u64;
        if on_disks.contains(&magic) {
            return Some(Disk { directory, is_mounted: false, _device: None });
        }
        if !has("mkfs.ext4") {
            skip(test, "mkfs.ext4 is not installed");
            return None;
        }
        let device = Zram::new(test, 96)?;
        let path = device.path();
        succeed("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,nodiscard", &path]);
        succeed("mount", &["-t", "ext4", &path, directory.path().to_str().unwrap()]);
        Some(Disk { directory, is_mounted: true, _device: Some(device) })
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file of so many MiB, of which nothing is in memory: it was written
    /// past the page cache.
    pub(crate) fn file(&self, name: &str, mib: usize) -> String {
        #[repr(align(4096))]
        struct Block([u8; 1 << 20]);
        let path = self.path(name);
        let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
        let mut options = File::options();
        options.write(true).create_new(true).custom_flags(direct);
        let mut file = options.open(&path).unwrap();
        let mut block = Box::new(Block([0; 1 << 20]));
        (0..).zip(&mut block.0).for_each(|(at, byte): (u32, _)| *byte = (at / 7) as u8);
        for _ in 0..mib {
            file.write_all(&block.0).unwrap();
        }
        file.sync_all().unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg(self.directory.path()).status();
        }
    }
}

/// A swap area that is used before all others.
pub(crate) struct SwapArea {
    path: String,
    _file: tempfile::TempDir,
}

impl SwapArea {
    /// On a loop device: unlike zram it is slow in the eyes of the kernel,
    /// which so keeps what it swaps in in the swap cache.
    pub(crate) fn new(test: &str, mib: u64) -> Option<Self> {
        for program in ["losetup", "mkswap", "swapon", "swapoff"] {
            if !has(program) {
                skip(test, &format!("{program} is not installed"));
                return None;
            }
        }
        let directory = in_memory();
        let file = directory.path().join("swap");
        // All of it, so that no page of it is charged to who swaps out.
        let content = File::create(&file).unwrap();
        let whole = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&content, whole, 0, mib << 20).unwrap();
        let losetup = Command::new("losetup").args(["--find", "--show"]).arg(&file).output();
        let losetup = losetup.unwrap();
        if !losetup.status.success() {
            skip(test, &format!("no loop device can be had: {losetup:?}"));
            return None;
        }
        let path = String::from_utf8(losetup.stdout).unwrap().trim().to_owned();
        let area = SwapArea { path, _file: directory };
        succeed("mkswap", &["-q", &area.path]);
        succeed("swapon", &["-p", "1000", &area.path]);
        Some(area)
    }

    pub(crate) fn off(&self) {
        succeed("swapoff", &[&self.path]);
    }
}

impl Drop for SwapArea {
    fn drop(&mut self) {
        if is_on(&self.path) {
            let _ = Command::new("swapoff").arg(&self.path).status();
        }
        let _ = Command::new("losetup").args(["--detach", &self.path]).status();
    }
}

fn is_on(path: &str) -> bool {
    let text = fs::read_to_string("/proc/swaps").unwrap();
    text.lines().any(|line| line.split_whitespace().next() == Some(path))
}

/// A directory of tmpfs.
pub(crate) fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in(Path::new("/dev/shm")).unwrap()
}
