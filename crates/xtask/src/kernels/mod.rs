//! `cargo xtask kernels`: the tests that depend on the kernel, on other kernels.
//!
//! Each kernel boots once, emulated, on a machine whose root directory is that
//! of this machine below a layer that is thrown away. So the programs that
//! cargo built run as they are. Files are kept in `target/kernels`.

mod boot;
mod debian;
mod initramfs;
mod programs;
mod report;
mod tools;

use boot::Guest;
use programs::Program;
use report::{Outcome, Row};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tools::Tools;

pub(super) const USAGE: &str = "\
usage: cargo xtask kernels [OPTION…] [NAME…] [-- FILTER…]
       cargo xtask kernels [OPTION…] [NAME…] --run COMMAND

Boots kernels of Debian in QEMU, without KVM, and runs the test programs there
that depend on the kernel. FILTER goes to each of them. NAME is 5.10, 6.1, 6.12
or newest; without any, it is 6.1 and 6.12. What is called VPROC_… in the
environment is there in the guests, too.

  --run COMMAND          run this in the shell instead, in this directory, with
                         what cargo has built first on the PATH
  --only PROGRAM         run this test program, and others that are named so
  --layout v2|v1|hybrid  how cgroups are mounted; v1 and hybrid only before 6.12
  --limit SECONDS        how long one test program may take; default 600
  --retry                run programs that fail once more, on a fresh machine:
                         what is wrong with them is wrong the second time, too
  --require              fail where something that this needs is missing
";

const NAMES: [&str; 4] = ["5.10", "6.1", "6.12", "newest"];

struct Options {
    names: Vec<String>,
    layout: String,
    limit: u64,
    only: Vec<String>,
    retry: bool,
    require: bool,
    run: Option<String>,
    filter: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Options {
            names: Vec::new(),
            layout: "v2".into(),
            limit: 600,
            only: Vec::new(),
            retry: false,
            require: false,
            run: None,
            filter: Vec::new(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--retry" => options.retry = true,
                "--require" => options.require = true,
                "--run" => options.run = Some(value()?.clone()),
                "--only" => options.only.push(value()?.clone()),
                "--layout" => options.layout = value()?.clone(),
                "--limit" => {
                    let text = value()?;
                    let seconds =
                        text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
                    options.limit = seconds.ok_or_else(|| format!("no seconds: {text}"))?;
                }
                "--" => options.filter = words.by_ref().cloned().collect(),
                name if NAMES.contains(&name) => options.names.push(name.into()),
                other => return Err(format!("what is `{other}`?\n\n{USAGE}")),
            }
        }
        if !["v2", "v1", "hybrid"].contains(&options.layout.as_str()) {
            return Err(format!("no layout `{}`\n\n{USAGE}", options.layout));
        }
        if options.names.is_empty() {
            options.names = vec!["6.1".into(), "6.12".into()];
        }
        Ok(options)
    }
}

/// Runs the command.
pub(super) fn main(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().take_while(|word| *word != "--").any(|word| word == "--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let work = target()?.join("kernels");
    let to_fetch = options.names.iter().any(|name| debian::cached(&work.join(name)).is_none());
    let found = Tools::find()
        .and_then(|tools| if to_fetch { tools::can_fetch() } else { Ok(()) }.map(|()| tools));
    let tools = match found {
        Ok(tools) => tools,
        Err(reason) if options.require => return Err(reason),
        Err(reason) => {
            println!("kernels: skipped, because {reason}");
            return Ok(());
        }
    };
    fs::create_dir_all(&work).at(&work)?;
    // Two guests at once would be too slow for the patience of the tests.
    let lock = work.join("lock");
    let lock = File::create(&lock).at(&lock)?;
    if lock.try_lock().is_err() {
        println!("Waiting for another `cargo xtask kernels`.");
        lock.lock().map_err(|error| format!("cannot wait: {error}"))?;
    }
    for name in &options.names {
        if debian::cached(&work.join(name)).is_none() {
            debian::fetch(&work, name)?;
        }
    }
    let programs = match &options.run {
        Some(command) => vec![Program::shell(command, &workspace(), &target()?)],
        None => programs::build(&options.only)?,
    };
    let mut rows = Vec::new();
    for name in &options.names {
        let all: Vec<&Program> = programs.iter().collect();
        let mut row = run(&options, &tools, &work, name, &all)?;
        let failed = row.failed();
        if options.retry && !failed.is_empty() {
            println!("\nAgain: {}", failed.join(", "));
            let failed = |program: &&Program| failed.contains(&program.name);
            let failed: Vec<&Program> = programs.iter().filter(failed).collect();
            row.repeat(run(&options, &tools, &work, name, &failed)?);
        }
        rows.push(row);
    }
    report::print(&rows)
}

fn run(
    options: &Options,
    tools: &Tools,
    work: &Path,
    name: &str,
    programs: &[&Program],
) -> Result<Row, String> {
    let directory = work.join(name);
    let kernel = debian::cached(&directory)
        .ok_or_else(|| format!("no kernel in {}", directory.display()))?;
    println!("\nLinux {}, cgroups {}", kernel.release, options.layout);
    // Of the tests: `VPROC_READS`, say.
    let settings: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name.starts_with("VPROC_")).collect();
    let script = programs::script(programs, options.limit, &options.filter, &settings);
    let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    let guest = Guest {
        kernel: &kernel,
        archive: initramfs::build(&kernel, &tools.busybox, &script)?,
        layout: &options.layout,
        programs: &names,
        patience: Duration::from_secs(options.limit),
        directories: &[workspace(), target()?],
        work: &directory.join("guest"),
    };
    fs::create_dir_all(guest.work).at(guest.work)?;
    let begin = Instant::now();
    let run = guest.run(tools)?;
    let wall = begin.elapsed();
    let mut outcomes = Vec::new();
    for name in &names {
        let output = fs::read(guest.work.join(format!("{name}.out"))).unwrap_or_default();
        let counts = programs::count(&String::from_utf8_lossy(&output));
        let ended = run.ended.iter().find(|ended| ended.name == *name);
        outcomes.push(Outcome::new(name, ended, counts));
    }
    Ok(Row {
        kernel: kernel.release,
        layout: options.layout.clone(),
        booted: run.booted,
        starts: run.starts,
        failure: run.failure,
        outcomes,
        wall,
    })
}

/// The root of the repository.
fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
fn target() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    std::path::absolute(workspace().join(target)).map_err(|error| error.to_string())
}

/// Adds the path to an error.
trait PathAnd<T> {
    fn at(self, path: &Path) -> Result<T, String>;
}

impl<T> PathAnd<T> for std::io::Result<T> {
    fn at(self, path: &Path) -> Result<T, String> {
        self.map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).at(path)
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(path, content).at(path)
}
