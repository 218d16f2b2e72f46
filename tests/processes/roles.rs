//! What this program is in a container: its processes, and who reads of them.
//! They end with the pid namespace; nobody waits for them.
#![allow(clippy::zombie_processes)]

use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::net::UdpSocket;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The first argument of a program with a role.
pub(crate) const ROLE: &str = "role";

/// Commands may be named like anything.
const NAMES: [&[u8]; 8] = [
    b"plain",
    b"two words",
    b"x) R 1 (y",
    b"new\nline",
    b"back\\slash",
    "\u{fc}n\u{ef}".as_bytes(),
    b"\xff\xfe not utf8",
    b"(((",
];

/// How many processes the container's init starts by itself.
const NODES: usize = 42;

pub(crate) fn play(arguments: &[String]) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["init"] => init(),
        ["node", name, threads, depth] => {
            node(name.parse().unwrap(), threads.parse().unwrap(), depth.parse().unwrap());
        }
        ["reader"] => read(),
        ["exit"] => {}
        _ => panic!("no such role: {words:?}"),
    }
}

fn myself(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).args(arguments).stdin(Stdio::null());
    command
}

/// Process 1: starts all others, and ends when its input does.
fn init() {
    for number in 0..NODES {
        let name = (number % NAMES.len()).to_string();
        let threads = (number % 4).to_string();
        let depth = if number % 20 == 7 { "2" } else { "0" };
        let mut node = myself(&["node", &name, &threads, depth]);
        node.env("SECRET", "of the container").current_dir("/usr");
        if number % 5 == 1 {
            node.uid(1000).gid(1000);
        }
        if number % 3 == 1 {
            node.process_group(0);
        }
        node.spawn().unwrap();
    }
    // One that has ended and is not waited for.
    myself(&["exit"]).spawn().unwrap();
    // A process group whose leader is gone.
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 1000 & exit"]).stdin(Stdio::null()).process_group(0);
    shell.spawn().unwrap().wait().unwrap();
    // A session, and a pid namespace below.
    Command::new("setsid").args(["sleep", "1000"]).stdin(Stdio::null()).spawn().unwrap();
    let nested = ["--pid", "--fork", "--kill-child", "sleep", "1000"];
    Command::new("unshare").args(nested).stdin(Stdio::null()).spawn().unwrap();
    println!("started");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// A process with some threads and open files, which waits for ever.
fn node(name: usize, threads: usize, depth: usize) {
    fs::write("/proc/self/comm", NAMES[name]).unwrap();
    let _socket = UdpSocket::bind("127.0.0.1:0");
    let _file = File::open("/etc/passwd").unwrap();
    let _pipe = std::io::pipe().unwrap();
    let lock = std::env::temp_dir().join(format!("vproc-lock-{}", std::process::id()));
    let locked = File::create(&lock).unwrap();
    locked.lock().unwrap();
    fs::remove_file(lock).unwrap();
    for thread in 0..threads {
        let wait = || loop {
            std::thread::park();
        };
        std::thread::Builder::new().name(format!("t {thread})")).spawn(wait).unwrap();
    }
    if depth > 0 {
        let name = name.to_string();
        myself(&["node", &name, "1", &(depth - 1).to_string()]).spawn().unwrap();
    }
    loop {
        std::thread::park();
    }
}

/// Answers what is at each path that comes in: `ok`, the length and the bytes,
/// or `err` and the errno.
fn read() {
    let mut out = std::io::stdout().lock();
    for path in std::io::stdin().lock().lines().map_while(Result::ok) {
        match at(&path) {
            Ok(bytes) => {
                writeln!(out, "ok {}", bytes.len()).unwrap();
                out.write_all(&bytes).unwrap();
            }
            Err(error) => writeln!(out, "err {}", error.raw_os_error().unwrap_or(0)).unwrap(),
        }
        out.flush().unwrap();
    }
}

/// The text, the target, or the names in order.
fn at(path: &str) -> std::io::Result<Vec<u8>> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return Ok(fs::read_link(path)?.into_os_string().into_vec());
    }
    if kind.is_dir() {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().as_bytes().to_vec());
        }
        names.sort();
        return Ok(names.join(&b'\n'));
    }
    assert!(!kind.is_fifo());
    fs::read(path)
}
