//! Which files a process sees: the entries of a policy with all numbers in
//! place.

use crate::facts::Facts;
use crate::failure::Failure;
use crate::policy::Loaded;
use std::collections::HashMap;
use vproc_snapshot::pattern::{is_pattern, listed, stands_for};
use vproc_snapshot::{Class, Entry, Kind};

/// What a shell's pattern for the directories of processes looks like.
pub(crate) const ANY_NUMBER: &str = "[0-9]*";

/// One file of a container.
pub(crate) struct File<'l> {
    /// Its path, with all numbers in place.
    pub(crate) path: String,
    pub(crate) entry: &'l Entry,
}

/// The files at some paths and below some directories; in place of a
/// directory that cannot be listed its failure.
pub(crate) fn files<'l>(
    loaded: &'l Loaded,
    paths: &[String],
    facts: &Facts,
) -> Result<Vec<Result<File<'l>, Failure>>, Failure> {
    let mut listings = Listings { loaded, facts, known: HashMap::new(), failures: Vec::new() };
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        let trimmed = path.trim_end_matches('/');
        for entry in loaded.expand(path)? {
            // What this host does not have, what was not recorded, what is no
            // text and what is denied is not missed, unless it was named.
            let is_there = || {
                let readings = facts.readings();
                let is_shown = !readings.lacks(entry) && !readings.is_binary(entry);
                is_shown && facts.have(entry) && entry.class != Class::Denied
            };
            let is_there = entry.path == trimmed || is_there();
            if entry.kind != Kind::Directory && is_there {
                let paths = listings.paths(&entry.path, trimmed);
                files.extend(listings.failures.drain(..).map(Err));
                files.extend(paths.into_iter().map(|path| Ok(File { path, entry })));
            }
        }
        let directory = loaded.manifest.entry(trimmed);
        let is_empty = directory.is_some_and(|entry| entry.class == Class::Masked);
        if files.len() == before && !is_empty {
            if let Some(entry) = directory.filter(|entry| entry.class == Class::Denied) {
                return Err(loaded.denied(path, entry));
            }
            return Err(loaded.not_served(path, "there is nothing of this name for this process"));
        }
    }
    Ok(files)
}

/// Directories that were rendered.
struct Listings<'l> {
    loaded: &'l Loaded,
    facts: &'l Facts,
    known: HashMap<String, Vec<String>>,
    failures: Vec<Failure>,
}

impl Listings<'_> {
    /// The paths that a declared one stands for, as far as they lie at or
    /// below `wanted`.
    fn paths(&mut self, declared: &str, wanted: &str) -> Vec<String> {
        let mut wanted = wanted.split('/').skip(1);
        let mut paths = vec![String::new()];
        for (slash, _) in declared.match_indices('/') {
            let (above, rest) = declared.split_at(slash);
            let own = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
            let wanted = wanted.next().filter(|name| *name != own && *name != ANY_NUMBER);
            if !is_pattern(own) {
                paths.iter_mut().for_each(|path| *path = format!("{path}/{own}"));
                continue;
            }
            let mut longer = Vec::new();
            for path in paths {
                let names = self.names(above, &path);
                let names = names.iter().filter(|name| {
                    stands_for(own, name) && wanted.is_none_or(|wanted| wanted == name.as_str())
                });
                longer.extend(names.map(|name| format!("{path}/{name}")));
            }
            paths = longer;
        }
        paths
    }

    /// What the text of a directory lists.
    fn names(&mut self, declared: &str, path: &str) -> &[String] {
        let Listings { loaded, facts, known, failures } = self;
        known.entry(path.to_owned()).or_insert_with(|| {
            let or_root =
                |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
            let Some(entry) = loaded.manifest.listing(&or_root(declared)) else {
                return Vec::new();
            };
            match facts.text(loaded, &or_root(path), entry) {
                Ok(text) => listed(&text).map(str::to_owned).collect(),
                Err(failure) => {
                    failures.push(failure);
                    Vec::new()
                }
            }
        })
    }
}
