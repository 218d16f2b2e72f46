//! Reading a policy, and saying whether it may be used.

use crate::guarded::{Exposed, open_guarded};
use crate::{Pinned, PublicKey, Sha256, Signature, Trust, signature_file};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest policy.
pub const MAX_POLICY: u64 = 64 << 20;

/// The largest of the files beside it, and of the rules.
pub(crate) const MAX_SMALL: u64 = 1 << 20;

/// A policy that may be used.
#[derive(Debug)]
pub struct Admitted {
    /// What was looked at. Nothing else may be compiled: the file may have
    /// changed since.
    pub bytes: Vec<u8>,
    /// Its hash.
    pub sha256: Sha256,
    /// The rule that allows it; none where there are no rules.
    pub rule: Option<String>,
}

/// Why a policy is not used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error("cannot read {}: {}", file.display(), in_words(error))]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The bytes are others.
    #[error(
        "{} is not what was pinned: expected sha256 {expected}, found {found}; \
         if the change is wanted, pin what was found",
        file.display()
    )]
    Pin {
        /// The file.
        file: PathBuf,
        /// What was to be there.
        expected: Sha256,
        /// What is.
        found: Sha256,
    },
    /// No rule allows it.
    #[error(
        "no rule of {} allows {} (sha256 {sha256}): {}; an `[[allow]]` with this sha256 would",
        trust.display(), file.display(), because(unmet)
    )]
    NotAllowed {
        /// The file.
        file: PathBuf,
        /// Its hash.
        sha256: Sha256,
        /// Where the rules are.
        trust: PathBuf,
        /// What each of them misses.
        unmet: Vec<String>,
    },
}

/// How many rules an error names.
const SHOWN: usize = 4;

fn because(unmet: &[String]) -> String {
    let mut text = unmet.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match unmet.len() {
        0 => "there are none".clone_into(&mut text),
        count if count > SHOWN => text.push_str(&format!("; and {} more", count - SHOWN)),
        _ => {}
    }
    text
}

/// A policy that is judged.
pub(crate) struct Candidate<'a> {
    pub(crate) file: &'a Path,
    pub(crate) bytes: &'a [u8],
    pub(crate) sha256: Sha256,
    /// Where it lies, links resolved, if it is root's alone there.
    place: &'a Result<PathBuf, String>,
}

impl Candidate<'_> {
    /// That it lies below a directory, and that only root could have put it
    /// there.
    pub(crate) fn is_below(&self, directory: &Path) -> Result<(), String> {
        let wants = format!("it wants a file below {directory:?} that only root can write to");
        match self.place {
            Ok(place) if place.starts_with(directory) => Ok(()),
            Ok(place) => Err(format!("{wants}; this is {place:?}")),
            Err(why) => Err(format!("{wants}; {why}")),
        }
    }
}

/// Reads a policy, once, and holds it to its pin and to the rules. Without
/// rules, whoever names a file may use it.
pub fn admit(pinned: &Pinned, trust: Option<&Trust>) -> Result<Admitted, Refused> {
    let file = &pinned.file;
    let failed = |error| Refused::Read { file: file.clone(), error };
    let (opened, place) = match trust {
        Some(_) => open(file).map_err(failed)?,
        None => (File::open(file).map_err(failed)?, Err(String::new())),
    };
    let bytes = within(opened, MAX_POLICY).map_err(failed)?;
    let found = Sha256::of(&bytes);
    if let Some(expected) = pinned.sha256
        && expected != found
    {
        return Err(Refused::Pin { file: file.clone(), expected, found });
    }
    let Some(trust) = trust else {
        return Ok(Admitted { bytes, sha256: found, rule: None });
    };
    let candidate = Candidate { file, bytes: &bytes, sha256: found, place: &place };
    match trust.judge(&candidate) {
        Ok(rule) => Ok(Admitted { bytes, sha256: found, rule: Some(rule) }),
        Err(unmet) => Err(Refused::NotAllowed {
            file: file.clone(),
            sha256: found,
            trust: trust.file().to_owned(),
            unmet,
        }),
    }
}

/// Opens a policy's file; says where it really is if only root could have put
/// it there, else why not. It is the same open file either way.
fn open(file: &Path) -> io::Result<(File, Result<PathBuf, String>)> {
    // A pipe, as in `--policy <(…)`, has no place.
    let place = file.canonicalize();
    let guarded = place.and_then(|place| match open_guarded(&place, &[0]) {
        Ok(opened) => Ok((opened, place)),
        Err(exposed) => Err(io::Error::other(exposed)),
    });
    match guarded {
        Ok((opened, place)) => Ok((opened, Ok(place))),
        Err(why) => Ok((File::open(file)?, Err(why.to_string()))),
    }
}

/// That `FILE.sig` is a signature of a policy's bytes by a key.
pub fn verify_signature(file: &Path, policy: &[u8], key: &PublicKey) -> Result<(), String> {
    let path = signature_file(file);
    let text = read_within(&path, MAX_SMALL).map_err(|error| in_words(&error))?;
    let signature = Signature::from_base64(&String::from_utf8_lossy(&text))
        .map_err(|error| error.to_string())?;
    match key.verifies(policy, &signature) {
        true => Ok(()),
        false => Err(format!("it is not of these bytes, or not by key {}", key.id())),
    }
}

/// An error without its number.
pub(crate) fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

pub(crate) fn read_within(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    within(File::open(file)?, limit)
}

/// Reads to the end, which must come within the limit.
pub(crate) fn within(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(io::Error::other(format!("it is larger than {} MiB", limit >> 20))),
    }
}

impl From<Exposed> for io::Error {
    fn from(exposed: Exposed) -> Self {
        io::Error::other(exposed)
    }
}
