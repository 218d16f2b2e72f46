//! The policies of an overlay, each under the settings that it is asked with.

use super::{Overlay, Rule};
use crate::{Error, Refusal};
use std::ops::Range;
use vproc_snapshot::{Environment, Manifest, Setting};

/// Each policy as it is for all files, in the overlay's order; behind these, policies
/// as rules turn them for some files.
pub(super) struct Voices<'o> {
    overlay: &'o Overlay,
    asked: &'o Environment,
    /// By policy: what the overlay sets, and what the operator does.
    before: Vec<Vec<Setting>>,
    after: Vec<Vec<Setting>>,
    list: Vec<Voice>,
}

/// A policy under some settings.
struct Voice {
    part: usize,
    /// What rules set.
    turned: Vec<Setting>,
    environment: Environment,
    manifest: Manifest,
}

/// What is declared by a policy that is not there.
static NOTHING: Manifest = Manifest {
    name: String::new(),
    version: String::new(),
    entries: Vec::new(),
    knobs: Vec::new(),
};

impl<'o> Voices<'o> {
    pub(super) fn new(
        overlay: &'o Overlay,
        asked: &'o Environment,
        before: Vec<Vec<Setting>>,
        after: Vec<Vec<Setting>>,
    ) -> Result<Self, Error> {
        let mut voices = Voices { overlay, asked, before, after, list: Vec::new() };
        for part in voices.parts() {
            voices.voice(part, Vec::new())?;
        }
        Ok(voices)
    }

    /// The policies themselves, which are also the first voices.
    pub(super) fn parts(&self) -> Range<usize> {
        0..self.overlay.parts.len()
    }

    pub(super) fn part(&self, voice: usize) -> usize {
        self.list.get(voice).map_or(0, |voice| voice.part)
    }

    pub(super) fn manifest(&self, voice: usize) -> &Manifest {
        self.list.get(voice).map_or(&NOTHING, |voice| &voice.manifest)
    }

    pub(super) fn has_knob(&self, voice: usize, name: &str) -> bool {
        self.manifest(voice).knobs.iter().any(|knob| knob.name == name)
    }

    /// Which policy each voice is, and under which settings.
    pub(super) fn environments(self) -> Vec<(usize, Environment)> {
        self.list.into_iter().map(|voice| (voice.part, voice.environment)).collect()
    }

    /// A policy as a rule wants it.
    pub(super) fn turned(&mut self, part: usize, rule: &Rule) -> Result<usize, Error> {
        let turned = self.all_turned(&[part], rule)?;
        Ok(turned.first().map_or(part, |(_, voice)| *voice))
    }

    /// Voices, and what each becomes with the settings of a rule. A knob is turned in
    /// those that have it, of which there has to be one.
    pub(super) fn all_turned(
        &mut self,
        voices: &[usize],
        rule: &Rule,
    ) -> Result<Vec<(usize, usize)>, Error> {
        for Setting { knob, .. } in &rule.settings {
            if !voices.iter().any(|voice| self.has_knob(*voice, knob)) {
                let reason = format!("{}: no policy of {} has such a knob", rule.place, rule.paths);
                return Err(Refusal::RejectedSetting { knob: knob.clone(), reason }.into());
            }
        }
        let mut turned = Vec::new();
        for voice in voices {
            let own = rule.settings.iter().filter(|setting| self.has_knob(*voice, &setting.knob));
            let own: Vec<Setting> = own.cloned().collect();
            let mut settings =
                self.list.get(*voice).map(|voice| voice.turned.clone()).unwrap_or_default();
            settings.retain(|known| own.iter().all(|setting| setting.knob != known.knob));
            settings.extend(own);
            let new = self.voice(self.part(*voice), settings).map_err(|error| match error {
                Error::Refused(Refusal::RejectedSetting { knob, reason }) => {
                    let reason = format!("{}: {reason}", rule.place);
                    Refusal::RejectedSetting { knob, reason }.into()
                }
                error => error,
            })?;
            turned.push((*voice, new));
        }
        Ok(turned)
    }

    /// The policy under these settings, which is asked what it declares then.
    fn voice(&mut self, part: usize, turned: Vec<Setting>) -> Result<usize, Error> {
        let mut known = self.list.iter();
        if let Some(place) = known.position(|voice| voice.part == part && voice.turned == turned) {
            return Ok(place);
        }
        let lost = || Error::Engine("an overlay has lost one of its policies".to_owned());
        let component = self.overlay.parts.get(part).ok_or_else(lost)?;
        // The operator's come last, which is what counts.
        let of_all = |settings: &[Vec<Setting>]| settings.get(part).cloned().unwrap_or_default();
        let settings = [of_all(&self.before), turned.clone(), of_all(&self.after)].concat();
        let environment = Environment { settings, ..self.asked.clone() };
        let manifest = component.instance()?.declare(&environment)?;
        self.list.push(Voice { part, turned, environment, manifest });
        Ok(self.list.len() - 1)
    }
}
