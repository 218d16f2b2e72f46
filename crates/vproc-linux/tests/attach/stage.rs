//! A mount to attach from, and containers to attach to.

pub(crate) use crate::live_stage::{Running, is_root, skip, wait_for, within as alone_within};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use vproc_linux::attach::{
    Attachment, Detached, Marks, Mounted, Options, Outcome, Removal, attach, attached, detach,
};
use vproc_linux::{Host, HostPid};

pub(crate) const MEMINFO: &str = "/proc/meminfo";
pub(crate) const ONLINE: &str = "/sys/devices/system/cpu/online";
pub(crate) const PRESSURE: &str = "/proc/pressure";

/// A tmpfs that stands for a mount of vproc. Its source tells it from others.
pub(crate) struct Ours {
    directory: tempfile::TempDir,
    pub(crate) options: Options,
    pub(crate) host: Host,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Ours {
    pub(crate) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ours::named(&format!("vproc-attach-{}-{number}", std::process::id()), "ours")
    }

    /// Another mount that is recognised as the same one's.
    pub(crate) fn another(&self) -> Self {
        Ours::named(self.options.ours.source.as_ref().unwrap(), "other")
    }

    fn named(name: &str, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        mount(name, directory.path(), "tmpfs", MountFlags::empty(), c"size=64k,mode=755").unwrap();
        // As under a systemd, which shares all mounts.
        mount_change(directory.path(), MountPropagationFlags::SHARED).unwrap();
        let options = Options {
            ours: Marks { fs: "tmpfs".to_owned(), source: Some(name.to_owned()) },
            ..Options::default()
        };
        let ours = Ours { directory, options, host: Host::open().unwrap() };
        for path in [MEMINFO, ONLINE, "/proc/pressure/cpu", "/proc/mounts", "/proc/absent"] {
            let file = ours.file(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{text}: {path}\n")).unwrap();
        }
        ours
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn attach(&self, pid: HostPid, paths: &[&str]) -> Vec<Outcome> {
        let attachments = self.try_attach(pid, paths).unwrap();
        let targets: Vec<&str> = attachments.iter().map(|one| one.target.as_str()).collect();
        assert_eq!(targets, paths);
        attachments.into_iter().map(|one| one.outcome).collect()
    }

    pub(crate) fn try_attach(
        &self,
        pid: HostPid,
        paths: &[&str],
    ) -> Result<Vec<Attachment>, vproc_linux::attach::Error> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        attach(&self.host, pid, self.path(), &paths, &self.options)
    }

    pub(crate) fn detach_all(&self, pid: HostPid) -> Vec<Detached> {
        detach(&self.host, pid, None, &self.options).unwrap()
    }

    pub(crate) fn detach(&self, pid: HostPid, path: &str) -> Removal {
        let paths = [path.to_owned()];
        let mut all = detach(&self.host, pid, Some(&paths), &self.options).unwrap();
        assert_eq!((all.len(), all[0].target.as_str()), (1, path));
        all.remove(0).outcome
    }

    pub(crate) fn attached(&self, pid: HostPid) -> Vec<Mounted> {
        attached(&self.host, pid, &self.options).unwrap()
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        unmount(self.path(), UnmountFlags::DETACH).unwrap();
    }
}

/// Whether a test that attaches something can run.
pub(crate) fn can_attach() -> bool {
    if !is_root() {
        return false;
    }
    let release = Host::open().unwrap().kernel_release();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    if version < (5, 12) {
        skip("this kernel is older than 5.12");
    }
    version >= (5, 12)
}

pub(crate) fn new() -> Outcome {
    Outcome::Attached { over: None }
}

/// A container from `unshare`, which runs `script` first.
pub(crate) fn container(unshare: &[&str], script: &str) -> (Running, HostPid) {
    let script = format!("{script}\nexec sleep 1000");
    let options = ["unshare", "-p", "-f", "--kill-child", "-m", "--mount-proc"];
    let all = [&options[..], unshare, &["sh", "-c", &script]].concat();
    let running = Running::start(&[], &all);
    let init = running.descendant("sleep");
    (running, init)
}

/// What a process of a container reads: as `cat` there would.
pub(crate) fn read(pid: HostPid, path: &str) -> std::io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/root{path}"))
}

/// How many mounts a container has at a path.
pub(crate) fn mounts_at(pid: HostPid, path: &str) -> usize {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    mounts.lines().filter(|line| line.split(' ').nth(4) == Some(path)).count()
}

/// Does something in a container's mount namespace.
pub(crate) fn within<T: Send>(pid: HostPid, work: impl FnOnce() -> T + Send) -> T {
    let namespace = fs::File::open(format!("/proc/{pid}/ns/mnt")).unwrap();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            #[allow(deprecated)]
            rustix::thread::unshare(UnshareFlags::FS).unwrap();
            let kind = Some(LinkNameSpaceType::Mount);
            move_into_link_name_space(rustix::fd::AsFd::as_fd(&namespace), kind).unwrap();
            work()
        });
        worker.join().unwrap()
    })
}

/// A FUSE file system in a container. Nobody serves it: whoever asks it waits
/// until this is dropped, and then gets ENOTCONN.
pub(crate) struct Fuse {
    _connection: fs::File,
}

impl Fuse {
    /// Needs /dev/fuse.
    pub(crate) fn mount(pid: HostPid, fs: &str, path: &str, kind: u32) -> Option<Self> {
        let connection = fs::File::options().read(true).write(true).open("/dev/fuse");
        let Ok(connection) = connection else {
            skip("there is no /dev/fuse");
            return None;
        };
        let fd = connection.as_raw_fd();
        let data = format!("fd={fd},rootmode={kind:o},user_id=0,group_id=0,allow_other");
        let data = CString::new(data).unwrap();
        within(pid, || mount("test", path, fs, MountFlags::empty(), data.as_c_str())).unwrap();
        Some(Fuse { _connection: connection })
    }
}

pub(crate) const REGULAR: u32 = 0o100_000;
pub(crate) const DIRECTORY: u32 = 0o040_000;

/// A server of FUSE that can be killed, and stopped.
pub(crate) struct Lxcfs {
    directory: tempfile::TempDir,
    server: Child,
}

impl Lxcfs {
    pub(crate) fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let point = directory.path().join("mount");
        fs::create_dir(&point).unwrap();
        let mut command = Command::new("lxcfs");
        command.arg("-f").arg("-p").arg(pid_file).arg(&point);
        let Ok(server) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            skip("lxcfs is not installed");
            return None;
        };
        let lxcfs = Lxcfs { directory, server };
        wait_for("lxcfs", || lxcfs.path().join("proc/meminfo").exists().then_some(()));
        Some(lxcfs)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    pub(crate) fn stop(&self) {
        let pid = Pid::from_raw(self.server.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
    }
}

impl Drop for Lxcfs {
    fn drop(&mut self) {
        self.kill();
        unmount(self.path(), UnmountFlags::DETACH).unwrap();
    }
}
