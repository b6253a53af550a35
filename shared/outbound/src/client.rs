//! The one client for requests to places that users name: guarded addresses, no redirects, no
//! proxies, bounded time and bodies.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sundial_engine::attempt::CallResult;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::answer::{OutboundAnswer, read_answer};
use crate::answer_memory::AnswerMemory;
use crate::call_failure::{Blocked, failure};
use crate::guard::AddressGuard;

/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is kept this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct OutboundClient(Arc<dyn Transport>);

/// What carries requests: HTTP, or a simulation of the world outside.
pub trait Transport: Debug + Send + Sync {
    /// Sends a request and reads the answer.
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, OutboundAnswer>;
}

#[derive(Debug)]
struct GuardedHttp {
    client: reqwest::Client,
    guard: AddressGuard,
    memory: AnswerMemory,
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
    /// From the first to the last byte, but for the time that the answer waits for [`AnswerMemory`]:
    /// that is bounded by when others are done, and by the caller, who may drop the call.
    pub timeout: Duration,
    /// An answer's body may have this many bytes.
    pub answer_bytes_max: usize,
}

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
    /// A client that calls what `guard` allows, and whose answers take at most `memory`, which is for
    /// all clients of a process; by default 64 MiB.
    ///
    /// # Errors
    /// When the TLS configuration of this machine cannot be read.
    pub fn new(guard: AddressGuard, memory: AnswerMemory) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // An attempt is one call. And a request that may be sent again is copied first.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("sundial/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(GuardedResolver(guard.clone())))
            .build()?;
        Ok(Self::over(Arc::new(GuardedHttp { client, guard, memory })))
    }

    /// A client over something that carries its requests.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self(transport)
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: OutboundRequest) -> OutboundAnswer {
        self.0.send(request).await
    }
}

impl Transport for GuardedHttp {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, OutboundAnswer> {
        Box::pin(self.send_guarded(request))
    }
}

impl GuardedHttp {
    async fn send_guarded(&self, request: OutboundRequest) -> OutboundAnswer {
        let url = match Url::parse(&request.url) {
            Ok(url) => url,
            Err(error) => return CallResult::ConnectionError(format!("{:?} is no URL: {error}", request.url)).into(),
        };
        if let Some(address) = literal_address(&url)
            && !self.guard.allows(address)
        {
            return CallResult::BlockedAddress(Blocked(address.to_string()).to_string()).into();
        }
        let deadline = Instant::now() + request.timeout;
        let sent = self.client.request(request.method, url).headers(request.headers).body(request.body).send();
        match timeout_at(deadline, sent).await {
            Ok(Ok(answer)) => read_answer(answer, request.answer_bytes_max, &self.memory, deadline).await,
            Ok(Err(error)) => failure(&error).into(),
            Err(_) => CallResult::Timeout.into(),
        }
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

    #[tokio::test]
    async fn addresses_in_urls_are_checked_in_every_notation() {
        let client = OutboundClient::new(AddressGuard::default(), AnswerMemory::default()).expect("a client");
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
            let request = OutboundRequest {
                method: http::Method::POST,
                url: format!("http://{host}:9/"),
                headers: HeaderMap::new(),
                body: Vec::new(),
                timeout: Duration::from_secs(5),
                answer_bytes_max: 10,
            };
            let result = client.send(request).await.result;
            assert!(matches!(result, CallResult::BlockedAddress(_)), "{host}: {result:?}");
        }
    }
}
