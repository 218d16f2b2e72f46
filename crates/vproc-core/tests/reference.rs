//! The reference in `docs/reference`: a page for each entry, and one for each
//! module of several, made of the entries and of what their module says. A page
//! that is not current fails; `cargo xtask docs` writes them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use vproc_core::contract::{CgroupVersion, Process, Scope, Source};
use vproc_core::files::{MODULES, TABLES};
use vproc_core::knobs::{KNOBS, Knob, TREATMENT};
use vproc_core::{Class, Entry, Kind};

/// Set where the pages are to be written.
const WRITE: &str = "VPROC_WRITE_REFERENCE";

#[test]
fn the_reference_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = here.join("../../docs/reference");
    let pages = pages(&here.join("src/files"));
    if std::env::var_os(WRITE).is_some() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        for (name, page) in &pages {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, page).unwrap();
        }
        return;
    }
    let found: BTreeMap<String, String> = files(&directory)
        .into_iter()
        .map(|path| (name(&directory, &path), fs::read_to_string(&path).unwrap()))
        .collect();
    for (name, page) in &pages {
        let is_current = found.get(name) == Some(page);
        assert!(is_current, "docs/reference/{name} is not current; run `cargo xtask docs`");
    }
    let known: BTreeSet<_> = pages.keys().collect();
    let left: Vec<_> = found.keys().filter(|name| !known.contains(name)).collect();
    assert!(left.is_empty(), "{left:?} belong to no module; run `cargo xtask docs`");
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).into_iter().flatten().map(|file| file.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn name(directory: &Path, path: &Path) -> String {
    path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned()
}

/// Every page by its name.
fn pages(source: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut index = String::from(INDEX);
    let rows = |tables: &[&'static [Entry]]| tables.iter().copied().flatten().collect::<Vec<_>>();
    let tables = TABLES.iter().map(|(module, tables)| (module, rows(tables)));
    let modules = MODULES.iter().map(|(module, entries)| (module, entries.to_vec()));
    for (module, entries) in modules.chain(tables) {
        let documentation = documentation(source, module);
        for entry in &entries {
            let (path, class) = (code(entry.path), class(entry.class));
            let file = if entries.len() == 1 {
                format!("{module}.md")
            } else {
                let file = format!("{module}/{}.md", file_name(entry.path));
                let alike =
                    entries.iter().filter(|other| same_page(other.path) == same_page(entry.path));
                let alike: Vec<&Entry> = alike.copied().collect();
                let lxcfs = documentation.split_once(LXCFS).map_or("", |(_, lxcfs)| lxcfs);
                pages.insert(file.clone(), one_of_many(module, lxcfs, &alike));
                file
            };
            writeln!(index, "| [{path}]({file}) | {class} | {} |", entry.summary).unwrap();
        }
        let heading = match &entries[..] {
            [entry] => code(entry.path),
            _ => module.replace('_', " "),
        };
        pages.insert(format!("{module}.md"), page(&heading, &documentation, &entries));
    }
    index.push_str(KNOB_HEADING);
    for knob in KNOBS {
        index.push_str(&row(knob));
    }
    let (values, default, summary) = TREATMENT;
    let values = values.replace('|', "\\|");
    writeln!(index, "| a path | {values} | {default} | {summary} |").unwrap();
    pages.insert("README.md".into(), index);
    pages
}

/// A thread has the same files as its process, and they share a page.
fn same_page(path: &str) -> String {
    path.replacen("/task/*/", "/", 1)
}

/// `sys.kernel.pid_max` of `/proc/sys/kernel/pid_max`.
fn file_name(path: &str) -> String {
    let below = ["/proc/", "/sys/devices/system/"].iter().find_map(|top| path.strip_prefix(top));
    let name = same_page(path);
    let name =
        below.map_or(name.trim_start_matches('/'), |below| &name[path.len() - below.len()..]);
    name.replace('*', "N").replace('/', ".")
}

/// The page of an entry whose module has several.
fn one_of_many(module: &str, lxcfs: &str, entries: &[&Entry]) -> String {
    let Entry { path, summary, reason, .. } = entries[0];
    let rules = module.replace('_', " ");
    let documentation = format!(
        "{summary}. Why: {reason}.\n\nThe rules that it shares with others are those of \
         [{rules}](../{module}.md).\n{LXCFS}{lxcfs}"
    );
    page(&code(path), &documentation, entries)
}

const LXCFS: &str = "\n## What lxcfs does\n";

const GENERATED: &str = "<!-- Written by `cargo xtask docs` from crates/vproc-core. -->\n\n";

const INDEX: &str = "<!-- Written by `cargo xtask docs` from crates/vproc-core. -->

# What the default policy serves

Where the numbers come from:

| class | |
|:---|:---|
| virtual | computed from the container's cgroup |
| filtered | the host's rows and columns that belong to the container |
| passed | as the host has it: not about load or capacity, or already the container's |
| constant | the same text for every container |
| masked | empty |
| denied | cannot be opened |

A `*` stands for a number.

| path | class | shows |
|:---|:---|:---|
";

const KNOB_HEADING: &str = "
## Knobs

`--set KNOB=VALUE` turns one. `vprocctl ls --knobs` lists them.

| knob | values | default | changes |
|:---|:---|:---|:---|
";

fn row(Knob { name, values, default, summary, .. }: &Knob) -> String {
    format!("| `{name}` | {} | {default} | {summary} |\n", values.replace('|', "\\|"))
}

/// What the module says of itself, as Markdown below a heading of the first
/// level.
fn documentation(source: &Path, module: &str) -> String {
    let candidates = [format!("{module}.rs"), format!("{module}/mod.rs")];
    let mut paths = candidates.iter().map(|name| source.join(name));
    let path: PathBuf = paths.find(|path| path.exists()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\n# lxcfs\n", LXCFS);
    without_links(&text)
}

/// Links of rustdoc, `[`name`]`, become code.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        let name = name.rsplit("::").next().unwrap_or(name);
        write!(plain, "{before}`{name}`").unwrap();
        rest = after;
    }
    plain + rest
}

fn page(heading: &str, documentation: &str, entries: &[&Entry]) -> String {
    // The heading says it already.
    let documentation =
        documentation.strip_prefix(&format!("{heading}: ")).unwrap_or(documentation);
    let first = documentation[..1].to_uppercase();
    let documentation = format!("{first}{}", &documentation[1..]);
    let mut page = format!("{GENERATED}# {heading}\n\n{documentation}\n\n## Files\n\n");
    page.push_str("| path | mode | class | shows | because |\n|:---|:---|:---|:---|:---|\n");
    for entry in entries {
        let kind = if entry.kind == Kind::Directory { "directory, " } else { "" };
        let Entry { path, mode, summary, reason, .. } = entry;
        let (path, class) = (code(path), class(entry.class));
        writeln!(page, "| {path} | {kind}{mode:04o} | {class} | {summary} | {reason} |").unwrap();
    }
    let mut sources = Vec::new();
    for need in entries.iter().flat_map(|entry| entry.needs.iter().copied().flatten()) {
        let line = source(&need.source);
        if !sources.contains(&line) {
            sources.push(line);
        }
    }
    if !sources.is_empty() {
        page.push_str("\n## Inputs\n\nThose that this host has, and that the knobs ask for:\n\n");
    }
    for source in sources {
        writeln!(page, "- {source}").unwrap();
    }
    page.push_str("\n## Knobs\n\n| knob | values | default | changes |\n|:---|:---|:---|:---|\n");
    let turns = |knob: &&Knob| {
        let below = |path: &str| knob.files.iter().any(|file| is_below(path, file));
        entries.iter().any(|entry| below(entry.path))
    };
    for knob in KNOBS.iter().filter(turns) {
        page.push_str(&row(knob));
    }
    let (values, default, summary) = TREATMENT;
    let paths = if let [entry] = entries { code(entry.path) } else { "a path".into() };
    let values = values.replace('|', "\\|");
    writeln!(page, "| {paths} | {values} | {default} | {summary} |").unwrap();
    page
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Virtual => "virtual",
        Class::Filtered => "filtered",
        Class::Passed => "passed",
        Class::Constant => "constant",
        Class::Masked => "masked",
        Class::Denied => "denied",
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Itself => "the host's file of the same path".into(),
        Source::Namespaced(path) => format!("{} in the container's namespaces", code(path)),
        Source::Host(path) => format!("{} of the host", code(path)),
        Source::Cgroup { version, controller, name, scope } => {
            let version = match version {
                CgroupVersion::V1 => "v1",
                CgroupVersion::V2 => "v2",
            };
            let controller = match *controller {
                "" => String::new(),
                name => format!(", controller {name}"),
            };
            let groups = match scope {
                Scope::Leaf => "the container's group",
                Scope::Nearest => "the container's group, or the nearest above that has it",
                Scope::Lineage => "the container's group and every group above",
            };
            format!("{} of {groups} (cgroup {version}{controller})", code(name))
        }
        Source::Process { of, name } => {
            let whose = match of {
                Process::Init => "the container's init",
                Process::Subject => "the process whose group counts",
                Process::Reader => "the process that asks",
                Process::Path => "the process or thread that the path names",
            };
            format!("`/proc/PID/{name}` of {whose}")
        }
        Source::Tasks => "counts of the container's tasks".into(),
        Source::Processes => "the container's processes and their numbers".into(),
    }
}
