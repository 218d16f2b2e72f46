//! The examples in C and in Go, built with wasmtime's C API.

use super::{available, copy, installed, root, set_up, succeed};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Programs that were built: the example, and what prints JSON to be compared.
pub(crate) struct Example {
    pub(crate) directory: TempDir,
    /// `examples/embed-{c,go}`.
    pub(crate) render: PathBuf,
    /// `embed/test/render.{c,go}`.
    pub(crate) compare: PathBuf,
}

/// With the sanitizers for addresses, leaks and undefined behaviour.
pub(crate) fn in_c() -> Result<Example, String> {
    available(Command::new("cc").arg("--version"))?;
    available(Command::new("make").arg("--version"))?;
    available(Command::new("pkg-config").args(["--print-errors", "--exists", "jansson"]))?;
    let api = c_api()?;
    let directory = TempDir::new().unwrap();
    copy(&root().join("examples/embed-c"), directory.path());
    fs::copy(root().join("embed/test/render.c"), directory.path().join("compare.c")).unwrap();
    let mut make = Command::new("make");
    make.arg("--always-make").arg(format!("WASMTIME={}", api.display()));
    make.arg("CFLAGS=-O1 -g -Werror -fsanitize=address,undefined -fno-sanitize-recover=all");
    succeed(make.args(["render", "compare"]).current_dir(directory.path()));
    let program = |name| directory.path().join(name);
    Ok(Example { render: program("render"), compare: program("compare"), directory })
}

pub(crate) fn in_go() -> Result<Example, String> {
    available(Command::new("go").arg("version"))?;
    available(Command::new("cc").arg("--version"))?;
    let api = c_api()?;
    let directory = TempDir::new().unwrap();
    let module = directory.path();
    copy(&root().join("examples/embed-go"), module);
    fs::create_dir(module.join("compare")).unwrap();
    fs::copy(root().join("embed/test/render.go"), module.join("compare/main.go")).unwrap();
    let go = || {
        let mut go = Command::new("go");
        go.env("GOCACHE", api.join("go-cache")).env("GOFLAGS", "-trimpath -buildvcs=false");
        go.env("CGO_ENABLED", "1").env("CGO_CFLAGS", format!("-O2 -g -I{}/include", api.display()));
        let library = api.join("lib");
        let flags = format!("-L{0} -Wl,-rpath,{0}", library.display());
        go.env("CGO_LDFLAGS", flags).current_dir(module);
        go
    };
    // With `-trimpath`, vet looks for the files of an earlier directory.
    succeed(go().args(["vet", "-trimpath=false", "./..."]));
    succeed(go().args(["test", "-vet=off", "./policy"]));
    succeed(go().args(["build", "-o", "bin/render", "."]));
    succeed(go().args(["build", "-o", "bin/compare", "./compare"]));
    let format = succeed(Command::new("gofmt").args(["-l", "."]).current_dir(module));
    assert!(format.stdout.is_empty(), "gofmt: {}", String::from_utf8_lossy(&format.stdout));
    let program = |name: &str| module.join("bin").join(name);
    Ok(Example { render: program("render"), compare: program("compare"), directory })
}

/// A directory with the headers of wasmtime's C API in `include` and its library in
/// `lib`. The library is in the wheel of PyPI, the headers are in a crate.
fn c_api() -> Result<PathBuf, String> {
    let requirements = "requirements.txt";
    installed(&root().join("examples/embed-c"), &[requirements], |directory| {
        set_up(directory, requirements)?;
        headers(directory)?;
        fs::create_dir(directory.join("lib")).unwrap();
        fs::copy(library(directory)?, directory.join("lib/libwasmtime.so")).unwrap();
        Ok(())
    })
}

fn library(directory: &Path) -> Result<PathBuf, String> {
    let code = "import wasmtime._ffi as ffi; print(ffi.filename)";
    let mut python = Command::new(directory.join("venv/bin/python"));
    let printed = succeed(python.args(["-c", code])).stdout;
    let file = PathBuf::from(String::from_utf8(printed).unwrap().trim());
    match file.extension() {
        Some(extension) if extension == "so" => Ok(file),
        _ => Err(format!("{} is no library of Linux", file.display())),
    }
}

fn headers(directory: &Path) -> Result<(), String> {
    let requirements = fs::read_to_string(directory.join("requirements.txt")).unwrap();
    let version = requirements.lines().find_map(|line| line.strip_prefix("wasmtime==")).unwrap();
    let project = TempDir::new().unwrap();
    fs::create_dir(project.path().join("src")).unwrap();
    fs::write(project.path().join("src/lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"headers\"\nedition = \"2024\"\n[dependencies]\n\
         wasmtime-c-api-impl = {{ version = \"={version}\", default-features = false }}\n"
    );
    fs::write(project.path().join("Cargo.toml"), manifest).unwrap();
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(project.path());
        cargo
    };
    available(cargo().args(["fetch", "--quiet"]))?;
    let printed = succeed(cargo().args(["metadata", "--format-version=1", "--offline"])).stdout;
    let metadata: Value = serde_json::from_slice(&printed).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages.find(|package| package["name"] == "wasmtime-c-api-impl").unwrap();
    let include = Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("include");
    let target = directory.join("include");
    fs::create_dir(&target).unwrap();
    copy(&include, &target);
    // CMake makes it. The wheel has all features.
    let template = fs::read_to_string(target.join("wasmtime/conf.h.in")).unwrap();
    let lines = template.lines().filter(|line| !line.contains("DISABLE_LOGGING"));
    let defined: String = lines.map(|l| l.replace("#cmakedefine", "#define") + "\n").collect();
    fs::write(target.join("wasmtime/conf.h"), defined).unwrap();
    Ok(())
}
