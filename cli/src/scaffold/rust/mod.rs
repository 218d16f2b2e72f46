//! A policy in Rust.

use super::{Project, Template};
use std::path::Path;

pub(super) static TEMPLATE: Template = Template {
    files: &[
        ("Cargo.toml", include_str!("Cargo.toml.in")),
        ("src/lib.rs", include_str!("lib.rs.in")),
        ("README.md", include_str!("README.md.in")),
        (".gitignore", include_str!("gitignore.in")),
    ],
    commands: &[
        "cargo test",
        "cargo build --release --target wasm32-wasip2",
        "vprocctl policy check {{component}}",
    ],
    is_reserved,
    sdk: Some(sdk),
    component,
};

/// Names that cargo refuses for a package: keywords, and crates that a component is
/// linked with anyway.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "vproc-core",
    "vproc-sdk",
    "where",
    "while",
    "yield",
];

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// How the SDK is found: in a checkout, or in the repository.
fn sdk(project: &Project<'_>) -> Result<(String, String), String> {
    let Some(checkout) = project.sdk else {
        let source = "# The SDK is not on crates.io. For builds that stay the same, name a commit:\n\
                      # rev = \"…\". With a checkout at hand, path = \"CHECKOUT/crates/vproc-sdk\".";
        return Ok((format!("git = \"{}\"", super::REPOSITORY), source.to_owned()));
    };
    let places = [checkout.join("crates/vproc-sdk"), checkout.to_owned()];
    let is_sdk = |place: &&std::path::PathBuf| place.join("src/component/mod.rs").is_file();
    let Some(place) = places.iter().find(is_sdk) else {
        return Err(format!(
            "{} is no checkout of vproc: there is no crates/vproc-sdk in it",
            checkout.display()
        ));
    };
    let place = place.canonicalize().map_err(|e| format!("{}: {e}", place.display()))?;
    let source = format!("# For others, the repository: git = \"{}\".", super::REPOSITORY);
    Ok((format!("path = {:?}", place.display().to_string()), source))
}

fn component(name: &str) -> String {
    let file = format!("{}.wasm", name.replace('-', "_"));
    Path::new("target/wasm32-wasip2/release").join(file).display().to_string()
}
