//! Overlays as people write them.

use crate::Error;
use crate::bundle::{Bundle, Kept, MAGIC, Part, What};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use vproc_runtime::overlay::Glob;
use vproc_snapshot::Setting;
use vproc_trust::{NotAFile, Pinned, Refused, Sha256, Trust, admit};

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<Spanned<String>>,
    base: Option<Spanned<String>>,
    #[serde(default)]
    set: Set,
    #[serde(default)]
    rule: Vec<Spanned<WrittenRule>>,
}

/// Knobs and their values.
type Set = BTreeMap<String, Value>;

/// A value of a knob.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Number(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenRule {
    path: Spanned<String>,
    policy: Option<Spanned<String>>,
    mask: Option<bool>,
    deny: Option<String>,
    text: Option<String>,
    text_file: Option<Spanned<String>>,
    set: Option<Spanned<Set>>,
    reason: Option<String>,
}

/// The base where none is named: the policy of the program that reads.
const DEFAULT: &str = "default";

/// How large a constant may be.
const MAX_TEXT: usize = 1 << 20;

/// Reads a policy from a file: a component as it is; an overlay, which is a file
/// whose name ends with `.toml`, with all files that it names. The rules have to
/// allow each of these files; a pin is of what is returned.
pub fn read(pinned: &Pinned, trust: Option<&Trust>) -> Result<Vec<u8>, Error> {
    let path = &pinned.file;
    if !is_overlay(path) {
        return Ok(admit(pinned, trust)?.bytes);
    }
    let bytes = Reader::of(path, trust)?.bundle()?.to_bytes()?;
    let found = Sha256::of(&bytes);
    match pinned.sha256 {
        Some(expected) if expected != found => {
            Err(Refused::Pin { file: path.clone(), expected, found }.into())
        }
        _ => Ok(bytes),
    }
}

/// The files that a policy is made of, the one at `path` first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    if is_overlay(path)
        && let Ok(reader) = Reader::of(path, None)
        && let Ok(written) = reader.parse()
    {
        let rules = written.rule.iter().map(Spanned::get_ref);
        let named = rules.clone().filter_map(|rule| rule.policy.as_ref());
        let policies = written.base.iter().chain(named).map(|name| match parse(name.get_ref()) {
            Ok(pinned) => pinned.file,
            Err(_) => name.get_ref().into(),
        });
        let texts = rules.filter_map(|rule| rule.text_file.as_ref()).map(|n| n.get_ref().into());
        let named = policies.filter(|name| name.as_os_str() != DEFAULT).chain(texts);
        files.extend(named.map(|name: PathBuf| reader.beside(&name)));
    }
    files
}

fn is_overlay(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// A policy as an overlay names it, which may have a pin.
fn parse(name: &str) -> Result<Pinned, NotAFile> {
    Pinned::parse(name.into())
}

fn bytes(path: &Path, trust: Option<&Trust>) -> Result<Vec<u8>, Error> {
    let pinned = Pinned { file: path.to_owned(), sha256: None };
    Ok(admit(&pinned, trust)?.bytes)
}

/// An overlay that is being read.
struct Reader<'p> {
    path: &'p Path,
    text: String,
    trust: Option<&'p Trust>,
}

impl<'p> Reader<'p> {
    fn of(path: &'p Path, trust: Option<&'p Trust>) -> Result<Self, Error> {
        match String::from_utf8(bytes(path, trust)?) {
            Ok(text) => Ok(Reader { path, text, trust }),
            Err(_) => Err(Error::Line {
                path: path.to_owned(),
                line: 1,
                reason: "not UTF-8 text".to_owned(),
            }),
        }
    }

    fn parse(&self) -> Result<Written, Error> {
        toml::from_str(&self.text).map_err(|error| {
            let reason = error.message().replace('\n', ", ");
            self.wrong(error.span().unwrap_or_default(), reason)
        })
    }

    fn bundle(&self) -> Result<Bundle, Error> {
        let written = self.parse()?;
        let base = written.base.unwrap_or_else(|| Spanned::new(0..0, DEFAULT.to_owned()));
        let mut parts = vec![self.part(&base)?];
        let mut rules = Vec::new();
        for rule in &written.rule {
            rules.push(self.rule(rule, &mut parts)?);
        }
        let name = match &written.name {
            None => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Some(name) => name.get_ref().clone(),
        };
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let span = written.name.as_ref().map_or(0..0, Spanned::span);
            return Err(self.wrong(span, format!("`{}` is no name", name.escape_debug())));
        }
        Ok(Bundle { name, set: settings(&written.set), parts, rules })
    }

    fn rule(&self, rule: &Spanned<WrittenRule>, parts: &mut Vec<Part>) -> Result<Kept, Error> {
        let at = rule.get_ref().path.span();
        let WrittenRule { path, policy, mask, deny, text, text_file, set, reason } = rule.get_ref();
        Glob::parse(path.get_ref()).map_err(|e| self.wrong(path.span(), e.to_string()))?;
        let what = match (policy, mask, deny, text, text_file) {
            (Some(name), None, None, None, None) => {
                let part = self.part(name)?;
                let is_it = |known: &Part| known.name == part.name && known.sha256 == part.sha256;
                What::Policy(match parts.iter().position(is_it) {
                    Some(place) => place,
                    None => {
                        parts.push(part);
                        parts.len() - 1
                    }
                })
            }
            (None, None, None, None, None) if set.is_some() => What::Keep,
            (None, Some(true), None, None, None) => What::Mask,
            (None, None, Some(_), None, None) => What::Deny,
            (None, None, None, Some(text), None) => What::Text(text.clone()),
            (None, None, None, None, Some(file)) => What::Text(self.constant(file)?),
            (None, Some(false), None, None, None) => {
                let reason = "`mask = false` says nothing; leave the rule out";
                return Err(self.wrong(at, reason.to_owned()));
            }
            _ => {
                let reason =
                    "a rule has one of policy, mask, deny, text and text-file, or `set` alone";
                return Err(self.wrong(at, reason.to_owned()));
            }
        };
        if let What::Text(text) = &what
            && text.len() > MAX_TEXT
        {
            return Err(self.wrong(at, format!("the text is longer than {MAX_TEXT} bytes")));
        }
        let set = set.as_ref().map(|set| self.turned(set, &what)).transpose()?;
        let reason = deny.clone().or_else(|| reason.clone());
        Ok(Kept {
            path: path.get_ref().clone(),
            what,
            set: set.unwrap_or_default(),
            reason: reason.unwrap_or_else(|| "an overlay says so".to_owned()),
            line: self.line(at.start),
        })
    }

    /// The knobs of a rule.
    fn turned(&self, set: &Spanned<Set>, what: &What) -> Result<Vec<Setting>, Error> {
        let wrong = |reason: String| Err(self.wrong(set.span(), reason));
        if !matches!(what, What::Policy(_) | What::Keep) {
            return wrong("`set` turns knobs of a policy, and here none renders".to_owned());
        }
        if set.get_ref().is_empty() {
            return wrong("`set` names no knob".to_owned());
        }
        match set.get_ref().keys().find(|knob| knob.starts_with('/')) {
            Some(path) => wrong(format!("`{path}` belongs into [set]; a rule has its own path")),
            None => Ok(settings(set.get_ref())),
        }
    }

    fn constant(&self, file: &Spanned<String>) -> Result<String, Error> {
        let path = self.beside(Path::new(file.get_ref()));
        let wrong = |reason: String| self.wrong(file.span(), reason);
        let read = bytes(&path, self.trust).map_err(|error| wrong(error.to_string()))?;
        String::from_utf8(read).map_err(|_| wrong(format!("{} is not UTF-8", path.display())))
    }

    fn part(&self, name: &Spanned<String>) -> Result<Part, Error> {
        let wrong = |reason: String| self.wrong(name.span(), reason);
        let Pinned { file, sha256 } =
            parse(name.get_ref()).map_err(|error| wrong(error.to_string()))?;
        if file.as_os_str() == DEFAULT {
            let found = Sha256::of(vproc_default::COMPONENT);
            return match sha256 {
                Some(expected) if expected != found => {
                    Err(wrong(Refused::Pin { file, expected, found }.to_string()))
                }
                _ => Ok(Part { name: DEFAULT.into(), bytes: None, sha256: found.to_string() }),
            };
        }
        let path = self.beside(&file);
        if is_overlay(&path) {
            let reason = format!("{} is an overlay, which cannot be part of one", path.display());
            return Err(wrong(reason));
        }
        let admitted = admit(&Pinned { file: path, sha256 }, self.trust)
            .map_err(|error| wrong(error.to_string()))?;
        if admitted.bytes.starts_with(MAGIC) {
            return Err(wrong("an overlay cannot be part of one".to_owned()));
        }
        // Without the pin, which says nothing that the hash does not.
        let name = file.display().to_string();
        let sha256 = admitted.sha256.to_string();
        Ok(Part { name, bytes: Some(admitted.bytes), sha256 })
    }

    /// Files are named from the directory of the overlay.
    fn beside(&self, name: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }

    fn wrong(&self, at: Range<usize>, reason: String) -> Error {
        Error::Line { path: self.path.to_owned(), line: self.line(at.start), reason }
    }

    fn line(&self, place: usize) -> usize {
        let before = self.text.as_bytes().get(..place).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

fn settings(set: &Set) -> Vec<Setting> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
    };
    set.iter().map(|(knob, value)| Setting { knob: knob.clone(), value: text(value) }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_waits_for_changes_knows_all_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("overlay.toml");
        let overlay = "base = \"base.wasm\"\n[[rule]]\npath = \"/proc/stat\"\npolicy = \"a.wasm\"\n\
                       [[rule]]\npath = \"/proc/swaps\"\ntext-file = \"swaps.txt\"\n\
                       [[rule]]\npath = \"/proc/uptime\"\npolicy = \"default\"\n";
        let pin = "0".repeat(64);
        let overlay = &overlay.replace("a.wasm", &format!("a.wasm@sha256:{pin}"));
        std::fs::write(&path, overlay).unwrap();
        let names = ["overlay.toml", "base.wasm", "a.wasm", "swaps.txt", "default"];
        let expected = names.map(|name| directory.path().join(name));
        // The embedded policy is no file.
        assert_eq!(files(&path), expected.split_at(4).0);
        // One that cannot be read as yet is waited for, too.
        std::fs::write(&path, "base = ").unwrap();
        assert_eq!(files(&path), expected.split_at(1).0);
        assert_eq!(files(&expected[2]), [expected[2].clone()]);
    }
}
