//! What an overlay declares under some settings, and who answers for what.

use super::voice::Voices;
use super::{Action, Overlay, Rule};
use crate::{Error, Refusal};
use std::collections::HashMap;
use vproc_snapshot::pattern::{is_pattern, path_stands_for};
use vproc_snapshot::{Class, Entry, Environment, Kind, Knob, Manifest, Setting};

/// Who answers for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A policy under some settings, by its place in the plan's list.
    Voice(usize),
    /// A rule that says it all.
    Rule(usize),
}

/// What holds under some settings.
pub(super) struct Plan {
    /// The settings, as the host has them.
    pub(super) asked: Environment,
    /// What the overlay declares.
    pub(super) manifest: Manifest,
    /// Which policy, and its settings.
    voices: Vec<(usize, Environment)>,
    answers: HashMap<String, Answer>,
    patterns: Vec<(String, Answer)>,
}

/// The name of the knob that each path is.
const EACH_PATH: &str = "/PATH";

impl Plan {
    pub(super) fn new(overlay: &Overlay, asked: &Environment) -> Result<Self, Error> {
        let nothing = vec![Vec::new(); overlay.parts.len()];
        let mut voices = Voices::new(overlay, asked, nothing.clone(), nothing)?;
        let mut stack = Stack::new(overlay, &mut voices)?;
        if !overlay.settings.is_empty() || !asked.settings.is_empty() {
            let before = by_part(&overlay.settings, &stack, &voices, &overlay.rules)?;
            let after = by_part(&asked.settings, &stack, &voices, &overlay.rules)?;
            voices = Voices::new(overlay, asked, before, after)?;
            stack = Stack::new(overlay, &mut voices)?;
        }
        let Stack { entries } = stack;
        let answers = entries.iter().map(|(entry, answer)| (entry.path.clone(), *answer));
        let patterns = answers.clone().filter(|(path, _)| is_pattern(path)).collect();
        Ok(Plan {
            asked: asked.clone(),
            answers: answers.collect(),
            patterns,
            manifest: Manifest {
                name: overlay.name.clone(),
                version: version(overlay),
                entries: entries.into_iter().map(|(entry, _)| entry).collect(),
                knobs: knobs(&voices),
            },
            voices: voices.environments(),
        })
    }

    /// Who answers for a path.
    pub(super) fn answer(&self, path: &str) -> Option<&Answer> {
        self.answers.get(path).or_else(|| {
            let mut patterns = self.patterns.iter();
            patterns.find(|(pattern, _)| path_stands_for(pattern, path)).map(|(_, answer)| answer)
        })
    }

    /// Which policy an [`Answer::Voice`] is, and its settings.
    pub(super) fn voice(&self, voice: usize) -> (usize, &Environment) {
        let known = self.voices.get(voice);
        known.map_or((0, &self.asked), |(part, environment)| (*part, environment))
    }
}

/// The first digits of the digest: an overlay has no version of its own.
fn version(overlay: &Overlay) -> String {
    overlay.digest().to_string().chars().take(12).collect()
}

/// Every knob once, as the first policy has it.
fn knobs(voices: &Voices<'_>) -> Vec<Knob> {
    let mut knobs: Vec<Knob> = Vec::new();
    for knob in voices.parts().flat_map(|part| &voices.manifest(part).knobs) {
        if !knobs.iter().any(|known| known.name == knob.name) {
            knobs.push(knob.clone());
        }
    }
    knobs
}

/// Settings for all files, by the policy that they are for.
fn by_part(
    settings: &[Setting],
    stack: &Stack,
    voices: &Voices<'_>,
    rules: &[Rule],
) -> Result<Vec<Vec<Setting>>, Error> {
    let mut sorted = vec![Vec::new(); voices.parts().len()];
    for setting in settings {
        for part in takers(setting, stack, voices, rules)? {
            if let Some(settings) = sorted.get_mut(part) {
                settings.push(setting.clone());
            }
        }
    }
    Ok(sorted)
}

/// The policies that a setting is for. A knob is turned in all that have it; a
/// path in the one that answers for it.
fn takers(
    setting: &Setting,
    stack: &Stack,
    voices: &Voices<'_>,
    rules: &[Rule],
) -> Result<Vec<usize>, Error> {
    let rejected = |reason: String| {
        Err(Refusal::RejectedSetting { knob: setting.knob.clone(), reason }.into())
    };
    if setting.knob.starts_with('/') {
        // The base may know files that it does not serve by itself.
        let part = match stack.answer(&setting.knob) {
            None => 0,
            Some(Answer::Voice(voice)) => voices.part(voice),
            Some(Answer::Rule(rule)) => {
                let place = rules.get(rule).map_or("a rule", |rule| &rule.place);
                return rejected(format!("the overlay decides about this file at {place}"));
            }
        };
        return match voices.has_knob(part, EACH_PATH) {
            true => Ok(vec![part]),
            false => rejected("the policy of this file takes no paths".to_owned()),
        };
    }
    let takers: Vec<usize> =
        voices.parts().filter(|part| voices.has_knob(*part, &setting.knob)).collect();
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
    fn new(overlay: &Overlay, voices: &mut Voices<'_>) -> Result<Self, Error> {
        let base = voices.manifest(0).entries.iter().cloned();
        let mut stack = Stack { entries: base.map(|entry| (entry, Answer::Voice(0))).collect() };
        for (place, rule) in overlay.rules.iter().enumerate() {
            let done = match rule.action {
                Action::Policy(part) => {
                    let voice = voices.turned(part, rule)?;
                    stack.put(rule, voice, voices.manifest(voice))
                }
                Action::Keep => stack.turn(rule, voices)?,
                Action::Mask | Action::Deny | Action::Text(_) => stack.set(rule, place),
            };
            done.map_err(|reason| Error::Manifest(format!("{}: {reason}", rule.place)))?;
        }
        Ok(stack)
    }

    fn answer(&self, path: &str) -> Option<Answer> {
        self.entries.iter().find(|(entry, _)| entry.path == path).map(|(_, answer)| *answer)
    }

    /// Takes from a policy the files that the rule matches.
    fn put(&mut self, rule: &Rule, voice: usize, manifest: &Manifest) -> Result<(), String> {
        let mut is_empty = true;
        for entry in manifest.entries.iter().filter(|entry| rule.paths.matches(&entry.path)) {
            is_empty = false;
            let new = (entry.clone(), Answer::Voice(voice));
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

    /// Turns knobs for the files that the rule matches, whoever renders them.
    fn turn(&mut self, rule: &Rule, voices: &mut Voices<'_>) -> Result<Result<(), String>, Error> {
        let is_meant = |entry: &Entry| rule.paths.matches(&entry.path);
        let mut rendering = Vec::new();
        for (_, answer) in self.entries.iter().filter(|(entry, _)| is_meant(entry)) {
            if let Answer::Voice(voice) = answer
                && !rendering.contains(voice)
            {
                rendering.push(*voice);
            }
        }
        if rendering.is_empty() {
            return Ok(Err(format!("no policy renders anything at {}", rule.paths)));
        }
        let turned = voices.all_turned(&rendering, rule)?;
        self.entries.retain_mut(|(entry, answer)| {
            let new = turned.iter().find(|(old, _)| *answer == Answer::Voice(*old));
            let Some((_, new)) = new.filter(|_| is_meant(entry)) else { return true };
            // Settings may change what a file is made of, or take it away.
            let mut entries = voices.manifest(*new).entries.iter();
            let Some(other) = entries.find(|other| other.path == entry.path) else { return false };
            (*entry, *answer) = (other.clone(), Answer::Voice(*new));
            true
        });
        Ok(Ok(()))
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
