//! What a render leaves for the next one: it serves the next one, and where it
//! was lost, cut off, changed or left by another policy it does no harm. The
//! same of what a container may write.

use crate::report::{Check, Finding, Report, Severity};
use crate::trial::{Answer, File, Trial};
use std::time::Duration;
use vproc_runtime::{Error, Rendered};
use vproc_snapshot::{Class, Snapshot};

/// Renders in a row, each with the state of the one before.
const ROUNDS: usize = 3;

/// What the clock moves on between them.
const LATER: Duration = Duration::from_secs(7);

pub(crate) fn check(trial: &Trial<'_>, files: &[File<'_>], report: &mut Report) {
    for file in files.iter().filter(|f| f.is_sample && f.entry.class != Class::Denied) {
        let mut session = Session { trial, file, report };
        let own = session.own();
        if file.entry.history.is_some() || own.is_some() {
            session.odd(own.as_deref().unwrap_or_default());
        }
        if file.entry.mode & 0o222 != 0 {
            session.writes();
        }
    }
}

struct Session<'a, 'b> {
    trial: &'a Trial<'b>,
    file: &'a File<'b>,
    report: &'a mut Report,
}

impl Session<'_, '_> {
    fn snapshot<'s>(&'s self, state: Option<&'s [u8]>, round: usize) -> Option<Snapshot<'s>> {
        let readings = &self.trial.readings;
        let mut snapshot = readings.snapshot_at(self.file.entry, &self.file.path, state).ok()?;
        let later = u64::try_from(LATER.as_nanos()).ok()?;
        snapshot.now = snapshot.now.saturating_add(later.saturating_mul(round as u64));
        Some(snapshot)
    }

    fn render(&self, state: Option<&[u8]>, round: usize) -> Option<Answer> {
        let snapshot = self.snapshot(state, round)?;
        Some(self.trial.policy.render(&self.file.path, &snapshot))
    }

    /// Renders with what the policy itself has left; returns the last of it.
    fn own(&mut self) -> Option<Vec<u8>> {
        // What does not render without a state, others complain of.
        let Some(Ok(Rendered { state: Some(mut state), .. })) = self.render(None, 0) else {
            return None;
        };
        for round in 1..ROUNDS {
            if self.report.has_given_up(&self.file.path) {
                break;
            }
            let answers = [0, 1].map(|_| self.render(Some(&state), round));
            self.report.tried(Check::State);
            let [Some(answer), Some(again)] = answers else { break };
            match (answer, again) {
                (Ok(one), Ok(other)) if one == other => match one.state {
                    Some(next) => state = next,
                    None => break,
                },
                (Ok(_), Ok(_)) => {
                    self.complain("the same state gives other bytes the second time".to_owned());
                    break;
                }
                (Err(error), _) | (_, Err(error)) => {
                    self.failed("with the state that it left itself", &error);
                    break;
                }
            }
        }
        Some(state)
    }

    /// Renders with states that are not its own. To refuse one is as bad as to
    /// trap: the host would hand it in again.
    fn odd(&mut self, own: &[u8]) {
        let until = |end: usize| own.get(..end).unwrap_or_default().to_vec();
        let garbled = own.iter().map(|byte| byte ^ 0xa5).collect();
        let mut longer = own.to_vec();
        longer.extend_from_slice(b"\xff\x00more");
        for (what, state) in [
            ("an empty state", Vec::new()),
            ("a state that is cut off", until(own.len() / 2)),
            ("a state that is cut off", until(own.len().saturating_sub(1))),
            ("a state that is too long", longer),
            ("a garbled state", garbled),
            ("a garbled state", vec![0xff; own.len().max(8)]),
            ("a garbled state", vec![0; own.len().max(8)]),
            ("the state of another policy", b"{\"format\":\"other/1\",\"since\":1}".to_vec()),
            ("the state of another policy", vec![b'7'; 64 * 1024]),
        ] {
            if self.report.has_given_up(&self.file.path) {
                break;
            }
            let Some(answer) = self.render(Some(&state), 1) else { break };
            self.report.tried(Check::State);
            if let Err(error) = answer {
                self.failed(&format!("with {what}"), &error);
            }
        }
    }

    /// What a container may write. To refuse it is the policy's right.
    fn writes(&mut self) {
        let numbers = b"18446744073709551616\n".to_vec();
        for written in
            [b"1\n".to_vec(), Vec::new(), numbers, vec![0xff, 0, b'\n'], vec![b'x'; 4096]]
        {
            if self.report.has_given_up(&self.file.path) {
                break;
            }
            let accepted = {
                let Some(snapshot) = self.snapshot(None, 0) else { break };
                let Ok(mut instance) = self.trial.policy.instance() else { break };
                instance.accept(&self.file.path, &snapshot, &written)
            };
            self.report.tried(Check::State);
            let state = match accepted {
                Ok(state) => state,
                Err(error) if is_answer(&error) => continue,
                Err(error) => {
                    self.failed("where a container writes to it", &error);
                    continue;
                }
            };
            if let Some(Err(error)) = self.render(Some(&state), 1) {
                self.failed("with the state that a container's write left", &error);
            }
        }
    }

    fn failed(&mut self, when: &str, error: &Error) {
        if let Error::Timeout(_) = error {
            self.report.give_up(&self.file.path);
        }
        self.complain(format!("{when}: {error}"));
    }

    fn complain(&mut self, message: String) {
        let finding = Finding::new(Check::State, Severity::Error, message);
        self.report.find(finding.on(self.trial.name).at(&self.file.path));
    }
}

fn is_answer(error: &Error) -> bool {
    matches!(error, Error::Refused(_) | Error::Invalid)
}
