//! What has changed in the contract since its last release.

use crate::Done;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Prints it. That a released version stays as it is, `tests/contract.rs` holds.
pub(super) fn show() -> Done {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let package = |file: &Path| {
        let text = fs::read_to_string(file);
        let text = text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let first = text.lines().next().unwrap_or_default();
        Ok::<_, String>(first.trim_start_matches("package ").trim_end_matches(';').to_owned())
    };
    let current = package(&root.join("policy.wit"))?;
    let Some(last) = versions(&root.join("released"))?.pop() else {
        println!("{current} is the first version");
        return Ok(());
    };
    let file = format!("released/{last}/policy.wit");
    let released = package(&root.join(&file))?;
    let mut diff = Command::new("diff");
    diff.args(["--unified=0", &file, "policy.wit"]).current_dir(&root);
    let output = diff.output().map_err(|error| format!("cannot run diff: {error}"))?;
    let changed = String::from_utf8_lossy(&output.stdout);
    let changed: Vec<&str> = changed.lines().filter(|line| is_change(line)).collect();
    if output.status.code() == Some(0) {
        println!("\nwit/policy.wit is {released}, which is released");
    } else if current == released {
        return Err(format!(
            "{current} is released, and wit/policy.wit is not it: raise its version"
        ));
    } else {
        println!("\n{current} is not released. Declarations that differ from {released}:");
        changed.iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

/// Lines of a diff that say more than comments.
fn is_change(line: &str) -> bool {
    let is_heading = line.starts_with("+++") || line.starts_with("---");
    let text = line.strip_prefix(['+', '-']).filter(|_| !is_heading);
    text.is_some_and(|text| !text.trim().is_empty() && !text.trim().starts_with("//"))
}

/// The released versions, the newest last.
fn versions(directory: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error| format!("cannot read {}: {error}", directory.display());
    let mut versions = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let numbers: Option<Vec<u32>> = name.split('.').map(|part| part.parse().ok()).collect();
        versions.extend(numbers.map(|numbers| (numbers, name)));
    }
    versions.sort();
    Ok(versions.into_iter().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_change() {
        let lines = [
            "--- a",
            "+++ b",
            "@@ -1 +1 @@",
            "-package a:b@0.1.0;",
            "+    /// why",
            "+",
            "+        covers: bool,",
        ];
        let changes = lines.into_iter().filter(|line| is_change(line));
        assert!(changes.eq(["-package a:b@0.1.0;", "+        covers: bool,"]));
    }
}
