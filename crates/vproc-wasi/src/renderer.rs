//! The policy, in the shapes of `vproc-snapshot`.

use crate::bindings::vproc::policy::renderer as wit;
use vproc_snapshot::{
    CgroupVersion, Class, Content, Entry, Environment, History, Input, Kind, Manifest, Need,
    Process, Scope, Snapshot, Source,
};

pub(crate) use wit::{Body, Error, Rendered};

/// What the policy serves. Texts for people are left out.
pub(crate) fn declare(environment: &Environment) -> Result<Manifest, Error> {
    let manifest = wit::declare(&to_environment(environment))?;
    Ok(Manifest {
        name: manifest.name,
        version: manifest.version,
        entries: manifest.entries.into_iter().map(from_entry).collect(),
        knobs: Vec::new(),
    })
}

/// The text of a file.
pub(crate) fn render(path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
    let snapshot = wit::Snapshot {
        environment: to_environment(snapshot.environment),
        now: snapshot.now,
        is_host: snapshot.is_host,
        state: snapshot.state.map(<[u8]>::to_vec),
        inputs: snapshot.inputs.iter().map(to_input).collect(),
    };
    wit::render(path, &snapshot)
}

fn to_environment(environment: &Environment) -> wit::Environment {
    wit::Environment {
        page_size: environment.page_size,
        user_hz: environment.user_hz,
        huge_page_size: environment.huge_page_size,
        machine: environment.machine.clone(),
        settings: environment
            .settings
            .iter()
            .map(|setting| wit::Setting {
                knob: setting.knob.clone(),
                value: setting.value.clone(),
            })
            .collect(),
    }
}

fn to_input(input: &Input<'_>) -> wit::Input {
    wit::Input {
        key: input.key.to_owned(),
        level: input.level,
        depth: input.depth,
        content: match input.content {
            Content::Text(text) => wit::Content::Text(text.clone()),
            Content::Bytes(bytes) => wit::Content::Bytes(bytes.clone()),
            Content::Tasks(tasks) => wit::Content::Tasks(wit::TaskCounts {
                total: tasks.total,
                running: tasks.running,
                blocked: tasks.blocked,
                last_pid: tasks.last_pid,
            }),
            Content::Absent(errno) => wit::Content::Absent(*errno),
        },
    }
}

fn from_entry(entry: wit::Entry) -> Entry {
    Entry {
        path: entry.path,
        kind: match entry.kind {
            wit::Kind::File => Kind::File,
            wit::Kind::Directory => Kind::Directory,
            wit::Kind::Symlink => Kind::Symlink,
        },
        mode: entry.mode,
        class: match entry.class {
            wit::Class::Virtual => Class::Virtual,
            wit::Class::Filtered => Class::Filtered,
            wit::Class::Passed => Class::Passed,
            wit::Class::Constant => Class::Constant,
            wit::Class::Masked => Class::Masked,
            wit::Class::Denied => Class::Denied,
        },
        summary: String::new(),
        reason: String::new(),
        needs: entry
            .needs
            .into_iter()
            .map(|need| Need { key: need.key, source: from_source(need.from) })
            .collect(),
        history: entry
            .history
            .map(|history| History { format: history.format, interval_ms: history.interval_ms }),
        covers: entry.covers,
    }
}

fn from_source(source: wit::Source) -> Source {
    match source {
        wit::Source::Host(path) => Source::Host(path),
        wit::Source::Namespaced(path) => Source::Namespaced(path),
        wit::Source::Cgroup(file) => Source::Cgroup {
            version: match file.version {
                wit::CgroupVersion::V1 => CgroupVersion::V1,
                wit::CgroupVersion::V2 => CgroupVersion::V2,
            },
            controller: file.controller,
            name: file.name,
            scope: match file.scope {
                wit::Scope::Leaf => Scope::Leaf,
                wit::Scope::Nearest => Scope::Nearest,
                wit::Scope::Lineage => Scope::Lineage,
            },
        },
        wit::Source::Process(file) => Source::Process {
            of: match file.of {
                wit::Process::Init => Process::Init,
                wit::Process::Subject => Process::Subject,
                wit::Process::Reader => Process::Reader,
                wit::Process::Path => Process::Path,
            },
            name: file.name,
        },
        wit::Source::Tasks => Source::Tasks,
        wit::Source::Processes => Source::Processes,
    }
}
