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

/// cgroup v1 and v2, containers and hosts, several architectures.
static CAPTURES: &[(&str, &str)] = captures! {
    "v1-run-256m"
    "v1-nested"
    "v1-host"
    "v2-6.1-run-96m"
    "v2-6.12-run-96m"
    "v2-6.12-leaf-without-controllers"
    "v2-6.12-host"
    "handmade-v2-edges"
    "handmade-x86-threads"
    "handmade-arm64"
    "handmade-s390x"
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
    }
}
