//! Which policies may be used: pins and the rules of trust.

use crate::failure::{Exit, Failure};
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::path::{Path, PathBuf};
use vproc_trust::{Pinned, PublicKey, Refused, Trust, TrustError};

/// The rules that policies are held to.
#[derive(clap::Args, Default)]
pub(crate) struct Rules {
    /// Use policies only as the rules in this file allow, in place of those in
    /// /etc/vproc/trust.toml
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) trust: Option<PathBuf>,
}

impl Rules {
    /// The rules that hold now; none where there are none.
    pub(crate) fn load(&self) -> Result<Option<Trust>, Failure> {
        Ok(Trust::load(self.trust.as_deref())?)
    }

    /// The file by its full path, looked at once: an error is told now and not
    /// when the first policy is loaded.
    pub(crate) fn absolute(&self) -> Result<Option<PathBuf>, Failure> {
        Trust::load(self.trust.as_deref())?;
        self.trust.as_deref().map(absolute).transpose()
    }
}

/// `FILE.wasm` or `FILE.wasm@sha256:HEX`, for clap.
pub(crate) fn pinned() -> impl TypedValueParser<Value = Pinned> {
    OsStringValueParser::new().try_map(Pinned::parse)
}

/// The same policy by its full path.
pub(crate) fn with_full_path(pinned: &Pinned) -> Result<Pinned, Failure> {
    Ok(Pinned { file: absolute(&pinned.file)?, sha256: pinned.sha256 })
}

fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file).map_err(|error| Failure::file("find", file, &error))
}

/// A key that was named.
pub(crate) fn key(file: &Path) -> Result<PublicKey, Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    PublicKey::from_pem(&text)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match &refused {
            Refused::Read { file, error } => Failure::file("read", file, error),
            _ => Failure::new(Exit::Policy, refused.to_string()),
        }
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        Failure::new(Exit::Policy, error.to_string())
    }
}
