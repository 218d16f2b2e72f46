//! The rules of a machine: who may have policies used here.

use crate::admission::{Candidate, MAX_SMALL, in_words, read_within, within};
use crate::guarded::{Exposed, open_guarded};
use crate::{NotAKey, PublicKey, Sha256, origin_file, signature_file};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Where the rules are if nothing else is said.
pub const DEFAULT_FILE: &str = "/etc/vproc/trust.toml";

/// The rules. A policy that none of them allows is not used.
#[derive(Debug)]
pub struct Trust {
    file: PathBuf,
    rules: Vec<Rule>,
}

/// Why there are no rules to go by. Nothing is allowed then.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Somebody else could have written them.
    #[error("the rules of trust cannot be used: {0}")]
    Exposed(#[from] Exposed),
    /// They cannot be read.
    #[error("cannot read {file:?}: {error}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// They are not written as they should be.
    #[error("{file:?}, line {line}: {what}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// One `[[allow]]`: a policy has to meet everything that it says.
#[derive(Debug)]
struct Rule {
    line: usize,
    sha256: Option<Sha256>,
    key: Option<PublicKey>,
    registry: Option<String>,
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    allow: Vec<Spanned<WrittenRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    sha256: Option<String>,
    key: Option<String>,
    registry: Option<String>,
    path: Option<PathBuf>,
}

impl Trust {
    /// Reads the rules: those of a file that was named, or the machine's.
    /// `None` if nothing was named and the machine has none.
    pub fn load(named: Option<&Path>) -> Result<Option<Self>, TrustError> {
        let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        match named {
            Some(file) => Trust::open(file).map(Some),
            None if Path::new(DEFAULT_FILE).symlink_metadata().is_err_and(is_missing) => Ok(None),
            None => Trust::open(Path::new(DEFAULT_FILE)).map(Some),
        }
    }

    fn open(file: &Path) -> Result<Self, TrustError> {
        let text = read_text(file)?;
        let malformed = |offset: usize, what: String| TrustError::Malformed {
            file: file.to_owned(),
            line: line(&text, offset),
            what,
        };
        let written: Written = toml::from_str(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            malformed(offset, error.message().replace('\n', ", "))
        })?;
        let rules = written.allow.into_iter().map(|rule| {
            let offset = rule.span().start;
            let line = line(&text, offset);
            Rule::new(rule.into_inner(), line).map_err(|what| malformed(offset, what))
        });
        Ok(Trust { file: file.to_owned(), rules: rules.collect::<Result<_, _>>()? })
    }

    /// Where they were read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The rule that allows a policy, or why none does.
    pub(crate) fn judge(&self, candidate: &Candidate) -> Result<String, Vec<String>> {
        let mut unmet = Vec::new();
        for rule in &self.rules {
            match rule.judge(candidate) {
                Ok(()) => return Ok(format!("{}, line {}", self.file.display(), rule.line)),
                Err(why) => unmet.push(format!("line {}: {why}", rule.line)),
            }
        }
        Err(unmet)
    }
}

impl Rule {
    fn new(written: WrittenRule, line: usize) -> Result<Self, String> {
        let WrittenRule { sha256, key, registry, path } = written;
        if sha256.is_none() && key.is_none() && path.is_none() {
            return Err(match registry {
                Some(_) => "a registry's name proves nothing; add the `key` that signs there",
                None => "say what is allowed: `sha256`, `key`, `key` and `registry`, or `path`",
            }
            .to_owned());
        }
        if registry.is_some() && key.is_none() {
            return Err("a `registry` needs the `key` that signs there".to_owned());
        }
        if registry.as_deref().is_some_and(|name| name.is_empty() || name.contains("://")) {
            return Err("a `registry` is written as in `ghcr.io/acme`".to_owned());
        }
        if path.as_deref().is_some_and(|path| !path.is_absolute()) {
            return Err("a `path` begins with a slash".to_owned());
        }
        let sha256 = sha256.map(|hex| {
            let hex = hex.strip_prefix("sha256:").unwrap_or(&hex);
            hex.parse().map_err(|error: crate::NotSha256| error.to_string())
        });
        let key = key.as_deref().map(load_key);
        Ok(Rule { line, sha256: sha256.transpose()?, key: key.transpose()?, registry, path })
    }

    /// That a policy meets it; else, what would make it do so.
    fn judge(&self, candidate: &Candidate) -> Result<(), String> {
        if let Some(expected) = self.sha256
            && expected != candidate.sha256
        {
            return Err(format!("it wants sha256 {expected}"));
        }
        if let Some(directory) = &self.path {
            candidate.is_below(directory)?;
        }
        match (&self.key, &self.registry) {
            (Some(key), Some(registry)) => from_registry(candidate, key, registry),
            (Some(key), None) => signed(candidate, key),
            (None, _) => Ok(()),
        }
    }
}

fn signed(candidate: &Candidate, key: &PublicKey) -> Result<(), String> {
    let file = signature_file(candidate.file);
    crate::admission::verify_signature(candidate.file, candidate.bytes, key)
        .map_err(|error| format!("it wants a signature in {file:?}: {error}"))
}

fn from_registry(candidate: &Candidate, key: &PublicKey, registry: &str) -> Result<(), String> {
    let file = origin_file(candidate.file);
    let wants = |why: &dyn std::fmt::Display| {
        format!("it wants {file:?}, as `vprocctl policy pull --key` writes it: {why}")
    };
    let text = read_within(&file, MAX_SMALL).map_err(|error| wants(&in_words(&error)))?;
    let origin: crate::Origin = serde_json::from_slice(&text).map_err(|error| wants(&error))?;
    let claim = origin.proves(key, candidate.sha256).map_err(|error| wants(&error))?;
    if !claim.is_below(registry) {
        return Err(format!("it wants a name below {registry:?}; signed is {:?}", claim.name));
    }
    Ok(())
}

/// A key that stands in the rules, or in a file that is as well guarded.
fn load_key(written: &str) -> Result<PublicKey, String> {
    let text = if written.trim_start().starts_with("-----BEGIN") {
        written.to_owned()
    } else if Path::new(written).is_absolute() {
        read_text(Path::new(written)).map_err(|error| format!("`key`: {error}"))?
    } else {
        return Err("a `key` is a file's full path, or PEM".to_owned());
    };
    PublicKey::from_pem(&text).map_err(|error: NotAKey| match written.starts_with('/') {
        true => format!("`key` {written:?}: {error}"),
        false => format!("`key`: {error}"),
    })
}

/// Reads what decides over trust: a file of root's, or of the user who asks.
fn read_text(file: &Path) -> Result<String, TrustError> {
    let owners = [0, rustix::process::geteuid().as_raw()];
    let opened = open_guarded(file, &owners)?;
    within(opened, MAX_SMALL)
        .and_then(|text| String::from_utf8(text).map_err(io::Error::other))
        .map_err(|error| TrustError::Read { file: file.to_owned(), error })
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
