//! The file of a container's group in which triggers are set.

use crate::{Error, Host, Subject, beneath};
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;

/// What `/proc/pressure` has, and cgroups with a suffix.
const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

impl Host {
    /// Opens the pressure file of a subject's own group, to set a trigger in
    /// it: `resource` is `cpu`, `memory`, `io` or `irq`. That of the host is in
    /// `/proc/pressure`. `ENOENT` where the subject has no v2 group of its own.
    pub fn pressure_file(&self, subject: &Subject, resource: &str) -> Result<File, Error> {
        let failed = |errno| Error::at(format!("the {resource} pressure of a container"), errno);
        if !RESOURCES.contains(&resource) {
            return Err(failed(Errno::NOENT));
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK;
        if subject.is_host() {
            let path = format!("pressure/{resource}");
            let file = beneath::open(self.procfs().as_fd(), path.as_bytes(), flags);
            return file.map(File::from).map_err(failed);
        }
        let group = subject.membership().v2().ok_or_else(|| failed(Errno::NOENT))?;
        let spot = self.hierarchy_set().locate(group).ok_or_else(|| failed(Errno::NOENT))?;
        if spot.depth() == 0 {
            return Err(failed(Errno::NOENT));
        }
        let file = format!("{resource}.pressure").into_bytes();
        let path: Vec<Vec<u8>> = spot.names.into_iter().chain([file]).collect();
        beneath::open(spot.directory, &path.join(&b'/'), flags).map(File::from).map_err(failed)
    }
}
