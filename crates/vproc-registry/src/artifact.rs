//! The JSON of an artifact.

use crate::error::Error;
use crate::quoted::quoted;
use crate::reference::Reference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vproc_trust::Sha256;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";

/// What a registry may send for a manifest. The last ones are no policies; we
/// ask for them, too, in order to tell what is there.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// What a policy exports, without the version.
const RENDERER: &str = "vproc:policy/renderer";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: format!("{:?}", Sha256::of(bytes)),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        }
    }

    /// Its digest, if it is one that we can check.
    pub(crate) fn sha256(&self, reference: &Reference) -> Result<Sha256, Error> {
        let hex = self.digest.strip_prefix("sha256:");
        hex.and_then(|hex| hex.parse().ok()).ok_or_else(|| {
            let digest = quoted(&self.digest);
            kind(reference, format!("its manifest has the digest {digest}, which is no SHA-256"))
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) created: String,
    pub(crate) architecture: String,
    pub(crate) os: String,
    pub(crate) layer_digests: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<Component>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Component {
    #[serde(default)]
    pub(crate) exports: Vec<String>,
    #[serde(default)]
    pub(crate) imports: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
}

pub(crate) fn kind(reference: &Reference, why: impl Into<String>) -> Error {
    Error::Kind { reference: Box::new(reference.clone()), why: why.into() }
}

/// The config and the layer of a manifest, if it is one of a component.
pub(crate) fn parts(
    reference: &Reference,
    manifest: &[u8],
) -> Result<(Descriptor, Descriptor), Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Any {
        manifests: Option<Vec<serde::de::IgnoredAny>>,
    }
    if let Ok(Any { manifests: Some(several) }) = serde_json::from_slice(manifest) {
        return Err(kind(reference, format!("it is an index of {} images", several.len())));
    }
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|error| {
        kind(reference, format!("its manifest cannot be read: {}", quoted(error.to_string())))
    })?;
    if manifest.schema_version != 2 {
        return Err(kind(reference, "its manifest is of an old kind"));
    }
    if manifest.config.media_type != CONFIG {
        let found = quoted(&manifest.config.media_type);
        return Err(kind(reference, format!("it has a config of the type {found}, not {CONFIG}")));
    }
    match manifest.layers.as_slice() {
        [layer] if layer.media_type == WASM => Ok((manifest.config, layer.clone())),
        [layer] => {
            let found = quoted(&layer.media_type);
            Err(kind(reference, format!("its layer is of the type {found}, not {WASM}")))
        }
        layers => Err(kind(reference, format!("it has {} layers, not one", layers.len()))),
    }
}

/// That a config speaks of this layer, and of a policy.
pub(crate) fn check_config(
    reference: &Reference,
    config: &[u8],
    layer: &Descriptor,
) -> Result<(), Error> {
    let config: Config = serde_json::from_slice(config).map_err(|error| {
        kind(reference, format!("its config cannot be read: {}", quoted(error.to_string())))
    })?;
    if config.architecture != "wasm" || config.os != "wasip2" {
        let (architecture, os) = (quoted(&config.architecture), quoted(&config.os));
        return Err(kind(reference, format!("it is for {os} on {architecture}, no component")));
    }
    if config.layer_digests != [layer.digest.as_str()] {
        let listed = quoted(config.layer_digests.join(", "));
        let why = format!("its config is for {listed}, its manifest for {:?}", layer.digest);
        return Err(kind(reference, why));
    }
    let Some(Component { exports, .. }) = config.component else { return Ok(()) };
    let is_renderer = |name: &String| name.split('@').next() == Some(RENDERER);
    if exports.iter().any(is_renderer) {
        return Ok(());
    }
    let exports = quoted(exports.join(", "));
    Err(kind(reference, format!("it is a component that exports {exports}, not {RENDERER}")))
}
