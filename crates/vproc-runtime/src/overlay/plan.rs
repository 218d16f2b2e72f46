//! What an overlay declares under some settings, and who answers for what.

use super::{Action, Overlay, Rule};
use crate::policy::Part;
use crate::{Error, Refusal};
use std::collections::HashMap;
use vproc_snapshot::pattern::{is_pattern, path_stands_for};
use vproc_snapshot::{Class, Entry, Environment, Kind, Knob, Manifest, Setting};

/// Who answers for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// One of the policies.
    Part(usize),
    /// A rule that says it all.
    Rule(usize),
}

/// What holds under some settings.
pub(super) struct Plan {
    /// The settings, as the host has them.
    pub(super) asked: Environment,
    /// What the overlay declares.
    pub(super) manifest: Manifest,
    /// The settings of each policy.
    environments: Vec<Environment>,
    answers: HashMap<String, Answer>,
    patterns: Vec<(String, Answer)>,
}

/// The name of the knob that each path is.
const EACH_PATH: &str = "/PATH";

impl Plan {
    pub(super) fn new(overlay: &Overlay, asked: &Environment) -> Result<Self, Error> {
        let plain = Environment { settings: Vec::new(), ..asked.clone() };
        let mut environments = vec![plain; overlay.parts.len()];
        let mut manifests = declare(&overlay.parts, &environments)?;
        let mut stack = Stack::new(overlay, &manifests)?;
        let settings: Vec<&Setting> = overlay.settings.iter().chain(&asked.settings).collect();
        if !settings.is_empty() {
            for setting in settings {
                for part in takers(setting, &stack, &manifests, &overlay.rules)? {
                    if let Some(environment) = environments.get_mut(part) {
                        environment.settings.push(setting.clone());
                    }
                }
            }
            manifests = declare(&overlay.parts, &environments)?;
            stack = Stack::new(overlay, &manifests)?;
        }
        let Stack { entries } = stack;
        let answers = entries.iter().map(|(entry, answer)| (entry.path.clone(), *answer));
        let patterns = answers.clone().filter(|(path, _)| is_pattern(path)).collect();
        Ok(Plan {
            asked: asked.clone(),
            answers: answers.collect(),
            patterns,
            environments,
            manifest: Manifest {
                name: overlay.name.clone(),
                version: version(overlay),
                entries: entries.into_iter().map(|(entry, _)| entry).collect(),
                knobs: knobs(&manifests),
            },
        })
    }

    /// Who answers for a path.
    pub(super) fn answer(&self, path: &str) -> Option<&Answer> {
        self.answers.get(path).or_else(|| {
            let mut patterns = self.patterns.iter();
            patterns.find(|(pattern, _)| path_stands_for(pattern, path)).map(|(_, answer)| answer)
        })
    }

    /// The settings of a policy.
    pub(super) fn environment(&self, part: usize) -> &Environment {
        self.environments.get(part).unwrap_or(&self.asked)
    }
}

/// The first digits of the digest: an overlay has no version of its own.
fn version(overlay: &Overlay) -> String {
    overlay.digest().to_string().chars().take(12).collect()
}

fn declare(parts: &[Part], environments: &[Environment]) -> Result<Vec<Manifest>, Error> {
    let both = parts.iter().zip(environments);
    both.map(|(part, environment)| part.instance()?.declare(environment)).collect()
}

/// Every knob once, as the first policy has it.
fn knobs(manifests: &[Manifest]) -> Vec<Knob> {
    let mut knobs: Vec<Knob> = Vec::new();
    for knob in manifests.iter().flat_map(|manifest| &manifest.knobs) {
        if !knobs.iter().any(|known| known.name == knob.name) {
            knobs.push(knob.clone());
        }
    }
    knobs
}

/// The policies that a setting is for. A knob is turned in all that have it; a
/// path in the one that answers for it.
fn takers(
    setting: &Setting,
    stack: &Stack,
    manifests: &[Manifest],
    rules: &[Rule],
) -> Result<Vec<usize>, Error> {
    let rejected = |reason: String| {
        Err(Refusal::RejectedSetting { knob: setting.knob.clone(), reason }.into())
    };
    let has = |part: usize, name: &str| {
        let manifest: Option<&Manifest> = manifests.get(part);
        manifest.is_some_and(|manifest| manifest.knobs.iter().any(|knob| knob.name == name))
    };
    if setting.knob.starts_with('/') {
        // The base may know files that it does not serve by itself.
        let part = match stack.answer(&setting.knob) {
            None => 0,
            Some(Answer::Part(part)) => part,
            Some(Answer::Rule(rule)) => {
                let place = rules.get(rule).map_or("a rule", |rule| &rule.place);
                return rejected(format!("the overlay decides about this file at {place}"));
            }
        };
        return match has(part, EACH_PATH) {
            true => Ok(vec![part]),
            false => rejected("the policy of this file takes no paths".to_owned()),
        };
    }
    let takers: Vec<usize> =
        (0..manifests.len()).filter(|part| has(*part, &setting.knob)).collect();
    match takers.is_empty() {
        true => rejected("no policy of the overlay has such a knob".to_owned()),
        false => Ok(takers),
    }
}

/// All entries with who answers for them.
struct Stack {
    entries: Vec<(Entry, Answer)>,
}

impl Stack {
    /// The base's entries, and on top of them what each rule says, in order.
    fn new(overlay: &Overlay, manifests: &[Manifest]) -> Result<Self, Error> {
        let base = manifests.first().map(|manifest| manifest.entries.as_slice());
        let base = base.unwrap_or_default().iter().cloned();
        let mut stack = Stack { entries: base.map(|entry| (entry, Answer::Part(0))).collect() };
        for (place, rule) in overlay.rules.iter().enumerate() {
            let done = match rule.action {
                Action::Policy(part) => stack.put(rule, part, manifests.get(part)),
                _ => stack.set(rule, place),
            };
            done.map_err(|reason| Error::Manifest(format!("{}: {reason}", rule.place)))?;
        }
        Ok(stack)
    }

    fn answer(&self, path: &str) -> Option<Answer> {
        self.entries.iter().find(|(entry, _)| entry.path == path).map(|(_, answer)| *answer)
    }

    /// Takes from a policy the files that the rule matches.
    fn put(&mut self, rule: &Rule, part: usize, manifest: Option<&Manifest>) -> Result<(), String> {
        let entries = manifest.map(|manifest| manifest.entries.as_slice()).unwrap_or_default();
        let mut is_empty = true;
        for entry in entries.iter().filter(|entry| rule.paths.matches(&entry.path)) {
            is_empty = false;
            let new = (entry.clone(), Answer::Part(part));
            match self.entries.iter_mut().find(|(known, _)| known.path == entry.path) {
                Some(known) => *known = new,
                None => self.entries.push(new),
            }
        }
        match is_empty {
            true => Err(format!("the policy serves nothing at {}", rule.paths)),
            false => Ok(()),
        }
    }

    /// Changes the files that the rule matches, or adds the one that it names.
    fn set(&mut self, rule: &Rule, place: usize) -> Result<(), String> {
        let mut is_empty = true;
        for (entry, answer) in &mut self.entries {
            if entry.kind != Kind::Directory && rule.paths.matches(&entry.path) {
                is_empty = false;
                *entry = changed(entry, rule);
                *answer = Answer::Rule(place);
            }
        }
        if !is_empty {
            return Ok(());
        }
        let Some(path) = rule.paths.literal() else {
            return Err(format!("nothing is served at {}", rule.paths));
        };
        if self.entries.iter().any(|(entry, _)| entry.path == path) {
            return Err(format!("{path} is a directory; {path}/** is what is in it"));
        }
        if let Some((entry, _)) = self.entries.iter().find(|(e, _)| path_stands_for(&e.path, path))
        {
            return Err(format!("{path} is one of {}, which are treated together", entry.path));
        }
        let new = Entry {
            path: path.to_owned(),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Constant,
            summary: String::new(),
            reason: String::new(),
            needs: Vec::new(),
            history: None,
            covers: false,
        };
        self.entries.push((changed(&new, rule), Answer::Rule(place)));
        Ok(())
    }
}

/// An entry as a rule has it.
fn changed(entry: &Entry, rule: &Rule) -> Entry {
    let (class, summary) = match rule.action {
        Action::Deny => (Class::Denied, entry.summary.clone()),
        Action::Mask => (Class::Masked, entry.summary.clone()),
        _ => (Class::Constant, "the same text for every container".to_owned()),
    };
    // A link would have to lead somewhere.
    let changed = Entry {
        path: entry.path.clone(),
        kind: Kind::File,
        mode: if entry.kind == Kind::Symlink { 0o444 } else { entry.mode },
        class,
        summary,
        reason: rule.reason.clone(),
        needs: Vec::new(),
        history: None,
        covers: false,
    };
    // What the operator says of a file is to hold in the container.
    let covers = entry.kind == Kind::File && entry.can_cover() && changed.can_cover();
    Entry { covers, ..changed }
}
