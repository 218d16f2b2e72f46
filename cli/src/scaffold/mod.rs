//! `vprocctl policy new`: a policy to begin with.
//!
//! A language is a [`Template`]: the files, with words in double braces, and how
//! its SDK is named, if it has one; without one, a policy has the contract and serves
//! a single file, which an overlay puts over the default policy. To add one, write its directory beside `rust` and a value of
//! [`Language`].

mod js;
mod python;
mod rust;

use crate::failure::{Exit, Failure};
use crate::output;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Begin a policy of your own
///
/// Makes a directory NAME with a policy that changes the default one, a test with a
/// recorded machine, and a README with the next commands.
#[derive(clap::Args)]
pub(crate) struct New {
    /// What the policy and its directory are called: lower-case letters, digits and
    /// dashes
    name: String,

    /// The language to write it in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,

    /// In Rust, build against this checkout of vproc rather than against its repository
    /// [default: the variable VPROC_SDK]
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// What a policy can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    Rust,
    /// JavaScript
    Js,
    Python,
}

impl Language {
    fn template(self) -> &'static Template {
        match self {
            Language::Rust => &rust::TEMPLATE,
            Language::Js => &js::TEMPLATE,
            Language::Python => &python::TEMPLATE,
        }
    }
}

/// The files of a new policy in some language.
struct Template {
    /// Path and text. In both, a word in double braces is replaced: `name`, `type` (the name in
    /// camel case), `component`, `repository`, `source` and `sdk`.
    files: &'static [(&'static str, &'static str)],
    /// What to do next, in the directory.
    commands: &'static [&'static str],
    /// Whether the language's tools do not take a name.
    is_reserved: fn(&str) -> bool,
    /// How the SDK is named to the language's tools, and a remark on that.
    sdk: Option<Sdk>,
    /// Where the component will be.
    component: fn(&str) -> String,
}

type Sdk = fn(&Project<'_>) -> Result<(String, String), String>;

/// What is asked for.
struct Project<'a> {
    name: &'a str,
    sdk: Option<&'a Path>,
}

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The recorded machine that a policy begins with.
const CAPTURE: (&str, &str) = ("captures/container.json", "v2-6.12-run-96m");

/// What a policy without an SDK is built from.
const CONTRACT: (&str, &str) = ("wit/policy.wit", include_str!("../../../wit/policy.wit"));

/// Of a language whose tools do not see the policy's name.
fn any_name(_: &str) -> bool {
    false
}

/// The longest name.
const MAX_NAME: usize = 64;

pub(crate) fn new(arguments: &New) -> Result<ExitCode, Failure> {
    let template = arguments.lang.template();
    let of_environment = || std::env::var_os("VPROC_SDK").map(PathBuf::from);
    let sdk = arguments.sdk.clone().or_else(of_environment);
    let project = Project { name: &arguments.name, sdk: sdk.as_deref() };
    let wrong = |reason: String| Failure::new(Exit::Usage, reason);
    check_name(project.name).map_err(wrong)?;
    if (template.is_reserved)(project.name) {
        return Err(wrong(format!("`{}` is a word that cannot name a policy", project.name)));
    }
    let (name, remark) = match template.sdk {
        Some(sdk) => sdk(&project).map_err(wrong)?,
        None if arguments.sdk.is_some() => {
            let reason = "--sdk is for Rust; in another language, a policy is built from wit/";
            return Err(wrong(reason.to_owned()));
        }
        None => <(String, String)>::default(),
    };
    let component = (template.component)(project.name);
    let filled = |text: &str| {
        text.replace("{{name}}", project.name)
            .replace("{{type}}", &camel_case(project.name))
            .replace("{{component}}", &component)
            .replace("{{repository}}", REPOSITORY)
            .replace("{{source}}", &remark)
            .replace("{{sdk}}", &name)
    };
    let directory = Path::new(project.name);
    // Not `create_dir_all`: what is there already is somebody's.
    std::fs::create_dir(directory).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            wrong(format!("{} exists already; choose another name", directory.display()))
        }
        _ => Failure::file("make", directory, &error),
    })?;
    for (path, text) in template.files {
        write(&directory.join(filled(path)), &filled(text))?;
    }
    let (path, capture) = CAPTURE;
    write(&directory.join(path), vproc_check::recorded(capture).unwrap_or_default())?;
    let mut page = format!("Made {}. Next:\n\n  cd {}\n", directory.display(), project.name);
    for command in template.commands {
        let _ = writeln!(page, "  {}", filled(command));
    }
    output::write(page.as_bytes()).map(|()| ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(|error| Failure::file("make", parent, &error))?;
    std::fs::write(path, text).map_err(|error| Failure::file("write", path, &error))
}

fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && name.chars().all(is_plain) && !name.ends_with('-') && !name.contains("--") {
        return match name.len() {
            ..=MAX_NAME => Ok(()),
            _ => Err(format!("the name is longer than {MAX_NAME} letters")),
        };
    }
    let name = name.escape_debug();
    Err(format!(
        "`{name}` is no name: lower-case letters, digits and single dashes, such as my-policy"
    ))
}

fn camel_case(name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
            .collect::<String>()
    };
    name.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_for_cargo_and_for_a_type() {
        for name in ["a", "my-policy", "x86-only2"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "-a", "a-", "a--b", "2a", "A", "a_b", "../a", "a/b", "a b", "ä"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"a".repeat(65)).is_err());
        assert_eq!(camel_case("my-x86-policy"), "MyX86Policy");
    }
}
