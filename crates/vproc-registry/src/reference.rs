//! Where an artifact is: `REGISTRY/REPOSITORY:TAG@sha256:HEX`.

use crate::quoted::quoted;
use std::fmt;
use std::str::FromStr;
use vproc_trust::Sha256;

/// The name of an artifact in a registry. It has a tag, a digest, or both; with
/// a digest, that is what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<Sha256>,
}

/// What was to be a reference is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is no reference such as ghcr.io/acme/policy:1.0: {why}")]
pub struct NotAReference {
    text: String,
    why: &'static str,
}

/// The longest that registries take (distribution-spec, "Pulling manifests").
const LONGEST: usize = 255;

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let wrong = |why| NotAReference { text: quoted(text), why };
        if text.contains("://") {
            return Err(wrong("it is written without a scheme"));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let hex =
                    digest.strip_prefix("sha256:").ok_or(wrong("only sha256 is supported"))?;
                let digest =
                    hex.parse().map_err(|_| wrong("a digest has 64 hexadecimal digits"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let (registry, path) = name.split_once('/').ok_or(wrong("it names no repository"))?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        if !is_registry(registry) {
            return Err(wrong("it does not begin with a registry"));
        }
        if name.len() > LONGEST || !repository.split('/').all(is_component) {
            return Err(wrong("a repository has small letters, digits, and . _ - between them"));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag has letters, digits, and _ . -"));
        }
        if tag.is_none() && digest.is_none() {
            return Err(wrong("say which one: add a tag or a digest"));
        }
        Ok(Reference {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag,
            digest,
        })
    }
}

/// A name with a dot or a port, or localhost, as in docker's references.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let is_named = !host.is_empty() && host.chars().all(is_plain);
    let is_told = host.contains('.') || host == "localhost" || port.is_some() || is_address;
    (is_named || is_address)
        && is_told
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_component(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_letter)
        && text.ends_with(is_letter)
        && text.chars().all(|c| is_letter(c) || matches!(c, '.' | '_' | '-'))
        && !text.contains("..")
}

fn is_tag(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128
        && text.starts_with(is_letter)
        && text.chars().all(|c| is_letter(c) || matches!(c, '.' | '-'))
}

impl Reference {
    /// The last part of the repository, as a name for a file.
    pub fn short_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// Registry and repository.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same with what it is now.
    pub fn pinned(&self, digest: Sha256) -> Self {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// Whom to connect to. Docker's registry is not where its name says.
    pub(crate) fn authority(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            registry => registry,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(out, "@{digest:?}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reference_prints_as_it_is_written() {
        let digest = format!("@{:?}", Sha256::of(b""));
        for name in
            ["ghcr.io/acme/policy", "localhost/a", "localhost:5000/a/b_c/d-e.f", "[::1]:5/a"]
        {
            for rest in [":1.0", &digest, &format!(":1.0{digest}"), ":_X-y.z"] {
                let text = format!("{name}{rest}");
                assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("ghcr.io/{}:1", "a".repeat(300));
        for text in [
            "",
            "policy",
            "policy:1",
            "acme/policy:1",
            "ghcr.io/acme",
            "ghcr.io/acme/policy",
            "oci://ghcr.io/a:1",
            "ghcr.io/Acme/x:1",
            "ghcr.io/../x:1",
            "ghcr.io//x:1",
            "ghcr.io/x:1@sha256:00",
            "ghcr.io/x:1@sha512:00",
            "ghcr.io/x:",
            "ghcr.io/x:a/b",
            "ghcr.io:0/x:1",
            "ghcr.io:y/x:1",
            "user@ghcr.io/x:1",
            "ghcr.io/x y:1",
            "ghcr.io/x:1?a",
            "ghcr.io/x\n:1",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
