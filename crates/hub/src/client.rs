//! Requests to the hub, with redirects followed by hand, since the token is for the hub alone.

use crate::asked::{Asked, Asker, Refusal};
use crate::error::{HubError, Kind};
use crate::settings::{Settings, Token};
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

const MOST_REDIRECTS: usize = 10;

/// What the hub says of a file without sending it.
pub(crate) struct Metadata {
    /// Its name in the cache: a digest of its bytes.
    pub etag: String,
    /// Its bytes.
    pub size: u64,
}

/// The hub's other end.
pub(crate) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<Token>,
}

impl Client {
    /// # Errors
    /// A file of certificates that cannot be read.
    pub(crate) fn new(settings: &Settings) -> Result<Self, HubError> {
        let mut tls = TlsConfig::builder();
        if let Some(file) = &settings.certificates {
            let unread = |why: String| {
                let remedy = "correct SSL_CERT_FILE or REQUESTS_CA_BUNDLE, or unset it for Mozilla's certificates";
                HubError::other(file.display().to_string(), format!("no certificates can be read ({why})"), remedy)
            };
            let pem = std::fs::read(file).map_err(|error| unread(error.to_string()))?;
            let certificates = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let certificates: Vec<_> = certificates.collect();
            if certificates.is_empty() {
                return Err(unread("there are none in PEM".to_owned()));
            }
            tls = tls.root_certs(RootCerts::from(certificates));
        }
        let wait = Some(settings.timeout);
        let builder = Agent::config_builder();
        // No proxy leads to this machine itself.
        let is_here = ["http://127.0.0.1:", "http://localhost:"].iter().any(|of| settings.endpoint.starts_with(of));
        let builder = if is_here { builder.proxy(None) } else { builder };
        let config = builder
            .user_agent(concat!("apt-lab/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(wait)
            .timeout_connect(wait)
            .timeout_recv_response(wait)
            .timeout_per_read(wait)
            .tls_config(tls.build());
        Ok(Self {
            agent: config.build().new_agent(),
            endpoint: settings.endpoint.clone(),
            token: settings.token.clone(),
        })
    }

    /// The answer about a model as a whole: the commit of its revision and the names of its files.
    pub(crate) fn listing(&self, asked: Asked<'_>) -> Result<Vec<u8>, HubError> {
        const MOST: u64 = 64 << 20;
        let mut response = self.request(Method::Get, &asked.listing(&self.endpoint), 0, asked)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(self.refused(status, &response, asked));
        }
        let body = response.body_mut().with_config().limit(MOST).read_to_vec();
        body.map_err(|error| self.unreachable(&error, asked))
    }

    /// What a file is, at a commit.
    pub(crate) fn metadata(&self, commit: &str, asked: Asked<'_>) -> Result<Metadata, HubError> {
        let response = self.request(Method::Head, &asked.address(&self.endpoint, commit), 0, asked)?;
        let status = response.status().as_u16();
        if status >= 400 {
            return Err(self.refused(status, &response, asked));
        }
        let etag = header(&response, "x-linked-etag").or_else(|| header(&response, "etag"));
        let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        let is_name = |etag: &String| {
            let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !etag.is_empty() && etag.len() <= 128 && !etag.starts_with('.') && etag.chars().all(is_inner)
        };
        let size = header(&response, "x-linked-size").or_else(|| header(&response, "content-length"));
        match (etag.filter(is_name), size.and_then(|size| size.parse().ok())) {
            (Some(etag), Some(size)) => Ok(Metadata { etag, size }),
            _ => {
                let what = format!("{} does not say which file this is, and how long", self.endpoint);
                Err(HubError::no_hub(&asked.place(), what))
            }
        }
    }

    /// A file from byte `from` on.
    pub(crate) fn file(&self, commit: &str, from: u64, asked: Asked<'_>) -> Result<Response<Body>, HubError> {
        self.request(Method::Get, &asked.address(&self.endpoint, commit), from, asked)
    }

    fn request(&self, method: Method, url: &str, from: u64, asked: Asked<'_>) -> Result<Response<Body>, HubError> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = match method {
                Method::Get => self.agent.get(&url),
                Method::Head => self.agent.head(&url),
            };
            if let Some(token) = self.token.as_ref().filter(|_| origin(&url) == origin(&self.endpoint)) {
                request = request.header("authorization", format!("Bearer {}", token.secret));
            }
            if from > 0 {
                request = request.header("range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| self.unreachable(&error, asked))?;
            // What the hub says of a large file stands in the answer that points to where its bytes are.
            let is_said = method == Method::Head && header(&response, "x-linked-etag").is_some();
            if !response.status().is_redirection() || is_said {
                return Ok(response);
            }
            let next = header(&response, "location").and_then(|location| joined(&url, location));
            let next = next.ok_or_else(|| HubError::no_hub(&asked.place(), format!("{url} points to no address")))?;
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(HubError::no_hub(&asked.place(), format!("{url} points to {next}, without encryption")));
            }
            url = next;
        }
        Err(HubError::no_hub(&asked.place(), format!("it was sent on more than {MOST_REDIRECTS} times")))
    }

    /// Why the hub does not give what was asked for.
    pub(crate) fn refused(&self, status: u16, response: &Response<Body>, asked: Asked<'_>) -> HubError {
        let code = header(response, "x-error-code").unwrap_or_default();
        let refusal = Refusal { status, code, retry_after: header(response, "retry-after") };
        let token = self.token.as_ref().map(|token| token.origin.as_str());
        asked.refused(&self.endpoint, refusal, Asker::Program { token })
    }

    /// Nothing, or nothing sensible, came back.
    pub(crate) fn unreachable(&self, error: &ureq::Error, asked: Asked<'_>) -> HubError {
        let reason = error.to_string();
        let remedy = if reason.to_lowercase().contains("certificate") {
            "where a proxy has a certificate of its own, name the file of it with SSL_CERT_FILE"
        } else {
            "check the network, HTTPS_PROXY and HF_ENDPOINT"
        };
        let what = format!("the hub at {} cannot be reached ({reason})", self.endpoint);
        HubError::new(Kind::Unreachable, asked.place(), what, remedy)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
}

/// A header's text.
pub(crate) fn header<'r>(response: &'r Response<Body>, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// `https://host:port`, in lower case.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}").to_lowercase())
}

/// Where `location` points to from `url`.
fn joined(url: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(location.to_owned());
    }
    if location.starts_with("//") {
        return url.split_once("//").map(|(scheme, _)| format!("{scheme}{location}"));
    }
    location.starts_with('/').then(|| origin(url).map(|origin| format!("{origin}{location}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined_as_browsers_do() {
        let from = "https://hub.co:8443/a/resolve/main/b?c=d";
        for (location, expected) in [
            ("/new/resolve/main/b", Some("https://hub.co:8443/new/resolve/main/b")),
            ("//cdn.co/x", Some("https://cdn.co/x")),
            ("http://cdn.co/x?y=z", Some("http://cdn.co/x?y=z")),
            ("ftp://cdn.co/x", None),
        ] {
            assert_eq!(joined(from, location).as_deref(), expected, "{location}");
        }
        assert_eq!(origin("HTTPS://Hub.co?x"), Some("https://hub.co".into()));
    }
}
