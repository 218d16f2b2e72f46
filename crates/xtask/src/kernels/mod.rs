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

use boot::{Guest, Patience};
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
  --layout v2|v1|hybrid  how cgroups are mounted; v1 and hybrid only before 6.12.
                         Several with commas between, or `all`: one guest each
  --limit SECONDS        how long one test program may take; default 600
  --retry                run programs that fail once more, on a fresh machine:
                         what is wrong with them is wrong the second time, too
  --require              fail where something that this needs is missing
";

const NAMES: [&str; 4] = ["5.10", "6.1", "6.12", "newest"];

/// How cgroups can be mounted, and the kernels of Debian that have what it takes.
const LAYOUTS: [(&str, &[&str]); 3] =
    [("v2", &NAMES), ("v1", &["5.10", "6.1"]), ("hybrid", &["5.10", "6.1"])];

struct Options {
    names: Vec<String>,
    layouts: Vec<String>,
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
            layouts: vec!["v2".into()],
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
                "--layout" => options.layouts = layouts(value()?)?,
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
        if options.names.is_empty() {
            options.names = vec!["6.1".into(), "6.12".into()];
        }
        Ok(options)
    }
}

/// What is asked of `--layout`.
fn layouts(text: &str) -> Result<Vec<String>, String> {
    let all = LAYOUTS.map(|(layout, _)| layout);
    if text == "all" {
        return Ok(all.map(str::to_owned).into());
    }
    let known = |layout: &str| match all.contains(&layout) {
        true => Ok(layout.to_owned()),
        false => Err(format!("no layout `{layout}`\n\n{USAGE}")),
    };
    text.split(',').map(known).collect()
}

/// The guests: each kernel with each layout that it has.
fn guests(options: &Options) -> Result<Vec<(&str, &str)>, String> {
    let has = |layout: &str, name: &str| {
        LAYOUTS.iter().any(|(known, names)| *known == layout && names.contains(&name))
    };
    let mut guests = Vec::new();
    for name in &options.names {
        for layout in options.layouts.iter().filter(|layout| has(layout, name)) {
            guests.push((name.as_str(), layout.as_str()));
        }
    }
    match guests.is_empty() {
        true => Err(format!("none of these kernels has one of these layouts\n\n{USAGE}")),
        false => Ok(guests),
    }
}

/// Runs the command.
pub(super) fn main(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().take_while(|word| *word != "--").any(|word| word == "--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let guests = guests(&options)?;
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
    for guest in guests {
        let all: Vec<&Program> = programs.iter().collect();
        let mut row = run(&options, &tools, &work, guest, &all)?;
        let failed = row.failed();
        if options.retry && !failed.is_empty() {
            println!("\nAgain: {}", failed.join(", "));
            let failed = |program: &&Program| failed.contains(&program.name);
            let failed: Vec<&Program> = programs.iter().filter(failed).collect();
            row.repeat(run(&options, &tools, &work, guest, &failed)?);
        }
        rows.push(row);
    }
    report::print(&rows)
}

fn run(
    options: &Options,
    tools: &Tools,
    work: &Path,
    (name, layout): (&str, &str),
    programs: &[&Program],
) -> Result<Row, String> {
    let directory = work.join(name);
    let kernel = debian::cached(&directory)
        .ok_or_else(|| format!("no kernel in {}", directory.display()))?;
    println!("\nLinux {}, cgroups {layout}", kernel.release);
    // Of the tests: `VPROC_READS`, say.
    let settings: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name.starts_with("VPROC_")).collect();
    let script = programs::script(programs, options.limit, &options.filter, &settings);
    let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    let guest = Guest {
        kernel: &kernel,
        archive: initramfs::build(&kernel, &tools.busybox, &script)?,
        layout,
        programs: &names,
        limit: Duration::from_secs(options.limit),
        patience: Patience::USUAL,
        directories: &[workspace(), target()?],
        work: &directory.join(if layout == "v2" {
            "guest".into()
        } else {
            format!("guest-{layout}")
        }),
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
        layout: layout.to_owned(),
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

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn guests_of(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let options = Options::parse(&words)?;
        let guests = guests(&options)?;
        Ok(guests.iter().map(|(name, layout)| format!("{name} {layout}")).collect())
    }

    #[test]
    fn each_kernel_runs_with_each_layout_that_it_has() {
        let guests = |words: &[&str]| guests_of(words).expect("guests");
        assert_eq!(guests(&[]), ["6.1 v2", "6.12 v2"]);
        let all = ["--layout", "all", "5.10", "6.1", "6.12", "newest"];
        let expected = [
            "5.10 v2",
            "5.10 v1",
            "5.10 hybrid",
            "6.1 v2",
            "6.1 v1",
            "6.1 hybrid",
            "6.12 v2",
            "newest v2",
        ];
        assert_eq!(guests(&all), expected);
        assert_eq!(guests(&["--layout", "v1,v2", "6.1", "6.12"]), ["6.1 v1", "6.1 v2", "6.12 v2"]);
        assert!(guests_of(&["--layout", "v1", "6.12"]).is_err());
        assert!(guests_of(&["--layout", "v2,v3"]).is_err_and(|error| error.contains("`v3`")));
    }
}
