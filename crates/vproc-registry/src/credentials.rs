//! Names and passwords, where docker, podman and skopeo keep them
//! (containers-auth.json(5)).

use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a registry is told.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A name and a password.
    Password { user: String, password: String },
    /// What a registry gave for a password, to be changed for a token.
    Identity(String),
}

#[derive(Deserialize)]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// Looks for what belongs to a repository. The second value says where, or
/// where it was looked for.
pub(crate) fn find(name: &str) -> Result<(Option<Credentials>, String), Error> {
    let files = files(|variable| std::env::var_os(variable));
    for file in &files {
        if let Some(found) = find_in(file, name)? {
            return Ok((Some(found), file.display().to_string()));
        }
    }
    let looked: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Ok((None, looked.join(", ")))
}

/// The files, the first one that has an entry counts.
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = path("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = path("HOME");
    let in_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
    let run = path("XDG_RUNTIME_DIR").map(|run| run.join("containers/auth.json"));
    let config = path("XDG_CONFIG_HOME").or(in_home(".config"));
    let docker = path("DOCKER_CONFIG").or(in_home(".docker"));
    [
        run,
        config.map(|config| config.join("containers/auth.json")),
        docker.map(|docker| docker.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn find_in(file: &Path, name: &str) -> Result<Option<Credentials>, Error> {
    let wrong = |why: String| Error::Credentials { file: file.to_owned(), why };
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    // A message of serde_json tells the place, and no password.
    let AuthFile { auths } =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let entry = keys(name).find_map(|key| auths.iter().find(|(own, _)| bare(own) == key));
    let Some((key, auth)) = entry else { return Ok(None) };
    credentials(auth).ok_or_else(|| wrong(format!("the entry {key:?} has no name and password")))
}

/// The repository and what it lies in, up to the registry: the longest counts.
fn keys(name: &str) -> impl Iterator<Item = &str> {
    let shorter = std::iter::successors(Some(name), |name| Some(name.rsplit_once('/')?.0));
    let docker = name.starts_with("docker.io/").then_some("index.docker.io");
    shorter.chain(docker)
}

/// A key without what `docker login` adds to some: `https://index.docker.io/v1/`.
fn bare(key: &str) -> &str {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1").or(key.strip_suffix("/v2")).unwrap_or(key)
}

/// `None` if the entry has something else; an empty one (whose password a
/// helper keeps) counts as none at all.
#[allow(clippy::option_option)]
fn credentials(auth: &Auth) -> Option<Option<Credentials>> {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(token) = present(&auth.identitytoken) {
        return Some(Some(Credentials::Identity(token)));
    }
    let pair = match present(&auth.auth) {
        Some(encoded) => {
            let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
            let (user, password) = decoded.split_once(':')?;
            Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
        }
        None => present(&auth.username).zip(present(&auth.password)),
    };
    Some(pair.map(|(user, password)| match user.as_str() {
        // As docker writes an identity token that a helper printed.
        "<token>" => Credentials::Identity(password),
        _ => Credentials::Password { user, password },
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn look(json: &str, name: &str) -> Result<Option<Credentials>, Error> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("auth.json");
        std::fs::write(&file, json).unwrap();
        find_in(&file, name)
    }

    fn user(json: &str, name: &str) -> Option<String> {
        match look(json, name).unwrap() {
            Some(Credentials::Password { user, password }) => Some(format!("{user}:{password}")),
            Some(Credentials::Identity(token)) => Some(format!("token {token}")),
            None => None,
        }
    }

    #[test]
    fn the_longest_name_counts() {
        let json = r#"{"auths": {"ghcr.io": {"auth": "YTphOmI="},
            "ghcr.io/acme": {"username": "b", "password": "c"},
            "https://index.docker.io/v1/": {"auth": "ZDpl"},
            "https://quay.io": {"identitytoken": "x"}, "gcr.io": {}}}"#;
        assert_eq!(user(json, "ghcr.io/acme/x").unwrap(), "b:c");
        assert_eq!(user(json, "ghcr.io/acmes/x").unwrap(), "a:a:b");
        assert_eq!(user(json, "docker.io/x/y").unwrap(), "d:e");
        assert_eq!(user(json, "quay.io/x").unwrap(), "token x");
        assert_eq!(user(json, "gcr.io/x"), None);
        assert_eq!(user(json, "example.org/x"), None);
    }

    #[test]
    fn a_file_that_is_broken_is_not_passed_over() {
        for json in ["{", r#"{"auths": {"a.b": {"auth": "%"}}}"#] {
            let error = look(json, "a.b/c").err().unwrap().to_string();
            assert!(error.contains("auth.json"), "{error}");
        }
        assert!(find_in(Path::new("/nonexistent"), "a.b/c").unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_named_is_the_only_one() {
        let of = |set: &[(&str, &str)]| {
            let set: BTreeMap<String, OsString> =
                set.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
            files(move |name| set.get(name).cloned())
        };
        assert_eq!(of(&[("HOME", "/h"), ("REGISTRY_AUTH_FILE", "/f")]), [Path::new("/f")]);
        let all = of(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r")]);
        let expected = ["/r/containers/auth.json", "/h/.config/containers/auth.json"];
        assert_eq!(all, [expected[0], expected[1], "/h/.docker/config.json"].map(Path::new));
    }
}
