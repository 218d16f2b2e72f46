//! What a renderer sees of a snapshot.

use crate::contract::{Content, Environment, Input, Numbers, Snapshot, TaskCounts};
use crate::trace::Trace;
use crate::units::{Count, Nanos};
use crate::{Error, Knobs};
use alloc::vec::Vec;
use core::cell::RefCell;

/// A snapshot and the knobs that were read from it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    snapshot: &'a Snapshot<'a>,
    knobs: &'a Knobs,
    numbers: Numbers,
    recorder: Option<&'a Recorder>,
}

/// What an explanation has to know of a render beside its numbers.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// Keys of the inputs that were looked at, in that order.
    pub(crate) seen: RefCell<Vec<&'static str>>,
}

/// A cgroup file's text and where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The text.
    pub text: &'a str,
    /// How far above the leaf.
    pub level: u32,
    /// How far below the root.
    pub depth: u32,
    /// Gives numbers that are read from the text their origin.
    pub trace: Trace,
}

impl Found<'_> {
    /// The file's only number; `None` where it is none.
    pub fn number(&self) -> Option<Count> {
        let number = crate::text::number(self.text.trim())?;
        Some(self.trace.read("", self.text, Count(number)))
    }
}

/// errnos that say "this host or this group does not have it", in contrast to
/// "it is there and cannot be read": ENOENT, ENXIO, ENODEV, EOPNOTSUPP.
const NOT_THERE: [u32; 4] = [ENOENT, 6, 19, 95];

/// errno(3).
const EPERM: u32 = 1;
const ENOENT: u32 = 2;
const ESRCH: u32 = 3;
const EACCES: u32 = 13;
const EINVAL: u32 = 22;

impl<'a> View<'a> {
    /// A snapshot with the knobs that were read from it; the path has no number.
    pub fn of(snapshot: &'a Snapshot<'a>, knobs: &'a Knobs) -> Self {
        View::new(snapshot, knobs, 0)
    }

    pub(crate) fn new(snapshot: &'a Snapshot<'a>, knobs: &'a Knobs, number: u32) -> Self {
        View { snapshot, knobs, numbers: [number, 0, 0], recorder: None }
    }

    /// The view of a path with these numbers.
    pub(crate) fn at(self, numbers: Numbers) -> Self {
        View { numbers, ..self }
    }

    pub(crate) fn recording(self, recorder: &'a Recorder) -> Self {
        View { recorder: Some(recorder), ..self }
    }

    /// Gives numbers that are read from an input their origin. `level` is
    /// that of the group, and 0 for other inputs.
    #[inline]
    pub fn trace(&self, key: &'static str, level: u32) -> Trace {
        match self.recorder {
            None => Trace::OFF,
            Some(_) => Trace::of(key, level),
        }
    }

    /// Gives numbers their origin that are known without an input.
    #[inline]
    pub fn given(&self) -> Trace {
        self.trace("", 0)
    }

    /// The number in the path, of an entry that stands for several files.
    pub fn path_number(&self) -> u32 {
        self.numbers[0]
    }

    /// The numbers in the path, of an entry that stands for several files.
    pub fn path_numbers(&self) -> Numbers {
        self.numbers
    }

    /// The host and its settings.
    pub fn environment(&self) -> &'a Environment<'a> {
        &self.snapshot.environment
    }

    /// The knobs.
    pub fn knobs(&self) -> &'a Knobs {
        self.knobs
    }

    /// `CLOCK_BOOTTIME` of the host.
    pub fn now(&self) -> Nanos {
        self.given().given("the host's clock", Nanos(self.snapshot.now))
    }

    /// Whether the subject is the host itself.
    pub fn is_host(&self) -> bool {
        self.snapshot.is_host
    }

    /// What the last render of this entry left.
    pub fn state(&self) -> Option<&'a [u8]> {
        self.snapshot.state
    }

    fn inputs(&self, key: &'static str) -> impl Iterator<Item = &'a Input<'a>> + use<'a> {
        if let Some(recorder) = self.recorder {
            let mut seen = recorder.seen.borrow_mut();
            if !seen.contains(&key) {
                seen.push(key);
            }
        }
        self.snapshot.inputs.iter().filter(move |input| input.key == key)
    }

    /// The text of an input that must be there.
    pub fn text(&self, key: &'static str) -> Result<&'a str, Error> {
        self.optional(key)?.ok_or(Error::MissingInput(key))
    }

    /// The text of an input, or `None` where the host does not have it. An
    /// input that is there and cannot be read is an error.
    pub fn optional(&self, key: &'static str) -> Result<Option<&'a str>, Error> {
        Ok(self.found(key)?.map(|found| found.text))
    }

    /// Like [`View::optional`], with the group in which it was found.
    #[inline(never)] // called for nearly every need
    pub fn found(&self, key: &'static str) -> Result<Option<Found<'a>>, Error> {
        self.lineage(key).next().transpose()
    }

    /// The texts of an input of scope `lineage`, nearest group first.
    pub fn lineage(
        &self,
        key: &'static str,
    ) -> impl Iterator<Item = Result<Found<'a>, Error>> + use<'a> {
        let is_recorded = self.recorder.is_some();
        self.inputs(key).filter_map(move |input| match input.content {
            Content::Text(text) => {
                let Input { level, depth, .. } = *input;
                let trace = if is_recorded { Trace::of(key, level) } else { Trace::OFF };
                Some(Ok(Found { text, level, depth, trace }))
            }
            Content::Absent(errno) if NOT_THERE.contains(&errno) => None,
            Content::Absent(_) => Some(Err(Error::MissingInput(key))),
            Content::Bytes(_) => Some(Err(Error::malformed(key, "not UTF-8 text"))),
            Content::Tasks(_) => Some(Err(Error::malformed(key, "not text"))),
        })
    }

    /// The bytes of an input that is not text.
    pub fn bytes(&self, key: &'static str) -> Option<&'a [u8]> {
        self.inputs(key).find_map(|input| match input.content {
            Content::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// The bytes of a file of a process that must be there: command names and
    /// paths are what somebody likes. Where the process has ended, there is no
    /// file (its mounts are EINVAL then, `mounts_open_common`); where the host may
    /// not look at it, nobody may.
    #[inline(never)] // called from everywhere below /proc/PID
    pub fn process_file(&self, key: &'static str) -> Result<&'a [u8], Error> {
        match self.inputs(key).next().map(|input| input.content) {
            Some(Content::Text(text)) => Ok(text.as_bytes()),
            Some(Content::Bytes(bytes)) => Ok(bytes),
            Some(Content::Absent(ENOENT | ESRCH | EINVAL)) => Err(Error::UnsupportedPath),
            Some(Content::Absent(EPERM | EACCES)) => Err(Error::Denied),
            _ => Err(Error::MissingInput(key)),
        }
    }

    /// Depth of the leaf in the hierarchy that an input comes from, whether
    /// or not the file was there; `None` where the hierarchy does not exist.
    pub fn leaf_depth(&self, key: &'static str) -> Option<u32> {
        self.inputs(key).map(|input| input.depth.saturating_add(input.level)).next()
    }

    /// Counts over the container's tasks, if the host could take them.
    pub fn tasks(&self, key: &'static str) -> Option<TaskCounts> {
        self.inputs(key).find_map(|input| match input.content {
            Content::Tasks(counts) => Some(counts),
            _ => None,
        })
    }
}
