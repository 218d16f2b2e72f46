//! Overlays as people write them.

use crate::Error;
use crate::bundle::{Bundle, Kept, MAGIC, Part, What};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use vproc_runtime::Digest;
use vproc_runtime::overlay::Glob;
use vproc_snapshot::Setting;
use vproc_trust::{Pinned, Refused, Sha256, Trust, admit};

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<Spanned<String>>,
    base: Option<Spanned<String>>,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    rule: Vec<Spanned<WrittenRule>>,
}

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
        let named = rules.flat_map(|rule| rule.policy.iter().chain(&rule.text_file));
        let named = written.base.iter().chain(named).filter(|name| name.get_ref() != DEFAULT);
        files.extend(named.map(|name| reader.beside(name.get_ref())));
    }
    files
}

fn is_overlay(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
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
        let set = written.set.into_iter().map(|(knob, value)| {
            let value = match value {
                Value::Text(text) => text,
                Value::Number(number) => number.to_string(),
            };
            Setting { knob, value }
        });
        let name = match &written.name {
            None => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Some(name) => name.get_ref().clone(),
        };
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let span = written.name.as_ref().map_or(0..0, Spanned::span);
            return Err(self.wrong(span, format!("`{}` is no name", name.escape_debug())));
        }
        Ok(Bundle { name, set: set.collect(), parts, rules })
    }

    fn rule(&self, rule: &Spanned<WrittenRule>, parts: &mut Vec<Part>) -> Result<Kept, Error> {
        let at = rule.get_ref().path.span();
        let WrittenRule { path, policy, mask, deny, text, text_file, reason } = rule.get_ref();
        Glob::parse(path.get_ref()).map_err(|e| self.wrong(path.span(), e.to_string()))?;
        let what = match (policy, mask, deny, text, text_file) {
            (Some(name), None, None, None, None) => {
                let place = match parts.iter().position(|part| part.name == *name.get_ref()) {
                    Some(place) => place,
                    None => {
                        parts.push(self.part(name)?);
                        parts.len() - 1
                    }
                };
                What::Policy(place)
            }
            (None, Some(true), None, None, None) => What::Mask,
            (None, None, Some(_), None, None) => What::Deny,
            (None, None, None, Some(text), None) => What::Text(text.clone()),
            (None, None, None, None, Some(file)) => What::Text(self.constant(file)?),
            (None, Some(false), None, None, None) => {
                let reason = "`mask = false` says nothing; leave the rule out";
                return Err(self.wrong(at, reason.to_owned()));
            }
            _ => {
                let reason = "a rule has one of policy, mask, deny, text and text-file";
                return Err(self.wrong(at, reason.to_owned()));
            }
        };
        if let What::Text(text) = &what
            && text.len() > MAX_TEXT
        {
            return Err(self.wrong(at, format!("the text is longer than {MAX_TEXT} bytes")));
        }
        let reason = deny.clone().or_else(|| reason.clone());
        Ok(Kept {
            path: path.get_ref().clone(),
            what,
            reason: reason.unwrap_or_else(|| "an overlay says so".to_owned()),
            line: self.line(at.start),
        })
    }

    fn constant(&self, file: &Spanned<String>) -> Result<String, Error> {
        let path = self.beside(file.get_ref());
        let wrong = |reason: String| self.wrong(file.span(), reason);
        let read = bytes(&path, self.trust).map_err(|error| wrong(error.to_string()))?;
        String::from_utf8(read).map_err(|_| wrong(format!("{} is not UTF-8", path.display())))
    }

    fn part(&self, name: &Spanned<String>) -> Result<Part, Error> {
        if name.get_ref() == DEFAULT {
            let sha256 = Digest::of(vproc_default::COMPONENT).to_string();
            return Ok(Part { name: DEFAULT.to_owned(), bytes: None, sha256 });
        }
        let path = self.beside(name.get_ref());
        let wrong = |reason: String| self.wrong(name.span(), reason);
        if is_overlay(&path) {
            let reason = format!("{} is an overlay, which cannot be part of one", path.display());
            return Err(wrong(reason));
        }
        let bytes = bytes(&path, self.trust).map_err(|error| wrong(error.to_string()))?;
        if bytes.starts_with(MAGIC) {
            return Err(wrong("an overlay cannot be part of one".to_owned()));
        }
        let sha256 = Digest::of(&bytes).to_string();
        Ok(Part { name: name.get_ref().clone(), bytes: Some(bytes), sha256 })
    }

    /// Files are named from the directory of the overlay.
    fn beside(&self, name: &str) -> PathBuf {
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
