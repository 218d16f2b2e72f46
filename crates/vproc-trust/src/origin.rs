//! What ties a policy's file to a signature in a registry.
//!
//! cosign signs a *payload* (containers-signature(5), "simple signing") that
//! names the hash of a manifest, and the manifest names the hash of the
//! policy. With both at hand, the file can be verified without the registry.

use crate::{PublicKey, Sha256, Signature};
use serde::{Deserialize, Serialize};

/// Manifest, payload and signature of a policy that was pulled, kept beside
/// its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What was pulled, for people: it is not signed.
    pub reference: String,
    /// The manifest, byte for byte.
    pub manifest: String,
    /// What was signed, byte for byte.
    pub payload: String,
    /// The signature over it, in base64.
    pub signature: String,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The hash of the manifest.
    pub manifest: Sha256,
    /// What the signer called it, such as `ghcr.io/acme/policy`.
    pub name: String,
}

/// Why a signature does not vouch for a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// Another key's, or of other bytes.
    #[error("the signature is not by key {}", short(.0))]
    Key(Sha256),
    /// Not base64.
    #[error("{0}")]
    Signature(#[from] crate::NotASignature),
    /// Not what cosign signs.
    #[error("what was signed is no cosign payload: {0}")]
    Payload(String),
    /// It vouches for something else.
    #[error("the signature is for the manifest {signed:?}, not for {found:?}")]
    Manifest {
        /// What was signed.
        signed: Sha256,
        /// What is here.
        found: Sha256,
    },
    /// The manifest is of something else.
    #[error("the signed manifest is for another file: {0}")]
    File(String),
}

/// Enough of a key's name to tell it from others by eye.
fn short(id: &Sha256) -> String {
    id.to_string().chars().take(16).collect()
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    identity: Identity,
    image: Image,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    name: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// `type` of a payload by cosign.
const SIGNED_BY_COSIGN: &str = "cosign container image signature";

impl Claim {
    /// Reads a payload after its signature was verified.
    pub fn signed(key: &PublicKey, payload: &[u8], signature: &str) -> Result<Self, NotProven> {
        if !key.verifies(payload, &Signature::from_base64(signature)?) {
            return Err(NotProven::Key(key.id()));
        }
        let wrong = |why: String| NotProven::Payload(why);
        let Payload { critical } =
            serde_json::from_slice(payload).map_err(|error| wrong(error.to_string()))?;
        if critical.kind != SIGNED_BY_COSIGN {
            return Err(wrong(format!("it is of the type {:?}", critical.kind)));
        }
        let digest = critical.image.digest;
        let manifest = digest.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        let manifest = manifest.ok_or_else(|| wrong(format!("{digest:?} is no digest")))?;
        Ok(Claim { manifest, name: critical.identity.name })
    }

    /// That it is about this manifest.
    pub fn is_for(&self, manifest: Sha256) -> Result<(), NotProven> {
        if self.manifest == manifest {
            return Ok(());
        }
        Err(NotProven::Manifest { signed: self.manifest, found: manifest })
    }

    /// Whether the signer's name for it is `registry`, or lies below that.
    pub fn is_below(&self, registry: &str) -> bool {
        let name = self.name.split('@').next().unwrap_or_default();
        let name = match name.rsplit_once(':') {
            // A colon of the registry is a port's.
            Some((name, tag)) if name.contains('/') && !tag.contains('/') => name,
            _ => name,
        };
        name.strip_prefix(registry.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
}

impl Origin {
    /// That the key's owner signed a manifest which is of these bytes.
    pub fn proves(&self, key: &PublicKey, policy: Sha256) -> Result<Claim, NotProven> {
        let claim = Claim::signed(key, self.payload.as_bytes(), &self.signature)?;
        claim.is_for(Sha256::of(self.manifest.as_bytes()))?;
        let Manifest { layers } = serde_json::from_str(&self.manifest)
            .map_err(|error| NotProven::File(format!("it cannot be read: {error}")))?;
        match layers.as_slice() {
            [layer] if layer.digest == format!("{policy:?}") => Ok(claim),
            [layer] => Err(NotProven::File(format!("of {:?}", layer.digest))),
            layers => Err(NotProven::File(format!("it has {} layers", layers.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_below_a_registry_by_whole_components() {
        let claim = |name: &str| Claim { manifest: Sha256::of(b""), name: name.to_owned() };
        for name in
            ["ghcr.io/acme", "ghcr.io/acme/x", "ghcr.io/acme/x:1", "ghcr.io/acme:1@sha256:0"]
        {
            assert!(claim(name).is_below("ghcr.io/acme"), "{name}");
            assert!(claim(name).is_below("ghcr.io/acme/"), "{name}");
        }
        for name in ["ghcr.io/acme-evil/x", "ghcr.io", "evil/ghcr.io/acme", "ghcr.io:1/acme", ""] {
            assert!(!claim(name).is_below("ghcr.io/acme"), "{name}");
        }
        assert!(claim("localhost:5000/a/b").is_below("localhost:5000"));
        assert!(!claim("localhost:5000").is_below("localhost"));
    }
}
