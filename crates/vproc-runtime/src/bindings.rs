//! Translates between the shapes of the interface and those of
//! `vproc-snapshot`. What differs in an earlier version of the contract is in a
//! module of its own.

#[allow(missing_docs, unreachable_pub)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "complete-policy",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// How a manifest of one version becomes ours. Each version names the processes
/// and the sources that it knows.
macro_rules! manifest_of {
    ($wit:ident: $($process:ident)* | $($source:ident)* | $covers:expr) => {
        fn from_manifest(manifest: $wit::Manifest) -> Manifest {
            Manifest {
                name: manifest.name,
                version: manifest.version,
                entries: manifest.entries.into_iter().map(from_entry).collect(),
                knobs: manifest.knobs.into_iter().map(from_knob).collect(),
            }
        }

        fn from_knob(knob: $wit::Knob) -> Knob {
            let $wit::Knob { name, values, default, summary } = knob;
            Knob { name, values, default, summary }
        }

        fn from_entry(entry: $wit::Entry) -> Entry {
            Entry {
                covers: $covers(&entry),
                path: entry.path,
                kind: match entry.kind {
                    $wit::Kind::File => Kind::File,
                    $wit::Kind::Directory => Kind::Directory,
                    $wit::Kind::Symlink => Kind::Symlink,
                },
                mode: entry.mode,
                class: match entry.class {
                    $wit::Class::Virtual => Class::Virtual,
                    $wit::Class::Filtered => Class::Filtered,
                    $wit::Class::Passed => Class::Passed,
                    $wit::Class::Constant => Class::Constant,
                    $wit::Class::Masked => Class::Masked,
                    $wit::Class::Denied => Class::Denied,
                },
                summary: entry.summary,
                reason: entry.reason,
                needs: entry.needs.into_iter().map(from_need).collect(),
                history: entry.history.map(|history| {
                    let $wit::History { format, interval_ms } = history;
                    History { format, interval_ms }
                }),
            }
        }

        fn from_need(need: $wit::Need) -> Need {
            let source = match need.from {
                $wit::Source::Host(path) => Source::Host(path),
                $wit::Source::Namespaced(path) => Source::Namespaced(path),
                $wit::Source::Cgroup(file) => Source::Cgroup {
                    version: match file.version {
                        $wit::CgroupVersion::V1 => CgroupVersion::V1,
                        $wit::CgroupVersion::V2 => CgroupVersion::V2,
                    },
                    controller: file.controller,
                    name: file.name,
                    scope: match file.scope {
                        $wit::Scope::Leaf => Scope::Leaf,
                        $wit::Scope::Nearest => Scope::Nearest,
                        $wit::Scope::Lineage => Scope::Lineage,
                    },
                },
                $wit::Source::Process(file) => Source::Process {
                    of: match file.of {
                        $($wit::Process::$process => Process::$process,)*
                    },
                    name: file.name,
                },
                $($wit::Source::$source => Source::$source,)*
            };
            Need { key: need.key, source }
        }
    };
}

mod explained;
mod v0_1;

use crate::component::Limiter;
use crate::{Error, Refusal, Rendered, Version};
use generated::exports::vproc::policy::explainer;
use generated::exports::vproc::policy::renderer as wit;
use generated::exports::vproc::policy::{finder, writer};
use vproc_snapshot::{
    CgroupVersion, Class, Content, Entry, Environment, Explanation, History, Kind, Knob, Manifest,
    Need, Process, Scope, Snapshot, Source, TaskCounts,
};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// A component that was found to export the contract.
#[derive(Clone)]
pub(crate) struct Contract {
    component: InstancePre<Limiter>,
    renderer: Renderer<wit::GuestIndices, v0_1::Indices>,
    optional: Optional,
}

/// What every policy has, of the version that it was built for.
#[derive(Clone)]
enum Renderer<Current, V0_1> {
    Current(Current),
    V0_1(V0_1),
}

/// What a policy may do without.
#[derive(Clone)]
struct Optional {
    explainer: Option<explainer::GuestIndices>,
    finder: Option<finder::GuestIndices>,
    writer: Option<writer::GuestIndices>,
}

/// The contract, bound to an instance.
pub(crate) struct Bound {
    instance: Instance,
    renderer: Renderer<wit::Guest, v0_1::Guest>,
    optional: Optional,
}

impl Contract {
    pub(crate) fn new(component: InstancePre<Limiter>) -> wasmtime::Result<Self> {
        let renderer = match v0_1::Indices::new(&component) {
            Some(indices) => Renderer::V0_1(indices),
            None => Renderer::Current(wit::GuestIndices::new(&component)?),
        };
        let optional = Optional {
            explainer: explainer::GuestIndices::new(&component).ok(),
            finder: finder::GuestIndices::new(&component).ok(),
            writer: writer::GuestIndices::new(&component).ok(),
        };
        Ok(Contract { component, renderer, optional })
    }

    pub(crate) fn version(&self) -> Version {
        match self.renderer {
            Renderer::Current(_) => Version::V0_2,
            Renderer::V0_1(_) => Version::V0_1,
        }
    }

    pub(crate) fn can_explain(&self) -> bool {
        match &self.renderer {
            Renderer::Current(_) => self.optional.explainer.is_some(),
            Renderer::V0_1(indices) => indices.can_explain(),
        }
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Limiter>) -> wasmtime::Result<Instance> {
        self.component.instantiate(store)
    }

    /// Fails where a function has not the type that it has in the contract.
    pub(crate) fn bind(
        &self,
        store: &mut Store<Limiter>,
        instance: Instance,
    ) -> wasmtime::Result<Bound> {
        let renderer = match &self.renderer {
            Renderer::Current(indices) => Renderer::Current(indices.load(&mut *store, &instance)?),
            Renderer::V0_1(indices) => Renderer::V0_1(indices.load(&mut *store, &instance)?),
        };
        Ok(Bound { instance, renderer, optional: self.optional.clone() })
    }
}

impl Bound {
    pub(crate) fn declare(
        &self,
        store: &mut Store<Limiter>,
        environment: &Environment,
    ) -> wasmtime::Result<Result<Manifest, Refusal>> {
        let settings = to_settings(environment);
        let environment = to_environment(environment, &settings);
        let answer = match &self.renderer {
            Renderer::Current(guest) => guest.call_declare(store, environment)?.map(from_manifest),
            Renderer::V0_1(guest) => guest.declare(store, environment)?,
        };
        Ok(answer.map_err(from_error))
    }

    pub(crate) fn render(
        &self,
        store: &mut Store<Limiter>,
        path: &str,
        snapshot: &Snapshot<'_>,
    ) -> wasmtime::Result<Result<Rendered, Refusal>> {
        let (settings, inputs) = (to_settings(snapshot.environment), to_inputs(snapshot));
        let snapshot = to_snapshot(snapshot, &settings, &inputs);
        let answer = match &self.renderer {
            Renderer::Current(guest) => guest.call_render(store, path, snapshot)?,
            Renderer::V0_1(guest) => guest.render(store, path, snapshot)?,
        };
        Ok(answer.map(from_rendered).map_err(from_error))
    }

    /// `None` where the policy has no such interface.
    pub(crate) fn explain(
        &self,
        store: &mut Store<Limiter>,
        path: &str,
        snapshot: &Snapshot<'_>,
    ) -> wasmtime::Result<Option<Result<Explanation, Refusal>>> {
        let (settings, inputs) = (to_settings(snapshot.environment), to_inputs(snapshot));
        let snapshot = to_snapshot(snapshot, &settings, &inputs);
        let answer = match (&self.renderer, &self.optional.explainer) {
            (Renderer::V0_1(guest), _) => guest.explain(store, path, snapshot)?,
            (Renderer::Current(_), Some(explainer)) => {
                let explainer = explainer.load(&mut *store, &self.instance)?;
                Some(explainer.call_explain(store, path, snapshot)?)
            }
            (Renderer::Current(_), None) => None,
        };
        let Some(answer) = answer else { return Ok(None) };
        Ok(Some(answer.map(explained::from_explanation).map_err(from_error)))
    }

    /// `None` where the policy has no such interface.
    pub(crate) fn find(
        &self,
        store: &mut Store<Limiter>,
        path: &str,
        environment: &Environment,
    ) -> wasmtime::Result<Option<Result<Entry, Refusal>>> {
        let Some(finder) = &self.optional.finder else { return Ok(None) };
        let finder = finder.load(&mut *store, &self.instance)?;
        let settings = to_settings(environment);
        let answer = finder.call_find(store, to_environment(environment, &settings), path)?;
        Ok(Some(answer.map(from_entry).map_err(from_error)))
    }

    /// `None` where the policy has no such interface.
    pub(crate) fn accept(
        &self,
        store: &mut Store<Limiter>,
        path: &str,
        snapshot: &Snapshot<'_>,
        written: &[u8],
    ) -> wasmtime::Result<Option<Result<Vec<u8>, Error>>> {
        let Some(writer) = &self.optional.writer else { return Ok(None) };
        let writer = writer.load(&mut *store, &self.instance)?;
        let (settings, inputs) = (to_settings(snapshot.environment), to_inputs(snapshot));
        let snapshot = to_snapshot(snapshot, &settings, &inputs);
        let answer = writer.call_accept(store, path, snapshot, written)?;
        Ok(Some(answer.map_err(|error| match error {
            writer::WriteError::Invalid => Error::Invalid,
            writer::WriteError::Refused(error) => Error::Refused(from_error(error)),
        })))
    }
}

manifest_of! {
    wit: Init Subject Reader Path | Tasks Processes | |entry: &wit::Entry| entry.covers
}

fn to_inputs<'a>(snapshot: &Snapshot<'a>) -> Vec<wit::Input<'a>> {
    let inputs = snapshot.inputs.iter();
    let input = |input: &vproc_snapshot::Input<'a>| wit::Input {
        key: input.key,
        level: input.level,
        depth: input.depth,
        content: to_content(input.content),
    };
    inputs.map(input).collect()
}

fn to_snapshot<'a>(
    snapshot: &Snapshot<'a>,
    settings: &'a [wit::Setting<'a>],
    inputs: &'a [wit::Input<'a>],
) -> wit::Snapshot<'a> {
    wit::Snapshot {
        environment: to_environment(snapshot.environment, settings),
        now: snapshot.now,
        is_host: snapshot.is_host,
        state: snapshot.state,
        inputs,
    }
}

fn to_settings(environment: &Environment) -> Vec<wit::Setting<'_>> {
    let settings = environment.settings.iter();
    settings.map(|setting| wit::Setting { knob: &setting.knob, value: &setting.value }).collect()
}

fn to_environment<'a>(
    environment: &'a Environment,
    settings: &'a [wit::Setting<'a>],
) -> wit::Environment<'a> {
    wit::Environment {
        page_size: environment.page_size,
        user_hz: environment.user_hz,
        huge_page_size: environment.huge_page_size,
        machine: &environment.machine,
        settings,
    }
}

fn to_content(content: &Content) -> wit::Content<'_> {
    match content {
        Content::Text(text) => wit::Content::Text(text),
        Content::Bytes(bytes) => wit::Content::Bytes(bytes),
        Content::Tasks(TaskCounts { total, running, blocked, last_pid }) => {
            wit::Content::Tasks(wit::TaskCounts {
                total: *total,
                running: *running,
                blocked: *blocked,
                last_pid: *last_pid,
            })
        }
        Content::Absent(errno) => wit::Content::Absent(*errno),
    }
}

fn from_rendered(rendered: wit::Rendered) -> Rendered {
    Rendered {
        body: match rendered.body {
            wit::Body::Text(text) => text.into_bytes(),
            wit::Body::Bytes(bytes) => bytes,
        },
        state: rendered.state,
    }
}

fn from_error(error: wit::Error) -> Refusal {
    match error {
        wit::Error::UnsupportedPath => Refusal::UnsupportedPath,
        wit::Error::Denied => Refusal::Denied,
        wit::Error::MissingInput(key) => Refusal::MissingInput(key),
        wit::Error::MalformedInput(malformed) => Refusal::MalformedInput {
            key: malformed.key,
            line: malformed.line,
            reason: malformed.reason,
        },
        wit::Error::RejectedSetting(rejected) => {
            Refusal::RejectedSetting { knob: rejected.knob, reason: rejected.reason }
        }
    }
}
