//! A WASI guest that opens what it is told to, and says what came.
//!
//! The first argument is the deed, the others are its paths. It knows nothing
//! of vproc: everything is the standard library's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (deed, rest) = arguments.split_first().expect("a deed");
    let done = match deed.as_str() {
        "cat" => rest.iter().try_for_each(|path| cat(path)),
        "dump" => rest.iter().try_for_each(|path| dump(Path::new(path))),
        "list" => rest.iter().try_for_each(|path| list(path)),
        "stat" => rest.iter().try_for_each(|path| stat(path)),
        "pieces" => pieces(&rest[0], rest[1].parse().expect("a number")),
        "again" => again(&rest[0]),
        "attack" => attack(rest),
        "scratch" => scratch(Path::new(&rest[0])),
        "console" => console(rest),
        other => panic!("no deed `{other}`"),
    };
    if let Err(error) = done {
        println!("failed: {}", word(&error));
        std::process::exit(1);
    }
}

/// What went wrong, in the words of errno(3).
fn word(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "ENOENT".into(),
        ErrorKind::PermissionDenied => {
            // WASI: `errno` has access 2, perm 63.
            if error.raw_os_error() == Some(63) { "EPERM".into() } else { "EACCES".into() }
        }
        ErrorKind::ReadOnlyFilesystem => "EROFS".into(),
        ErrorKind::NotADirectory => "ENOTDIR".into(),
        ErrorKind::IsADirectory => "EISDIR".into(),
        ErrorKind::AlreadyExists => "EEXIST".into(),
        _ => format!("{:?} {:?}", error.kind(), error.raw_os_error()),
    }
}

fn cat(path: &str) -> io::Result<()> {
    io::stdout().write_all(&fs::read(path)?)
}

/// Every file below a directory: its path, its length, its bytes.
fn dump(directory: &Path) -> io::Result<()> {
    let mut out = io::stdout();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            dump(&path)?;
            continue;
        }
        match fs::read(&path) {
            Ok(bytes) => {
                writeln!(out, "{} {}", path.display(), bytes.len())?;
                out.write_all(&bytes)?;
            }
            Err(error) => writeln!(out, "{} {}", path.display(), word(&error))?,
        }
    }
    Ok(())
}

fn list(directory: &str) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    println!("{}", names.join("\n"));
    Ok(())
}

fn stat(path: &str) -> io::Result<()> {
    let by_path = fs::metadata(path)?;
    let kind = if by_path.is_dir() { "directory" } else { "file" };
    let opened = File::open(path)?.metadata()?;
    println!("{kind} {} {}", by_path.len(), opened.len());
    Ok(())
}

/// Reads a file backwards, so many bytes at a time, and prints it forwards.
fn pieces(path: &str, size: usize) -> io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut text = Vec::new();
    let mut at = 0;
    while at < length {
        // Somewhere else in between.
        file.seek(SeekFrom::Start(length - at.min(length)))?;
        file.read_exact(&mut [0; 1][..usize::from(at > 0)])?;
        file.seek(SeekFrom::Start(at))?;
        let mut piece = vec![0; size];
        let read = file.read(&mut piece)?;
        assert!(read > 0, "nothing at {at} of {length}");
        text.extend_from_slice(&piece[..read]);
        at += u64::try_from(read).expect("few bytes");
    }
    for beyond in [length, length + 1, 1 << 40, i64::MAX as u64] {
        file.seek(SeekFrom::Start(beyond))?;
        assert_eq!(file.read(&mut [0; 16])?, 0, "at {beyond}");
    }
    io::stdout().write_all(&text)
}

/// Reads one open file twice from its start, as programs do that show load.
fn again(path: &str) -> io::Result<()> {
    let mut file = File::open(path)?;
    for _ in 0..2 {
        file.rewind()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        print!("{text}");
    }
    Ok(())
}

/// Tries to get what lies beside, and to change what is rendered.
fn attack(paths: &[String]) -> io::Result<()> {
    for path in paths {
        match fs::read(path) {
            Ok(bytes) => println!("{path}: read {}", String::from_utf8_lossy(&bytes).trim_end()),
            Err(error) => println!("{path}: {}", word(&error)),
        }
    }
    let told = |what: &str, done: io::Result<()>| match done {
        Ok(()) => println!("{what}: done"),
        Err(error) => println!("{what}: {}", word(&error)),
    };
    told("write", OpenOptions::new().write(true).open("/proc/meminfo").map(drop));
    told("truncate", File::create("/proc/meminfo").map(drop));
    told("create", File::create("/proc/mine").map(drop));
    told("remove", fs::remove_file("/proc/meminfo"));
    told("make", fs::create_dir("/proc/mine"));
    told("rename", fs::rename("/proc/meminfo", "/proc/mine"));
    told("as a directory", fs::read_dir("/proc/meminfo").map(drop));
    told("below a file", File::open("/proc/meminfo/x").map(drop));
    // One after another, and many at once.
    for _ in 0..5000 {
        File::open("/proc/loadavg")?;
    }
    let held: Result<Vec<File>, io::Error> = (0..100).map(|_| File::open("/proc/stat")).collect();
    told("many", held.map(drop));
    Ok(())
}

/// Does what programs do to files.
fn scratch(directory: &Path) -> io::Result<()> {
    let (one, other) = (directory.join("one"), directory.join("other"));
    fs::write(&one, "first\n")?;
    OpenOptions::new().append(true).open(&one)?.write_all(b"second\n")?;
    fs::create_dir(directory.join("made"))?;
    fs::rename(&one, &other)?;
    fs::hard_link(&other, directory.join("made/linked"))?;
    let mut names: Vec<_> = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    names.sort();
    println!("{}", names.join(" "));
    print!("{}", fs::read_to_string(directory.join("made/linked"))?);
    let file = OpenOptions::new().write(true).open(&other)?;
    file.set_len(5)?;
    file.sync_all()?;
    println!("{} {}", fs::metadata(&other)?.len(), fs::read_to_string(&other)?);
    fs::copy(&other, &one)?;
    fs::remove_file(&other)?;
    println!("{}", matches!(fs::read(&other), Err(error) if error.kind() == ErrorKind::NotFound));
    Ok(())
}

/// Uses everything that is not files.
fn console(rest: &[String]) -> io::Result<()> {
    let text = io::read_to_string(io::stdin())?;
    println!("{} {}", rest.join(","), text.to_uppercase());
    let variables: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    println!("{}", variables.join(","));
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30));
    // The keys of hash maps are random.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
    println!("{}", random != std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1));
    eprintln!("to standard error");
    std::process::exit(7);
}
