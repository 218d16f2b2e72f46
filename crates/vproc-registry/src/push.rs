//! Into a registry.

use crate::answer::location;
use crate::artifact::{CONFIG, Component, Config, Descriptor, MANIFEST, Manifest, WASM};
use crate::client::{Client, Options, Request};
use crate::error::Error;
use crate::reference::Reference;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{Method, StatusCode};
use vproc_trust::Sha256;

/// What a component imports and exports.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// Names such as `vproc:policy/renderer@0.2.0`.
    pub exports: Vec<String>,
    /// The same.
    pub imports: Vec<String>,
    /// The world that it is made for.
    pub target: String,
}

/// A policy that is in a registry now.
#[derive(Debug)]
pub struct Pushed {
    /// Where, with the digest of its manifest.
    pub reference: Reference,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// Its own digest.
    pub sha256: Sha256,
}

/// The config must say when it was made. One moment for all, so that the same
/// policy has the same digest whoever pushes it, whenever.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Puts a policy into a registry.
pub fn push(
    reference: &Reference,
    policy: &[u8],
    interface: &Interface,
    options: &Options,
) -> Result<Pushed, Error> {
    let Some(tag) = reference.tag.as_ref().filter(|_| reference.digest.is_none()) else {
        return Err(Error::PushToDigest { reference: Box::new(reference.clone()) });
    };
    let mut client = Client::new(reference, "pull,push", options)?;
    let layer = Descriptor::of(WASM, policy);
    let config = json(&Config {
        created: CREATED.to_owned(),
        architecture: "wasm".to_owned(),
        os: "wasip2".to_owned(),
        layer_digests: vec![layer.digest.clone()],
        component: Some(Component {
            exports: interface.exports.clone(),
            imports: interface.imports.clone(),
            target: Some(interface.target.clone()),
        }),
    });
    let manifest = json(&Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: Descriptor::of(CONFIG, &config),
        layers: vec![layer],
    });
    upload(&mut client, policy)?;
    upload(&mut client, &config)?;
    let url = client.url(&format!("manifests/{tag}"));
    let header = Some((CONTENT_TYPE, MANIFEST));
    put(&mut client, url, header, &manifest)?;
    let digest = Sha256::of(&manifest);
    Ok(Pushed { reference: reference.pinned(digest), manifest: digest, sha256: Sha256::of(policy) })
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    // These are structs of strings and numbers, which always have a JSON.
    serde_json::to_vec(value).unwrap_or_default()
}

/// A blob, if it is not there yet (distribution-spec, "POST then PUT").
fn upload(client: &mut Client, blob: &[u8]) -> Result<(), Error> {
    let digest = Sha256::of(blob);
    let doing = "push to";
    let look = Request {
        doing,
        method: Method::HEAD,
        url: client.url(&format!("blobs/{digest:?}")),
        header: None,
        body: &[],
    };
    if client.send(&look)?.status() == StatusCode::OK {
        return Ok(());
    }
    let url = client.url("blobs/uploads/");
    let begin = Request { doing, method: Method::POST, url: url.clone(), header: None, body: &[] };
    let response = client.send(&begin)?;
    if response.status() != StatusCode::ACCEPTED {
        return Err(client.refused(doing, &url, response));
    }
    let nowhere = || Error::Redirect { url: url.clone(), why: "no address to upload to".into() };
    let location = client.resolve(&url, &location(&response).ok_or_else(nowhere)?)?;
    let join = if location.contains('?') { '&' } else { '?' };
    let header = Some((CONTENT_TYPE, "application/octet-stream"));
    put(client, format!("{location}{join}digest={digest:?}"), header, blob)
}

fn put(
    client: &mut Client,
    url: String,
    header: Option<(ureq::http::HeaderName, &str)>,
    body: &[u8],
) -> Result<(), Error> {
    let request = Request { doing: "push to", method: Method::PUT, url, header, body };
    let response = client.send(&request)?;
    match response.status() {
        StatusCode::CREATED => Ok(()),
        _ => Err(client.refused(request.doing, &request.url, response)),
    }
}
