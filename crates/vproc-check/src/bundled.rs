//! The recorded machines that come with this crate.

use vproc_snapshot::Capture;

/// A capture and what it is called.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// What was recorded.
    pub capture: Capture,
}

macro_rules! captures {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../fixtures/", $name, ".json")))),*]
    };
}

/// All of `fixtures/`: cgroup v1 and v2, containers and hosts, kernels from 5.10 to
/// 7.3, several architectures.
static CAPTURES: &[(&str, &str)] = captures! {
    "v1-run-256m"
    "v1-nested"
    "v1-host"
    "v2-5.10-box-96m"
    "v2-5.10-host"
    "v2-5.10-leaf-without-controllers"
    "v2-6.1-host"
    "v2-6.1-leaf-without-controllers"
    "v2-6.1-run-96m"
    "v2-6.12-host"
    "v2-6.12-leaf-without-controllers"
    "v2-6.12-run-96m"
    "v2-7.3-box-96m"
    "v2-7.3-host"
    "v2-7.3-leaf-without-controllers"
    "handmade-arm"
    "handmade-arm64"
    "handmade-ppc64le"
    "handmade-s390x"
    "handmade-v2-edges"
    "handmade-x86-threads"
};

/// The captures that come with this crate: those of the project's tests.
pub fn bundled() -> Vec<Named> {
    let parsed = CAPTURES.iter().filter_map(|(name, json)| {
        let capture = Capture::from_json(json).ok()?;
        Some(Named { name: (*name).to_owned(), capture })
    });
    parsed.collect()
}

/// The text of one of them.
pub fn recorded(name: &str) -> Option<&'static str> {
    CAPTURES.iter().find(|(known, _)| *known == name).map(|(_, json)| *json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_can_be_read() {
        assert_eq!(bundled().len(), CAPTURES.len());
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");
        let files = std::fs::read_dir(fixtures).into_iter().flatten().flatten();
        let captures = files.filter(|file| file.path().extension().is_some_and(|e| e == "json"));
        assert_eq!(captures.count(), CAPTURES.len(), "one of {fixtures} is left out");
    }
}
