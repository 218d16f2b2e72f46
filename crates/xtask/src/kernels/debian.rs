//! Kernels of Debian for clouds: small, and with all that a container needs.
//!
//! They come through apt, which checks signatures, with a state of its own
//! below `target/kernels/apt`; that of the machine stays as it is.

use super::{PathAnd, read, write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suites that are looked in: each has the kernel of its release, and
/// backports has the newest.
const SUITES: [&str; 4] = ["bullseye", "bookworm", "trixie", "trixie-backports"];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A kernel that is unpacked.
pub(super) struct Kernel {
    /// As `uname -r` prints it.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// What is below `lib/modules/RELEASE` in its package.
    pub(super) modules: PathBuf,
}

/// The kernel as it is kept in a directory, if it is.
pub(super) fn cached(directory: &Path) -> Option<Kernel> {
    let release = fs::read_to_string(directory.join("release")).ok()?;
    Some(Kernel { release, image: directory.join("vmlinuz"), modules: directory.join("modules") })
}

/// Fetches the kernel of a series, such as `6.1`, or the newest.
pub(super) fn fetch(work: &Path, name: &str) -> Result<Kernel, String> {
    let directory = work.join(name);
    let apt = Apt::new(work)?;
    let (release, packages) = apt.find(name)?;
    println!("Fetching {}.", packages.join(" and "));
    let unpacked = work.join("unpacked");
    for old in [&unpacked, &directory] {
        if old.exists() {
            fs::remove_dir_all(old).at(old)?;
        }
        fs::create_dir_all(old).at(old)?;
    }
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    apt.run("apt-get", &[&["-qq", "download"][..], &packages].concat(), &unpacked)?;
    for package in entries(&unpacked)? {
        let mut unpack = Command::new("dpkg-deb");
        output(unpack.arg("-x").arg(&package).arg(&unpacked))?;
    }
    // Newer packages have the merged /usr, and the image beside the modules.
    let modules = ["lib/modules", "usr/lib/modules"];
    let modules = first(modules.map(|parent| unpacked.join(parent).join(&release)))?;
    let images = [unpacked.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")];
    rename(&first(images)?, &directory.join("vmlinuz"))?;
    rename(&modules, &directory.join("modules"))?;
    let _ = fs::remove_dir_all(&unpacked);
    write(&directory.join("release"), release.as_bytes())?;
    cached(&directory).ok_or_else(|| format!("{} is incomplete", directory.display()))
}

/// apt with a root of its own.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    fn new(work: &Path) -> Result<Self, String> {
        let root = work.join("apt");
        for directory in ["etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d"]
            .into_iter()
            .chain(["state/lists/partial", "cache/archives/partial"])
        {
            let directory = root.join(directory);
            fs::create_dir_all(&directory).at(&directory)?;
        }
        let mirror = mirror();
        let sources =
            SUITES.map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"));
        write(&root.join("etc/sources.list"), sources.concat().as_bytes())?;
        write(&root.join("status"), b"")?;
        let own = root.display();
        let text = format!(
            "Dir::Etc \"{own}/etc\";\n\
             Dir::State \"{own}/state\";\n\
             Dir::State::status \"{own}/status\";\n\
             Dir::Cache \"{own}/cache\";\n\
             APT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\n\
             APT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Retries \"3\";\n{}",
            ways_out()
        );
        let configuration = root.join("apt.conf");
        write(&configuration, text.as_bytes())?;
        let apt = Apt { configuration };
        apt.run("apt-get", &["-qq", "update"], work)?;
        Ok(apt)
    }

    fn run(&self, tool: &str, arguments: &[&str], directory: &Path) -> Result<String, String> {
        let mut command = Command::new(tool);
        command.args(arguments).current_dir(directory);
        output(command.env("APT_CONFIG", &self.configuration).env("LC_ALL", "C.UTF-8"))
    }

    /// The release of a kernel, and the packages that make it up.
    fn find(&self, name: &str) -> Result<(String, Vec<String>), String> {
        let here = Path::new(".");
        // Records of the package that depends on the latest kernel of each
        // suite, the newest first.
        let show = ["show", "--all-versions", "linux-image-cloud-amd64"];
        let text = self.run("apt-cache", &show, here)?;
        let field = |record: &str, name: &str| {
            let line = record.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().to_owned()
        };
        let series = format!("{name}.");
        let record = text
            .split("\n\n")
            .find(|record| name == "newest" || field(record, "Version: ").starts_with(&series))
            .ok_or_else(|| format!("Debian has no kernel {name}"))?;
        let depends = field(record, "Depends: ");
        let release = depends
            .split([' ', ','])
            .find_map(|word| word.strip_prefix("linux-image-"))
            .ok_or_else(|| format!("no kernel among `{depends}`"))?;
        let known = self.run("apt-cache", &["pkgnames", "linux-"], here)?;
        let has = |package: &str| known.lines().any(|line| line == package);
        let modules = format!("linux-modules-{release}");
        let image = ["linux-binary-", "linux-binary-unsigned-", "linux-image-"]
            .map(|prefix| format!("{prefix}{release}"));
        // Since 6.19 the image package is empty and depends on two others.
        let packages = match image.into_iter().find(|package| has(package)) {
            Some(image) if has(&modules) => vec![image, modules],
            _ => vec![format!("linux-image-{release}")],
        };
        Ok((release.to_owned(), packages))
    }
}

/// The mirror that this machine uses, if it is one of Debian.
fn mirror() -> String {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(entries(Path::new("/etc/apt/sources.list.d")).unwrap_or_default());
    let found = files.iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| {
        let mut words = text
            .lines()
            .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
            .flat_map(str::split_whitespace);
        words
            .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
            .map(str::to_owned)
    });
    found.unwrap_or_else(|| "http://deb.debian.org/debian".into())
}

/// How this machine's apt gets out: proxies, and how far its clock is trusted.
fn ways_out() -> String {
    let dump = output(Command::new("apt-config").arg("dump")).unwrap_or_default();
    let wanted = ["Acquire::http", "Acquire::https", "Acquire::Check-"];
    let lines = dump.lines().filter(|line| wanted.iter().any(|start| line.starts_with(start)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> =
        listed.map_err(|error| format!("{}: {error}", directory.display()))?;
    paths.sort();
    Ok(paths)
}

fn first<const N: usize>(paths: [PathBuf; N]) -> Result<PathBuf, String> {
    let names = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let missing = || format!("the package has none of {}", names.join(", "));
    paths.into_iter().find(|path| path.exists()).ok_or_else(missing)
}

fn rename(from: &Path, to: &Path) -> Result<(), String> {
    fs::rename(from, to).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

/// What a command prints; its complaint where it fails.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} ended with {}: {}", output.status, complaint.trim()))
}

/// What apt needs to be of use here.
pub(super) fn keyring() -> bool {
    read(Path::new(KEYRING)).is_ok()
}
