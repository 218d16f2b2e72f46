//! A policy that is put together of others, by rules for paths.
//!
//! A rule says of the files at a [`Glob`] which policy renders them, or that they are
//! denied, empty or a constant, or under which settings they are rendered. Rules
//! stand in order: of those that match a file, the last one counts, and settings add
//! up. What no rule matches is the base's. To a host an overlay
//! is a policy like any other: it declares one manifest, and each file's render
//! is one call of the component that it belongs to.

mod glob;
mod plan;
mod voice;

pub use glob::{Glob, NoGlob};

use crate::component::Running;
use crate::manifest::check;
use crate::policy::Part;
use crate::{Digest, Error, Refusal, Rendered};
use plan::{Answer, Plan};
use std::sync::{Arc, Mutex, PoisonError};
use vproc_snapshot::{Entry, Environment, Explanation, Manifest, Setting, Snapshot};

/// What an overlay is made of.
pub struct Overlay {
    name: String,
    settings: Vec<Setting>,
    /// The base first.
    parts: Vec<Part>,
    rules: Vec<Rule>,
    digest: Digest,
    /// What was declared under which settings, the latest last.
    plans: Mutex<Vec<Arc<Plan>>>,
}

/// What holds for the files at some paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which files.
    pub paths: Glob,
    /// What they are.
    pub action: Action,
    /// Settings of the policy that renders them, for these files alone. They count
    /// for [`Action::Policy`] and [`Action::Keep`]; where nothing renders, there is
    /// nothing to set.
    pub settings: Vec<Setting>,
    /// Why, for a person.
    pub reason: String,
    /// Where the rule stands, for errors: `line 7`.
    pub place: String,
}

/// What the files of a rule are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// As one of the overlay's policies has them, by its place in the list; those
    /// that it does not have stay as they are.
    Policy(usize),
    /// As they are without this rule, but for its settings.
    Keep,
    /// Without text.
    Mask,
    /// Not to be opened.
    Deny,
    /// This text.
    Text(String),
}

/// Why an overlay cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum NoOverlay {
    /// There is no policy to begin with.
    #[error("it has no policy")]
    Empty,
    /// One of the policies is an overlay itself.
    #[error("an overlay cannot be a part of an overlay")]
    Nested,
    /// A rule names a policy that is not there.
    #[error("{0}: there is no such policy")]
    NoPart(String),
}

/// How many sets of settings are remembered. A host has one, or a second one
/// for a moment.
const PLANS: usize = 4;

impl Overlay {
    /// Puts policies together, the base first. `digest` is over all that the
    /// overlay is made of; `settings` hold unless the operator sets others.
    pub fn new(
        name: String,
        digest: Digest,
        settings: Vec<Setting>,
        policies: Vec<crate::Policy>,
        rules: Vec<Rule>,
    ) -> Result<Self, NoOverlay> {
        let parts: Option<Vec<Part>> = policies.into_iter().map(crate::Policy::into_part).collect();
        let parts = parts.ok_or(NoOverlay::Nested)?;
        if parts.is_empty() {
            return Err(NoOverlay::Empty);
        }
        let lost = rules.iter().find(|rule| match rule.action {
            Action::Policy(part) => part >= parts.len(),
            _ => false,
        });
        match lost {
            Some(rule) => Err(NoOverlay::NoPart(rule.place.clone())),
            None => Ok(Overlay { name, settings, parts, rules, digest, plans: Mutex::default() }),
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn imports(&self) -> Vec<String> {
        let mut imports: Vec<String> = self.parts.iter().flat_map(Part::imports).collect();
        imports.sort();
        imports.dedup();
        imports
    }

    pub(crate) fn can_explain(&self) -> bool {
        self.parts.iter().any(Part::can_explain)
    }

    /// What holds under these settings.
    fn plan(&self, environment: &Environment) -> Result<Arc<Plan>, Error> {
        let plans = || self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plans().iter().find(|plan| plan.asked == *environment) {
            return Ok(Arc::clone(known));
        }
        let plan = Arc::new(Plan::new(self, environment)?);
        let mut plans = plans();
        if plans.len() >= PLANS {
            plans.remove(0);
        }
        plans.push(Arc::clone(&plan));
        Ok(plan)
    }
}

/// A running overlay: an instance of each of its policies that was needed.
pub(crate) struct Layered {
    overlay: Arc<Overlay>,
    running: Vec<Option<Running>>,
}

impl Layered {
    pub(crate) fn new(overlay: Arc<Overlay>) -> Self {
        let running = overlay.parts.iter().map(|_| None).collect();
        Layered { overlay, running }
    }

    pub(crate) fn declare(&mut self, environment: &Environment) -> Result<Manifest, Error> {
        let manifest = self.overlay.plan(environment)?.manifest.clone();
        check(&manifest).map_err(Error::Manifest)?;
        Ok(manifest)
    }

    pub(crate) fn render(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
    ) -> Result<Rendered, Error> {
        let plan = self.overlay.plan(snapshot.environment)?;
        let text = match plan.answer(path) {
            None => return Err(Refusal::UnsupportedPath.into()),
            Some(Answer::Voice(voice)) => {
                let (part, environment) = plan.voice(*voice);
                let snapshot = Snapshot { environment, ..snapshot.clone() };
                return self.running(part)?.render(path, &snapshot);
            }
            Some(Answer::Rule(rule)) => match self.overlay.rules.get(*rule).map(|r| &r.action) {
                Some(Action::Text(text)) => text.clone(),
                Some(Action::Mask) => String::new(),
                _ => return Err(Refusal::Denied.into()),
            },
        };
        Ok(Rendered { body: text.into_bytes(), state: None })
    }

    pub(crate) fn explain(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
    ) -> Result<Explanation, Error> {
        let plan = self.overlay.plan(snapshot.environment)?;
        match plan.answer(path) {
            Some(Answer::Voice(voice)) => {
                let (part, environment) = plan.voice(*voice);
                let snapshot = Snapshot { environment, ..snapshot.clone() };
                self.running(part)?.explain(path, &snapshot)
            }
            // The entry's reason says all that there is to say.
            Some(Answer::Rule(_)) => Err(Error::CannotExplain),
            None => Err(Refusal::UnsupportedPath.into()),
        }
    }

    pub(crate) fn find(
        &mut self,
        path: &str,
        environment: &Environment,
    ) -> Result<Option<Entry>, Error> {
        let plan = self.overlay.plan(environment)?;
        let found = plan.manifest.entry(path).ok_or(Refusal::UnsupportedPath)?;
        Ok(Some(found.clone()))
    }

    pub(crate) fn accept(
        &mut self,
        path: &str,
        snapshot: &Snapshot<'_>,
        written: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let plan = self.overlay.plan(snapshot.environment)?;
        match plan.answer(path) {
            Some(Answer::Voice(voice)) => {
                let (part, environment) = plan.voice(*voice);
                let snapshot = Snapshot { environment, ..snapshot.clone() };
                self.running(part)?.accept(path, &snapshot, written)
            }
            Some(Answer::Rule(_)) => Err(Refusal::Denied.into()),
            None => Err(Refusal::UnsupportedPath.into()),
        }
    }

    fn running(&mut self, part: usize) -> Result<&mut Running, Error> {
        let lost = || Error::Engine("an overlay has lost one of its policies".to_owned());
        let component = self.overlay.parts.get(part).ok_or_else(lost)?;
        let running = self.running.get_mut(part).ok_or_else(lost)?;
        match running {
            Some(running) => Ok(running),
            None => Ok(running.insert(component.instance()?)),
        }
    }
}
