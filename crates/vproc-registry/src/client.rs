//! Talking to one repository of a registry (OCI distribution-spec).

use crate::answer::{MAX_DOCUMENT, Response, in_words, location, read, said};
use crate::challenge::{self, Challenge, query};
use crate::credentials::{self, Credentials};
use crate::error::Error;
use crate::quoted::quoted;
use crate::reference::Reference;
use crate::roots;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{self, HeaderValue, Method, StatusCode};
use ureq::tls::TlsConfig;

/// How to talk to a registry.
#[derive(Debug, Clone)]
pub struct Options {
    /// Go without TLS to registries that are not on this machine, too.
    pub plain_http: bool,
    /// How long one request may take, with all that is sent and received.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { plain_http: false, timeout: Duration::from_secs(60) }
    }
}

/// A question.
pub(crate) struct Request<'a> {
    /// In words, for errors.
    pub(crate) doing: &'static str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) header: Option<(http::HeaderName, &'a str)>,
    pub(crate) body: &'a [u8],
}

/// How often a registry may send us elsewhere.
const REDIRECTS: usize = 5;

/// A repository that is talked to.
pub(crate) struct Client {
    pub(crate) reference: Reference,
    agent: Agent,
    /// `https://registry`.
    origin: String,
    allows_plain: bool,
    /// What is asked for where a challenge does not say.
    actions: &'static str,
    credentials: Option<Credentials>,
    /// Where they are from, or were looked for.
    looked_in: String,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(
        reference: &Reference,
        actions: &'static str,
        options: &Options,
    ) -> Result<Self, Error> {
        let authority = reference.authority();
        let is_local = is_loopback(authority);
        let is_plain = options.plain_http || is_local;
        let (credentials, looked_in) = credentials::find(&reference.name())?;
        let roots = roots::for_registry(authority);
        let mut config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("vprocctl/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(options.timeout.min(Duration::from_secs(10))))
            .timeout_global(Some(options.timeout));
        if is_local {
            config = config.proxy(None);
        }
        let scheme = if is_plain { "http" } else { "https" };
        Ok(Client {
            reference: reference.clone(),
            agent: config.build().into(),
            origin: format!("{scheme}://{authority}"),
            allows_plain: is_plain,
            actions,
            credentials,
            looked_in,
            authorization: None,
        })
    }

    /// The address of something in the repository.
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.origin, self.reference.repository)
    }

    /// An address that an answer names.
    pub(crate) fn resolve(&self, base: &str, location: &str) -> Result<String, Error> {
        let nowhere = |why: &str| Error::Redirect { url: base.to_owned(), why: why.to_owned() };
        let url = if location.contains("://") {
            location.to_owned()
        } else if location.starts_with('/') && !location.starts_with("//") {
            format!("{}{location}", origin_of(base))
        } else {
            return Err(nowhere(&format!("{} is no address", quoted(location))));
        };
        let is_plain = url.starts_with("http://");
        if !is_plain && !url.starts_with("https://") {
            return Err(nowhere(&format!("{} is not HTTP", quoted(&url))));
        }
        if is_plain && !(self.allows_plain && base.starts_with("http://")) {
            return Err(Error::Plain { url: quoted(&url) });
        }
        Ok(url)
    }

    /// Asks, shows credentials if they are wanted, and follows where a registry
    /// keeps its blobs elsewhere.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        let mut url = request.url.clone();
        let mut has_shown = false;
        for _ in 0..=REDIRECTS {
            let response = self.send_once(request, &url)?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && !has_shown && self.is_own(&url) {
                has_shown = true;
                self.authorize(&response)?;
                continue;
            }
            let is_read = matches!(request.method, Method::GET | Method::HEAD);
            if !status.is_redirection() || !is_read {
                return Ok(response);
            }
            let location = location(&response)
                .ok_or_else(|| Error::Redirect { url: url.clone(), why: "no address".into() })?;
            url = self.resolve(&url, &location)?;
        }
        Err(Error::Redirect { url, why: format!("{REDIRECTS} redirects, one after the other") })
    }

    /// Whether it is the registry that is asked: nobody else is told who we
    /// are.
    fn is_own(&self, url: &str) -> bool {
        origin_of(url) == self.origin
    }

    fn send_once(&self, request: &Request<'_>, url: &str) -> Result<Response, Error> {
        let mut built = http::Request::builder().method(request.method.clone()).uri(url);
        if let Some((name, value)) = &request.header {
            built = built.header(name, *value);
        }
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.is_own(url)) {
            built = built.header(AUTHORIZATION, authorization);
        }
        let failed =
            |why: String| Error::Transfer { doing: request.doing, url: url.to_owned(), why };
        let sent = match request.method {
            Method::GET | Method::HEAD => {
                built.body(()).map_err(ureq::Error::from).and_then(|built| self.agent.run(built))
            }
            _ => built
                .body(request.body)
                .map_err(ureq::Error::from)
                .and_then(|built| self.agent.run(built)),
        };
        sent.map_err(|error| failed(in_words(&error)))
    }

    /// Gets what a registry wants to see.
    fn authorize(&mut self, response: &Response) -> Result<(), Error> {
        let header = |value: String| {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let challenges = response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = challenges.iter().find_map(|value| challenge::parse(value.to_str().ok()?));
        self.authorization = match challenge {
            Some(Challenge::Basic) => self.basic().and_then(header),
            Some(Challenge::Bearer { realm, service, scope }) => {
                let token = self.token(&realm, service.as_deref(), scope.as_deref())?;
                header(format!("Bearer {token}"))
            }
            None => None,
        };
        Ok(())
    }

    fn basic(&self) -> Option<String> {
        match &self.credentials {
            Some(Credentials::Password { user, password }) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            _ => None,
        }
    }

    /// A token, as docker's "Token Authentication Specification" has it.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(alias = "access_token")]
            token: String,
        }
        let realm = self.resolve(&self.origin, realm)?;
        let own = format!("repository:{}:{}", self.reference.repository, self.actions);
        let mut pairs = vec![("scope", scope.unwrap_or(&own)), ("client_id", "vprocctl")];
        pairs.extend(service.map(|service| ("service", service)));
        let request = match &self.credentials {
            Some(Credentials::Identity(token)) => {
                pairs.extend([("grant_type", "refresh_token"), ("refresh_token", token.as_str())]);
                http::Request::post(&realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(query(&pairs))
            }
            _ => {
                let join = if realm.contains('?') { '&' } else { '?' };
                let mut request = http::Request::get(format!("{realm}{join}{}", query(&pairs)));
                if let Some(basic) = self.basic() {
                    request = request.header(AUTHORIZATION, basic);
                }
                request.body(String::new())
            }
        };
        let doing = "get a token from";
        let failed = |why: String| Error::Transfer { doing, url: quoted(&realm), why };
        let request = request.map_err(|error| failed(error.to_string()))?;
        let sent = match *request.method() {
            Method::GET => self.agent.run(request.map(drop)),
            _ => self.agent.run(request),
        };
        let response = sent.map_err(|error| failed(in_words(&error)))?;
        if !response.status().is_success() {
            return Err(self.refused(doing, &realm, response));
        }
        let text = read(response, MAX_DOCUMENT).map_err(failed)?;
        let Token { token } = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("its answer is no token: {error}")))?;
        Ok(token)
    }

    /// The error for an answer that is none.
    pub(crate) fn refused(&self, doing: &'static str, url: &str, response: Response) -> Error {
        let status = response.status().as_u16();
        let said = said(response);
        if !matches!(status, 401 | 403) {
            return Error::Status { doing, url: url.to_owned(), status, said };
        }
        let registry = self.reference.registry.clone();
        let hint = match &self.credentials {
            Some(_) => format!("the credentials are from {}", self.looked_in),
            None => format!(
                "`skopeo login {registry}` or $REGISTRY_AUTH_FILE (none were found in {}; \
                 helpers that keep passwords are not asked)",
                self.looked_in
            ),
        };
        Error::Access { registry, status, said, hint }
    }
}

/// Scheme, host and port.
fn origin_of(url: &str) -> String {
    let after = url.find("://").map_or(0, |place| place + 3);
    let rest = url.get(after..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..after + end).unwrap_or(url).to_owned()
}

/// Whether a registry is on this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(registry: &str, plain_http: bool) -> Client {
        let reference = format!("{registry}/a/b:1").parse().unwrap();
        Client::new(&reference, "pull", &Options { plain_http, ..Options::default() }).unwrap()
    }

    #[test]
    fn only_this_machine_is_talked_to_without_tls() {
        for local in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(client(local, false).url("").starts_with("http://"), "{local}");
        }
        let strangers = ["ghcr.io", "localhost.evil.org", "127.0.0.1.nip.io", "10.0.0.1:5000"];
        for stranger in strangers {
            assert!(client(stranger, false).url("").starts_with("https://"), "{stranger}");
            assert!(client(stranger, true).url("").starts_with("http://"), "{stranger}");
        }
    }

    #[test]
    fn a_redirect_never_gives_up_tls() {
        let ours = client("ghcr.io", false);
        let base = ours.url("blobs/x");
        assert_eq!(ours.resolve(&base, "/y?z").unwrap(), "https://ghcr.io/y?z");
        assert_eq!(ours.resolve(&base, "https://b.io/y").unwrap(), "https://b.io/y");
        for wrong in ["http://ghcr.io/y", "http://127.0.0.1/y"] {
            assert!(matches!(ours.resolve(&base, wrong), Err(Error::Plain { .. })), "{wrong}");
        }
        for wrong in ["file:///etc/passwd", "//evil.org/x", "y", "ftp://x/"] {
            assert!(matches!(ours.resolve(&base, wrong), Err(Error::Redirect { .. })), "{wrong}");
        }
        // From TLS back to none, even where it was allowed before.
        let local = client("localhost:5000", false);
        assert!(local.resolve(&local.url("x"), "http://localhost:1/y").is_ok());
        assert!(local.resolve("https://b.io/x", "http://localhost:5000/y").is_err());
    }

    #[test]
    fn only_the_registry_is_told_who_asks() {
        let ours = client("ghcr.io", false);
        assert!(ours.is_own("https://ghcr.io/v2/x"));
        for other in [
            "https://ghcr.io.evil.org/",
            "https://ghcr.io:1/",
            "http://ghcr.io/",
            "https://ghcr.io@evil.org/",
        ] {
            assert!(!ours.is_own(other), "{other}");
        }
    }
}
