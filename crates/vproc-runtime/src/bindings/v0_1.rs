//! Policies of the contract's version 0.1. Their manifests know fewer inputs,
//! and do not say what is put over a container's own files; all other shapes are
//! those of the current version, whose types are taken for them.

#[allow(missing_docs, unreachable_pub, dead_code)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/released/0.1.0",
        world: "policy",
    });
}

use super::{explainer, wit};
use crate::component::Limiter;
use generated::exports::vproc::policy::renderer;
use vproc_snapshot::{
    CgroupVersion, Class, Entry, History, Kind, Knob, Manifest, Need, Process, Scope, Source,
};
use wasmtime::component::{ComponentExportIndex, Func, Instance, InstancePre};
use wasmtime::{Result, Store};

type Answer<T> = (std::result::Result<T, wit::Error>,);
type Declare<'a> = (wit::Environment<'a>,);
type Render<'a> = (&'a str, wit::Snapshot<'a>);

/// Where a component has its functions.
#[derive(Clone)]
pub(super) struct Indices {
    declare: ComponentExportIndex,
    render: ComponentExportIndex,
    explain: Option<ComponentExportIndex>,
}

/// The functions of an instance.
pub(super) struct Guest {
    declare: Func,
    render: Func,
    explain: Option<Func>,
}

impl Indices {
    /// `None` where the component is not of this version.
    pub(super) fn new(component: &InstancePre<Limiter>) -> Option<Self> {
        let component = component.component();
        let function = |interface: &str, name: &str| {
            let interface = component.get_export_index(None, interface)?;
            component.get_export_index(Some(&interface), name)
        };
        Some(Indices {
            declare: function("vproc:policy/renderer@0.1.0", "declare")?,
            render: function("vproc:policy/renderer@0.1.0", "render")?,
            explain: function("vproc:policy/explainer@0.1.0", "explain"),
        })
    }

    pub(super) fn can_explain(&self) -> bool {
        self.explain.is_some()
    }

    /// Fails where a function is not of the type that it has in this version.
    pub(super) fn load(&self, store: &mut Store<Limiter>, instance: &Instance) -> Result<Guest> {
        let render = instance
            .get_typed_func::<Render<'_>, Answer<wit::Rendered>>(&mut *store, self.render)?;
        let declare = instance
            .get_typed_func::<Declare<'_>, Answer<renderer::Manifest>>(&mut *store, self.declare)?;
        let explain = self.explain.map(|index| {
            instance
                .get_typed_func::<Render<'_>, Answer<explainer::Explanation>>(&mut *store, index)
                .map(|function| *function.func())
        });
        Ok(Guest {
            declare: *declare.func(),
            render: *render.func(),
            explain: explain.transpose()?,
        })
    }
}

impl Guest {
    pub(super) fn declare(
        &self,
        store: &mut Store<Limiter>,
        environment: wit::Environment<'_>,
    ) -> Result<std::result::Result<Manifest, wit::Error>> {
        let declare = self.declare.typed::<Declare<'_>, Answer<renderer::Manifest>>(&*store)?;
        let settings = environment.settings;
        let (answer,) = declare.call(store, (environment,))?;
        Ok(answer.map(from_manifest).map(|mut manifest| {
            for entry in &mut manifest.entries {
                entry.covers = covers(entry, settings);
            }
            manifest
        }))
    }

    pub(super) fn render(
        &self,
        store: &mut Store<Limiter>,
        path: &str,
        snapshot: wit::Snapshot<'_>,
    ) -> Result<std::result::Result<wit::Rendered, wit::Error>> {
        let render = self.render.typed::<Render<'_>, Answer<wit::Rendered>>(&*store)?;
        Ok(render.call(store, (path, snapshot))?.0)
    }

    /// `None` where the policy cannot.
    pub(super) fn explain(
        &self,
        store: &mut Store<Limiter>,
        path: &str,
        snapshot: wit::Snapshot<'_>,
    ) -> Result<Option<std::result::Result<explainer::Explanation, wit::Error>>> {
        let Some(explain) = self.explain else { return Ok(None) };
        let explain = explain.typed::<Render<'_>, Answer<explainer::Explanation>>(&*store)?;
        Ok(Some(explain.call(store, (path, snapshot))?.0))
    }
}

manifest_of! {
    renderer: Init Subject | Tasks | |_: &renderer::Entry| false
}

/// What the host decided then: below `/proc`, what is passed or denied is not put
/// over the kernel's own unless a setting names it, nor is what lies in
/// directories that are namespaced.
fn covers(entry: &Entry, settings: &[wit::Setting<'_>]) -> bool {
    let is_in = |directory: &&str| entry.path.starts_with(*directory);
    let is_named = || settings.iter().any(|setting| setting.knob == entry.path);
    entry.can_cover()
        && (is_in(&"/sys/")
            || !["/proc/sys/", "/proc/sysvipc/"].iter().any(is_in)
                && (!matches!(entry.class, Class::Passed | Class::Denied) || is_named()))
}
