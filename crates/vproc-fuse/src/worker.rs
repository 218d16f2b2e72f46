//! The process that renders. It may die at any moment.

use crate::board::{Board, Choice, Rejected};
use crate::broker;
use crate::container::Containers;
use crate::control;
use crate::handle::Handles;
use crate::holder::Program;
use crate::node::Paths;
use crate::privileges;
use crate::psi::Triggers;
use crate::registry::Registry;
use crate::server::Server;
use crate::state::StateDirectory;
use crate::status::Facts;
use crate::succession;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGTERM};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vproc_fusedev::{Buffer, Connection, Journal, Negotiated, Received};
use vproc_linux::{Broker, Host, Identity, Readers};
use vproc_runtime::{Allocation, Cache, Engine, Limits, Options};
use vproc_snapshot::Setting;

/// What a mount is told when it is made, and tells each worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// The mount point.
    pub point: PathBuf,
    /// Where the state is kept.
    pub state: PathBuf,
    /// Policies.
    pub choice: Choice,
    /// The rules that policies are held to, if not the machine's.
    #[serde(default)]
    pub trust: Option<PathBuf>,
    /// Knobs, as pairs.
    pub knobs: Vec<(String, String)>,
    /// Whose cgroup counts: `init`, `reader`, `parent` or `registered`.
    pub identity: String,
    /// How old a text may be when it is handed out, in microseconds.
    pub freshness_us: u64,
    /// How many threads answer.
    pub threads: usize,
    /// Whether to load policies again when their files change.
    pub watch: bool,
    /// Whether mount point and state directory go with the mount.
    pub ephemeral: bool,
}

/// What a holder tells one worker besides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) settings: Settings,
    pub(crate) negotiated: String,
    pub(crate) incarnation: u32,
    pub(crate) holder: u32,
    pub(crate) mounted: Duration,
}

/// The exit code of a worker whose file system was unmounted.
pub(crate) const UNMOUNTED: u8 = 10;

/// How long one request may take before the worker counts as hanging. A
/// policy's time is limited far below.
const HANGING: Duration = Duration::from_secs(10);

/// How often a worker says that it is well.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// Why a worker could not begin.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("cannot read this host: {0}")]
    Host(#[from] vproc_linux::Error),
    #[error(transparent)]
    Policy(#[from] Rejected),
    #[error("cannot set up the engine: {0}")]
    Engine(#[from] vproc_runtime::Error),
    #[error("cannot use the state directory {}: {error}", path.display())]
    State { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Connection(#[from] vproc_fusedev::Error),
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("`{0}` is not an assignment of a holder")]
    Assignment(String),
}

/// Runs a worker: serves the connection that is standard input, and says on
/// standard output that it is well. `assignment` is what its holder passed, and
/// `broker` what runs [`serve_worker`](crate::serve_worker).
pub fn work(assignment: &str, broker: &Program) -> ExitCode {
    let result = serde_json::from_str(assignment)
        .map_err(|error| Unfit::Assignment(error.to_string()))
        .and_then(|assignment| begin(&assignment, broker));
    match result {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn begin(assignment: &Assignment, broker: &Program) -> Result<ExitCode, Unfit> {
    let settings = &assignment.settings;
    let fuse = io::stdin().as_fd().try_clone_to_owned()?;
    let holder = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let directory = StateDirectory::create(&settings.state)?;
    if let Err(error) = succession::post(&directory, assignment) {
        tracing::warn!(%error, "the next holder will not know of this worker");
    }
    let (broker, started) = match broker::start(broker) {
        Ok((broker, started)) => (Some(broker), Some(started)),
        Err(error) => {
            tracing::warn!(%error, "no broker; no files of containers' namespaces");
            (None, None)
        }
    };
    let server = Arc::new(set_up(assignment, fuse, broker)?);
    let busy: Arc<[AtomicU64]> = (0..settings.threads.max(1)).map(|_| AtomicU64::new(0)).collect();
    control::listen(&directory, Arc::clone(&server))?;
    for waiting in server.handles.waiting() {
        let _ = server.connection.notify_poll(waiting);
    }
    let buffers = buffers(&server, settings, &busy)?;
    start("vproc-sampler", {
        let server = Arc::clone(&server);
        let watch = settings.watch;
        move || sample(&server, watch)
    })?;
    start("vproc-signals", {
        let (server, busy) = (Arc::clone(&server), Arc::clone(&busy));
        move || obey_signals(&server, &busy)
    })?;
    if let Some(started) = started {
        let holder = assignment.holder;
        start("vproc-broker", move || started.replace_worker_at_end(holder))?;
    }
    start("vproc-beat", {
        let busy = Arc::clone(&busy);
        move || beat(holder, &busy)
    })?;
    let threads: Vec<_> = buffers
        .into_iter()
        .enumerate()
        .map(|(place, buffer)| {
            let (server, busy) = (Arc::clone(&server), Arc::clone(&busy));
            let name = format!("vproc-serve-{place}");
            let serve = move || serve(&server, buffer, busy.get(place));
            std::thread::Builder::new().name(name).spawn(serve)
        })
        .collect::<Result<_, _>>()?;
    if server.connection.negotiated().can_resend() && assignment.incarnation > 1 {
        // Linux 7.3 refuses where the connection was aborted meanwhile. The
        // next receive tells, and ends the worker as it should be.
        if let Err(error) = server.connection.resend() {
            tracing::warn!(%error, "requests of the worker before may be lost");
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(ExitCode::from(UNMOUNTED))
}

fn set_up(assignment: &Assignment, fuse: OwnedFd, broker: Option<Broker>) -> Result<Server, Unfit> {
    let settings = &assignment.settings;
    let state = |error| Unfit::State { path: settings.state.clone(), error };
    let directory = StateDirectory::create(&settings.state).map_err(state)?;
    let negotiated: Negotiated = assignment
        .negotiated
        .parse()
        .map_err(|_| Unfit::Assignment(assignment.negotiated.clone()))?;
    let connection = Arc::new(Connection::resume(fuse, negotiated));
    raise_descriptor_limit();
    let host = Host::open()?;
    host.open_all()?;
    let host = Arc::new(match broker {
        Some(broker) => host.with_broker(broker),
        None => host,
    });
    privileges::drop_all_but_needed(&host);
    let board = Arc::new(board(assignment, &directory, Arc::clone(&host))?);
    let by_registration = settings.identity == "registered";
    let identity = settings.identity.parse().unwrap_or(Identity::Init);
    let paths = Arc::new(Paths::open(&directory.file("paths")).map_err(state)?);
    for path in board.current().tree.paths() {
        paths.intern(path).map_err(state)?;
    }
    let containers = Arc::new(Containers::new(
        Arc::clone(&connection),
        Arc::clone(&host),
        board,
        Readers::new(identity),
        Arc::clone(&paths),
        directory.clone(),
        Duration::from_micros(settings.freshness_us),
    ));
    let registry = Arc::new(Registry::open(directory.clone(), host));
    for subject in registry.subjects() {
        containers.of_subject(subject);
    }
    let facts = Facts {
        mount: settings.point.clone(),
        holder: assignment.holder,
        incarnation: assignment.incarnation,
        recovery: if negotiated.can_resend() { "resend" } else { "journal" },
        mounted: assignment.mounted,
    };
    Ok(Server {
        triggers: Triggers::start(Arc::clone(&connection))?,
        handles: Handles::open(&directory, assignment.incarnation, !negotiated.can_resend())
            .map_err(state)?,
        connection,
        containers,
        paths,
        registry,
        by_registration,
        facts,
        since: mounted_at(assignment),
    })
}

/// As many descriptors as may be had: what is kept open makes reads fast.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// When the mount was made, since 1970.
fn mounted_at(assignment: &Assignment) -> Duration {
    let age = crate::clock::boot_time().saturating_sub(assignment.mounted);
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age)
}

/// The policies: those of the worker before this one, else what the operator
/// chose. A first worker refuses to begin with a policy that is broken; a
/// later one must serve, and does so with the embedded policy.
fn board(
    assignment: &Assignment,
    directory: &StateDirectory,
    host: Arc<Host>,
) -> Result<Board, Unfit> {
    let settings = &assignment.settings;
    let slots = u32::try_from(settings.threads).unwrap_or(64).saturating_mul(2).saturating_add(96);
    let limits = Limits { time: Duration::from_secs(1), ..Limits::default() };
    let pooled = Options { limits, allocation: Allocation::Pooled { slots }, target: None };
    // A pool reserves address space, which a limit may forbid.
    let engine = Engine::new(pooled).or_else(|error| {
        tracing::warn!(%error, "no pool for policy instances; renders take longer");
        Engine::new(Options { limits, ..Options::default() })
    })?;
    let cache = Cache::user_directory().and_then(|directory| Cache::open(&directory).ok());
    let knobs = settings.knobs.iter();
    let knobs = knobs.map(|(knob, value)| Setting { knob: knob.clone(), value: value.clone() });
    let knobs = knobs.collect();
    let trust = settings.trust.clone();
    let board = Board::new(engine, cache, host, knobs, directory.clone(), trust)?;
    let inherited = Board::inherited(directory).filter(|_| assignment.incarnation > 1);
    match (inherited, assignment.incarnation) {
        (None, 0..=1) => board.arrange(settings.choice.clone())?,
        (inherited, _) => {
            let choice = inherited.unwrap_or_else(|| settings.choice.clone());
            if let Err(error) = board.arrange(choice) {
                tracing::error!(%error, "the embedded policy answers instead");
            }
        }
    }
    Ok(board)
}

/// A buffer for each thread. Where the kernel cannot send requests again, the
/// buffers outlive us, and what the worker before this one had not answered is
/// answered now.
fn buffers(
    server: &Arc<Server>,
    settings: &Settings,
    busy: &Arc<[AtomicU64]>,
) -> Result<Vec<Buffer>, Unfit> {
    let threads = busy.len();
    if server.connection.negotiated().can_resend() {
        return Ok((0..threads).map(|_| Buffer::new()).collect::<Result<_, _>>()?);
    }
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(settings.state.join("requests"))?;
    let mut buffers = Journal::open(file, threads)?.into_buffers();
    // Where the worker before this one had more threads.
    for mut buffer in buffers.drain(threads..) {
        if let Some(Received::Request(request)) = server.connection.leftover(&mut buffer)? {
            server.answer(&request);
        }
    }
    Ok(buffers)
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

fn serve(server: &Server, mut buffer: Buffer, busy: Option<&AtomicU64>) {
    // What a worker before this one left needs no turn: it is here.
    if let Ok(Some(leftover)) = server.connection.leftover(&mut buffer) {
        answer(server, &leftover, busy);
    }
    buffer.clear();
    let turn = &server.containers.turn;
    loop {
        turn.take();
        match server.connection.receive(&mut buffer) {
            Ok(Received::Unmounted) => return turn.give_up(),
            Ok(received) => answer(server, &received, busy),
            Err(error) => {
                tracing::error!(%error, "cannot receive requests");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        // Before this thread waits for its turn: until then, the next worker
        // would take what is in the buffer for unanswered.
        buffer.clear();
    }
}

fn answer(server: &Server, received: &Received<'_>, busy: Option<&AtomicU64>) {
    match received {
        Received::Request(request) => {
            busy.inspect(|busy| busy.store(now(), Ordering::Relaxed));
            server.answer(request);
            busy.inspect(|busy| busy.store(0, Ordering::Relaxed));
        }
        Received::Malformed(malformed) => tracing::warn!(%malformed, "not understood"),
        Received::Unmounted => {}
    }
}

fn now() -> u64 {
    u64::try_from(crate::clock::boot_time().as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Tells the holder that all is well, as long as it is. Ends with the holder.
fn beat(mut holder: UnixStream, busy: &[AtomicU64]) {
    let hanging = u64::try_from(HANGING.as_millis()).unwrap_or(u64::MAX);
    let _ = holder.set_read_timeout(Some(BEAT));
    loop {
        let now = now();
        let well = busy.iter().all(|since| {
            let since = since.load(Ordering::Relaxed);
            since == 0 || now.saturating_sub(since) < hanging
        });
        if well && holder.write_all(b".").is_err() {
            return tracing::error!("the holder is gone; serving on without one");
        }
        match holder.read(&mut [0]) {
            Ok(0) => return tracing::error!("the holder is gone; serving on without one"),
            Ok(_) => {}
            Err(_) => {}
        }
    }
}

fn obey_signals(server: &Server, busy: &[AtomicU64]) {
    let mut signals = match signal_hook::iterator::Signals::new([SIGHUP, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => return tracing::warn!(%error, "cannot receive signals"),
    };
    for signal in signals.forever() {
        if signal == SIGHUP {
            let _ = control::reload(server);
            continue;
        }
        // What is under way is answered; what comes in meanwhile is sent to
        // the next worker again.
        let started = Instant::now();
        while busy.iter().any(|since| since.load(Ordering::Relaxed) != 0)
            && started.elapsed() < Duration::from_secs(2)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::process::exit(0);
    }
}

/// How often entries with a history are rendered, as the kernel does
/// (`LOAD_FREQ` in include/linux/sched/loadavg.h).
const SAMPLE: Duration = Duration::from_secs(5);

fn sample(server: &Server, watch: bool) {
    let mut next = Instant::now() + SAMPLE;
    let mut watched = watch.then(|| Watched::new(server));
    loop {
        std::thread::sleep(Duration::from_secs(1));
        server.containers.tidy();
        if let Some(watched) = &mut watched {
            watched.look(server);
        }
        if Instant::now() >= next {
            next += SAMPLE;
            server.registry.tidy();
            server.containers.forget_ended_readers();
            server.containers.forget_states();
            for container in server.containers.list() {
                server.containers.sample(&container);
            }
        }
    }
}

/// The files of the policies, as they were seen last.
struct Watched(Vec<(PathBuf, Option<Version>)>);

/// Tells one version of a file from another.
type Version = (u64, u64, SystemTime);

impl Watched {
    fn new(server: &Server) -> Self {
        let files = server.containers.board.choice().files();
        Watched(files.into_iter().map(|file| (file.clone(), version(&file))).collect())
    }

    /// Loads the policies again if a file has changed. One that is refused is
    /// not tried again until it changes once more.
    fn look(&mut self, server: &Server) {
        let now = Watched::new(server);
        // A file that is missing is being replaced.
        if now.0 != self.0 && now.0.iter().all(|(_, version)| version.is_some()) {
            let _ = control::reload(server);
            *self = now;
        }
    }
}

fn version(file: &Path) -> Option<Version> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.ino(), meta.len(), meta.modified().ok()?))
}
