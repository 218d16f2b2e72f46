//! The npm package as who installs it meets it: what it exports, explains and
//! refuses, its types, and the examples in the documentation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;
mod install;

use command::{VPROCCTL, printed};
use install::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use vproc_tests::skip;

fn installed_package(test: &str, files: &[&str]) -> Option<TempDir> {
    match package() {
        Ok(package) => Some(project(&package, files)),
        Err(reason) => {
            skip(&format!("package: {test}"), &reason);
            None
        }
    }
}

fn node(project: &TempDir, script: &str, arguments: &[&Path]) -> String {
    let mut node = Command::new("node");
    let output = succeed(node.arg(script).args(arguments).current_dir(project.path()));
    String::from_utf8(output.stdout).unwrap()
}

fn fixtures() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("fixtures")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    assert!(files.len() > 3);
    files
}

#[test]
fn node_lists_and_explains_the_same() {
    let Some(project) =
        installed_package("node_lists_and_explains_the_same", &["test/explain.mjs"])
    else {
        return;
    };
    let mut formulas = 0;
    for fixture in fixtures() {
        let file = fixture.to_str().unwrap();
        let expected = printed(&["explain", "--json", "--from", file, "/"]);
        let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
        let found = node(&project, "explain.mjs", &[&fixture]);
        let found: Vec<Value> = serde_json::from_str(&found).unwrap();
        let paths = |files: &[Value]| files.iter().map(|f| f["path"].clone()).collect::<Vec<_>>();
        assert_eq!(paths(&found), paths(&expected), "{file}");
        for (found, expected) in found.iter().zip(&expected) {
            let path = &expected["path"];
            assert_eq!(found["text"], expected["explanation"]["text"], "{file}: {path}");
            let fields = expected["fields"].as_array().unwrap();
            assert_eq!(found["fields"].as_array().unwrap().len(), fields.len(), "{file}: {path}");
            for (found, expected) in found["fields"].as_array().unwrap().iter().zip(fields) {
                for member in ["label", "line", "provenance", "printed", "formula"] {
                    assert_eq!(found[member], expected[member], "{file}: {path}: {member}");
                }
                formulas += usize::from(expected["formula"].is_string());
            }
        }
    }
    assert!(formulas > 500, "only {formulas} formulas were compared");
}

#[test]
fn errors_say_what_is_wrong() {
    let Some(project) = installed_package("errors_say_what_is_wrong", &["test/errors.mjs"]) else {
        return;
    };
    let capture = root().join("fixtures/v1-nested.json");
    assert_eq!(node(&project, "errors.mjs", &[&capture]), "21 errors as they should be\n");
}

#[test]
fn a_program_in_typescript_is_checked() {
    let Some(project) = installed_package("a_program_in_typescript_is_checked", &[]) else {
        return;
    };
    let typescript = tools().unwrap().join("node_modules/typescript/bin/tsc");
    let check = |program: &str| {
        fs::write(project.path().join("typed.ts"), program).unwrap();
        Command::new("node")
            .arg(&typescript)
            .args(["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"])
            .arg("typed.ts")
            .current_dir(project.path())
            .output()
            .unwrap()
    };
    let typed = fs::read_to_string(root().join("embed/test/typed.ts")).unwrap();
    let output = check(&typed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // A wrong program is told.
    let output = check(&typed.replace("capture.now + 5_000_000_000n", "5"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("'number' is not assignable to type 'bigint'"), "{said}");
}

#[test]
fn another_policy_is_transpiled_with_one_command() {
    let Some(project) = installed_package("another_policy", &["test/other.mjs"]) else { return };
    let wasm = project.path().join("mine.wasm");
    fs::write(&wasm, vproc_tests::puppet("")).unwrap();
    // As `npm install --save-dev` puts it there.
    let modules = project.path().join("node_modules");
    for name in fs::read_dir(tools().unwrap().join("node_modules")).unwrap() {
        let name = name.unwrap().file_name();
        if name != "@vproc" && !modules.join(&name).exists() {
            let target = tools().unwrap().join("node_modules").join(&name);
            std::os::unix::fs::symlink(target, modules.join(name)).unwrap();
        }
    }
    let mut transpile = Command::new("node");
    transpile.arg("node_modules/@vproc/policy/transpile.mjs").args(["mine.wasm", "mine"]);
    succeed(transpile.current_dir(project.path()));
    let told = node(&project, "other.mjs", &[]);
    let expected = printed(&["policy", "inspect", "--json", wasm.to_str().unwrap()]);
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let found: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(found["sha256"], expected["sha256"]);
    assert_eq!(found["name"], expected["name"], "{VPROCCTL} says {expected}");
}

#[test]
fn the_example_in_the_documentation_prints_what_it_says() {
    let Some(project) = installed_package("the_example_in_the_documentation", &[]) else { return };
    let page = fs::read_to_string(root().join("docs/embedding.md")).unwrap();
    fs::copy(root().join("fixtures/v1-nested.json"), project.path().join("box.json")).unwrap();
    fs::write(project.path().join("example.js"), block(&page, "js")).unwrap();
    assert_eq!(node(&project, "example.js", &[]), block(&page, "text"));
    // And that of the package's own page.
    let page = fs::read_to_string(root().join("embed/npm/README.md")).unwrap();
    fs::write(project.path().join("example.js"), block(&page, "js")).unwrap();
    let said = node(&project, "example.js", &[]);
    assert!(said.contains("MemTotal:         204800 kB\n"), "{said}");
    assert!(said.contains("\nMemTotal 204800 min(memory.limit_in_bytes"), "{said}");
}
