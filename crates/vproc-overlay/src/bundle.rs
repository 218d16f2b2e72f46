//! An overlay with all that it is made of, as bytes.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vproc_runtime::overlay::{Action, Glob, Overlay, Rule};
use vproc_runtime::{Cache, Digest, Engine, Policy};
use vproc_snapshot::Setting;

/// What the bytes of an overlay begin with; those of a component with `\0asm`.
pub(crate) const MAGIC: &[u8] = b"vproc-overlay/1\n";

/// An overlay, and the components that it names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bundle {
    pub(crate) name: String,
    pub(crate) set: Vec<Setting>,
    /// The base first.
    pub(crate) parts: Vec<Part>,
    pub(crate) rules: Vec<Kept>,
}

/// A component.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// As the overlay calls it.
    pub(crate) name: String,
    /// Its bytes; none of the embedded policy, which is that of the program.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub(crate) bytes: Option<Vec<u8>>,
    /// SHA-256, so that also an embedded policy counts for the digest.
    pub(crate) sha256: String,
}

/// A rule.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) path: String,
    pub(crate) what: What,
    /// Left out where there are none, as before rules had any: a pin of an overlay
    /// stays what it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) set: Vec<Setting>,
    pub(crate) reason: String,
    pub(crate) line: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Policy(usize),
    Keep,
    Mask,
    Deny,
    Text(String),
}

fn to_base64<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer)
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| STANDARD.decode(text).map_err(serde::de::Error::custom)).transpose()
}

impl Bundle {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = MAGIC.to_vec();
        serde_json::to_writer(&mut bytes, self).map_err(|e| Error::Damaged(e.to_string()))?;
        Ok(bytes)
    }
}

/// Makes a policy of what [`read`](crate::read) returned: of a component, or of an
/// overlay with all that it is made of. The digest is that of these bytes, with the embedded
/// policy of this program.
pub fn load(engine: &Engine, bytes: &[u8], cache: Option<&Cache>) -> Result<Policy, Error> {
    let Some(json) = bytes.strip_prefix(MAGIC) else {
        return Ok(Policy::load(engine, bytes, cache)?);
    };
    let damaged = |reason: String| Error::Damaged(reason);
    let mut bundle: Bundle = serde_json::from_slice(json).map_err(|e| damaged(e.to_string()))?;
    // What is kept may be older than this program.
    for part in bundle.parts.iter_mut().filter(|part| part.bytes.is_none()) {
        part.sha256 = Digest::of(vproc_default::COMPONENT).to_string();
    }
    let digest = Digest::of(&bundle.to_bytes()?);
    let load = |part: &Part| {
        let policy = match &part.bytes {
            Some(bytes) => Policy::load(engine, bytes, cache),
            None => vproc_default::load(engine, cache),
        };
        policy.map_err(|error| Error::Part { part: part.name.clone(), error })
    };
    let policies = bundle.parts.iter().map(load).collect::<Result<_, _>>()?;
    let rules: Result<_, Error> = bundle.rules.into_iter().map(rule).collect();
    let overlay = Overlay::new(bundle.name, digest, bundle.set, policies, rules?);
    Ok(overlay.map_err(|error| damaged(error.to_string()))?.into())
}

fn rule(kept: Kept) -> Result<Rule, Error> {
    let Kept { path, what, set, reason, line } = kept;
    Ok(Rule {
        paths: Glob::parse(&path).map_err(|error| Error::Damaged(error.to_string()))?,
        action: match what {
            What::Policy(part) => Action::Policy(part),
            What::Keep => Action::Keep,
            What::Mask => Action::Mask,
            What::Deny => Action::Deny,
            What::Text(text) => Action::Text(text),
        },
        settings: set,
        reason,
        place: format!("line {line}"),
    })
}
