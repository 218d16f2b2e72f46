//! The driver's side of the pipe: uses memory of one kind, as it is told, and
//! holds it until it ends.

use crate::driver::{ANSWER, Driver, TASK};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

/// Not a test, but the driver: this program started again by [`Driver`].
#[test]
fn drive() {
    if std::env::var_os(TASK).is_none() {
        return;
    }
    // Its own stack and heap are to stay small, where all memory may be huge.
    rustix::thread::disable_transparent_huge_pages(true).unwrap();
    let mut held = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match obey(&words, &mut held) {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("{line}: {error}"),
        };
        // Standard output is libtest's, too.
        println!("\n{ANSWER}{answer}");
        std::io::stdout().flush().unwrap();
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn obey(words: &[&str], held: &mut Vec<Pages>) -> Outcome {
    match *words {
        ["anonymous", mib] => {
            let pages = private(mib.parse()?, Advice::LinuxNoHugepage)?;
            touch(pages);
            held.push(pages);
        }
        // Reads what is held.
        ["again"] => {
            held.iter().flat_map(|pages| pages.every(PAGE)).for_each(Word::read);
        }
        ["huge", mib] => {
            rustix::thread::disable_transparent_huge_pages(false)?;
            touch(private(mib.parse()?, Advice::LinuxHugepage)?);
        }
        ["locked", mib] => {
            let pages = private(mib.parse()?, Advice::LinuxNoHugepage)?;
            touch(pages);
            lock(pages)?;
        }
        ["sparse", mib] => {
            for page in private(mib.parse()?, Advice::LinuxNoHugepage)?.every(2 << 20) {
                page.write(1);
            }
        }
        ["read", path] => {
            let (mut file, mut buffer) = (File::open(path)?, vec![0; 64 << 10]);
            while file.read(&mut buffer)? > 0 {}
        }
        ["mapped", path] => {
            shared(path)?.every(PAGE).for_each(|page| page.read());
        }
        ["locked-file", path] => lock(shared(path)?)?,
        ["write", path, mib] => {
            let mut file = File::create(path)?;
            let block: Vec<u8> = (0..64 << 10).map(|at: u32| (at / 7) as u8).collect();
            for _ in 0..mib.parse::<usize>()? << 4 {
                file.write_all(&block)?;
            }
        }
        ["open", count] => {
            let count: u64 = count.parse()?;
            let now = getrlimit(Resource::Nofile);
            if now.current.is_some_and(|most| most < count + 16) {
                let most = Some(now.maximum.unwrap_or(u64::MAX).max(count + 16));
                setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
            }
            for _ in 0..count {
                std::mem::forget(File::open("/dev/null")?);
            }
        }
        ["look-up", directory, count] => {
            for number in 0..count.parse::<u32>()? {
                assert!(fs::symlink_metadata(format!("{directory}/{number}")).is_err());
            }
        }
        ["threads", count] => {
            for _ in 0..count.parse::<u32>()? {
                let small = std::thread::Builder::new().stack_size(64 << 10);
                small.spawn(|| {
                    loop {
                        std::thread::park()
                    }
                })?;
            }
        }
        // A child that is killed for lack of memory.
        ["outgrow", mib] => {
            let mut child = Driver::start();
            if child.tell(&format!("anonymous {mib}")).is_ok() {
                return Err("the child was not killed".into());
            }
            assert_eq!(child.wait().signal(), Some(9));
        }
        ["spare"] => fs::write("/proc/self/oom_score_adj", "-1000")?,
        ["cgroup-namespace"] => {
            let mut unshare = Command::new("unshare");
            unshare.arg("--cgroup").arg(std::env::current_exe()?).args(Driver::ARGUMENTS);
            // The next program has the same pid, and answers first.
            return Err(unshare.exec().into());
        }
        _ => return Err("what is this?".into()),
    }
    Ok(())
}

const PAGE: usize = 4096;

/// A mapping, which stays until the process ends.
#[derive(Clone, Copy)]
struct Pages {
    start: *mut u8,
    length: usize,
}

#[derive(Clone, Copy)]
struct Word(*mut u8);

#[allow(unsafe_code)]
impl Word {
    fn write(self, value: u64) {
        // SAFETY: `Pages::every` yields addresses within a mapping of ours,
        // at the start of a page, where there is room for a word.
        unsafe { self.0.cast::<u64>().write_volatile(value) }
    }

    fn read(self) {
        // SAFETY: as above; a mapped file is not truncated while it is read.
        let _ = unsafe { self.0.read_volatile() };
    }
}

impl Pages {
    fn every(self, step: usize) -> impl Iterator<Item = Word> {
        (0..self.length).step_by(step).map(move |at| Word(self.start.wrapping_add(at)))
    }
}

/// Writes to each page, and no two the same: what is all the same, zram does
/// not store.
fn touch(pages: Pages) {
    for (page, value) in pages.every(PAGE).zip(1..) {
        page.write(value);
    }
}

/// Private memory that begins at a boundary of a huge page.
#[allow(unsafe_code)]
fn private(mib: usize, advice: Advice) -> Result<Pages, rustix::io::Errno> {
    const HUGE: usize = 2 << 20;
    let length = mib << 20;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let start = unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), length + HUGE, protection, flags)
    }?;
    let start = start.cast::<u8>().wrapping_add(start.cast::<u8>().align_offset(HUGE));
    // SAFETY: the range lies within the mapping, which nobody else uses.
    let advised = unsafe { rustix::mm::madvise(start.cast(), length, advice) };
    // A kernel without huge pages does not know the advice not to use them.
    if advice == Advice::LinuxHugepage {
        advised?;
    }
    Ok(Pages { start, length })
}

/// A file, mapped as it is.
#[allow(unsafe_code)]
fn shared(path: &str) -> Result<Pages, std::io::Error> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap();
    let null = std::ptr::null_mut();
    // SAFETY: a new mapping, at an address of the kernel's choice; the test
    // that made the file leaves it as it is.
    let start =
        unsafe { rustix::mm::mmap(null, length, ProtFlags::READ, MapFlags::SHARED, &file, 0) }?;
    Ok(Pages { start: start.cast(), length })
}

#[allow(unsafe_code)]
fn lock(pages: Pages) -> Result<(), rustix::io::Errno> {
    // SAFETY: the range is a mapping of ours.
    unsafe { rustix::mm::mlock(pages.start.cast(), pages.length) }
}
