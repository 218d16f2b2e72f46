//! Translates between the shapes of the interface and those of the core.

#![allow(unsafe_code, unreachable_pub, missing_docs)] // generated bindings

wit_bindgen::generate!({
    path: "../../wit",
    world: "complete-policy",
    runtime_path: "wit_bindgen::rt",
    pub_export_macro: true,
});

use crate::{Entry, Error, Policy, answer};
use ::core::marker::PhantomData;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use exports::vproc::policy::explainer;
use exports::vproc::policy::renderer as wit;
use vproc_core::contract as core;
use vproc_core::knobs::{KNOBS, TREATMENT};

/// A policy of a crate: what [`export!`](crate::export) makes.
pub trait Exported {
    /// The policy.
    type Policy: Policy;
    /// The crate's version.
    const VERSION: &'static str;
}

/// The component of such a policy.
pub struct Component<E>(PhantomData<E>);

impl<E: Exported> wit::Guest for Component<E> {
    fn declare(environment: wit::Environment) -> Result<wit::Manifest, wit::Error> {
        let environment = to_environment(&environment);
        let entries = answer::manifest::<E::Policy>(&environment).map_err(from_error)?;
        Ok(wit::Manifest {
            name: E::Policy::NAME.into(),
            version: E::VERSION.into(),
            entries: entries.into_iter().map(from_entry).collect(),
            knobs: knobs::<E::Policy>(),
        })
    }

    fn render(path: String, snapshot: wit::Snapshot) -> Result<wit::Rendered, wit::Error> {
        let rendered = answer::render::<E::Policy>(&path, to_snapshot(&snapshot));
        let rendered = rendered.map_err(from_error)?;
        let body = match rendered.bytes {
            Some(bytes) => wit::Body::Bytes(bytes),
            None => wit::Body::Text(rendered.text),
        };
        Ok(wit::Rendered { body, state: rendered.state })
    }
}

mod explained;
mod found;
mod written;

fn to_environment(environment: &wit::Environment) -> core::Environment<'_> {
    core::Environment {
        page_size: environment.page_size,
        user_hz: environment.user_hz,
        huge_page_size: environment.huge_page_size,
        machine: &environment.machine,
        settings: environment
            .settings
            .iter()
            .map(|setting| (setting.knob.as_str(), setting.value.as_str()))
            .collect(),
    }
}

fn to_snapshot(snapshot: &wit::Snapshot) -> core::Snapshot<'_> {
    core::Snapshot {
        environment: to_environment(&snapshot.environment),
        now: snapshot.now,
        is_host: snapshot.is_host,
        state: snapshot.state.as_deref(),
        inputs: snapshot
            .inputs
            .iter()
            .map(|input| core::Input {
                key: &input.key,
                level: input.level,
                depth: input.depth,
                content: to_content(&input.content),
            })
            .collect(),
    }
}

fn to_content(content: &wit::Content) -> core::Content<'_> {
    match content {
        wit::Content::Text(text) => core::Content::Text(text),
        wit::Content::Bytes(bytes) => core::Content::Bytes(bytes),
        wit::Content::Tasks(tasks) => core::Content::Tasks(core::TaskCounts {
            total: tasks.total,
            running: tasks.running,
            blocked: tasks.blocked,
            last_pid: tasks.last_pid,
        }),
        wit::Content::Absent(errno) => core::Content::Absent(*errno),
    }
}

/// The knobs of the default policy that can still be turned.
fn knobs<P: Policy>() -> Vec<wit::Knob> {
    let is_fixed = |name: &str| P::FIXED.iter().any(|(knob, _)| *knob == name);
    let preset = |name: &str| P::PRESET.iter().rev().find(|(knob, _)| *knob == name);
    let free = KNOBS.iter().filter(|knob| !is_fixed(knob.name));
    let mut knobs: Vec<wit::Knob> = free
        .map(|knob| {
            let default = preset(knob.name).map_or(knob.default, |(_, value)| value);
            from_knob(knob.name, (knob.values, default, knob.summary))
        })
        .collect();
    knobs.push(from_knob("/PATH", TREATMENT));
    knobs
}

fn from_knob(name: &str, (values, default, summary): (&str, &str, &str)) -> wit::Knob {
    wit::Knob {
        name: name.into(),
        values: values.into(),
        default: default.into(),
        summary: summary.into(),
    }
}

fn from_entry(entry: Entry) -> wit::Entry {
    let Entry { path, kind, mode, class, summary, reason, needs, history, covers } = entry;
    let needs = needs
        .into_iter()
        .map(|need| wit::Need { key: need.key.into(), from: from_source(need.source, &path) })
        .collect();
    wit::Entry {
        path: path.into_owned(),
        kind: match kind {
            core::Kind::File => wit::Kind::File,
            core::Kind::Directory => wit::Kind::Directory,
            core::Kind::Symlink => wit::Kind::Symlink,
        },
        mode,
        class: match class {
            core::Class::Virtual => wit::Class::Virtual,
            core::Class::Filtered => wit::Class::Filtered,
            core::Class::Passed => wit::Class::Passed,
            core::Class::Constant => wit::Class::Constant,
            core::Class::Masked => wit::Class::Masked,
            core::Class::Denied => wit::Class::Denied,
        },
        summary: summary.into_owned(),
        reason: reason.into_owned(),
        needs,
        history: history.map(|history| wit::History {
            format: history.format.into(),
            interval_ms: history.interval_ms,
        }),
        covers,
    }
}

fn from_source(source: core::Source, own: &str) -> wit::Source {
    match source {
        core::Source::Host(path) => wit::Source::Host(path.into()),
        core::Source::Itself => wit::Source::Host(own.into()),
        core::Source::Namespaced(path) => wit::Source::Namespaced(path.into()),
        core::Source::Cgroup { version, controller, name, scope } => {
            wit::Source::Cgroup(wit::CgroupFile {
                version: match version {
                    core::CgroupVersion::V1 => wit::CgroupVersion::V1,
                    core::CgroupVersion::V2 => wit::CgroupVersion::V2,
                },
                controller: controller.into(),
                name: name.into(),
                scope: match scope {
                    core::Scope::Leaf => wit::Scope::Leaf,
                    core::Scope::Nearest => wit::Scope::Nearest,
                    core::Scope::Lineage => wit::Scope::Lineage,
                },
            })
        }
        core::Source::Process { of, name } => wit::Source::Process(wit::ProcessFile {
            of: match of {
                core::Process::Init => wit::Process::Init,
                core::Process::Subject => wit::Process::Subject,
                core::Process::Reader => wit::Process::Reader,
                core::Process::Path => wit::Process::Path,
            },
            name: name.into(),
        }),
        core::Source::Tasks => wit::Source::Tasks,
        core::Source::Processes => wit::Source::Processes,
    }
}

fn from_error(error: Error) -> wit::Error {
    match error {
        Error::UnsupportedPath => wit::Error::UnsupportedPath,
        Error::Denied => wit::Error::Denied,
        Error::MissingInput(key) => wit::Error::MissingInput(key.to_string()),
        Error::MalformedInput { key, line, reason } => wit::Error::MalformedInput(wit::Malformed {
            key: key.to_string(),
            line,
            reason: reason.to_string(),
        }),
        Error::RejectedSetting { knob, reason } => {
            wit::Error::RejectedSetting(wit::Rejected { knob, reason })
        }
    }
}
