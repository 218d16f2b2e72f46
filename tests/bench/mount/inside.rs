//! What this program is when it starts itself: the floor, or a process of a
//! container.

use rustix::mount::mount_bind;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// As many readers as read at the same time.
pub(crate) const READERS: usize = 4;

pub(crate) fn play(arguments: &[String]) {
    match arguments {
        [role, point, threads, files @ ..] if role == "floor" => {
            crate::floor::serve(point, threads.parse().unwrap(), files);
        }
        [role, arguments @ ..] if role == "init" => init(arguments),
        [role, arguments @ ..] if role == "serve" => serve(arguments),
        [role] if role == "reader" => reader(),
        [role, path] if role == "first" => first(path),
        [role, tasks, doors @ ..] if role == "tenant" => crate::many::tenant(tasks, doors),
        _ => panic!("no such role: {arguments:?}"),
    }
}

/// Goes through the doors of a group. 0 is oneself, whatever its pid there.
pub(crate) fn enter(doors: &[String]) {
    for door in doors {
        fs::write(door, "0").unwrap_or_else(|error| panic!("{door}: {error}"));
    }
}

/// Becomes a program in a group: `DOOR... -- PROGRAM ARGUMENT...`.
fn serve(arguments: &[String]) {
    let end = arguments.iter().position(|argument| argument == "--").unwrap();
    enter(&arguments[..end]);
    let command = &arguments[end + 1..];
    let error = Command::new(&command[0]).args(&command[1..]).exec();
    panic!("{command:?}: {error}");
}

/// The init of the container: `DOOR... -- SOURCE TARGET SOURCE TARGET...`.
/// Then each line is `READERS MODE PATH MILLISECONDS`, and is answered with
/// the times of all.
fn init(arguments: &[String]) {
    let end = arguments.iter().position(|argument| argument == "--").unwrap();
    enter(&arguments[..end]);
    for bind in arguments[end + 1..].chunks(2) {
        mount_bind(&*bind[0], &*bind[1]).unwrap_or_else(|error| panic!("{bind:?}: {error}"));
    }
    let mut readers: Vec<Reader> = (0..READERS).map(|_| Reader::start()).collect();
    send(&[]);
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let (count, line) = line.split_once(' ').unwrap();
        let (mode, path) = line.split_once(' ').unwrap();
        if mode == "first" {
            fresh(path);
            continue;
        }
        let readers = &mut readers[..count.parse().unwrap()];
        for reader in &mut *readers {
            writeln!(reader.stdin, "{line}").unwrap();
        }
        let times: Vec<u8> = readers.iter_mut().flat_map(Reader::times).collect();
        send(&times);
    }
}

struct Reader {
    _child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Reader {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--role", "reader"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Reader { _child: child, stdin, stdout }
    }

    fn times(&mut self) -> Vec<u8> {
        receive(&mut self.stdout)
    }
}

/// A first read in a container of its own, within this one.
fn fresh(path: &str) {
    let ourselves = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork"]).arg(ourselves).args(["--role", "first", path]);
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
}

fn first(path: &str) {
    let (started, mut buffer) = (Instant::now(), [0; 8192]);
    let length = read(path, &mut buffer);
    send(
        &[nanos(started.elapsed()), u32::try_from(length).unwrap()].map(u32::to_le_bytes).concat(),
    );
}

fn reader() {
    for line in BufReader::new(io::stdin()).lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let length = Duration::from_millis(words[2].parse().unwrap());
        send(&until(Instant::now() + length, words[0] == "keep", words[1]));
    }
}

/// Reads again and again; the nanoseconds that each took.
fn until(end: Instant, keep: bool, path: &str) -> Vec<u8> {
    let mut times = Vec::with_capacity(1 << 18);
    let mut buffer = [0; 8192];
    let kept = keep.then(|| File::open(path).unwrap());
    let mut before = Instant::now();
    while before < end {
        match &kept {
            Some(file) => _ = file.read_at(&mut buffer, 0).unwrap(),
            None => _ = read(path, &mut buffer),
        }
        let after = Instant::now();
        times.extend_from_slice(&nanos(after - before).to_le_bytes());
        before = after;
    }
    times
}

/// As programs read files of `/proc`: until the end.
pub(crate) fn read(path: &str, buffer: &mut [u8]) -> usize {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut length = 0;
    loop {
        match file.read(buffer).unwrap_or_else(|error| panic!("{path}: {error}")) {
            0 => return length,
            read => length += read,
        }
    }
}

fn nanos(took: Duration) -> u32 {
    u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)
}

/// One answer: so many bytes, and the bytes.
pub(crate) fn send(times: &[u8]) {
    let mut out = io::stdout().lock();
    out.write_all(&u32::try_from(times.len()).unwrap().to_le_bytes()).unwrap();
    out.write_all(times).unwrap();
    out.flush().unwrap();
}

/// What [`send`] sent.
pub(crate) fn receive(from: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    from.read_exact(&mut length).unwrap();
    let mut times = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
    from.read_exact(&mut times).unwrap();
    times
}
