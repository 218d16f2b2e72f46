//! What a guest boots from: an archive with a shell, modules and scripts.

use super::debian::Kernel;
use super::read;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INIT: &str = include_str!("../../../../tests/kernels/init.sh");
const PROGRAMS: &str = include_str!("../../../../tests/kernels/programs.sh");

/// What `init.sh` and the tests use. A kernel may have some of them built in,
/// and an old one packs with `lzo` what a newer one packs with `lzo-rle`.
const MODULES: [&str; 9] = [
    "virtio_pci",
    "virtio_console",
    "fuse",
    "virtiofs",
    "overlay",
    "lzo",
    "lzo-rle",
    "zram",
    "loop",
];

/// The archive for a kernel; `programs` is the part of the script that says
/// what to run.
pub(super) fn build(kernel: &Kernel, busybox: &Path, programs: &str) -> Result<Vec<u8>, String> {
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "modules", "proc", "run", "sys"] {
        archive.directory(directory);
    }
    archive.file("init", 0o755, INIT.as_bytes());
    archive.file("programs.sh", 0o644, format!("{PROGRAMS}\n{programs}").as_bytes());
    archive.file("bin/busybox", 0o755, &read(busybox)?);
    let mut modules = Modules { all: list(&kernel.modules.join("kernel")), taken: Vec::new() };
    for name in MODULES {
        modules.take(name)?;
    }
    let mut order = String::new();
    for (name, bytes) in &modules.taken {
        archive.file(&format!("modules/{name}.ko"), 0o644, bytes);
        order = order + name + "\n";
    }
    archive.file("modules/list", 0o644, order.as_bytes());
    Ok(archive.finish())
}

struct Modules {
    all: Vec<PathBuf>,
    /// Each after those that it depends on.
    taken: Vec<(String, Vec<u8>)>,
}

impl Modules {
    /// Takes a module, if it is none that is built in.
    fn take(&mut self, name: &str) -> Result<(), String> {
        // Both characters are in use, and mean the same.
        let name = name.replace('-', "_");
        if self.taken.iter().any(|(taken, _)| *taken == name) {
            return Ok(());
        }
        let file = self.all.iter().find(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.split(".ko").next().is_some_and(|stem| stem.replace('-', "_") == name)
        });
        let Some(file) = file else { return Ok(()) };
        let bytes = match file.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => unpack("xz", file)?,
            Some("zst") => unpack("zstd", file)?,
            _ => read(file)?,
        };
        for dependency in dependencies(&bytes) {
            self.take(&dependency)?;
        }
        self.taken.push((name, bytes));
        Ok(())
    }
}

/// What a module says in its section `.modinfo`, where texts end with NUL.
fn dependencies(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let start = module.windows(key.len()).position(|window| window == key);
    let value = start.and_then(|start| module.get(start + key.len()..)).unwrap_or_default();
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let value = String::from_utf8_lossy(value);
    value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn unpack(tool: &str, file: &Path) -> Result<Vec<u8>, String> {
    let mut command = Command::new(tool);
    let output = command.arg("-dc").arg(file).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run {tool}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{tool} cannot unpack {}", file.display()))
}

/// Every file below a directory.
fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() { list(&path) } else { vec![path] }
        })
        .collect()
}

/// The format that the kernel takes: "newc" of cpio, described in
/// `Documentation/driver-api/early-userspace/buffer-format.rst`.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn directory(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, 0o100_000 | mode, content);
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (content_size, name_size) = (content.len() as u32, name.len() as u32 + 1);
        // ino, mode, uid, gid, nlink, mtime, filesize, maj, min, rmaj, rmin,
        // namesize, chksum
        let header = [self.entries, mode, 0, 0, 1, 0, content_size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for number in header {
            self.bytes.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_padded_and_ends_with_a_trailer() {
        let mut archive = Archive::default();
        archive.file("init", 0o755, b"abcde");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8(bytes).expect("all of it is text");
        assert!(text.starts_with("07070100000001000081ED"), "{text}");
        // 110 bytes of header, 5 of name, padded to 116; then 5 of 8.
        assert_eq!(text.find("abcde\0\0\x00070701"), Some(116), "{text}");
        assert!(text.contains("TRAILER!!!\0"));
    }

    #[test]
    fn a_module_names_its_dependencies() {
        let module = b"\x7fELF\0license=GPL\0depends=virtio,virtio_ring\0intree=Y\0";
        assert_eq!(dependencies(module), ["virtio", "virtio_ring"]);
        assert!(dependencies(b"\0depends=\0name=x\0").is_empty());
        assert!(dependencies(b"").is_empty());
    }
}
