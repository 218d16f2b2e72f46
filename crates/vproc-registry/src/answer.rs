//! What came back.

use crate::quoted::quoted;
use serde::Deserialize;
use std::io::{self, Read};
use ureq::http::header::LOCATION;
use ureq::{Body, http};

pub(crate) type Response = http::Response<Body>;

/// The largest answer that is no policy: a manifest, a config, an error.
pub(crate) const MAX_DOCUMENT: u64 = 1 << 20;

/// Where an answer sends us.
pub(crate) fn location(response: &Response) -> Option<String> {
    Some(response.headers().get(LOCATION)?.to_str().ok()?.to_owned())
}

/// An answer, if it is not too long.
pub(crate) fn read(response: Response, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(limit + 1);
    reader.read_to_end(&mut bytes).map_err(|error| cut_short(&error))?;
    match bytes.len() as u64 > limit {
        true => Err(format!("the answer is longer than {limit} bytes")),
        false => Ok(bytes),
    }
}

/// What a registry says of its errors (distribution-spec, "Error Codes").
pub(crate) fn said(response: Response) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Said>,
    }
    #[derive(Deserialize)]
    struct Said {
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = read(response, MAX_DOCUMENT).unwrap_or_default();
    match serde_json::from_slice(&text) {
        Ok(Errors { errors }) => {
            let all = errors.iter().map(|Said { code, message }| format!("{code}: {message}"));
            quoted(all.collect::<Vec<_>>().join(", "))
        }
        Err(_) => String::new(),
    }
}

/// Why nothing came back.
pub(crate) fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => TOO_LONG.to_owned(),
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        error => quoted_tail(&error.to_string()),
    }
}

/// Errors of the transport may repeat what was received.
fn quoted_tail(text: &str) -> String {
    if text.chars().any(char::is_control) { quoted(text) } else { text.to_owned() }
}

const TOO_LONG: &str = "it takes too long; --timeout gives it more time";

/// Why no more of an answer came.
pub(crate) fn cut_short(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(inner) => in_words(inner),
        None if error.kind() == io::ErrorKind::TimedOut => TOO_LONG.to_owned(),
        None => quoted_tail(&error.to_string()),
    }
}
