//! The one client for requests to places that users name: guarded addresses, no redirects, no
//! proxies, bounded time and bodies.

use std::error::Error as _;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sundial_engine::attempt::CallResult;
use url::{Host, Url};

use crate::guard::AddressGuard;

/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is kept this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// No target or sink is waited for longer before it is called again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct OutboundClient(Arc<dyn Transport>);

/// What carries requests: HTTP, or a simulation of the world outside.
pub trait Transport: Debug + Send + Sync {
    /// Sends a request and reads the answer.
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, CallResult>;
}

#[derive(Debug)]
struct GuardedHttp {
    client: reqwest::Client,
    guard: AddressGuard,
}

/// A request to a place that a user named.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    /// POST or PUT.
    pub method: http::Method,
    /// Where to.
    pub url: String,
    /// Headers of the user's and of ours.
    pub headers: HeaderMap,
    /// The very bytes that are sent, and were signed.
    pub body: Vec<u8>,
    /// From the first to the last byte.
    pub timeout: Duration,
    /// An answer's body may have this many bytes.
    pub answer_bytes_max: usize,
}

/// An address was resolved and must not be called.
#[derive(Debug, thiserror::Error)]
#[error("{0} leads to an address that must not be called")]
struct Blocked(String);

struct GuardedResolver(AddressGuard);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let resolved: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = resolved.iter().copied().filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() && !resolved.is_empty() {
                return Err(Blocked(name).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl OutboundClient {
    /// A client that calls what `guard` allows.
    ///
    /// # Errors
    /// When the TLS configuration of this machine cannot be read.
    pub fn new(guard: AddressGuard) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("sundial/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(GuardedResolver(guard.clone())))
            .build()?;
        Ok(Self::over(Arc::new(GuardedHttp { client, guard })))
    }

    /// A client over something that carries its requests.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self(transport)
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: OutboundRequest) -> CallResult {
        self.0.send(request).await
    }
}

impl Transport for GuardedHttp {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, CallResult> {
        Box::pin(self.send_guarded(request))
    }
}

impl GuardedHttp {
    async fn send_guarded(&self, request: OutboundRequest) -> CallResult {
        let url = match Url::parse(&request.url) {
            Ok(url) => url,
            Err(error) => return CallResult::ConnectionError(format!("{:?} is no URL: {error}", request.url)),
        };
        if let Some(address) = literal_address(&url)
            && !self.guard.allows(address)
        {
            return CallResult::BlockedAddress(Blocked(address.to_string()).to_string());
        }
        let answer_bytes_max = request.answer_bytes_max;
        let sent = self.client.request(request.method, url).headers(request.headers).timeout(request.timeout);
        let answer = match sent.body(request.body).send().await {
            Ok(answer) => answer,
            Err(error) => return failure(&error),
        };
        read_answer(answer, answer_bytes_max).await
    }
}

/// Chooses `ring` for the TLS of this process; must come before any client is built.
pub fn install_tls_provider() {
    // Already installed is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The address in a URL that names one; such URLs are not resolved.
fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

async fn read_answer(mut answer: reqwest::Response, bytes_max: usize) -> CallResult {
    let status = answer.status().as_u16();
    let is_json = is_json(answer.headers().get(CONTENT_TYPE));
    let retry_after = retry_after(answer.headers().get(RETRY_AFTER), Utc::now());
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => return CallResult::TooLarge { status },
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return CallResult::Answer { status, is_json, retry_after, body },
            Err(error) => return failure(&error),
        }
    }
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(value: Option<&HeaderValue>, now: DateTime<Utc>) -> Option<Duration> {
    let text = value?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()?,
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn failure(error: &reqwest::Error) -> CallResult {
    if error.is_timeout() && !error.is_connect() {
        return CallResult::Timeout;
    }
    // The innermost cause says most; the outer ones repeat the URL, which may be long.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        if inner.is::<Blocked>() {
            return CallResult::BlockedAddress(inner.to_string());
        }
        cause = inner;
    }
    let message = if error.source().is_none() { error.to_string() } else { cause.to_string() };
    CallResult::ConnectionError(message)
}

/// Adds a user's headers; they were checked when they were saved.
pub(crate) fn add_headers(headers: &mut HeaderMap, user: &sundial_model::target::Headers) {
    for (name, value) in &user.0 {
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value.expose()))
        {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let read = |text: &'static str| retry_after(Some(&HeaderValue::from_static(text)), now);
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Tue, 14 Nov 2023 22:13:30 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("Tue, 14 Nov 2000 22:13:30 GMT"), None);
        assert_eq!(read("99999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(read("soon"), None);
    }

    #[tokio::test]
    async fn addresses_in_urls_are_checked_in_every_notation() {
        let client = OutboundClient::new(AddressGuard::default()).expect("a client");
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
            let request = OutboundRequest {
                method: http::Method::POST,
                url: format!("http://{host}:9/"),
                headers: HeaderMap::new(),
                body: Vec::new(),
                timeout: Duration::from_secs(5),
                answer_bytes_max: 10,
            };
            let result = client.send(request).await;
            assert!(matches!(result, CallResult::BlockedAddress(_)), "{host}: {result:?}");
        }
    }
}
