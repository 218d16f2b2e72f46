//! Trying out a policy that is a file: `policy inspect`, `test`, `replay` and
//! `precompile`. None of them needs privileges or a mount.

use crate::admission::pinned;
use crate::failure::{Exit, Failure};
use crate::policy::{cache, opened, setting};
use crate::readings::read_capture;
use crate::{ls, output};
use serde::Serialize;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vproc_linux::Host;
use vproc_runtime::{Engine, Options, Policy};
use vproc_snapshot::pattern::is_pattern;
use vproc_snapshot::{Capture, Entry, Kind, Manifest, Readings, Setting};
use vproc_trust::Pinned;

/// Print what a policy declares: its files, inputs and knobs, what it imports,
/// its size and its hash
#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// The policy; the embedded one if left out
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
    file: Option<Pinned>,

    /// Turn a knob of the policy, such as cpus=cpuset or /proc/stat=deny; may be
    /// given several times
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = setting)]
    settings: Vec<Setting>,

    /// Print the inputs of each file below it
    #[arg(long)]
    needs: bool,

    /// Print JSON for scripts; it has the inputs, too
    #[arg(long)]
    json: bool,
}

/// Compare what a policy renders with what it rendered before
///
/// DIR holds captures, NAME.json. What each of their files should be is kept in
/// DIR/NAME/proc/meminfo and so on. A difference is printed; then the exit
/// status is 1. --update accepts what is rendered now. With paths, other files
/// are neither compared nor kept.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// The policy
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
    file: Pinned,

    /// Where the captures are
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Only these files, and those below these directories
    #[arg(value_name = "PATH")]
    paths: Vec<String>,

    /// Write what is rendered now
    #[arg(long)]
    update: bool,

    /// Turn a knob of the policy, such as cpus=cpuset or /proc/stat=deny; may be
    /// given several times
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = setting)]
    settings: Vec<Setting>,
}

/// Show what a switch of policies would change, on captures
///
/// Renders each capture with both policies and prints the differences, from
/// the other policy's text to this one's. Exits with 1 if there are some, as
/// diff(1) does.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// The policy to switch to
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
    file: Pinned,

    /// What to render
    #[arg(value_name = "CAPTURE.json", required = true)]
    captures: Vec<PathBuf>,

    /// The policy that is in use; the embedded one if left out
    #[arg(long, value_name = "OTHER.wasm[@sha256:HEX]", value_parser = pinned())]
    compare: Option<Pinned>,

    /// Turn a knob of FILE, such as cpus=cpuset or /proc/stat=deny; may be given
    /// several times. The other policy's knobs stay as they are
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = setting)]
    settings: Vec<Setting>,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

/// Compile a policy, so that its first use on this machine is a fast one
///
/// Fills the cache of compiled policies of this user, which every command that
/// takes a policy loads from, and the workers of a mount that this user starts.
#[derive(clap::Args)]
pub(crate) struct Precompile {
    /// The policy
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
    file: Pinned,
}

/// A policy and where it came from.
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) component: Vec<u8>,
    pub(crate) policy: Policy,
}

pub(crate) fn engine() -> Result<Engine, Failure> {
    Engine::new(Options::default())
        .map_err(|error| Failure::new(Exit::Host, format!("cannot set up: {error}")))
}

pub(crate) fn open(engine: &Engine, file: Option<&Pinned>) -> Result<Opened, Failure> {
    let Some(file) = file else {
        let name = "the embedded policy".to_owned();
        let policy = vproc_default::load(engine, None).map_err(|error| {
            Failure::policy(format_args!("cannot load {name}"), &error, "please report it")
        })?;
        return Ok(Opened { name, component: vproc_default::COMPONENT.to_vec(), policy });
    };
    let name = file.file.display().to_string();
    let (policy, component) = opened(engine, file, None, cache().as_ref())?;
    Ok(Opened { name, component, policy })
}

impl Opened {
    fn declare(&self, readings: &Readings) -> Result<Manifest, Failure> {
        self.policy.declare(&readings.environment).map_err(|error| {
            let remedy = "`vprocctl policy check` says more";
            Failure::policy(format_args!("cannot use {}", self.name), &error, remedy)
        })
    }
}

#[derive(Serialize)]
struct Inspected<'a> {
    file: &'a str,
    sha256: String,
    size: usize,
    /// The contract that it was built for; none of an overlay.
    wit: Option<String>,
    imports: Vec<String>,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

pub(crate) fn inspect(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let opened = open(&engine()?, arguments.file.as_ref())?;
    let environment = Host::open()?.environment(arguments.settings.clone());
    let manifest = opened.policy.declare(&environment).map_err(|error| {
        let remedy = "`vprocctl policy check` says more";
        Failure::policy(format_args!("cannot use {}", opened.name), &error, remedy)
    })?;
    let inspected = Inspected {
        file: &opened.name,
        sha256: opened.policy.digest().to_string(),
        size: opened.component.len(),
        wit: opened.policy.version().map(|version| format!("vproc:policy@{version}")),
        imports: opened.policy.imports(),
        manifest: &manifest,
    };
    if arguments.json {
        return output::write_json(&inspected).map(|()| ExitCode::SUCCESS);
    }
    let mut page = String::new();
    let _ = writeln!(page, "{} {}, {}", manifest.name, manifest.version, opened.name);
    let contract = inspected.wit.as_deref().unwrap_or("of each of its policies");
    let _ = writeln!(page, "contract  {contract}");
    let _ = writeln!(page, "sha256    {}", inspected.sha256);
    let _ = writeln!(page, "size      {} bytes", inspected.size);
    let imports = match inspected.imports.as_slice() {
        [] => "none".to_owned(),
        some => format!("{} (calling one ends the render)", some.join(", ")),
    };
    let _ = writeln!(page, "imports   {imports}");
    let sources = Manifest::sources(&manifest.entries).len();
    let hint = if arguments.needs { "" } else { "; --needs lists them" };
    let _ = writeln!(page, "inputs    {sources} different ones{hint}");
    let _ = writeln!(page, "\n{} files:", manifest.entries.len());
    for entry in &manifest.entries {
        let _ = writeln!(page, "  {} {:<9} {}", ls::mode(entry), entry.class.as_str(), entry.path);
        for need in entry.needs.iter().filter(|_| arguments.needs) {
            let _ = writeln!(page, "      {}", need.source);
        }
    }
    let _ = writeln!(page, "\n{} knobs:", manifest.knobs.len());
    for knob in &manifest.knobs {
        let _ = writeln!(page, "  {}={} (default: {})", knob.name, knob.values, knob.default);
    }
    output::write(page.as_bytes()).map(|()| ExitCode::SUCCESS)
}

/// Every file of a capture as a policy renders it, or why it cannot.
fn texts(opened: &Opened, capture: &Capture, settings: &[Setting]) -> Result<Texts, Failure> {
    let mut readings = capture.readings.clone();
    readings.environment.settings.extend_from_slice(settings);
    let manifest = opened.declare(&readings)?;
    let mut texts = Texts::new();
    for path in paths(opened, &manifest, &readings) {
        let Some(entry) = find(&manifest, &path) else { continue };
        let Ok(snapshot) = readings.snapshot_at(entry, &path, None) else { continue };
        let text = match opened.policy.render(&path, &snapshot) {
            Ok(rendered) => String::from_utf8_lossy(&rendered.body).into_owned(),
            Err(error) => format!("(no text: {error})\n"),
        };
        texts.insert(path, text);
    }
    Ok(texts)
}

type Texts = BTreeMap<String, String>;

fn find<'m>(manifest: &'m Manifest, path: &str) -> Option<&'m Entry> {
    let stands_for = |entry: &&Entry| vproc_snapshot::pattern::path_stands_for(&entry.path, path);
    manifest.entry(path).or_else(|| manifest.entries.iter().find(stands_for))
}

/// The files that exist on the machine of a capture: numbered ones as their
/// directories list them.
fn paths(opened: &Opened, manifest: &Manifest, readings: &Readings) -> Vec<String> {
    let mut paths = Vec::new();
    let files = manifest.entries.iter().filter(|entry| entry.kind != Kind::Directory);
    for entry in files.filter(|entry| !readings.lacks(entry)) {
        if !is_pattern(&entry.path) {
            paths.push(entry.path.clone());
            continue;
        }
        for number in numbers(opened, manifest, readings, entry) {
            paths.push(entry.path.replacen('*', &number, 1));
        }
    }
    paths.retain(|path| !is_pattern(path));
    paths
}

/// The numbers that stand for the first `*` in a path.
fn numbers(
    opened: &Opened,
    manifest: &Manifest,
    readings: &Readings,
    entry: &Entry,
) -> BTreeSet<String> {
    let Some((before, _)) = entry.path.split_once('*') else { return BTreeSet::new() };
    let Some((directory, prefix)) = before.rsplit_once('/') else { return BTreeSet::new() };
    let text = manifest.entry(directory).and_then(|listing| {
        let snapshot = readings.snapshot(listing, None).ok()?;
        opened.policy.render(directory, &snapshot).ok()
    });
    let text = text.map(|rendered| String::from_utf8_lossy(&rendered.body).into_owned());
    let text = text.unwrap_or_default();
    let numbers = text.lines().filter_map(|name| name.strip_prefix(prefix));
    numbers.filter(|rest| rest.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned).collect()
}

pub(crate) fn test(arguments: &Test) -> Result<ExitCode, Failure> {
    let opened = open(&engine()?, Some(&arguments.file))?;
    let directory = &arguments.directory;
    let listing = std::fs::read_dir(directory)
        .map_err(|error| Failure::file("list", directory, &error))?
        .flatten();
    let mut captures: Vec<PathBuf> = listing
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    captures.sort();
    if captures.is_empty() {
        let message = format!(
            "{} has no captures; `vprocctl capture --pid PID -o {}/NAME.json` records one",
            directory.display(),
            directory.display()
        );
        return Err(Failure::new(Exit::InputOutput, message));
    }
    let (mut same, mut different, mut written) = (0, 0, 0);
    for path in captures {
        let expected = path.with_extension("");
        let is_meant = |name: &String, _: &mut String| arguments.is_meant(name);
        let (mut kept, mut texts) =
            (kept(&expected)?, texts(&opened, &read_capture(&path)?, &arguments.settings)?);
        kept.retain(is_meant);
        texts.retain(is_meant);
        if arguments.update {
            written += update(&expected, &kept, &texts)?;
            continue;
        }
        let names: BTreeSet<&String> = kept.keys().chain(texts.keys()).collect();
        for name in names {
            let (before, now) = (kept.get(name), texts.get(name));
            if before == now {
                same += 1;
                continue;
            }
            different += 1;
            let title = format!("{}{name}", expected.display());
            output::write(unified(&title, before, now).as_bytes())?;
        }
    }
    if arguments.update {
        output::write(format!("{written} files written\n").as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let hint = if different > 0 { "; --update accepts them" } else { "" };
    output::write(format!("{same} files as expected, {different} not{hint}\n").as_bytes())?;
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Test {
    fn is_meant(&self, name: &str) -> bool {
        let is_below = |path: &String| {
            let rest = name.strip_prefix(path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.paths.is_empty() || self.paths.iter().any(is_below)
    }
}

/// What was accepted for a capture.
fn kept(directory: &Path) -> Result<Texts, Failure> {
    let mut texts = Texts::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(current) = directories.pop() {
        let listing = match std::fs::read_dir(&current) {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::file("list", &current, &error)),
        };
        for file in listing.flatten() {
            let path = file.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Failure::file("read", &path, &error))?;
            let name = path.strip_prefix(directory).unwrap_or(&path);
            texts.insert(format!("/{}", name.display()), text);
        }
    }
    Ok(texts)
}

fn update(directory: &Path, kept: &Texts, texts: &Texts) -> Result<usize, Failure> {
    let mut written = 0;
    for (name, text) in texts.iter().filter(|(name, text)| kept.get(*name) != Some(text)) {
        let path = directory.join(name.trim_start_matches('/'));
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).map_err(|error| Failure::file("create", parent, &error))?;
        std::fs::write(&path, text).map_err(|error| Failure::file("write", &path, &error))?;
        written += 1;
    }
    for name in kept.keys().filter(|name| !texts.contains_key(*name)) {
        let path = directory.join(name.trim_start_matches('/'));
        std::fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
        written += 1;
    }
    Ok(written)
}

fn unified(title: &str, before: Option<&String>, now: Option<&String>) -> String {
    let empty = String::new();
    let (before, now) = (before.unwrap_or(&empty), now.unwrap_or(&empty));
    let diff = TextDiff::from_lines(before.as_str(), now.as_str());
    let mut text = diff.unified_diff().context_radius(0).header(title, title).to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[derive(Serialize)]
struct Difference {
    capture: String,
    path: String,
    from: Option<String>,
    to: Option<String>,
}

pub(crate) fn replay(arguments: &Replay) -> Result<ExitCode, Failure> {
    let engine = engine()?;
    let to = open(&engine, Some(&arguments.file))?;
    let from = open(&engine, arguments.compare.as_ref())?;
    let mut differences = Vec::new();
    let mut same = 0;
    for path in &arguments.captures {
        let capture = read_capture(path)?;
        let before = texts(&from, &capture, &[])?;
        let after = texts(&to, &capture, &arguments.settings)?;
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let (from, to) = (before.get(name), after.get(name));
            if from == to {
                same += 1;
                continue;
            }
            differences.push(Difference {
                capture: path.display().to_string(),
                path: name.clone(),
                from: from.cloned(),
                to: to.cloned(),
            });
        }
    }
    if arguments.json {
        output::write_json(&differences)?;
    } else {
        let mut page = String::new();
        for Difference { capture, path, from, to } in &differences {
            match (from, to) {
                (Some(_), Some(_)) => {
                    let title = format!("{capture}: {path}");
                    page.push_str(&unified(&title, from.as_ref(), to.as_ref()));
                }
                (Some(_), None) => {
                    let _ = writeln!(page, "{capture}: {path} would no longer be served");
                }
                _ => {
                    let _ = writeln!(page, "{capture}: {path} would be served");
                }
            }
        }
        let _ = writeln!(page, "{same} files stay, {} change", differences.len());
        output::write(page.as_bytes())?;
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn precompile(arguments: &Precompile) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    let Some(cache) = cache() else {
        let message = "there is no directory for compiled policies; set XDG_CACHE_HOME or HOME";
        return Err(Failure::new(Exit::Host, message));
    };
    let (policy, _) = opened(&engine()?, file, None, Some(&cache))?;
    output::write(format!("{} is compiled\n", policy.digest()).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
