//! From a registry.

use crate::answer::{MAX_DOCUMENT, cut_short, read};
use crate::artifact::{self, ACCEPTED, Descriptor, Manifest, parts};
use crate::client::{Client, Options, Request};
use crate::error::Error;
use crate::quoted::quoted;
use crate::reference::Reference;
use std::io::Read;
use ureq::http::header::ACCEPT;
use ureq::http::{Method, StatusCode};
use vproc_trust::{Claim, Hasher, MAX_POLICY, NotProven, Origin, PublicKey, Sha256};

/// A policy from a registry.
#[derive(Debug)]
pub struct Pulled {
    /// What it was asked for by, with the digest of its manifest.
    pub reference: Reference,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// The policy.
    pub policy: Vec<u8>,
    /// Its own digest.
    pub sha256: Sha256,
    /// What proves that the key's owner signed it, if a key was given.
    pub origin: Option<Origin>,
}

/// How a component begins: a binary of WebAssembly, of version 13, layer 1
/// (Binary.md of the component model).
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The media type and the annotation of cosign's SIGNATURE_SPEC.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// How many signatures are looked at.
const MAX_SIGNATURES: usize = 32;

/// Gets a policy, checked against its manifest, against the digest in
/// `reference`, and with a key, against its signature.
pub fn pull(
    reference: &Reference,
    key: Option<&PublicKey>,
    options: &Options,
) -> Result<Pulled, Error> {
    let mut client = Client::new(reference, "pull", options)?;
    let text = manifest(&mut client)?;
    let found = Sha256::of(&text);
    let (config, layer) = parts(reference, &text)?;
    let sha256 = layer.sha256(reference)?;
    let origin = match key {
        Some(key) => Some(signed(&mut client, &text, key)?),
        None => None,
    };
    let config = blob(&mut client, &config, "config", MAX_DOCUMENT)?;
    artifact::check_config(reference, &config, &layer)?;
    let policy = blob(&mut client, &layer, "layer", MAX_POLICY)?;
    if !policy.starts_with(COMPONENT) {
        return Err(artifact::kind(reference, "its layer is no component of WebAssembly"));
    }
    Ok(Pulled { reference: reference.pinned(found), manifest: found, policy, sha256, origin })
}

/// The manifest that is meant.
fn manifest(client: &mut Client) -> Result<Vec<u8>, Error> {
    let reference = client.reference.clone();
    let missing = || Error::Missing { reference: Box::new(reference.clone()) };
    let pin =
        |expected, found| Error::Pin { reference: Box::new(reference.clone()), expected, found };
    let tagged = |client: &mut Client| match &reference.tag {
        Some(tag) => document(client, tag),
        None => Ok(None),
    };
    let Some(expected) = reference.digest else { return tagged(client)?.ok_or_else(missing) };
    match document(client, &format!("{expected:?}"))? {
        Some(text) if Sha256::of(&text) == expected => Ok(text),
        Some(text) => Err(pin(expected, Sha256::of(&text))),
        // What the tag is now tells whether the pin is old or wrong.
        None => Err(match tagged(client)? {
            Some(text) => pin(expected, Sha256::of(&text)),
            None => missing(),
        }),
    }
}

/// A manifest by tag or digest; `None` if there is none.
fn document(client: &mut Client, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let url = client.url(&format!("manifests/{name}"));
    let request = Request {
        doing: "pull from",
        method: Method::GET,
        url: url.clone(),
        header: Some((ACCEPT, ACCEPTED)),
        body: &[],
    };
    let response = client.send(&request)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        _ => return Err(client.refused(request.doing, &url, response)),
    }
    let failed = |why| Error::Transfer { doing: request.doing, url, why };
    read(response, MAX_DOCUMENT).map(Some).map_err(failed)
}

/// A blob as its descriptor has it. What is more than that is not received.
fn blob(
    client: &mut Client,
    descriptor: &Descriptor,
    what: &'static str,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let reference = Box::new(client.reference.clone());
    let expected = descriptor.sha256(&reference)?;
    let size = descriptor.size;
    if size > limit {
        return Err(Error::TooLarge { what, reference, size, limit });
    }
    let url = client.url(&format!("blobs/{expected:?}"));
    let request = Request { doing: "pull from", method: Method::GET, url, header: None, body: &[] };
    let response = client.send(&request)?;
    if response.status() != StatusCode::OK {
        return Err(client.refused(request.doing, &request.url, response));
    }
    let mut reader = response.into_body().into_reader().take(size + 1);
    let (mut bytes, mut hasher, mut piece) = (Vec::new(), Hasher::default(), vec![0; 64 << 10]);
    loop {
        let failed = |error: std::io::Error| Error::Transfer {
            doing: request.doing,
            url: request.url.clone(),
            why: cut_short(&error),
        };
        let count = reader.read(&mut piece).map_err(failed)?;
        let received = piece.get(..count).unwrap_or_default();
        if received.is_empty() {
            break;
        }
        hasher.update(received);
        bytes.extend_from_slice(received);
    }
    let damaged = |expected, found| Error::Damaged { what, reference, expected, found };
    if bytes.len() as u64 != size {
        let found = match bytes.len() as u64 > size {
            true => "more".to_owned(),
            false => format!("{} bytes", bytes.len()),
        };
        return Err(damaged(format!("{size} bytes"), found));
    }
    let found = hasher.finish();
    match found == expected {
        true => Ok(bytes),
        false => Err(damaged(format!("{expected:?}"), format!("{found:?}"))),
    }
}

/// What cosign put beside a manifest, if one of it is by the key.
fn signed(client: &mut Client, manifest: &[u8], key: &PublicKey) -> Result<Origin, Error> {
    let digest = Sha256::of(manifest);
    let reference = Box::new(client.reference.clone());
    let tag = format!("sha256-{digest}.sig");
    let Some(text) = document(client, &tag)? else {
        return Err(Error::Unsigned { reference, manifest: digest, tag });
    };
    let wrong = |why: String| Error::Signature {
        reference: Box::new(client.reference.clone()),
        why: NotProven::Payload(why),
    };
    let signatures: Manifest = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("{tag}: {}", quoted(error.to_string()))))?;
    let layers = signatures.layers.iter().filter(|layer| layer.media_type == PAYLOAD);
    let mut last = wrong(format!("{tag} has no payload of cosign"));
    for layer in layers.take(MAX_SIGNATURES) {
        let Some(signature) = layer.annotations.get(SIGNATURE) else { continue };
        let payload = blob(client, layer, "signature", MAX_DOCUMENT)?;
        let claim = Claim::signed(key, &payload, signature);
        match claim.and_then(|claim| claim.is_for(digest)) {
            Ok(()) => {
                return Ok(Origin {
                    reference: client.reference.pinned(digest).to_string(),
                    manifest: String::from_utf8_lossy(manifest).into_owned(),
                    payload: String::from_utf8_lossy(&payload).into_owned(),
                    signature: signature.clone(),
                });
            }
            Err(why) => last = Error::Signature { reference: reference.clone(), why },
        }
    }
    Err(last)
}
