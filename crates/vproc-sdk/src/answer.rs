//! How a policy answers a host, in the core's terms.

use crate::{
    Class, Entry, Environment, Error, Explanation, Knobs, Next, Policy, Rendered, Snapshot,
};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use vproc_core::trace::Provenance;

/// Everything that a policy declares under these settings.
pub fn manifest<P: Policy + ?Sized>(environment: &Environment<'_>) -> Result<Vec<Entry>, Error> {
    let environment = settled::<P>(environment.clone())?;
    let declared = vproc_core::manifest(&environment)?.into_iter().map(Entry::from);
    if P::IS_DEFAULT {
        return Ok(declared.collect());
    }
    let knobs = Knobs::parse(environment.settings.iter().copied())?;
    let mut entries: Vec<Entry> = declared.filter_map(P::entry).chain(P::added()).collect();
    for entry in &mut entries {
        entry.needs.retain(|need| (need.when)(&knobs, &environment));
    }
    Ok(entries)
}

/// Renders as a host has it done.
pub fn render<P: Policy + ?Sized>(
    path: &str,
    mut snapshot: Snapshot<'_>,
) -> Result<Rendered, Error> {
    snapshot.environment = settled::<P>(snapshot.environment)?;
    match class::<P>(path, &snapshot)? {
        Some(Class::Denied) => Err(Error::Denied),
        Some(Class::Masked) => Ok(Rendered::from(String::new())),
        _ => P::render(path, &snapshot, Next(())),
    }
}

/// Explains as a host has it done.
pub fn explain<P: Policy + ?Sized>(
    path: &str,
    mut snapshot: Snapshot<'_>,
) -> Result<Explanation, Error> {
    snapshot.environment = settled::<P>(snapshot.environment)?;
    match class::<P>(path, &snapshot)? {
        Some(Class::Denied) => Err(Error::Denied),
        Some(Class::Masked) => unexplained::<P>(path, &snapshot, String::new()),
        _ if P::IS_DEFAULT => Next(()).explain(path, &snapshot),
        _ => P::explain(path, &snapshot, Next(())),
    }
}

/// The entry at a path, as [`manifest`] lists it.
#[cfg(target_family = "wasm")]
pub(crate) fn find<P: Policy + ?Sized>(
    path: &str,
    environment: Environment<'_>,
) -> Result<Entry, Error> {
    let environment = settled::<P>(environment)?;
    if P::IS_DEFAULT {
        return vproc_core::declared(path, &environment).map(Entry::from);
    }
    let knobs = Knobs::parse(environment.settings.iter().copied())?;
    let mut entry = entry::<P>(path, &environment)?;
    entry.needs.retain(|need| (need.when)(&knobs, &environment));
    Ok(entry)
}

/// Takes what a container writes to what is still the default policy's file.
#[cfg(target_family = "wasm")]
pub(crate) fn accept<P: Policy + ?Sized>(
    path: &str,
    mut snapshot: Snapshot<'_>,
    written: &[u8],
) -> Result<Vec<u8>, vproc_core::WriteError> {
    snapshot.environment = settled::<P>(snapshot.environment)?;
    let own = vproc_core::declared(path, &snapshot.environment)?.class;
    match class::<P>(path, &snapshot)? {
        Some(class) if class != own => Err(Error::Denied.into()),
        _ => vproc_core::accept(path, &snapshot, written),
    }
}

/// The settings with those of the policy.
fn settled<P: Policy + ?Sized>(mut environment: Environment<'_>) -> Result<Environment<'_>, Error> {
    for (knob, value) in P::FIXED {
        if environment.settings.iter().any(|(name, other)| name == knob && other != value) {
            let reason = format!("the policy {} fixes it to `{value}`", P::NAME);
            return Err(Error::RejectedSetting { knob: (*knob).to_owned(), reason });
        }
    }
    // The last setting of a knob counts.
    if !P::PRESET.is_empty() {
        environment.settings.splice(0..0, P::PRESET.iter().copied());
    }
    environment.settings.extend(P::FIXED.iter().copied());
    Ok(environment)
}

/// What is declared of the file at a path; nothing where that is the default
/// policy's.
fn class<P: Policy + ?Sized>(path: &str, snapshot: &Snapshot<'_>) -> Result<Option<Class>, Error> {
    match P::IS_DEFAULT {
        true => Ok(None),
        false => entry::<P>(path, &snapshot.environment).map(|entry| Some(entry.class)),
    }
}

fn entry<P: Policy + ?Sized>(path: &str, environment: &Environment<'_>) -> Result<Entry, Error> {
    let own = match vproc_core::declared(path, environment) {
        Ok(declared) => P::entry(declared.into()),
        Err(Error::UnsupportedPath) => None,
        Err(error) => return Err(error),
    };
    let added = || P::added().into_iter().find(|entry| entry.stands_for(path));
    own.or_else(added).ok_or(Error::UnsupportedPath)
}

/// What can be said of a text that the policy does not explain: which inputs
/// the file has, and of which class it is.
pub(crate) fn unexplained<P: Policy + ?Sized>(
    path: &str,
    snapshot: &Snapshot<'_>,
    text: String,
) -> Result<Explanation, Error> {
    let entry = entry::<P>(path, &snapshot.environment)?;
    let provenance = match entry.class {
        Class::Virtual => Provenance::Computed,
        Class::Filtered => Provenance::Filtered,
        Class::Passed => Provenance::Passed,
        Class::Constant | Class::Masked | Class::Denied => Provenance::Constant,
    };
    let inputs = entry.needs.iter().map(|need| need.key).collect();
    Ok(vproc_core::explain::unexplained(text, provenance, NOT_SAID, inputs))
}

const NOT_SAID: &str = "the policy does not say why";
