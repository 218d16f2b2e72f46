//! `cargo xtask npm`, `cargo xtask wheel` and `cargo xtask playground`: what embeds
//! the policy, built from the very component that `vprocctl` embeds.

use crate::{Done, WASM, run, wasm_target};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// Builds the package and packs it.
pub(crate) fn npm(rest: &[String]) -> Done {
    let directory = build("npm", rest, None)?;
    let mut pack = Command::new("npm");
    pack.args(["pack", "--ignore-scripts", "--silent"]).current_dir(&directory);
    run(&mut pack)?;
    println!("in {}", directory.display());
    println!("\nTo use it: npm install {}/*.tgz", directory.display());
    Ok(())
}

/// Builds the package for Python.
pub(crate) fn wheel(rest: &[String]) -> Done {
    wasm_target()?;
    let (target, directory) = directories("wheel", rest)?;
    let component = component()?;
    let environment = target.join("embed-python");
    let python = environment.join("bin/python");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    run(pip.args(["--only-binary=:all:", "--requirement=embed/python/build-requirements.txt"]))?;
    run(Command::new(&python).args(["embed/python/build.py", "."]).arg(component).arg(&directory))?;
    println!("in {}", directory.display());
    println!("\nTo use it: pip install {}/*.whl", directory.display());
    Ok(())
}

/// Builds the page.
pub(crate) fn playground(rest: &[String]) -> Done {
    let examples = examples()?;
    let directory = build("playground", rest, Some(&examples))?;
    let page = directory.join("index.html");
    let size = fs::metadata(&page).map_err(|error| format!("{}: {error}", page.display()))?.len();
    println!("{} ({} kB), which needs nothing else.", page.display(), size / 1000);
    println!("\nTo see it, open the file in a browser, or serve its directory:");
    println!("  python3 -m http.server --directory {} 8000", directory.display());
    Ok(())
}

/// Runs `embed/build.mjs` from a copy beside the tools, because Node looks for
/// packages in the directories above a module.
fn build(what: &str, rest: &[String], examples: Option<&Path>) -> Result<PathBuf, String> {
    wasm_target()?;
    let (target, directory) = directories(what, rest)?;
    let component = component()?;
    let stage = target.join("embed");
    copy(Path::new("embed"), &stage)?;
    install(&stage)?;
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut node = Command::new("node");
    node.arg(stage.join("build.mjs")).arg(what).arg(".").arg(component).arg(&directory);
    run(node.args(examples))?;
    Ok(directory)
}

/// A directory with the components of `examples/policies`, by their names.
fn examples() -> Result<PathBuf, String> {
    wasm_target()?;
    let sources = Path::new("examples/policies");
    let failed = |error: std::io::Error| format!("{}: {error}", sources.display());
    let found = fs::read_dir(sources).map_err(failed)?;
    let names = found.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Result<Vec<String>, std::io::Error>>().map_err(failed)?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--profile", "policy", "--target", WASM]);
    run(cargo.args(names.iter().map(|name| format!("--package=example-{name}"))))?;
    let (target, directory) = directories("example-policies", &[])?;
    // What another version of the project had is not one of them.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).map_err(failed)?;
    for name in &names {
        let file = format!("example_{}.wasm", name.replace('-', "_"));
        let component = target.join(WASM).join("policy").join(file);
        fs::copy(component, directory.join(format!("{name}.wasm"))).map_err(failed)?;
    }
    Ok(directory)
}

/// Cargo's target directory, and where the result goes.
fn directories(what: &str, rest: &[String]) -> Result<(PathBuf, PathBuf), String> {
    let target = PathBuf::from(env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into()));
    let directory = match rest {
        [] => target.join(what),
        [directory] => PathBuf::from(directory),
        _ => return Err(format!("usage: cargo xtask {what} [DIRECTORY]")),
    };
    Ok((target, directory))
}

/// Where cargo put the component that it built for `vproc-default`.
fn component() -> Result<PathBuf, String> {
    let arguments = ["build", "--workspace", "--bins", "--release"];
    let messages = Command::new("cargo")
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !messages.status.success() {
        return Err(format!("cargo ended with {}", messages.status));
    }
    let messages = String::from_utf8_lossy(&messages.stdout);
    let is_it = |line: &&str| {
        line.contains(r#""reason":"build-script-executed""#) && line.contains("vproc-default")
    };
    let directory = messages.lines().find(is_it).and_then(|line| {
        let (_, rest) = line.split_once(r#""out_dir":""#)?;
        Some(rest.split_once('"')?.0)
    });
    let directory = directory.ok_or("cargo does not say where it built vproc-default")?;
    Ok(Path::new(directory).join("policy.wasm"))
}

/// Installs what `package-lock.json` names, unless that has been done.
fn install(stage: &Path) -> Done {
    let read = |path: &Path| fs::read(path).unwrap_or_default();
    let (lock, stamp) = (stage.join("package-lock.json"), stage.join("node_modules/installed"));
    if read(&lock) == read(&stamp) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--no-fund"]);
    run(npm.current_dir(stage))?;
    let copied = fs::copy(&lock, &stamp).map(|_| ());
    copied.map_err(|error| format!("{}: {error}", stamp.display()))
}

fn copy(from: &Path, to: &Path) -> Done {
    let failed = |error: std::io::Error| format!("cannot copy {}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for file in fs::read_dir(from).map_err(failed)? {
        let file = file.map_err(failed)?;
        let target = to.join(file.file_name());
        if !file.file_type().map_err(failed)?.is_dir() {
            fs::copy(file.path(), target).map_err(failed)?;
        } else if file.file_name() != "node_modules" {
            copy(&file.path(), &target)?;
        }
    }
    Ok(())
}
