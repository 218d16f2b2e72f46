//! The test programs that run in a guest, and what they say of themselves.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The programs of the workspace whose tests depend on the kernel.
const NAMES: [&str; 13] = [
    "attach",
    "live",
    "sandbox",
    "doctor",
    "cli",
    "failures",
    "container",
    "clients",
    "runtimes_mount",
    "load",
    "service",
    "cpus",
    "experiments",
];

/// A test program as cargo built it.
pub(super) struct Program {
    pub(super) name: String,
    executable: String,
    arguments: Vec<String>,
    /// The directory of its package, where cargo would start it.
    directory: String,
}

impl Program {
    /// A command of the shell, which finds what cargo has built.
    pub(super) fn shell(command: &str, workspace: &Path, target: &Path) -> Self {
        let built = target.join("release");
        let command = format!("PATH={}:$PATH\n{command}", quoted(&built.to_string_lossy()));
        Program {
            name: "run".into(),
            executable: "/bin/sh".into(),
            arguments: vec!["-c".into(), command],
            directory: workspace.to_string_lossy().into_owned(),
        }
    }
}

/// Builds all test programs as `cargo xtask test` does, and returns those that
/// go into a guest, or of them only those that are named.
pub(super) fn build(only: &[String]) -> Result<Vec<Program>, String> {
    if let Some(unknown) = only.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(format!("no test program `{unknown}`: there are {}", NAMES.join(", ")));
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--release", "--no-run", "--message-format=json"]);
    let output = cargo.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo test --no-run ended with {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs: Vec<Program> = messages.lines().filter_map(program).collect();
    let find = |name: &&str| programs.iter().any(|program| program.name == **name);
    if let Some(name) = NAMES.iter().find(|name| !find(name)) {
        return Err(format!("cargo built no test program `{name}`"));
    }
    programs.retain(|program| only.is_empty() || only.contains(&program.name));
    Ok(programs)
}

fn program(message: &str) -> Option<Program> {
    let (_, target) = message.split_once(r#""target":{"kind":["test"]"#)?;
    let name = text(target, "name").filter(|name| NAMES.contains(&name.as_str()))?;
    let manifest = text(message, "manifest_path")?;
    let directory = Path::new(&manifest).parent()?.to_str()?.to_owned();
    Some(Program { name, executable: text(target, "executable")?, arguments: vec![], directory })
}

/// A text of a JSON object, from one line as cargo writes it. That is enough
/// for names and paths, in which nothing is escaped.
fn text(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\":\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// The end of the guest's script: runs every program, each for so many seconds,
/// with these settings.
pub(super) fn script(
    programs: &[&Program],
    seconds: u64,
    filter: &[String],
    settings: &[(String, String)],
) -> String {
    let mut script = String::new();
    for (name, value) in settings {
        let _ = writeln!(script, "export {name}={}", quoted(value));
    }
    for Program { name, executable, arguments, directory } in programs {
        let (directory, executable) = (quoted(directory), quoted(executable));
        let _ = write!(script, "program {name} {seconds} {directory} {executable}");
        for word in arguments.iter().chain(filter) {
            let _ = write!(script, " {}", quoted(word));
        }
        script.push('\n');
    }
    script + "finish\n"
}

/// A word as the shell takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What became of the tests of a program.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) passed: u32,
    pub(super) failed: u32,
    /// Tests that said so; the harness counts them as passed, this does not.
    pub(super) skipped: u32,
}

/// Counts lines of libtest, and of harnesses that print as it does.
pub(super) fn count(output: &str) -> Counts {
    const BECAUSE: &str = "skipped, because ";
    let mut counts = Counts::default();
    let mut skipped: Vec<&str> = Vec::new();
    // A test that does not say its name says it in front of its own line.
    let mut is_next_skipped = false;
    for line in output.lines() {
        if let Some((test, _)) = line.split_once(&format!(": {BECAUSE}")) {
            // Standard error comes in between, after `test NAME ... `, too.
            let test = test.rsplit(' ').next().unwrap_or(test);
            if !skipped.contains(&test) {
                skipped.push(test);
            }
        } else if line.contains(BECAUSE) {
            is_next_skipped = true;
        }
        let is_test = line.starts_with("test ");
        let has_passed = is_test && line.ends_with(" ok");
        let has_failed = is_test && line.ends_with(" FAILED");
        counts.passed += u32::from(has_passed);
        counts.failed += u32::from(has_failed);
        if has_passed && is_next_skipped {
            let name = line.split(' ').nth(1).unwrap_or(line);
            if !skipped.contains(&name) {
                skipped.push(name);
            }
        }
        is_next_skipped &= !has_passed && !has_failed;
    }
    counts.skipped = skipped.len() as u32;
    counts.passed = counts.passed.saturating_sub(counts.skipped);
    // All of a program, which then has no test to name.
    counts.skipped += u32::from(is_next_skipped);
    counts
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_the_programs() {
        let message = concat!(
            r#"{"reason":"compiler-artifact","package_id":"path+file:///a/b#c@0.1.0","#,
            r#""manifest_path":"/a/b/Cargo.toml","target":{"kind":["test"],"#,
            r#""crate_types":["bin"],"name":"live","src_path":"/a/b/tests/live/main.rs"},"#,
            r#""profile":{"test":true},"filenames":["/t/live-1"],"executable":"/t/live-1"}"#
        );
        let found = program(message).expect("a program");
        assert_eq!((&*found.name, &*found.executable), ("live", "/t/live-1"));
        assert_eq!(found.directory, "/a/b");
        assert!(program(&message.replace(r#""name":"live""#, r#""name":"other""#)).is_none());
        let filter = ["it's".to_owned()];
        let settings = [("VPROC_READS".to_owned(), "9".to_owned())];
        let expected =
            "export VPROC_READS='9'\nprogram live 9 '/a/b' '/t/live-1' 'it'\\''s'\nfinish\n";
        assert_eq!(script(&[&found], 9, &filter, &settings), expected);
    }

    #[test]
    fn a_skipped_test_has_not_passed() {
        let output = "running 3 tests\n\
            a::b: skipped, because of this\n\
            a::b: skipped, because of that\n\
            test a::b ... ok\n\
            test c ... ok\n\
            test d ... FAILED\n\
            test result: FAILED. 2 passed; 1 failed; 0 ignored\n";
        assert_eq!(count(output), Counts { passed: 1, failed: 1, skipped: 1 });
    }

    /// As `sandbox` prints it, which runs one test after the other.
    #[test]
    fn a_test_without_a_name_is_skipped_too() {
        let output = "test a ... ok\n\
            skipped, because of this\n\
            skipped, because of that\n\
            test b ... ok\n\
            test c ... ok\n\
            d: skipped, because of this\n\
            test d ... ok\n\
            4 passed, 0 failed []\n";
        assert_eq!(count(output), Counts { passed: 2, failed: 0, skipped: 2 });
        let all = "skipped, because there are no cgroups\n";
        assert_eq!(count(all), Counts { passed: 0, failed: 0, skipped: 1 });
    }
}
