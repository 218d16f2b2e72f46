//! What a host found, and the part of it that one entry sees.

use crate::{Class, Entry, Environment, Need, Source, TaskCounts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What was found where a need pointed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// UTF-8 text.
    Text(String),
    /// The raw bytes of what is not UTF-8; base64 in a capture.
    #[serde(rename = "base64", serialize_with = "to_base64", deserialize_with = "from_base64")]
    Bytes(Vec<u8>),
    /// Counts over tasks.
    Tasks(TaskCounts),
    /// Nothing could be read, with Linux's errno.
    #[serde(rename = "errno")]
    Absent(u32),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Content::Text(text),
            Err(error) => Content::Bytes(error.into_bytes()),
        }
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// One thing that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Cgroup sources: the group's path in its hierarchy. For people; a
    /// policy does not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Cgroup sources: how far above the leaf the group is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub level: u32,
    /// Cgroup sources: how far below the root the group is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// What was found.
    #[serde(flatten)]
    pub content: Content,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Reading {
    /// A reading that is not of a cgroup.
    pub fn plain(content: Content) -> Self {
        Reading { group: None, level: 0, depth: 0, content }
    }
}

/// Everything that was found at one source. No readings at all where the
/// source's hierarchy does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where.
    pub source: Source,
    /// What, nearest group first.
    pub found: Vec<Reading>,
}

/// What a host found at a moment: enough to render any entry whose sources
/// were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings {
    /// The host and its settings.
    pub environment: Environment,
    /// `CLOCK_BOOTTIME` in nanoseconds, taken after the inputs.
    pub now: u64,
    /// Whether the subject is the host itself.
    pub is_host: bool,
    /// What was read.
    pub records: Vec<Record>,
}

/// One input as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// The key of the need that asked for it.
    pub key: &'a str,
    /// How far above the leaf the group is.
    pub level: u32,
    /// How far below the root the group is.
    pub depth: u32,
    /// What was found.
    pub content: &'a Content,
}

/// What one render sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// The host and its settings.
    pub environment: &'a Environment,
    /// `CLOCK_BOOTTIME` in nanoseconds.
    pub now: u64,
    /// Whether the subject is the host itself.
    pub is_host: bool,
    /// What the last render of the entry left.
    pub state: Option<&'a [u8]>,
    /// What was read.
    pub inputs: Vec<Input<'a>>,
}

/// An entry asks for a source that was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} needs {wanted}, which was not recorded")]
pub struct SourceNotRead {
    /// The entry.
    pub path: String,
    /// What it needs.
    pub wanted: Source,
}

/// errno(3).
const ENOENT: u32 = 2;

impl Readings {
    /// Whether an entry is made from a file that this host does not have, so
    /// that the container does not have it either: see [`Entry::stands_on`].
    pub fn lacks(&self, entry: &Entry) -> bool {
        let Some(source) = entry.stands_on() else { return false };
        self.records
            .iter()
            .filter(|record| record.source == *source)
            .any(|record| record.found.iter().any(|found| found.content == Content::Absent(ENOENT)))
    }

    /// Whether everything that an entry asks for was read, but for what depends
    /// on the path.
    pub fn has(&self, entry: &Entry) -> bool {
        let is_read = |source: &Source| {
            source.is_relative() || self.records.iter().any(|record| record.source == *source)
        };
        entry.needs.iter().all(|need| is_read(&need.source))
    }

    /// Whether an entry passes on a file that is no text.
    pub fn is_binary(&self, entry: &Entry) -> bool {
        entry.class == Class::Passed
            && self.records.iter().any(|record| {
                entry.needs.iter().any(|need| need.source == record.source)
                    && matches!(
                        record.found.as_slice(),
                        [Reading { content: Content::Bytes(_), .. }]
                    )
            })
    }

    /// The part that `entry` asks for.
    pub fn snapshot<'a>(
        &'a self,
        entry: &'a Entry,
        state: Option<&'a [u8]>,
    ) -> Result<Snapshot<'a>, SourceNotRead> {
        self.snapshot_at(entry, &entry.path, state)
    }

    /// The part that `entry` asks for at one of the paths that it stands for.
    pub fn snapshot_at<'a>(
        &'a self,
        entry: &'a Entry,
        path: &str,
        state: Option<&'a [u8]>,
    ) -> Result<Snapshot<'a>, SourceNotRead> {
        let mut inputs = Vec::with_capacity(entry.needs.len());
        for need in &entry.needs {
            let record = self.record(need, entry, path).ok_or_else(|| SourceNotRead {
                path: path.to_owned(),
                wanted: need.source.at(&entry.path, path),
            })?;
            inputs.extend(record.found.iter().map(|reading| Input {
                key: &need.key,
                level: reading.level,
                depth: reading.depth,
                content: &reading.content,
            }));
        }
        Ok(self.with_inputs(inputs, state))
    }

    /// What was found where a need points. What was read for the very path at
    /// hand stands under the source as declared; a capture has each number's.
    fn record(&self, need: &Need, entry: &Entry, path: &str) -> Option<&Record> {
        let find = |wanted: &Source| self.records.iter().find(|record| record.source == *wanted);
        match need.source.is_relative() {
            false => find(&need.source),
            true => find(&need.source.at(&entry.path, path)).or_else(|| find(&need.source)),
        }
    }

    fn with_inputs<'a>(&'a self, inputs: Vec<Input<'a>>, state: Option<&'a [u8]>) -> Snapshot<'a> {
        Snapshot {
            environment: &self.environment,
            now: self.now,
            is_host: self.is_host,
            state,
            inputs,
        }
    }
}
