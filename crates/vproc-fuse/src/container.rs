//! Containers that were read, and what is kept ready to render for them.

use crate::board::{Board, Generation};
use crate::metrics::{FileMetrics, Metrics};
use crate::node::{PathId, Paths};
use crate::state::{Record, StateDirectory};
use crate::turn::Turn;
use arc_swap::ArcSwap;
use rustix::io::Errno;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, RwLock};
use std::time::{Duration, Instant};
use vproc_fusedev::Connection;
use vproc_linux::{Ask, Feed, Host, HostPid, Readers, Subject};
use vproc_runtime::{Error, Instance, Refusal};
use vproc_snapshot::{Class, Entry, Manifest, Process, Source};

/// How many containers have a policy instance and open files waiting for the
/// next read. More containers than these are read as fast as a first read.
const MAX_WARM: usize = 64;

/// For how long they wait.
const WARM: Duration = Duration::from_secs(10);

/// Renders that take less are done by the thread that receives.
const QUICK: Duration = Duration::from_micros(100);

/// How many containers are known at once.
const MAX_KNOWN: usize = 4096;

/// How long the states of a container are kept of which no process is known.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A text that was rendered.
pub(crate) type Body = Arc<[u8]>;

/// One container.
pub(crate) struct Container {
    key: String,
    subject: ArcSwap<Subject>,
    files: Mutex<HashMap<PathId, Arc<Mutex<File>>>>,
    /// The instance of this container, and no other one's.
    instance: Mutex<Option<(u64, Instance)>>,
    /// When it was read last, in milliseconds since the start.
    used: AtomicU64,
}

impl Container {
    fn new(subject: Arc<Subject>) -> Self {
        Container {
            key: subject.key().to_owned(),
            subject: ArcSwap::new(subject),
            files: Mutex::default(),
            instance: Mutex::default(),
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn subject(&self) -> Arc<Subject> {
        self.subject.load_full()
    }

    fn file(&self, path: PathId) -> Arc<Mutex<File>> {
        Arc::clone(lock(&self.files).entry(path).or_default())
    }

    fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn cool(&self) {
        lock(&self.instance).take();
        let files: Vec<_> = lock(&self.files).values().cloned().collect();
        for file in files {
            // One that is being rendered is in use.
            if let Ok(mut file) = file.try_lock() {
                // What knows that nothing has run since the last sample makes
                // the next one cheap.
                if !file.is_sampled {
                    file.ready = None;
                }
                file.text = None;
                file.histories.iter_mut().for_each(|history| history.record.close());
            }
        }
    }
}

/// Whether a file counts time up to the moment of the read. A text of it from
/// before a reader was started would tell the reader of a time at which it was
/// not there: `ps` takes the difference for an age, without a sign.
fn tells_time(policy: &Generation, path: &str) -> bool {
    let history = policy.entry(path).and_then(|entry| entry.history.as_ref());
    history.is_some_and(|history| history.interval_ms == 0)
}

/// Whether a file is another one for each reader, as `/proc/self` is.
fn tells_reader(policy: &Generation, path: &str) -> bool {
    let tells = |source: &Source| matches!(source, Source::Process { of: Process::Reader, .. });
    policy.entry(path).is_some_and(|entry| entry.needs.iter().any(|need| tells(&need.source)))
}

/// What is asked of a policy.
#[derive(Clone, Copy)]
enum Wish<'w> {
    Text,
    Write(&'w [u8]),
}

/// One file of a container, or those that an entry with a `*` stands for: they
/// are rendered from the same inputs, and a machine may have hundreds of CPUs.
#[derive(Default)]
struct File {
    ready: Option<Ready>,
    histories: Vec<History>,
    /// The last text, when its rendering began, and of which path.
    text: Option<(Instant, PathId, Body)>,
    /// How long the last render took.
    took: Option<Duration>,
    /// Whether it is rendered regularly.
    is_sampled: bool,
}

/// The inputs of a file, open.
struct Ready {
    generation: u64,
    subject: Arc<Subject>,
    feed: Feed,
}

/// The state of a file in one format.
struct History {
    path: String,
    format: String,
    state: Option<Vec<u8>>,
    record: Record,
}

/// Why there is no text.
pub(crate) enum NoText {
    /// What the reader gets.
    Errno(Errno),
    /// The policy is to blame.
    Policy(Error),
}

/// Renders, for all containers.
pub(crate) struct Containers {
    pub(crate) host: Arc<Host>,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) turn: Turn,
    connection: Arc<Connection>,
    readers: Readers,
    paths: Arc<Paths>,
    directory: StateDirectory,
    /// How old a text may be when it is handed out.
    freshness: Duration,
    started: Instant,
    cannot_keep: Once,
    all: RwLock<HashMap<String, Arc<Container>>>,
    /// Those that have an instance, which is not more than [`MAX_WARM`]: there
    /// are only so many in the pool.
    warm: Mutex<Vec<Arc<Container>>>,
}

impl Containers {
    pub(crate) fn new(
        connection: Arc<Connection>,
        host: Arc<Host>,
        board: Arc<Board>,
        readers: Readers,
        paths: Arc<Paths>,
        directory: StateDirectory,
        freshness: Duration,
    ) -> Self {
        Containers {
            host,
            board,
            metrics: Arc::new(Metrics::new()),
            turn: Turn::default(),
            connection,
            readers,
            paths,
            directory,
            freshness,
            started: Instant::now(),
            cannot_keep: Once::new(),
            all: RwLock::default(),
            warm: Mutex::default(),
        }
    }

    /// The container that a process sees.
    pub(crate) fn of_reader(&self, reader: HostPid) -> Result<Arc<Container>, vproc_linux::Error> {
        let subject = match self.readers.known(&self.host, reader) {
            Some(subject) => subject,
            None => {
                self.turn.give_up();
                self.readers.find(&self.host, reader)?
            }
        };
        Ok(self.of_subject(subject))
    }

    /// Has the next reader find another process that stands for a container.
    pub(crate) fn forget_subject(&self, container: &Container) {
        self.readers.forget(&container.subject());
    }

    pub(crate) fn of_subject(&self, subject: Arc<Subject>) -> Arc<Container> {
        let known = read(&self.all).get(subject.key()).cloned();
        let container = known.unwrap_or_else(|| {
            let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
            let key = subject.key().to_owned();
            let new = || Arc::new(Container::new(Arc::clone(&subject)));
            Arc::clone(all.entry(key).or_insert_with(new))
        });
        // Where several processes stand for a container, the one before may
        // have ended.
        if !Arc::ptr_eq(&container.subject.load(), &subject) {
            container.subject.store(subject);
        }
        container
    }

    pub(crate) fn list(&self) -> Vec<Arc<Container>> {
        read(&self.all).values().cloned().collect()
    }

    /// Whether a container's policy lets it open a file.
    pub(crate) fn admits(&self, container: &Container, path: &str) -> Result<(), Errno> {
        let policy = self.answering(&container.subject());
        match policy.entry(path) {
            None => Err(Errno::NOENT),
            Some(entry) if entry.class == Class::Denied => Err(Errno::ACCESS),
            Some(_) => Ok(()),
        }
    }

    /// The policy that answers for a container: its own, or the embedded one
    /// while that is put aside.
    fn answering(&self, subject: &Subject) -> Arc<Generation> {
        let policy = Arc::clone(self.board.current().policy_for(subject));
        if policy.is_aside() { Arc::clone(self.board.default()) } else { policy }
    }

    /// The path as declared: one with a `*` in place of the numbers.
    pub(crate) fn declared(&self, path: &str) -> String {
        let current = self.board.current();
        current.tree.find(path).map_or(path, |found| found.declared).to_owned()
    }

    /// The text of a file, as the container should see it now.
    pub(crate) fn render(
        &self,
        container: &Arc<Container>,
        id: PathId,
        path: &str,
        (asking, metrics): (Option<HostPid>, &FileMetrics),
    ) -> Result<Body, Errno> {
        let asked = Instant::now();
        container.used.store(self.now(), Ordering::Relaxed);
        let declared = self.declared(path);
        let shared = if declared == path { Ok(id) } else { self.paths.intern(&declared) };
        let file = container.file(shared.map_err(|_| Errno::NOSPC)?);
        let mut file = self.patiently(&file);
        let subject = container.subject();
        let policy = Arc::clone(self.board.current().policy_for(&subject));
        let default = self.board.default();
        let begun = Instant::now();
        if let Some((at, of, text)) = &file.text
            && *of == id
            && !tells_reader(&policy, path)
            && if tells_time(&policy, path) { *at >= asked } else { at.elapsed() < self.freshness }
        {
            return Ok(Arc::clone(text));
        }
        // A request that comes meanwhile waits no longer than the last render
        // of this file took, which is less than handing over takes.
        let is_quick = file.took.is_some_and(|took| took < QUICK) && Arc::ptr_eq(&policy, default);
        if !is_quick || self.connection.has_requests() {
            self.turn.give_up();
        }
        let fallback = !Arc::ptr_eq(&policy, default);
        let result = if fallback && policy.is_aside() {
            metrics.fell_back();
            self.attempt(container, &mut file, &subject, default, (path, asking, Wish::Text))
        } else {
            match self.attempt(container, &mut file, &subject, &policy, (path, asking, Wish::Text))
            {
                Err(NoText::Policy(error)) if fallback => {
                    policy.failed(path, &error);
                    metrics.fell_back();
                    self.attempt(
                        container,
                        &mut file,
                        &subject,
                        default,
                        (path, asking, Wish::Text),
                    )
                }
                result => {
                    policy.succeeded();
                    result
                }
            }
        };
        match result {
            Ok(text) => {
                file.took = Some(begun.elapsed());
                if !self.freshness.is_zero() {
                    file.text = Some((begun, id, Arc::clone(&text)));
                }
                Ok(text)
            }
            Err(NoText::Errno(errno)) => Err(errno),
            Err(NoText::Policy(error)) => {
                default.failed(path, &error);
                Err(Errno::IO)
            }
        }
    }

    /// Locks what may be locked for as long as a render takes.
    pub(crate) fn patiently<'m, T>(&self, mutex: &'m Mutex<T>) -> MutexGuard<'m, T> {
        mutex.try_lock().unwrap_or_else(|_| {
            self.turn.give_up();
            lock(mutex)
        })
    }

    fn attempt(
        &self,
        container: &Arc<Container>,
        file: &mut File,
        subject: &Arc<Subject>,
        policy: &Generation,
        (path, asking, wish): (&str, Option<HostPid>, Wish<'_>),
    ) -> Result<Body, NoText> {
        let entry = policy.entry(path).ok_or(NoText::Errno(Errno::NOENT))?;
        let is_ready = file.ready.as_ref().is_some_and(|ready| {
            ready.generation == policy.number && Arc::ptr_eq(&ready.subject, subject)
        });
        if !is_ready {
            let sources = Manifest::sources([entry]);
            let environment = policy.environment.clone();
            let feed = self
                .host
                .feed(Arc::clone(subject), environment, &sources)
                .map_err(|error| unreadable(path, &error))?;
            file.ready =
                Some(Ready { generation: policy.number, subject: Arc::clone(subject), feed });
        }
        let Some(ready) = &mut file.ready else { return Err(NoText::Errno(Errno::IO)) };
        let ask = Ask { declared: &entry.path, path, reader: asking };
        let readings =
            ready.feed.read_for(&self.host, &ask).map_err(|error| unreadable(path, &error))?;
        // The machine has it, as was seen when the policy was loaded; but not in
        // the container's namespaces.
        if readings.lacks(entry) {
            return Err(NoText::Errno(Errno::NOENT));
        }
        let mut history = entry.history.as_ref().map(|history| {
            history_of(&mut file.histories, &self.directory, container, path, &history.format)
        });
        let state = history.as_ref().and_then(|history| history.state.as_deref());
        let snapshot =
            readings.snapshot_at(entry, path, state).map_err(|_| NoText::Errno(Errno::IO))?;
        let (answer, was_warm) = {
            let mut slot = lock(&container.instance);
            let kept = slot.take().filter(|(number, _)| *number == policy.number);
            let was_warm = kept.is_some();
            let mut instance = match kept {
                Some((_, instance)) => instance,
                None => policy.policy.instance().map_err(NoText::Policy)?,
            };
            let answer = match wish {
                Wish::Text => instance
                    .render(path, &snapshot)
                    .map(|rendered| (Body::from(rendered.body), rendered.state)),
                Wish::Write(written) => instance
                    .accept(path, &snapshot, written)
                    .map(|state| (Body::default(), Some(state))),
            };
            match answer {
                Ok(answer) => {
                    *slot = Some((policy.number, instance));
                    (answer, was_warm)
                }
                // An instance that trapped is dead.
                Err(error) => return Err(refused(path, error)),
            }
        };
        if !was_warm {
            self.warmed(container);
        }
        let (body, state) = answer;
        if let (Some(history), Some(state)) = (&mut history, state) {
            if let Err(error) = history.record.store(&state) {
                self.cannot_keep.call_once(|| {
                    tracing::warn!(path, %error, "cannot keep states; a restart forgets them");
                });
            }
            history.state = Some(state);
        }
        Ok(body)
    }

    /// Takes what a container writes to one of its files.
    pub(crate) fn write(
        &self,
        container: &Arc<Container>,
        id: PathId,
        path: &str,
        written: &[u8],
    ) -> Result<(), Errno> {
        container.used.store(self.now(), Ordering::Relaxed);
        let file = container.file(id);
        let mut file = self.patiently(&file);
        let subject = container.subject();
        let policy = self.answering(&subject);
        // What is written has no place to stay without a history.
        let takes = |entry: &Entry| entry.history.is_some() && entry.mode & 0o222 != 0;
        if !policy.entry(path).is_some_and(takes) {
            return Err(Errno::ACCESS);
        }
        self.turn.give_up();
        file.text = None;
        let wish = (path, None, Wish::Write(written));
        match self.attempt(container, &mut file, &subject, &policy, wish) {
            Ok(_) => Ok(()),
            Err(NoText::Errno(errno)) => Err(errno),
            Err(NoText::Policy(error)) => {
                policy.failed(path, &error);
                Err(Errno::IO)
            }
        }
    }

    /// Renders the entries with a history that want to be rendered
    /// regularly.
    pub(crate) fn sample(&self, container: &Arc<Container>) {
        let subject = container.subject();
        if !subject.is_alive() {
            return;
        }
        let policy = self.answering(&subject);
        let wanting =
            policy.manifest.entries.iter().filter(|entry| {
                entry.history.as_ref().is_some_and(|history| history.interval_ms > 0)
            });
        for entry in wanting {
            let Some(id) = self.paths.number(&entry.path) else { continue };
            let file = container.file(id);
            let mut file = lock(&file);
            file.is_sampled = true;
            if let Err(NoText::Policy(error)) = self.attempt(
                container,
                &mut file,
                &subject,
                &policy,
                (&entry.path, None, Wish::Text),
            ) {
                policy.failed(&entry.path, &error);
            }
        }
    }

    /// Closes what is kept for readers that have ended.
    pub(crate) fn forget_ended_readers(&self) {
        self.readers.forget_ended();
    }

    /// Notes that a container has an instance now. Where there are too many,
    /// the one that was not read for longest gives up its own.
    fn warmed(&self, container: &Arc<Container>) {
        let mut warm = lock(&self.warm);
        warm.retain(|known| !Arc::ptr_eq(known, container));
        if warm.len() >= MAX_WARM {
            let oldest = warm.iter().enumerate().min_by_key(|(_, known)| known.last_used());
            if let Some((place, _)) = oldest {
                warm.swap_remove(place).cool();
            }
        }
        warm.push(Arc::clone(container));
    }

    /// Lets go of what has not been used for a while, and of containers that
    /// are no more.
    pub(crate) fn tidy(&self) {
        let now = self.now();
        let age = |container: &Container| {
            Duration::from_millis(now.saturating_sub(container.last_used()))
        };
        lock(&self.warm).retain(|container| {
            let is_old = age(container) > WARM;
            if is_old {
                container.cool();
            }
            !is_old
        });
        self.forget(&age);
    }

    /// Lets go of containers of which no process is known, and of those that
    /// were not read for longest where there are very many: each holds
    /// descriptors, and a container can make pid namespaces as it likes. What
    /// is read again comes back with its states.
    fn forget(&self, age: &dyn Fn(&Container) -> Duration) {
        let mut list = self.list();
        list.sort_by_key(|container| age(container));
        let gone = list.iter().enumerate().filter(|(place, container)| {
            *place >= MAX_KNOWN || age(container) > WARM && !container.subject.load().is_alive()
        });
        let gone: Vec<&str> = gone.map(|(_, container)| container.key()).collect();
        if gone.is_empty() {
            return;
        }
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        for key in gone {
            all.remove(key);
        }
    }

    /// Removes the states of containers that are unknown for long.
    pub(crate) fn forget_states(&self) {
        let known = read(&self.all);
        self.directory.forget_containers(REMEMBERED, |key| known.contains_key(key));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn history_of<'f>(
    histories: &'f mut Vec<History>,
    directory: &StateDirectory,
    container: &Container,
    path: &str,
    format: &str,
) -> &'f mut History {
    let is_it = |history: &History| history.path == path && history.format == format;
    let place = histories.iter().position(is_it);
    let place = place.unwrap_or_else(|| {
        let name = format!("{path}@{format}");
        let mut record = directory.history(container.key(), &name);
        let state = record.load();
        let (path, format) = (path.to_owned(), format.to_owned());
        histories.push(History { path, format, state, record });
        histories.len() - 1
    });
    #[allow(clippy::indexing_slicing)] // found or pushed above
    &mut histories[place]
}

fn unreadable(path: &str, error: &vproc_linux::Error) -> NoText {
    let errno = errno(error);
    tracing::debug!(path, %error, "cannot read the inputs");
    NoText::Errno(errno)
}

/// What a reader gets where a container cannot be looked at.
pub(crate) fn errno(error: &vproc_linux::Error) -> Errno {
    match error {
        vproc_linux::Error::NoSuchProcess(_) => Errno::SRCH,
        vproc_linux::Error::Permission { .. } => Errno::ACCESS,
        // What passes; a reader knows these from open(2).
        vproc_linux::Error::System {
            errno: errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM),
            ..
        } => match *errno {
            Errno::MFILE => Errno::NFILE,
            errno => errno,
        },
        _ => Errno::IO,
    }
}

/// What a policy may say, and what it may not.
fn refused(path: &str, error: Error) -> NoText {
    match error {
        Error::Refused(Refusal::Denied) => NoText::Errno(Errno::ACCESS),
        Error::Invalid => NoText::Errno(Errno::INVAL),
        Error::Refused(Refusal::UnsupportedPath) => NoText::Errno(Errno::NOENT),
        Error::Refused(Refusal::MissingInput(key)) => {
            tracing::debug!(path, key, "an input is missing");
            NoText::Errno(Errno::IO)
        }
        error => NoText::Policy(error),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(all: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    all.read().unwrap_or_else(PoisonError::into_inner)
}
