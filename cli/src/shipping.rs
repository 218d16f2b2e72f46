//! Policies on their way: `policy push`, `pull` and `verify`.

use crate::admission::{self, Rules, pinned};
use crate::failure::{Exit, Failure};
use crate::output;
use serde::Serialize;
use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use vproc_registry::{Error, Interface, Pulled, Reference};
use vproc_runtime::{Engine, Options, Policy};
use vproc_trust::{Pinned, Sha256, admit, origin_file, verify_signature};

/// How to reach a registry.
#[derive(clap::Args)]
struct Access {
    /// Do without TLS, also where the registry is not this machine
    #[arg(long)]
    plain_http: bool,

    /// How long one request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=86400))]
    timeout: u64,
}

impl Access {
    fn options(&self) -> vproc_registry::Options {
        let Access { plain_http, timeout } = *self;
        vproc_registry::Options { plain_http, timeout: Duration::from_secs(timeout) }
    }
}

/// Put a policy into a registry
///
/// As an OCI artifact for WebAssembly, which wkg, oras and skopeo read, too. The
/// same file has the same digest whoever pushes it. Names and passwords are
/// those of `docker login`, `podman login` or `skopeo login`. Prints the
/// reference with the digest, which is what to sign and to pull.
#[derive(clap::Args)]
pub(crate) struct Push {
    /// The policy: a component, not an overlay
    #[arg(value_name = "FILE.wasm[@sha256:HEX]", value_parser = pinned())]
    file: Pinned,

    /// Where to, such as ghcr.io/acme/policy:1.0
    reference: Reference,

    #[command(flatten)]
    access: Access,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

/// Get a policy from a registry
///
/// Checks what comes against its manifest and, where the reference has one,
/// against the digest. With --key, somebody with that key must have signed the
/// manifest with `cosign sign`; the proof is kept beside the file, in
/// FILE.wasm.origin.json, for rules that want it (docs/policies.md). Prints the
/// file with its pin, as --policy takes it. Only this and `policy push` talk to a
/// network; what renders is a file.
#[derive(clap::Args)]
pub(crate) struct Pull {
    /// From where, such as ghcr.io/acme/policy:1.0 or
    /// ghcr.io/acme/policy:1.0@sha256:HEX
    reference: Reference,

    /// Where to keep it [default: the last part of the repository, .wasm]
    #[arg(short, long, value_name = "FILE.wasm")]
    output: Option<PathBuf>,

    /// Whose signature it must have: cosign.pub, or another public key in PEM,
    /// on P-256 or Ed25519
    #[arg(long, value_name = "KEY.pub")]
    key: Option<PathBuf>,

    #[command(flatten)]
    access: Access,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

/// Say whether a policy may be used here, and by which rule
///
/// The rules are those of /etc/vproc/trust.toml, or of --trust. With --key,
/// FILE.wasm.sig must be a signature of the file by that key, too, as `cosign
/// sign-blob` makes them. Exits with 6 if it may not be used.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// The policy
    #[arg(value_name = "FILE.wasm[@sha256:HEX]", value_parser = pinned())]
    file: Pinned,

    /// Whose signature it must have
    #[arg(long, value_name = "KEY.pub")]
    key: Option<PathBuf>,

    #[command(flatten)]
    rules: Rules,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

pub(crate) fn push(arguments: &Push) -> Result<ExitCode, Failure> {
    #[derive(Serialize)]
    struct Printed {
        reference: String,
        manifest: Sha256,
        sha256: Sha256,
        size: usize,
    }
    let Push { file, reference, access, json } = arguments;
    if file.file.extension().is_some_and(|extension| extension == "toml") {
        let message = format!(
            "{} is an overlay, which cannot be pushed: a registry keeps single components; push \
             those that it names, and keep it as a file beside them",
            file.file.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let component = admit(file, None)?.bytes;
    let interface = interface(&file.file, &component)?;
    let pushed = vproc_registry::push(reference, &component, &interface, &access.options())?;
    let size = component.len();
    let vproc_registry::Pushed { reference, manifest, sha256 } = pushed;
    let reference = reference.to_string();
    if *json {
        output::write_json(&Printed { reference, manifest, sha256, size })?;
    } else {
        output::write(format!("{reference}\n").as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a policy imports and exports. Whatever is none is not pushed.
fn interface(file: &Path, component: &[u8]) -> Result<Interface, Failure> {
    let broken = |error| {
        Failure::policy(
            format_args!("{} is no policy", file.display()),
            &error,
            "`vprocctl policy inspect` says more",
        )
    };
    let engine = Engine::new(Options::default()).map_err(broken)?;
    let cache = crate::policy::cache();
    let policy = Policy::load(&engine, component, cache.as_ref()).map_err(broken)?;
    let (exports, imports) = (policy.exports(), policy.imports());
    let version = policy.version().map(|version| format!("@{version}")).unwrap_or_default();
    Ok(Interface { exports, imports, target: format!("vproc:policy/policy{version}") })
}

pub(crate) fn pull(arguments: &Pull) -> Result<ExitCode, Failure> {
    #[derive(Serialize)]
    struct Printed {
        reference: String,
        manifest: Sha256,
        file: String,
        sha256: Sha256,
        size: usize,
        signed: bool,
    }
    let Pull { reference, output, key, access, json } = arguments;
    let key = key.as_deref().map(admission::key).transpose()?;
    let Pulled { reference, manifest, policy, sha256, origin } =
        vproc_registry::pull(reference, key.as_ref(), &access.options())?;
    let file = output.clone().unwrap_or_else(|| format!("{}.wasm", reference.short_name()).into());
    // The proof first: a policy with that of another one is refused, and would
    // be in between.
    match &origin {
        Some(origin) => {
            let text = serde_json::to_vec_pretty(origin).map_err(std::io::Error::from);
            let beside = origin_file(&file);
            replace(&beside, &text.map_err(|error| Failure::file("write", &beside, &error))?)?;
        }
        None => remove(&origin_file(&file))?,
    }
    replace(&file, &policy)?;
    let (reference, signed, size) = (reference.to_string(), origin.is_some(), policy.len());
    if *json {
        let file = file.display().to_string();
        let printed = Printed { reference, manifest, file, sha256, size, signed };
        output::write_json(&printed)?;
    } else {
        let pinned = Pinned { file, sha256: Some(sha256) }.argument();
        let signed = if signed { ", signed by the key" } else { "" };
        let page = format!("{}\nfrom {reference}{signed}\n", pinned.display());
        output::write(page.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes beside and renames, so that who reads the file sees the old or the
/// new one. A link that somebody put there is replaced and not followed.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&draft)
        .and_then(|mut new| new.write_all(bytes).and_then(|()| new.sync_all()))
        .and_then(|()| std::fs::rename(&draft, file));
    written.map_err(|error| {
        if error.kind() != std::io::ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&draft);
        }
        Failure::file("write", file, &error)
    })
}

/// Takes away the proof of what the file was before.
fn remove(file: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file("remove", file, &error))
        }
        _ => Ok(()),
    }
}

pub(crate) fn verify(arguments: &Verify) -> Result<ExitCode, Failure> {
    #[derive(Serialize)]
    struct Printed<'a> {
        file: String,
        sha256: Sha256,
        rule: Option<&'a str>,
        signed_by: Option<Sha256>,
    }
    let Verify { file, key, rules, json } = arguments;
    let trust = rules.load()?;
    // An overlay is hashed with all that it is made of, and each file needs a rule.
    let whole = vproc_overlay::read(file, trust.as_ref()).map_err(|error| match error {
        vproc_overlay::Error::Refused(refused) => Failure::from(refused),
        error => Failure::new(Exit::Policy, error.to_string()),
    })?;
    let unpinned = Pinned { file: file.file.clone(), sha256: None };
    let admitted = admit(&unpinned, trust.as_ref())?;
    let key = key.as_deref().map(admission::key).transpose()?;
    if let Some(key) = &key {
        verify_signature(&file.file, &admitted.bytes, key).map_err(|error| {
            let signature = vproc_trust::signature_file(&file.file);
            Failure::new(Exit::Policy, format!("{}: {error}", signature.display()))
        })?;
    }
    let name = file.file.display().to_string();
    let (sha256, rule) = (Sha256::of(&whole), admitted.rule.as_deref());
    let signed_by = key.map(|key| key.id());
    if *json {
        output::write_json(&Printed { file: name, sha256, rule, signed_by })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = format!("{name} may be used\nsha256  {sha256}\n");
    let rule = rule.unwrap_or("none: there is no /etc/vproc/trust.toml, so any file may be used");
    let _ = writeln!(page, "rule    {rule}");
    match signed_by {
        Some(key) => {
            let _ = writeln!(page, "signed  by key {key}");
        }
        None if vproc_trust::signature_file(&file.file).exists() => {
            page.push_str("signed  signature present, not checked: no --key\n");
        }
        None => {}
    }
    output::write(page.as_bytes()).map(|()| ExitCode::SUCCESS)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Access { .. } => Exit::Permission,
            Error::PushToDigest { .. } => Exit::Usage,
            Error::Pin { .. }
            | Error::Damaged { .. }
            | Error::Kind { .. }
            | Error::Unsigned { .. }
            | Error::Signature { .. }
            | Error::TooLarge { .. } => Exit::Policy,
            _ => Exit::InputOutput,
        };
        Failure::new(exit, error.to_string())
    }
}
