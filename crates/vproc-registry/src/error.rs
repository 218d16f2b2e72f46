//! Why a policy could not be pushed or pulled.

use crate::reference::Reference;
use vproc_trust::{NotProven, Sha256};

/// Why a policy could not be pushed or pulled. Words of a registry are quoted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be reached, or hung up.
    #[error("cannot {doing} {url}: {why}")]
    Transfer {
        /// What was tried.
        doing: &'static str,
        /// Of whom.
        url: String,
        /// Why it failed.
        why: String,
    },
    /// It answered that it will not.
    #[error("cannot {doing} {url}: the registry says {status} {said}")]
    Status {
        /// What was tried.
        doing: &'static str,
        /// Of whom.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// Its words.
        said: String,
    },
    /// It wants to know who asks, or does not let them.
    #[error("{registry} refuses access ({status} {said}); {hint}")]
    Access {
        /// The registry.
        registry: String,
        /// The status of HTTP.
        status: u16,
        /// Its words.
        said: String,
        /// What to do.
        hint: String,
    },
    /// It would have us talk without TLS.
    #[error(
        "refused to go on without TLS to {url}; --plain-http allows it, \
         to whoever may read along and change what is sent"
    )]
    Plain {
        /// Where to.
        url: String,
    },
    /// It sends us in circles, or to no address.
    #[error("{url} leads nowhere: {why}")]
    Redirect {
        /// The last address.
        url: String,
        /// Why.
        why: String,
    },
    /// Nothing there.
    #[error("there is no {reference}; `skopeo list-tags docker://{}` lists what there is", .reference.name())]
    Missing {
        /// What was asked for.
        reference: Box<Reference>,
    },
    /// Something else is there.
    #[error(
        "{reference} is not what was pinned: expected {expected:?}, found {found:?}; \
         if the change is wanted, pin what was found"
    )]
    Pin {
        /// What was asked for.
        reference: Box<Reference>,
        /// The digest that was given.
        expected: Sha256,
        /// What the tag is, or what was sent.
        found: Sha256,
    },
    /// What was sent is not what the manifest says.
    #[error(
        "the {what} of {reference} was changed or damaged on its way: expected {expected}, \
         found {found}; try another mirror, or tell who runs the registry"
    )]
    Damaged {
        /// Which part.
        what: &'static str,
        /// Of what.
        reference: Box<Reference>,
        /// Digest or size by the manifest.
        expected: String,
        /// Of what was sent.
        found: String,
    },
    /// An ordinary image, or another artifact.
    #[error("{reference} is no policy: {why}")]
    Kind {
        /// What was asked for.
        reference: Box<Reference>,
        /// What it is.
        why: String,
    },
    /// Nobody signed it.
    #[error(
        "{reference} is not signed: there is no {tag}; `cosign sign --key cosign.key {}` signs it",
        .reference.pinned(*.manifest)
    )]
    Unsigned {
        /// What was asked for.
        reference: Box<Reference>,
        /// Its manifest.
        manifest: Sha256,
        /// Where a signature would be.
        tag: String,
    },
    /// Somebody else signed it.
    #[error("{reference} is not signed by this key: {why}")]
    Signature {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why the last signature does not vouch for it.
        why: NotProven,
    },
    /// Too large.
    #[error("the {what} of {reference} has {size} bytes; at most {limit} are taken")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Of what.
        reference: Box<Reference>,
        /// As the manifest says, or as many as came.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The files with passwords.
    #[error("cannot use the credentials in {}: {why}", file.display())]
    Credentials {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        why: String,
    },
    /// A digest cannot be pushed to.
    #[error("{reference} has a digest; push to a tag")]
    PushToDigest {
        /// What was asked for.
        reference: Box<Reference>,
    },
}
