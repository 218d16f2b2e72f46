//! What the contract with the host says, in the core's own terms: the shapes
//! of `wit/policy.wit`, borrowed where they come in and `'static` where they
//! go out.

use crate::text::number;
use crate::{Error, Knobs, Text, View, WriteError};
use alloc::string::String;
use alloc::vec::Vec;

/// What holds as long as the host runs, and what its operator has set.
#[derive(Debug, Clone)]
pub struct Environment<'a> {
    /// Bytes of a page.
    pub page_size: u32,
    /// Ticks a second, `USER_HZ`.
    pub user_hz: u32,
    /// Bytes of a huge page of the default size; 0 where the host has no pool.
    pub huge_page_size: u64,
    /// The machine, as `uname -m` prints it.
    pub machine: &'a str,
    /// Knobs and their values.
    pub settings: Vec<(&'a str, &'a str)>,
}

/// The two cgroup interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// Hierarchies with one or a few controllers each.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Which groups a cgroup file is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The group of the container alone.
    Leaf,
    /// The leaf, or its nearest ancestor that has the file.
    Nearest,
    /// The leaf and every ancestor, nearest first.
    Lineage,
}

/// Which process a process file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Process 1 of the container's pid namespace.
    Init,
    /// The process whose cgroup counts.
    Subject,
    /// The process that asks, or init.
    Reader,
    /// The process or thread that the path names.
    Path,
}

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A file of the host by its absolute path.
    Host(&'static str),
    /// The host's file at the entry's own path.
    Itself,
    /// A cgroup interface file.
    Cgroup {
        /// Which of the two interfaces.
        version: CgroupVersion,
        /// The controller; empty for a file that every v2 group has.
        controller: &'static str,
        /// The file's name.
        name: &'static str,
        /// The groups to read it from.
        scope: Scope,
    },
    /// A file below `/proc/PID`.
    Process {
        /// Whose.
        of: Process,
        /// The file's name.
        name: &'static str,
    },
    /// A file of `/proc` by its absolute path, as it is in the namespaces of
    /// the container's init.
    Namespaced(&'static str),
    /// Counts over the container's tasks.
    Tasks,
    /// The container's processes and their numbers.
    Processes,
}

impl Source {
    /// Whether it says something of single processes, or of the one that asks.
    pub fn is_of_processes(&self) -> bool {
        let is_relative = |of: &Process| matches!(of, Process::Path | Process::Reader);
        matches!(self, Source::Processes)
            || matches!(self, Source::Process { of, .. } if is_relative(of))
    }

    /// The host's file that is meant, of the entry at `own`.
    pub fn host_path<'a>(&self, own: &'a str) -> Option<&'a str> {
        match *self {
            Source::Host(path) => Some(path),
            Source::Itself => Some(own),
            _ => None,
        }
    }
}

/// One input that an entry asks for.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// The entry's own name for the input.
    pub key: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// Whether it is needed under these settings on this host.
    pub when: fn(&Knobs, &Environment<'_>) -> bool,
}

fn always(_: &Knobs, _: &Environment<'_>) -> bool {
    true
}

impl Need {
    const fn new(key: &'static str, source: Source) -> Self {
        Need { key, source, when: always }
    }

    /// What the host has at the entry's own path.
    pub const ITSELF: Need = Need::new("host", Source::Itself);

    /// A file of the host, such as `/proc/meminfo`.
    pub const fn host(key: &'static str, path: &'static str) -> Self {
        Need::new(key, Source::Host(path))
    }

    /// A file such as `/proc/sys/kernel/hostname`, in the container's
    /// namespaces.
    pub const fn namespaced(key: &'static str, path: &'static str) -> Self {
        Need::new(key, Source::Namespaced(path))
    }

    /// A file of a v1 group; its name is its key.
    pub const fn v1(controller: &'static str, name: &'static str, scope: Scope) -> Self {
        Need::new(name, Source::Cgroup { version: CgroupVersion::V1, controller, name, scope })
    }

    /// A file of a v2 group; its name is its key.
    pub const fn v2(controller: &'static str, name: &'static str, scope: Scope) -> Self {
        Need::new(name, Source::Cgroup { version: CgroupVersion::V2, controller, name, scope })
    }

    /// A file below `/proc/PID`.
    pub const fn process(key: &'static str, of: Process, name: &'static str) -> Self {
        Need::new(key, Source::Process { of, name })
    }

    /// Counts over the container's tasks.
    pub const fn tasks(key: &'static str) -> Self {
        Need::new(key, Source::Tasks)
    }

    /// The container's processes and their numbers.
    pub const fn processes(key: &'static str) -> Self {
        Need::new(key, Source::Processes)
    }

    /// The same need under another key, where v1 and v2 files share a name.
    pub const fn keyed(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    /// The same need, only where `condition` holds.
    pub const fn when(mut self, condition: fn(&Knobs, &Environment<'_>) -> bool) -> Self {
        self.when = condition;
        self
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory, whose text lists the numbered names in it. One that is
    /// masked is empty.
    Directory,
    /// A symbolic link, whose text is its target.
    Symlink,
}

/// Where the numbers of an entry come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Computed from the container's cgroup.
    Virtual,
    /// The host's rows and columns that belong to the container.
    Filtered,
    /// As the host has it.
    Passed,
    /// The same text for every container.
    Constant,
    /// Empty.
    Masked,
    /// Cannot be opened.
    Denied,
}

/// A file whose text depends on earlier renders of it, or on what was written
/// to it.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Names the format of the state.
    pub format: &'static str,
    /// How often a long-running host should render the entry, in
    /// milliseconds; 0 where a render at each read is enough.
    pub interval_ms: u32,
    /// Takes what a container writes. The state is then the text that the
    /// file shows from now on.
    pub accept: Option<Accept>,
}

/// Checks what was written, and gives the text that the file shows from now on.
pub type Accept = fn(&View<'_>, &str) -> Result<String, WriteError>;

/// Writes an entry's text; returns the state for the next render.
pub type Render = fn(&View<'_>, &mut Text) -> Result<Option<Vec<u8>>, Error>;

/// One file that the policy serves: the whole of what is known about it.
#[derive(Debug)]
pub struct Entry {
    /// The absolute path as the container sees it. A `*` stands for a number.
    pub path: &'static str,
    /// File or directory.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Where its numbers come from.
    pub class: Class,
    /// One line for a person.
    pub summary: &'static str,
    /// One line: why it is treated so, and where the rule comes from.
    pub reason: &'static str,
    /// The inputs, in groups that several entries share.
    pub needs: &'static [&'static [Need]],
    /// Set where the text depends on earlier renders.
    pub history: Option<History>,
    /// Writes the text.
    pub render: Render,
}

impl Entry {
    /// What the container wrote to it. A state that it would not take is none.
    pub(crate) fn kept<'a>(&self, view: &View<'a>) -> Option<&'a str> {
        let accept = self.history.and_then(|history| history.accept)?;
        let state = view.state().filter(|_| !view.is_host())?;
        let text = core::str::from_utf8(state).ok()?;
        accept(view, text).is_ok_and(|accepted| accepted == text).then_some(text)
    }

    /// Whether the container's own file shows the same, though this one is made
    /// of the host's text: what the kernel shows depends on the opener alone.
    pub(crate) fn leaves_own(&self) -> bool {
        self.path == crate::files::addresses::KALLSYMS.path
    }

    /// Whether it stands for several files, by their numbers.
    pub fn is_pattern(&self) -> bool {
        self.path.contains('*')
    }

    /// The numbers in a path that the entry's stands for.
    pub fn numbers(&self, path: &str) -> Option<Numbers> {
        let (literal, _) = self.path.split_once('*')?;
        if !path.starts_with(literal) {
            return None;
        }
        let (mut pattern, mut rest) = (self.path, path);
        let mut numbers = Numbers::default();
        let mut places = numbers.iter_mut();
        while let Some((before, after)) = pattern.split_once('*') {
            let name = rest.strip_prefix(before)?;
            let end = name.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(name.len());
            let (digits, behind) = name.split_at_checked(end)?;
            let is_plain = digits == "0" || !digits.starts_with('0');
            let number = number(digits).filter(|_| is_plain)?;
            *places.next()? = u32::try_from(number).ok()?;
            (pattern, rest) = (after, behind);
        }
        (pattern == rest).then_some(numbers)
    }
}

/// The numbers in a path, from the root down; 0 where there are fewer.
pub type Numbers = [u32; 3];

/// Counts over the container's tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// All threads.
    pub total: u32,
    /// Threads in state R.
    pub running: u32,
    /// Threads in state D.
    pub blocked: u32,
    /// Id of the newest task in the container's numbering; 0 if unknown.
    pub last_pid: u32,
}

/// What was found where a need pointed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// Other bytes.
    Bytes(&'a [u8]),
    /// Counts over tasks.
    Tasks(TaskCounts),
    /// Nothing could be read, with Linux's errno.
    Absent(u32),
}

/// One thing that was read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The key of the need that asked for it.
    pub key: &'a str,
    /// How far above the leaf the group is.
    pub level: u32,
    /// How far below the root of its hierarchy the group is.
    pub depth: u32,
    /// What was found.
    pub content: Content<'a>,
}

/// Everything that a render sees.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    /// The host and its settings.
    pub environment: Environment<'a>,
    /// `CLOCK_BOOTTIME` in nanoseconds.
    pub now: u64,
    /// Whether the subject is the host itself.
    pub is_host: bool,
    /// What the last render of this entry left.
    pub state: Option<&'a [u8]>,
    /// What was read.
    pub inputs: Vec<Input<'a>>,
}

impl<'a> Snapshot<'a> {
    /// The text of an input, of the nearest group that has it.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.inputs.iter().filter(|input| input.key == key).find_map(|input| match input.content {
            Content::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The same snapshot in which an input of the leaf (`level` 0) or of a group above it
    /// says something else.
    #[must_use]
    pub fn with(&self, key: &str, level: u32, content: Content<'a>) -> Self {
        let mut changed = self.clone();
        for input in &mut changed.inputs {
            if input.key == key && input.level == level {
                input.content = content;
            }
        }
        changed
    }
}
