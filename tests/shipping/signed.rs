//! Signatures beside manifests, as cosign puts them there.

use crate::registry::Registry;
use crate::{policy, refused, sh, sha256, told};
use serde_json::json;
use std::fs;

/// A registry with a signed policy, and where its manifest is.
struct Signed {
    registry: Registry,
    tag: String,
    manifest: String,
}

impl Signed {
    fn start(test: &str) -> Option<Self> {
        let registry = Registry::start(test)?;
        let home = registry.directory.path();
        sh(
            home,
            "for name in acme evil; do \
            openssl ecparam -name prime256v1 -genkey -noout -out $name.pem; \
            openssl pkey -in $name.pem -pubout -out $name.pub; done; \
            openssl genpkey -algorithm ed25519 -out edwards.pem; \
            openssl pkey -in edwards.pem -pubout -out edwards.pub",
        );
        fs::write(home.join("mine.wasm"), policy('S')).unwrap();
        let tag = format!("{}/acme/policy:1.0", registry.address);
        let pushed = told(home, &["push", "mine.wasm", &tag]);
        let manifest = pushed.trim().rsplit_once("sha256:").unwrap().1.to_owned();
        Some(Signed { registry, tag, manifest })
    }

    fn home(&self) -> &std::path::Path {
        self.registry.directory.path()
    }

    /// `cosign sign`, by its SIGNATURE_SPEC: a manifest at the tag
    /// `sha256-….sig` whose layers are payloads, annotated with signatures.
    fn sign(&self, key: &str, name: &str, manifest: &str) {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": format!("sha256:{manifest}")},
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        fs::write(self.home().join("payload"), payload.to_string()).unwrap();
        let how = match key {
            "edwards" => "openssl pkeyutl -sign -rawin -inkey edwards.pem -in payload".to_owned(),
            key => format!("openssl dgst -sha256 -sign {key}.pem payload"),
        };
        let signature = sh(self.home(), &format!("{how} | base64 -w0"));
        self.put_signatures(&[(payload.to_string(), String::from_utf8(signature).unwrap())]);
    }

    fn put_signatures(&self, signatures: &[(String, String)]) {
        let home = self.home();
        let url = format!("http://{}/v2/acme/policy", self.registry.address);
        let upload = |bytes: &[u8]| {
            let digest = format!("sha256:{}", sha256(bytes));
            fs::write(home.join("blob"), bytes).unwrap();
            sh(
                home,
                &format!(
                    "place=$(curl -sf -X POST -D - -o /dev/null {url}/blobs/uploads/ | tr -d '\\r' \
                 | sed -n 's/^[Ll]ocation: //p'); \
                 curl -sf -X PUT -H 'Content-Type: application/octet-stream' \
                 --data-binary @blob \"$place&digest={digest}\""
                ),
            );
            json!({"digest": digest, "size": bytes.len()})
        };
        let mut config = upload(b"{}");
        config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        let layers = signatures.iter().map(|(payload, signature)| {
            let mut layer = upload(payload.as_bytes());
            layer["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json".into();
            layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
            layer
        });
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type,
            "config": config, "layers": layers.collect::<Vec<_>>(),
        });
        fs::write(home.join("signatures"), manifest.to_string()).unwrap();
        sh(
            home,
            &format!(
                "curl -sf -X PUT -H 'Content-Type: {media_type}' --data-binary @signatures \
             {url}/manifests/sha256-{}.sig",
                self.manifest
            ),
        );
    }

    #[track_caller]
    fn is_refused(&self, key: &str, words: &[&str]) {
        refused(self.home(), &["pull", &self.tag, "--key", key], 6, words);
        assert!(!self.home().join("policy.wasm").exists());
        assert!(!self.home().join("policy.wasm.origin.json").exists());
    }
}

#[test]
fn a_signature_of_the_key_is_wanted() {
    let Some(signed) = Signed::start("a_signature_of_the_key_is_wanted") else { return };
    signed.is_refused("acme.pub", &["is not signed", "cosign sign", &signed.manifest]);
    signed.sign("evil", "ghcr.io/acme/policy", &signed.manifest);
    signed.is_refused("acme.pub", &["not signed by this key", "not by key"]);
    // Somebody's signature of another manifest, put beside this one.
    signed.sign("acme", "ghcr.io/acme/policy", &sha256(b"another"));
    signed.is_refused("acme.pub", &["is for the manifest", &sha256(b"another"), &signed.manifest]);
    signed.put_signatures(&[("{}".to_owned(), "%%%".to_owned())]);
    signed.is_refused("acme.pub", &["no signature in base64"]);
    // Signed with the right key, but not a cosign payload.
    fs::write(signed.home().join("payload"), "{}").unwrap();
    let script = "openssl dgst -sha256 -sign acme.pem payload | base64 -w0";
    let signature = String::from_utf8(sh(signed.home(), script)).unwrap();
    signed.put_signatures(&[("{}".to_owned(), signature)]);
    signed.is_refused("acme.pub", &["no cosign payload"]);

    signed.sign("acme", "ghcr.io/acme/policy", &signed.manifest);
    let line = told(signed.home(), &["pull", &signed.tag, "--key", "acme.pub"]);
    assert!(line.contains("signed by the key"), "{line}");
    assert_eq!(fs::read(signed.home().join("policy.wasm")).unwrap(), policy('S'));
    // Without a key, what is proven of the file before is taken away.
    told(signed.home(), &["pull", &signed.tag]);
    assert!(!signed.home().join("policy.wasm.origin.json").exists());
    signed.sign("edwards", "ghcr.io/acme/policy", &signed.manifest);
    told(signed.home(), &["pull", &signed.tag, "--key", "edwards.pub"]);
}

#[test]
fn one_of_several_signatures_is_enough() {
    let Some(signed) = Signed::start("one_of_several_signatures_is_enough") else { return };
    let home = signed.home();
    let mut both = Vec::new();
    for key in ["evil", "acme"] {
        signed.sign(key, key, &signed.manifest);
        let payload = fs::read_to_string(home.join("payload")).unwrap();
        let script = format!("openssl dgst -sha256 -sign {key}.pem payload | base64 -w0");
        both.push((payload, String::from_utf8(sh(home, &script)).unwrap()));
    }
    signed.put_signatures(&both);
    for key in ["acme.pub", "evil.pub"] {
        told(home, &["pull", &signed.tag, "--key", key]);
    }
    signed.put_signatures(&both[..1]);
    fs::remove_file(home.join("policy.wasm")).unwrap();
    fs::remove_file(home.join("policy.wasm.origin.json")).unwrap();
    signed.is_refused("acme.pub", &["not by key"]);
}

#[test]
fn a_rule_about_a_registry_is_verified_without_it() {
    let test = "a_rule_about_a_registry_is_verified_without_it";
    let Some(signed) = Signed::start(test) else { return };
    signed.sign("acme", "ghcr.io/acme/policy", &signed.manifest);
    told(signed.home(), &["pull", &signed.tag, "--key", "acme.pub"]);
    let Signed { registry, .. } = signed;
    let home = registry.directory.path().to_owned();
    let rules = |registry: &str, key: &str| {
        let key = home.join(key);
        let text = format!("[[allow]]\nregistry = {registry:?}\nkey = {key:?}\n");
        fs::write(home.join("trust.toml"), text).unwrap();
    };
    let verify = ["verify", "policy.wasm", "--trust", "trust.toml"];
    rules("ghcr.io/acme", "acme.pub");
    let line = told(&home, &verify);
    assert!(line.contains("trust.toml, line 1"), "{line}");
    rules("ghcr.io/other", "acme.pub");
    refused(&home, &verify, 6, &["below \"ghcr.io/other\"", "ghcr.io/acme/policy"]);
    rules("ghcr.io/acme", "evil.pub");
    refused(&home, &verify, 6, &["not by key"]);
    rules("ghcr.io/acme", "acme.pub");
    // The proof of one file does not do for another.
    fs::write(home.join("policy.wasm"), policy('X')).unwrap();
    refused(&home, &verify, 6, &["for another file"]);
    fs::write(home.join("policy.wasm"), policy('S')).unwrap();
    let origin = fs::read_to_string(home.join("policy.wasm.origin.json")).unwrap();
    let changed = origin.replace(&sha256(&policy('S')), &sha256(&policy('X')));
    assert_ne!(changed, origin);
    fs::write(home.join("policy.wasm.origin.json"), changed).unwrap();
    refused(&home, &verify, 6, &["is for the manifest"]);
    fs::remove_file(home.join("policy.wasm.origin.json")).unwrap();
    refused(&home, &verify, 6, &["policy.wasm.origin.json", "policy pull --key"]);
}
