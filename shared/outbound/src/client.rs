//! The one client for requests to places that users name: guarded addresses, no redirects, no
//! proxies, bounded time and bodies.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};
use sundial_engine::attempt::CallResult;
use sundial_model::target::{Headers, is_reserved_header};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::answer::{AnswerLimit, OutboundAnswer, read_answer};
use crate::answer_memory::AnswerMemory;
use crate::call_failure::failure;
use crate::function::{FunctionCaller, Invocation};
use crate::guard::{AddressGuard, literal_address};
use crate::resolver::{GuardedResolver, Resolver, SystemResolver};

/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is kept this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct OutboundClient {
    transport: Arc<dyn Transport>,
    functions: Option<Arc<FunctionCaller>>,
    memory: AnswerMemory,
}

/// What carries requests: HTTP, or a simulation of the world outside.
pub trait Transport: Debug + Send + Sync {
    /// Sends a request and reads the answer.
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, OutboundAnswer>;
}

#[derive(Debug)]
struct GuardedHttp {
    /// Made when there is a first request: it reads the roots of the machine, which takes longer than all the rest of
    /// a function's start, and only one of the functions calls anybody.
    client: OnceLock<Result<reqwest::Client, String>>,
    resolver: Arc<dyn Resolver>,
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
    /// How much of the answer is read.
    pub answer_limit: AnswerLimit,
}

impl OutboundClient {
    /// A client that calls what `guard` allows, and whose answers take at most `memory`, which is for
    /// all clients of a process; by default 64 MiB.
    pub fn new(guard: AddressGuard, memory: AnswerMemory) -> Self {
        Self::resolving_by(Arc::new(SystemResolver), guard, memory)
    }

    /// The same, with another resolver than that of the operating system.
    pub fn resolving_by(resolver: Arc<dyn Resolver>, guard: AddressGuard, memory: AnswerMemory) -> Self {
        let client = OnceLock::new();
        let transport = Arc::new(GuardedHttp { client, resolver, guard, memory: memory.clone() });
        Self { transport, functions: None, memory }
    }

    /// A client over something that carries its requests.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self { transport, functions: None, memory: AnswerMemory::default() }
    }

    /// The same client, which also invokes functions.
    pub fn invoking(self, functions: FunctionCaller) -> Self {
        Self { functions: Some(Arc::new(functions)), ..self }
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: OutboundRequest) -> OutboundAnswer {
        self.transport.send(request).await
    }

    /// Invokes a function and waits for what it returns.
    pub(crate) async fn invoke(&self, invocation: Invocation<'_>, event: Vec<u8>) -> OutboundAnswer {
        match &self.functions {
            Some(functions) => functions.invoke(invocation, event, &self.memory).await,
            None => CallResult::BlockedAddress("nothing here invokes functions".to_owned()).into(),
        }
    }
}

impl Transport for GuardedHttp {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, OutboundAnswer> {
        Box::pin(self.send_guarded(request))
    }
}

impl GuardedHttp {
    fn make_client(&self) -> Result<reqwest::Client, String> {
        install_tls_provider();
        let made = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Answers are taken as they come, whatever others in this workspace build into the library: what is
            // small on its way may be anything once it is unpacked.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
            // An attempt is one call. And a request that may be sent again is copied first.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("sundial/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(GuardedResolver { resolver: Arc::clone(&self.resolver), guard: self.guard.clone() }))
            .build();
        made.map_err(|error| format!("the TLS configuration of this machine cannot be read: {error}"))
    }

    async fn send_guarded(&self, request: OutboundRequest) -> OutboundAnswer {
        let url = match Url::parse(&request.url) {
            Ok(url) => url,
            Err(error) => return CallResult::ConnectionError(format!("what is called has no URL: {error}")).into(),
        };
        // Such a URL never gets to the resolver.
        if let Some(Err(blocked)) = literal_address(&url).map(|address| self.guard.check(address)) {
            return CallResult::BlockedAddress(blocked.to_string()).into();
        }
        let client = match self.client.get_or_init(|| self.make_client()) {
            Ok(client) => client,
            Err(message) => return CallResult::ConnectionError(message.clone()).into(),
        };
        let deadline = Instant::now() + request.timeout;
        let sent = client.request(request.method, url).headers(request.headers).body(request.body).send();
        match timeout_at(deadline, sent).await {
            Ok(Ok(answer)) => read_answer(answer, request.answer_limit, &self.memory, deadline).await,
            Ok(Err(error)) => failure(error).into(),
            Err(_) => CallResult::Timeout.into(),
        }
    }
}

/// Chooses `ring` for the TLS of this process; must come before any client is built.
pub fn install_tls_provider() {
    // Already installed is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Adds a user's headers. They were checked when they were saved; those that would change the request are
/// left out all the same, whatever is stored.
pub(crate) fn add_headers(headers: &mut HeaderMap, user: &Headers) {
    for (name, value) in user.0.iter().filter(|(name, _)| !is_reserved_header(name)) {
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
    use std::net::TcpStream;
    use sundial_model::secret::SecretText;
    use tokio::net::{TcpListener, TcpSocket};

    #[tokio::test]
    async fn addresses_in_urls_are_checked_in_every_notation() {
        let client = OutboundClient::new(AddressGuard::default(), AnswerMemory::default());
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7F000001",
            "017700000001",
            "0177.0.0.1",
            "127.0x0.00.1",
            "１２７．０．０．１",
            "①②⑦。⓪。⓪。①",
            "%31%32%37.0.0.1",
            "0",
            "[::1]",
            "[::]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b:1::127.0.0.1]",
            "[2002:7f00:1::]",
            "[2606:4700::5efe:127.0.0.1]",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "localhost",
            "LOCALHOST",
            "ｌｏｃａｌｈｏｓｔ",
        ] {
            let request = OutboundRequest {
                method: http::Method::POST,
                url: format!("http://{host}:9/"),
                headers: HeaderMap::new(),
                body: Vec::new(),
                timeout: Duration::from_secs(5),
                answer_limit: AnswerLimit { bytes_max: 10, is_cut: false },
            };
            let result = client.send(request).await.result;
            assert!(matches!(result, CallResult::BlockedAddress(_)), "{host}: {result:?}");
        }
    }

    fn to(port: u16, timeout: Duration) -> OutboundRequest {
        OutboundRequest {
            method: http::Method::POST,
            url: format!("http://127.0.0.1:{port}/"),
            headers: HeaderMap::new(),
            body: Vec::new(),
            timeout,
            answer_limit: AnswerLimit { bytes_max: 10, is_cut: false },
        }
    }

    // In virtual time, which goes on when everything waits.
    #[tokio::test(start_paused = true)]
    async fn a_connection_has_ten_seconds_and_an_answer_has_the_time_of_its_request() {
        let guard = AddressGuard::allowing(vec!["127.0.0.0/8".parse().expect("a range")]);
        let client = OutboundClient::new(guard, AnswerMemory::default());
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        // Connections that nobody takes fill the listener's queue; after that, the system answers no more.
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut waiting = Vec::new();
        while let Ok(connected) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            waiting.push(connected);
        }
        let begun = Instant::now();
        let result = client.send(to(address.port(), Duration::from_secs(600))).await.result;
        assert!(matches!(result, CallResult::ConnectionError(_)), "{result:?}");
        assert_eq!(begun.elapsed().as_secs(), CONNECT_TIMEOUT.as_secs());

        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let port = silent.local_addr().expect("an address").port();
        let begun = Instant::now();
        let result = client.send(to(port, Duration::from_secs(600))).await.result;
        assert!(matches!(result, CallResult::Timeout), "{result:?}");
        assert_eq!(begun.elapsed().as_secs(), 600);
    }

    #[test]
    fn stored_headers_that_would_change_the_request_are_left_out() {
        let stored = ["Host", "Transfer_Encoding", "webhook-id", "X-Key"];
        let stored = Headers(stored.map(|name| (name.to_owned(), SecretText::new("x"))).into());
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &stored);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-key"]);
    }
}
