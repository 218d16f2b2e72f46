//! systemd, where it started us: it waits until the mount is there, watches
//! over the holder, and keeps the connection while the service restarts.

use sd_notify::{NotifyState, listen_fds_with_names, notify, notify_with_fds};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use vproc_fuse::Supervisor;

/// The name of the connection in systemd's store.
const NAME: &str = "vproc-connection";

/// What started `vprocctl mount`.
pub(crate) struct Manager {
    point: PathBuf,
    is_systemd: bool,
}

impl Manager {
    pub(crate) fn new(point: &Path) -> Self {
        let is_systemd = std::env::var_os("NOTIFY_SOCKET").is_some();
        Manager { point: point.to_owned(), is_systemd }
    }
}

impl Supervisor for Manager {
    #[allow(unsafe_code)]
    fn stored(&mut self) -> Option<OwnedFd> {
        let mut passed = listen_fds_with_names(true).ok()?;
        let (fd, _) = passed.find(|(_, name)| name == NAME)?;
        // SAFETY: systemd opened it for this process (sd_listen_fds(3)), and
        // nothing else in it has asked for the descriptors that were passed.
        Some(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn ready(&mut self, connection: BorrowedFd<'_>) -> bool {
        tracing::info!(mount = %self.point.display(), "serving");
        // For scripts that wait until it can be used.
        let _ = crate::output::write(format!("{}\n", self.point.display()).as_bytes());
        if !self.is_systemd {
            return false;
        }
        let _ = notify(false, &[NotifyState::Ready]);
        // Without FileDescriptorStoreMax= it is closed again at once.
        let store = [NotifyState::FdStore, NotifyState::FdName(NAME)];
        notify_with_fds(false, &store, &[connection]).is_ok()
    }

    fn is_well(&mut self) {
        if self.is_systemd {
            let _ = notify(false, &[NotifyState::Watchdog]);
        }
    }
}
