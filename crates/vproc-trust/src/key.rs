//! Keys and signatures as cosign and openssl write them.

use crate::Sha256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use std::fmt;

/// A public key: ECDSA on P-256 with SHA-256, as `cosign generate-key-pair`
/// makes them, or Ed25519.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: &'static dyn VerificationAlgorithm,
    point: Vec<u8>,
    id: Sha256,
}

/// What was to be a public key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Not PEM.
    #[error("it has no `-----BEGIN PUBLIC KEY-----`")]
    Pem,
    /// A private key lies where it should not.
    #[error("it is a private key; the public one belongs here")]
    Private,
    /// Several, where it would not be clear who is meant.
    #[error("it has several keys; put each into a file of its own")]
    Several,
    /// RSA, P-384 and the like.
    #[error("it is of a kind that is not supported; P-256 (as cosign makes) and Ed25519 are")]
    Kind,
}

/// What was to be a signature is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no signature in base64")]
pub struct NotASignature;

/// A signature over some bytes.
#[derive(Clone)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Reads what `cosign sign-blob` prints, with or without a line's end.
    pub fn from_base64(text: &str) -> Result<Self, NotASignature> {
        let dense: String = text.split_ascii_whitespace().collect();
        match STANDARD.decode(dense) {
            Ok(bytes) if !bytes.is_empty() => Ok(Signature(bytes)),
            _ => Err(NotASignature),
        }
    }
}

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// `SubjectPublicKeyInfo` of RFC 5480 for an uncompressed point on P-256, up to
/// the point: SEQUENCE, {id-ecPublicKey, secp256r1}, BIT STRING.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The same of RFC 8410 for Ed25519.
const EDWARDS: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PublicKey {
    /// Reads `cosign.pub`, or what `openssl pkey -pubout` prints.
    pub fn from_pem(text: &str) -> Result<Self, NotAKey> {
        if text.contains("PRIVATE KEY-----") {
            return Err(NotAKey::Private);
        }
        let (_, rest) = text.split_once(BEGIN).ok_or(NotAKey::Pem)?;
        let (body, rest) = rest.split_once(END).ok_or(NotAKey::Pem)?;
        if rest.contains(BEGIN) {
            return Err(NotAKey::Several);
        }
        let dense: String = body.split_ascii_whitespace().collect();
        let info = STANDARD.decode(dense).map_err(|_| NotAKey::Pem)?;
        let kinds: [(&[u8], usize, &'static dyn VerificationAlgorithm); 2] =
            [(P256, 65, &ECDSA_P256_SHA256_ASN1), (EDWARDS, 32, &ED25519)];
        kinds
            .into_iter()
            .find_map(|(prefix, length, algorithm)| {
                let point = info.strip_prefix(prefix).filter(|point| point.len() == length)?;
                Some(PublicKey { algorithm, point: point.to_vec(), id: Sha256::of(&info) })
            })
            .ok_or(NotAKey::Kind)
    }

    /// Whether this key's owner signed these bytes.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.point).verify(message, &signature.0).is_ok()
    }

    /// What tells it from other keys: `openssl pkey -pubin -outform der |
    /// sha256sum` prints the same.
    pub fn id(&self) -> Sha256 {
        self.id
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("PublicKey").field(&self.id).finish()
    }
}
