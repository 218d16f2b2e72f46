//! A registry that says what a test wants it to.

use crate::sha256;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

pub(crate) enum Reply {
    /// Status, headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, ever.
    Silence,
    /// The beginning of a body of which more was promised, then nothing.
    Half(Vec<u8>),
    /// A body that does not end.
    Endless,
}

pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Whole(200, Vec::new(), body.into())
}

pub(crate) fn missing() -> Reply {
    Reply::Whole(404, Vec::new(), br#"{"errors":[{"code":"UNKNOWN"}]}"#.to_vec())
}

/// Serves as long as the test's process lives.
pub(crate) struct Fake {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &all, answer.as_ref()));
            }
        });
        Fake { address, asked }
    }

    /// The name of its only policy.
    pub(crate) fn tag(&self) -> String {
        format!("{}/acme/policy:1.0", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, all: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) {
    let Some(asked) = read(stream) else { return };
    all.lock().unwrap().push(asked.clone());
    let mut out = stream;
    let head = |status: u16, length: String| {
        format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{length}")
    };
    match answer(&asked) {
        Reply::Whole(status, headers, body) => {
            let mut text = head(status, format!("Content-Length: {}\r\n", body.len()));
            headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
            let _ = out.write_all((text + "\r\n").as_bytes());
            let _ = out.write_all(&body);
        }
        Reply::Silence => std::thread::sleep(std::time::Duration::from_secs(600)),
        Reply::Half(body) => {
            let length = format!("Content-Length: {}\r\n\r\n", body.len() * 2);
            let _ = out.write_all(head(200, length).as_bytes());
            let _ = out.write_all(&body);
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        Reply::Endless => {
            let _ = out.write_all(head(200, "\r\n".to_owned()).as_bytes());
            while out.write_all(&[b'x'; 65536]).is_ok() {}
        }
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut authorization, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    std::io::Read::read_exact(&mut lines, &mut body).ok()?;
    Some(Asked { method, path, authorization, body: String::from_utf8_lossy(&body).into_owned() })
}

/// What a registry has of one policy. A test changes it before it is served.
#[derive(Clone)]
pub(crate) struct Artifact {
    pub(crate) manifest: Value,
    pub(crate) config: Value,
    pub(crate) layer: Vec<u8>,
}

impl Artifact {
    pub(crate) fn of(component: Vec<u8>) -> Self {
        let layer = format!("sha256:{}", sha256(&component));
        let config = json!({
            "created": "2026-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
            "layerDigests": [layer],
            "component": {"exports": ["vproc:policy/renderer@0.1.0"], "imports": []},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.wasm.config.v0+json"},
            "layers": [{"mediaType": "application/wasm", "digest": layer, "size": component.len()}],
        });
        Artifact { manifest, config, layer: component }
    }

    /// Path and content. The manifest names the config as it is now.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let config = serde_json::to_vec(&self.config).unwrap();
        let mut manifest = self.manifest.clone();
        if let Some(descriptor) = manifest.get_mut("config") {
            descriptor["digest"] = format!("sha256:{}", sha256(&config)).into();
            descriptor["size"] = config.len().into();
        }
        let layer = manifest["layers"][0]["digest"].as_str().unwrap_or("none").to_owned();
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let place = |rest: String| format!("/v2/acme/policy/{rest}");
        BTreeMap::from([
            (place(format!("manifests/sha256:{}", sha256(&manifest))), manifest.clone()),
            (place("manifests/1.0".to_owned()), manifest),
            (place(format!("blobs/sha256:{}", sha256(&config))), config),
            (place(format!("blobs/{layer}")), self.layer.clone()),
        ])
    }

    pub(crate) fn serve(&self) -> Fake {
        let files = self.files();
        Fake::start(move |asked| {
            files.get(&asked.path).map_or_else(missing, |body| ok(body.clone()))
        })
    }
}
