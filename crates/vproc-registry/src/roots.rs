//! Whose certificates a registry may have.

use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// Where distributions keep all authorities in one file.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where docker and podman look for the authority of one registry.
const FOR_ONE: &[&str] = &["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// The machine's authorities, or those of `SSL_CERT_FILE`, and the registry's
/// own; Mozilla's where the machine has none.
pub(crate) fn for_registry(authority: &str) -> RootCerts {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let is_named = named.is_some();
    let mut all = match named {
        Some(file) => read(&file),
        None => BUNDLES
            .iter()
            .map(|file| read(Path::new(file)))
            .find(|found| !found.is_empty())
            .unwrap_or_default(),
    };
    for directory in FOR_ONE {
        let Ok(listing) = std::fs::read_dir(Path::new(directory).join(authority)) else { continue };
        let files = listing.flatten().map(|file| file.path());
        let is_authority = |file: &PathBuf| file.extension().is_some_and(|end| end == "crt");
        files.filter(is_authority).for_each(|file| all.extend(read(&file)));
    }
    if all.is_empty() && !is_named { RootCerts::WebPki } else { RootCerts::from(all) }
}

fn read(file: &Path) -> Vec<Certificate<'static>> {
    let text = std::fs::read(file).unwrap_or_default();
    let certificates = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    certificates.collect()
}
