//! With registries that hang, lie, or have something else.

use crate::fake::{Artifact, Asked, Fake, Reply, missing, ok};
use crate::{has, policy, refused, sh, sha256, told};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vproc_tests::skip;

#[test]
fn the_untouched_artifact_is_taken() {
    let home = crate::command::temporary();
    let artifact = Artifact::of(policy('F'));
    told(home.path(), &["pull", &artifact.serve().tag()]);
    assert_eq!(fs::read(home.path().join("policy.wasm")).unwrap(), policy('F'));
}

#[test]
fn what_is_no_policy_is_refused_and_named() {
    let home = crate::command::temporary();
    type Change = fn(&mut Artifact);
    let cases: [(&str, Change, &[&str]); 12] = [
        (
            "image",
            |a| {
                a.manifest["config"]["mediaType"] =
                    "application/vnd.oci.image.config.v1+json".into()
            },
            &["no policy", "image.config.v1+json"],
        ),
        (
            "index",
            |a| a.manifest = json!({"schemaVersion": 2, "manifests": [{}, {}]}),
            &["an index of 2 images"],
        ),
        ("page", |a| a.manifest = "<html>".into(), &["its manifest cannot be read"]),
        (
            "layers",
            |a| {
                let one = a.manifest["layers"][0].clone();
                a.manifest["layers"].as_array_mut().unwrap().push(one);
            },
            &["it has 2 layers"],
        ),
        (
            "tar",
            |a| a.manifest["layers"][0]["mediaType"] = "application/tar".into(),
            &["application/tar"],
        ),
        ("module", |a| a.config["os"] = "wasip1".into(), &["wasip1", "no component"]),
        (
            "other config",
            |a| a.config["layerDigests"] = json!(["sha256:00"]),
            &["its config is for"],
        ),
        (
            "other world",
            |a| a.config["component"]["exports"] = json!(["wasi:http/handler@0.2.0"]),
            &["wasi:http/handler@0.2.0", "not vproc:policy/renderer"],
        ),
        ("sha512", |a| a.manifest["layers"][0]["digest"] = "sha512:00".into(), &["no SHA-256"]),
        ("path", |a| a.manifest["layers"][0]["digest"] = "sha256:../../x".into(), &["no SHA-256"]),
        ("garbage", |a| *a = Artifact::of(b"garbage".to_vec()), &["no component of WebAssembly"]),
        (
            "steering",
            |a| a.manifest["config"]["mediaType"] = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}".into(),
            &[r"\u{1b}[2J", r"\u{7}", r"\u{202e}"],
        ),
    ];
    for (name, change, words) in cases {
        let mut artifact = Artifact::of(policy('F'));
        change(&mut artifact);
        eprintln!("{name}");
        refused(home.path(), &["pull", &artifact.serve().tag()], 6, words);
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn words_of_a_registry_cannot_steer_a_terminal() {
    let home = crate::command::temporary();
    let said = json!({"errors": [{"code": "\u{1b}[2J", "message": "x".repeat(5000)}]}).to_string();
    let fake = Fake::start(move |_| Reply::Whole(500, Vec::new(), said.clone().into_bytes()));
    let (code, line) =
        crate::command::failure(crate::policy_does(home.path(), &["pull", &fake.tag()]));
    assert_eq!(code, 1, "{line}");
    assert!(line.contains(r"500") && line.contains(r"\u{1b}[2J"), "{line}");
    assert!(!line.trim_end().contains(char::is_control) && line.len() < 600, "{line}");
}

#[test]
fn what_is_too_large_is_not_received() {
    let home = crate::command::temporary();
    let mut artifact = Artifact::of(policy('F'));
    artifact.manifest["layers"][0]["size"] = (65_u64 << 20).into();
    let fake = artifact.serve();
    refused(home.path(), &["pull", &fake.tag()], 6, &["the layer", "68157440 bytes", "at most"]);
    let layer = format!("blobs/sha256:{}", sha256(&artifact.layer));
    assert!(fake.asked().iter().all(|asked| !asked.path.ends_with(&layer)), "{:?}", fake.asked());

    // A layer that goes on after its end, and a manifest that does.
    for endless in ["blobs/", "manifests/"] {
        let artifact = Artifact::of(policy('F'));
        let files = artifact.files();
        let layer = layer.clone();
        let fake = Fake::start(move |asked: &Asked| {
            let is_layer = asked.path.ends_with(&layer);
            match (asked.path.contains(endless), endless, files.get(&asked.path)) {
                (true, "manifests/", _) => Reply::Endless,
                (true, _, Some(_)) if is_layer => Reply::Endless,
                (_, _, Some(body)) => ok(body.clone()),
                (_, _, None) => missing(),
            }
        });
        let (code, line) =
            crate::command::failure(crate::policy_does(home.path(), &["pull", &fake.tag()]));
        assert!(matches!(code, 1 | 6), "{line}");
        assert!(line.contains("found more") || line.contains("longer than"), "{line}");
    }
    assert!(!home.path().join("policy.wasm").exists());
}

#[test]
fn a_registry_that_hangs_is_given_up() {
    let home = crate::command::temporary();
    let mute = Fake::start(|_| Reply::Silence);
    let files = Artifact::of(policy('F')).files();
    let halfway = Fake::start(move |asked| match files.get(&asked.path) {
        Some(body) if asked.path.contains("blobs") => Reply::Half(body.clone()),
        Some(body) => ok(body.clone()),
        None => missing(),
    });
    for fake in [mute, halfway] {
        let started = Instant::now();
        let arguments = ["pull", &fake.tag(), "--timeout", "1"];
        refused(home.path(), &arguments, 1, &["takes too long", "--timeout"]);
        // The server would keep silent for ten minutes.
        assert!(started.elapsed() < Duration::from_secs(120));
    }
}

#[test]
fn nobody_listens() {
    let home = crate::command::temporary();
    refused(
        home.path(),
        &["pull", "127.0.0.1:1/acme/policy:1"],
        1,
        &["cannot pull from", "refused"],
    );
    let output = crate::policy_does(home.path(), &["pull", "policy:1"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && text.contains("no reference"), "{text}");
}

/// Answers like a registry that wants a token, and like the one who gives it.
fn with_tokens(files: std::collections::BTreeMap<String, Vec<u8>>, elsewhere: String) -> Fake {
    let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let own = std::sync::Arc::clone(&address);
    let fake = Fake::start(move |asked| {
        let authorization = asked.authorization.as_deref();
        if asked.path.starts_with("/token") {
            let is_user = authorization == Some("Basic dXNlcjpzZWNyZXQ=");
            let is_scope = asked.path.contains("scope=repository%3Aacme%2Fpolicy%3Apull");
            return match is_user && is_scope {
                true => ok(json!({"access_token": "t0ken"}).to_string()),
                false => Reply::Whole(401, Vec::new(), Vec::new()),
            };
        }
        if authorization != Some("Bearer t0ken") {
            let realm = format!("http://{}/token", own.get().unwrap());
            let challenge = format!(
                "Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:acme/policy:pull\""
            );
            return Reply::Whole(401, vec![("WWW-Authenticate", challenge)], Vec::new());
        }
        match files.get(&asked.path) {
            Some(_) if asked.path.contains("/blobs/") => {
                let place = format!("{elsewhere}{}", asked.path);
                Reply::Whole(307, vec![("Location", place)], Vec::new())
            }
            Some(body) => ok(body.clone()),
            None => missing(),
        }
    });
    address.set(fake.address.clone()).unwrap();
    fake
}

fn save_password(home: &std::path::Path, address: &str) {
    fs::create_dir_all(home.join(".docker")).unwrap();
    let auth: Value = json!({"auths": {address: {"auth": "dXNlcjpzZWNyZXQ="}}});
    fs::write(home.join(".docker/config.json"), auth.to_string()).unwrap();
}

#[test]
fn only_the_registry_gets_its_token() {
    let home = crate::command::temporary();
    let files = Artifact::of(policy('F')).files();
    let storage = Artifact::of(policy('F')).serve();
    let fake = with_tokens(files, format!("http://{}", storage.address));
    refused(home.path(), &["pull", &fake.tag()], 4, &["refuses access", "skopeo login"]);
    save_password(home.path(), &fake.address);
    told(home.path(), &["pull", &fake.tag()]);
    assert_eq!(fs::read(home.path().join("policy.wasm")).unwrap(), policy('F'));
    let asked = storage.asked();
    assert_eq!(asked.len(), 2, "config and layer: {asked:?}");
    assert!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
    assert!(fake.asked().iter().all(|asked| asked.method == "GET" && asked.body.is_empty()));
}

#[test]
fn a_redirect_leads_nowhere_but_to_http() {
    let home = crate::command::temporary();
    let files = Artifact::of(policy('F')).files();
    for (place, word) in [("file:///etc/passwd?", "is not HTTP"), ("", "one after the other")] {
        let files = files.clone();
        let fake = Fake::start(move |asked| match files.get(&asked.path) {
            Some(_) if asked.path.contains("/blobs/") => {
                let place = format!("{place}{}", asked.path);
                Reply::Whole(302, vec![("Location", place)], Vec::new())
            }
            Some(body) => ok(body.clone()),
            None => missing(),
        });
        refused(home.path(), &["pull", &fake.tag()], 1, &["leads nowhere", word]);
    }
}

#[test]
fn tls_is_verified_and_never_given_up() {
    let test = "tls_is_verified_and_never_given_up";
    if !has("openssl") {
        return skip(test, "openssl is not installed");
    }
    let home = crate::command::temporary();
    let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    let authority = "-keyout ca.pem -out ca.crt -subj /CN=ca";
    let server = "-keyout tls.pem -out tls.crt -subj /CN=localhost -CA ca.crt -CAkey ca.pem \
        -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    sh(home.path(), &format!("{new} {authority}; {new} {server}"));
    // What `openssl s_server -HTTP` sends is what lies in its directory, with
    // its headers: the blobs, and at other names a redirect to where TLS ends.
    let artifact = Artifact::of(policy('F'));
    let downgrade = b"HTTP/1.0 302 x\r\nLocation: http://127.0.0.1:1/x\r\n\r\n";
    for (path, body) in artifact.files().iter().filter(|(path, _)| path.contains("/blobs/")) {
        let name = path.rsplit(':').next().unwrap();
        let mut reply = b"HTTP/1.0 200 x\r\n\r\n".to_vec();
        reply.extend_from_slice(body);
        fs::write(home.path().join(name), reply).unwrap();
        fs::write(home.path().join(format!("down-{name}")), downgrade).unwrap();
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-HTTP", "-key", "tls.pem", "-cert", "tls.crt"])
        .args(["-accept", &format!("127.0.0.1:{port}")])
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.try_wait().unwrap().is_none(), "openssl s_server has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let to = |prefix: &'static str| {
        let files = artifact.files();
        Fake::start(move |asked| match files.get(&asked.path) {
            Some(_) if asked.path.contains("/blobs/") => {
                let name = asked.path.rsplit(':').next().unwrap();
                let place = format!("https://localhost:{port}/{prefix}{name}");
                Reply::Whole(302, vec![("Location", place)], Vec::new())
            }
            Some(body) => ok(body.clone()),
            None => missing(),
        })
    };
    let pull = |tag: &str, authority: &str| {
        let mut command = crate::policy_command(home.path(), &["pull", tag]);
        command.env("SSL_CERT_FILE", authority).env("NO_PROXY", "localhost").output().unwrap()
    };
    let (good, down) = (to(""), to("down-"));
    let stranger = crate::command::failure(pull(&good.tag(), "/etc/ssl/certs/none.crt"));
    let known = pull(&good.tag(), "ca.crt");
    let downgraded = crate::command::failure(pull(&down.tag(), "ca.crt"));
    server.kill().unwrap();
    server.wait().unwrap();
    crate::command::assert_failure(stranger, 1, &["cannot pull from", "certificate"]);
    assert!(known.status.success(), "{known:?}");
    crate::command::assert_failure(downgraded, 1, &["without TLS", "--plain-http"]);
}

#[test]
fn a_proxy_is_asked_for_all_but_this_machine() {
    let home = crate::command::temporary();
    let proxy = Fake::start(|_| Reply::Whole(502, Vec::new(), Vec::new()));
    let here = Artifact::of(policy('F')).serve();
    let pull = |tag: &str| {
        let mut command = crate::policy_command(home.path(), &["pull", tag, "--timeout", "5"]);
        let variables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
        for variable in variables.map(str::to_owned).into_iter().flat_map(|v| [v.to_lowercase(), v])
        {
            command.env_remove(variable);
        }
        command.env("HTTPS_PROXY", format!("http://{}", proxy.address));
        command.env("HTTP_PROXY", format!("http://{}", proxy.address)).output().unwrap()
    };
    let away = crate::command::failure(pull("registry.invalid/acme/policy:1.0"));
    crate::command::assert_failure(away, 1, &["cannot pull from https://registry.invalid/"]);
    let asked = proxy.asked();
    assert!(asked.iter().any(|asked| asked.method == "CONNECT"), "{asked:?}");
    let count = asked.len();
    assert!(pull(&here.tag()).status.success());
    assert_eq!(proxy.asked().len(), count, "what is on this machine is asked itself");
}
