//! The project's own commands: `cargo xtask demo`, `cargo xtask test`, …
//!
//! They need nothing but cargo and rustup, so that a fresh clone on a fresh
//! machine does everything with one of them.

mod compare;
mod embed;
mod kernels;
mod lxcfs_tests;
mod wit;

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo    build vprocctl, run a container of 256 MiB and one and a half CPUs,
          and print its /proc/meminfo beside the host's
  test    run every test
  check   rustfmt, clippy and rustdoc, without warnings; and what has changed in
          the contract since its last release
  wit     print that change alone
  docs    write docs/reference: a page for each module of files
  npm [DIR]
          build the package for Node and browsers, and pack it; needs Node
  wheel [DIR]
          build the package for Python; needs Python with venv
  playground [DIR]
          build the page that renders captures in a browser; needs Node
  bench   print the benchmarks, as ratios of one run
  bench --mount [OPTIONS]
          the same for files that are read through a mount, beside lxcfs;
          needs root; --help says more
  compare-lxcfs [--require] [--lxcfs PATH]
          print what lxcfs shows a container beside what vproc shows; needs root
  lxcfs-tests DIR
          run the tests of a checkout of lxcfs against our mount; needs root
  kernels run the tests that depend on the kernel on other kernels, emulated;
          `cargo xtask kernels --help` says more

A wasm target that is missing is added through rustup.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let result = match command.as_str() {
        "demo" => demo(),
        "test" => test(rest),
        "check" => check(),
        "wit" => wit::show(),
        "docs" => docs(),
        "npm" => embed::npm(rest),
        "wheel" => embed::wheel(rest),
        "playground" => embed::playground(rest),
        "bench" => bench(rest),
        "compare-lxcfs" => compare::compare(rest),
        "lxcfs-tests" => lxcfs_tests::main(rest),
        "kernels" => wasm_target().and_then(|()| kernels::main(rest)),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => {
            eprint!("cargo xtask: no command `{other}`\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("cargo xtask {command}: {reason}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), String>;

/// The target that policies are built for.
const WASM: &str = "wasm32-wasip2";

fn demo() -> Done {
    wasm_target()?;
    cargo(&["build", "--workspace", "--bins", "--release"])?;
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    let program = Path::new(&target).join("release/vprocctl");
    let program = program.to_string_lossy();
    println!("\nBuilt {program}.\n\n$ head -3 /proc/meminfo            # the host");
    run(Command::new("head").args(["-3", "/proc/meminfo"]))?;
    let limits = ["run", "--memory", "256M", "--cpus", "1.5", "--"];
    let shown = format!("{program} {}", limits.join(" "));
    let container = |command: &[&str]| {
        println!("\n$ {shown} {}", command.join(" "));
        run(Command::new(&*program).args(limits).args(command))
    };
    if container(&["head", "-3", "/proc/meminfo"]).is_ok() {
        container(&["grep", "-c", "^processor", "/proc/cpuinfo"])?;
        return container(&["cat", "/proc/loadavg", "/sys/devices/system/cpu/online"]);
    }
    // Without root there is no container, but there are captures of some.
    let capture = "fixtures/v1-run-256m.json";
    println!("\nNo container can be started here; this is a recorded one.");
    println!("\n$ {program} render --from {capture} /proc/meminfo");
    run(Command::new(&*program).args(["render", "--from", capture, "/proc/meminfo"]))
}

/// The workspace of `vproc-compose`.
const COMPOSE: &str = "--manifest-path=compose/Cargo.toml";

fn test(rest: &[String]) -> Done {
    wasm_target()?;
    let mut arguments = vec!["test", "--workspace", "--release"];
    arguments.extend(rest.iter().map(String::as_str));
    cargo(&arguments)?;
    // Arguments choose among the tests of the main workspace.
    if rest.is_empty() { cargo(&["test", COMPOSE, "--workspace", "--release"]) } else { Ok(()) }
}

fn check() -> Done {
    wasm_target()?;
    cargo(&["fmt", "--all", "--check"])?;
    let deny = ["--", "-D", "warnings"];
    cargo(&[&["clippy", "--workspace", "--all-targets", "--release"][..], &deny].concat())?;
    let wasm = [
        "clippy",
        "-p",
        "vproc-policy",
        "-p",
        "vproc-sdk",
        "-p",
        "example-two-cpus",
        "-p",
        "example-hidden-cpu",
        "-p",
        "example-requests",
        "-p",
        "example-frozen",
        "-p",
        "example-ten-files",
        "-p",
        "hostile",
        "-p",
        "greedy",
        "-p",
        "puppet",
        "-p",
        "of-0-1",
        "--target",
        WASM,
        "--profile",
        "policy",
    ];
    cargo(&[&wasm[..], &deny].concat())?;
    // By itself: the crates above are without `std`.
    let with_std = ["clippy", "-p", "vproc-wasi", "--target", WASM, "--profile", "policy"];
    cargo(&[&with_std[..], &deny].concat())?;
    cargo(&["fmt", COMPOSE, "--all", "--check"])?;
    let compose = ["clippy", COMPOSE, "--workspace", "--all-targets", "--release"];
    cargo(&[&compose[..], &deny].concat())?;
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--workspace", "--no-deps", "--release", "--document-private-items"]);
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    wit::show()
}

fn docs() -> Done {
    let mut test = Command::new("cargo");
    test.args(["test", "--release", "-p", "vproc-core", "--test", "reference"]);
    run(test.env("VPROC_WRITE_REFERENCE", "1"))
}

fn bench(rest: &[String]) -> Done {
    wasm_target()?;
    cargo(&["build", "--workspace", "--bins", "--release"])?;
    let (mount, rest): (Vec<_>, Vec<_>) = rest.iter().partition(|word| *word == "--mount");
    let name = if mount.is_empty() { "render" } else { "mount" };
    let mut arguments = vec!["bench", "--workspace", "--bench", name];
    if !mount.is_empty() {
        arguments.push("--");
    }
    arguments.extend(rest.iter().map(|word| word.as_str()));
    if mount.is_empty() {
        return cargo(&arguments);
    }
    let words: Vec<&str> = env::args().skip(1).map(String::leak).map(|word| &*word).collect();
    let command = format!("cargo xtask {}", words.join(" "));
    let date = today()?;
    arguments.extend(["--command", &command, "--date", &date]);
    cargo(&arguments)
}

/// For a report.
fn today() -> Result<String, String> {
    let output = Command::new("date").arg("+%F").output();
    let output = output.map_err(|error| format!("cannot run date: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Adds the wasm target where rustup manages the toolchain and it is missing.
fn wasm_target() -> Done {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM])
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let libraries = String::from_utf8_lossy(&output.stdout);
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    println!("Adding the target {WASM}.");
    run(Command::new("rustup").args(["target", "add", WASM]))
        .map_err(|reason| format!("the target {WASM} is missing and cannot be added: {reason}"))
}

fn cargo(arguments: &[&str]) -> Done {
    run(Command::new("cargo").args(arguments))
}

fn run(command: &mut Command) -> Done {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("cannot run {name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}
