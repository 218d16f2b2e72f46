//! What the machine has to have for guests.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs of the machine, where they are.
pub(super) struct Tools {
    pub(super) qemu: PathBuf,
    pub(super) virtiofsd: PathBuf,
    pub(super) busybox: PathBuf,
}

impl Tools {
    /// Finds everything that a guest needs, or says what is missing.
    pub(super) fn find() -> Result<Self, String> {
        if env::consts::ARCH != "x86_64" {
            return Err("the guests are x86-64, and this machine is not".into());
        }
        if !is_root() {
            return Err("only root can serve the root directory to a guest".into());
        }
        for tool in ["unshare", "setpriv"] {
            in_path(tool, "util-linux")?;
        }
        in_path("xz", "xz-utils")?;
        in_path("zstd", "zstd")?;
        let tools = Tools {
            qemu: in_path("qemu-system-x86_64", "qemu-system-x86")?,
            virtiofsd: ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"]
                .map(PathBuf::from)
                .into_iter()
                .find(|path| path.exists())
                .ok_or_else(|| missing("virtiofsd", "virtiofsd or qemu-system-common"))?,
            busybox: in_path("busybox", "busybox-static")?,
        };
        let busybox = std::fs::read(&tools.busybox).unwrap_or_default();
        let loader = b"ld-linux";
        if busybox.windows(loader.len()).take(4096).any(|window| window == loader) {
            return Err(missing("a static busybox", "busybox-static"));
        }
        Ok(tools)
    }
}

/// Says what it takes to fetch a kernel and is missing.
pub(super) fn can_fetch() -> Result<(), String> {
    in_path("apt-get", "apt")?;
    in_path("dpkg-deb", "dpkg")?;
    if super::debian::keyring() {
        return Ok(());
    }
    Err(missing("the keyring of Debian", "debian-archive-keyring"))
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout == b"0\n")
}

fn in_path(tool: &str, package: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = places.map(|place| place.join(tool)).find(|path| Path::is_file(path));
    found.ok_or_else(|| missing(tool, package))
}

fn missing(what: &str, package: &str) -> String {
    format!("{what} is missing (Debian's package {package})")
}
