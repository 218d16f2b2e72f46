//! The package for Python as who installs it meets it: what it lists, explains and
//! refuses, its types, and the example on its page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;
mod install;

use command::printed;
use install::*;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use vproc_tests::skip;

fn installed_wheel(test: &str) -> Option<Wheel> {
    match wheel() {
        Ok(wheel) => Some(wheel),
        Err(reason) => {
            skip(&format!("wheel: {test}"), &reason);
            None
        }
    }
}

fn python(wheel: &Wheel, script: &str, arguments: &[PathBuf]) -> String {
    let mut python = wheel.python();
    let output = succeed(python.arg(root().join("embed/test").join(script)).args(arguments));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn python_lists_and_explains_the_same() {
    let Some(wheel) = installed_wheel("python_lists_and_explains_the_same") else { return };
    let mut fields = 0;
    for fixture in ["v1-nested", "v1-run-256m", "v2-6.12-run-96m", "handmade-arm64"] {
        let file = root().join("fixtures").join(fixture).with_added_extension("json");
        let expected = printed(&["explain", "--json", "--from", file.to_str().unwrap(), "/"]);
        let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
        let found = python(&wheel, "explain.py", &[file]);
        let found: Vec<Value> = serde_json::from_str(&found).unwrap();
        let paths = |files: &[Value]| files.iter().map(|f| f["path"].clone()).collect::<Vec<_>>();
        assert_eq!(paths(&found), paths(&expected), "{fixture}");
        for (found, expected) in found.iter().zip(&expected) {
            let path = &expected["path"];
            assert_eq!(found["text"], expected["explanation"]["text"], "{fixture}: {path}");
            let (found, expected) = (&found["fields"], &expected["fields"]);
            assert_eq!(found.as_array().unwrap().len(), expected.as_array().unwrap().len());
            for (found, expected) in
                found.as_array().unwrap().iter().zip(expected.as_array().unwrap())
            {
                for member in ["label", "line", "provenance", "printed"] {
                    assert_eq!(found[member], expected[member], "{fixture}: {path}: {member}");
                }
                fields += 1;
            }
        }
    }
    assert!(fields > 500, "only {fields} fields were compared");
}

#[test]
fn errors_say_what_is_wrong() {
    let Some(wheel) = installed_wheel("errors_say_what_is_wrong") else { return };
    let capture = root().join("fixtures/v1-nested.json");
    assert_eq!(python(&wheel, "errors.py", &[capture]), "21 errors as they should be\n");
}

#[test]
fn a_program_is_checked_by_its_types() {
    let Some(wheel) = installed_wheel("a_program_is_checked_by_its_types") else { return };
    let tools = wheel_tools().unwrap();
    let check = |program: &str| {
        fs::write(wheel.directory.path().join("typed.py"), program).unwrap();
        let mut mypy = Command::new(tools.join("venv/bin/mypy"));
        mypy.args(["--strict", "--no-incremental", "--python-executable", "venv/bin/python"]);
        mypy.arg("typed.py").current_dir(wheel.directory.path()).output().unwrap()
    };
    let right = "import vproc\n\
        capture = vproc.load_capture('{}')\n\
        text: str | None = vproc.render(capture, '/proc/stat', clock=capture.now + 5).text\n";
    let output = check(right);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = check(&right.replace("clock=capture.now + 5", "clock='5'"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\"clock\" to \"render\" has incompatible type \"str\""), "{said}");
}

#[test]
fn the_example_prints_what_its_page_says() {
    let Some(wheel) = installed_wheel("the_example_prints_what_its_page_says") else { return };
    let page = fs::read_to_string(root().join("embed/python/README.md")).unwrap();
    let directory = wheel.directory.path();
    fs::copy(root().join("fixtures/v1-nested.json"), directory.join("box.json")).unwrap();
    fs::write(directory.join("example.py"), block(&page, "python")).unwrap();
    let output = succeed(wheel.python().arg("example.py"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), block(&page, "text"));
    // And that of the page about embedding.
    let page = fs::read_to_string(root().join("docs/embedding.md")).unwrap();
    fs::write(directory.join("example.py"), block(&page, "python")).unwrap();
    let said = String::from_utf8(succeed(wheel.python().arg("example.py")).stdout).unwrap();
    assert!(said.starts_with("MemTotal:         204800 kB\n"), "{said}");
    assert!(said.contains("\n\n1 MemTotal 204800 computed\n"), "{said}");
}
