//! Names that lead elsewhere the second time, or to several places at once: the address that was checked is
//! the one that is called. The server that must not be reached would notice.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, Method};
use futures::future::{BoxFuture, ready};
use sundial_engine::attempt::CallResult;
use sundial_outbound::answer::AnswerLimit;
use sundial_outbound::client::OutboundRequest;
use sundial_outbound::{AddressGuard, AnswerMemory, OutboundClient, Resolver};
use tokio::net::TcpListener;

/// Where the good server is; just this address is opened.
const GOOD: &str = "127.0.0.1";
/// Where the one is that must not be reached, at the same port.
const BAD: &str = "127.0.0.2";

/// Two servers, and a client whose resolver answers as it is told, one answer after the other.
struct World {
    client: OutboundClient,
    resolver: Script,
    port: u16,
    good: Arc<AtomicUsize>,
    bad: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
struct Script {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Resolver for Script {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.lock().unwrap().push(name);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_default();
        Box::pin(ready(Ok(answer.into_iter().map(|address| SocketAddr::new(address, 0)).collect())))
    }
}

/// Serves whoever comes, and counts them.
fn serve(listener: TcpListener, closes: bool) -> Arc<AtomicUsize> {
    let visits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&visits);
    let app = Router::new().fallback(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { closes.then_some([(CONNECTION, "close")]).map_or_else(HeaderMap::new, header) }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    visits
}

fn header([(name, value)]: [(axum::http::HeaderName, &'static str); 1]) -> HeaderMap {
    HeaderMap::from_iter([(name, value.parse().unwrap())])
}

impl World {
    /// One whose good server closes each connection after its answer, or keeps it.
    async fn new(closes: bool, answers: &[&[&str]]) -> Self {
        let (good, bad, port) = loop {
            let good = TcpListener::bind((GOOD, 0)).await.unwrap();
            let port = good.local_addr().unwrap().port();
            // Somebody else may have this one.
            if let Ok(bad) = TcpListener::bind((BAD, port)).await {
                break (good, bad, port);
            }
        };
        let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let answers = Arc::new(Mutex::new(answers.iter().map(addresses).collect()));
        let resolver = Script { answers, asked: Arc::default() };
        let guard = AddressGuard::allowing(vec![format!("{GOOD}/32").parse().unwrap()]);
        let client = OutboundClient::resolving_by(Arc::new(resolver.clone()), guard, AnswerMemory::default());
        Self { client, resolver, port, good: serve(good, closes), bad: serve(bad, true) }
    }

    async fn call(&self, host: &str) -> CallResult {
        self.call_at(host, self.port).await
    }

    async fn call_at(&self, host: &str, port: u16) -> CallResult {
        let request = OutboundRequest {
            method: Method::POST,
            url: format!("http://{host}:{port}/"),
            headers: HeaderMap::new(),
            body: b"secret".to_vec(),
            timeout: Duration::from_secs(30),
            answer_limit: AnswerLimit { bytes_max: 1000, is_cut: false },
        };
        self.client.send(request).await.result
    }

    /// How often the good one was visited, the bad one, and how often the resolver was asked.
    fn counts(&self) -> (usize, usize, usize) {
        let visits = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (visits(&self.good), visits(&self.bad), self.resolver.asked.lock().unwrap().len())
    }
}

fn has_answered(result: &CallResult) -> bool {
    matches!(result, CallResult::Answer { status: 200, .. })
}

fn is_blocked(result: &CallResult) -> bool {
    matches!(result, CallResult::BlockedAddress(message) if message == "name.test leads to an address that must not be called")
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_blocked_the_second_time() {
    let world = World::new(true, &[&[GOOD], &[BAD], &[GOOD]]).await;
    let results = [world.call("name.test").await, world.call("name.test").await, world.call("name.test").await];
    assert!(has_answered(&results[0]) && is_blocked(&results[1]) && has_answered(&results[2]), "{results:?}");
    assert_eq!(world.counts(), (2, 0, 3));
}

#[tokio::test]
async fn a_connection_that_is_kept_leads_where_it_was_made_to() {
    let world = World::new(false, &[&[GOOD], &[BAD]]).await;
    let results = [world.call("name.test").await, world.call("name.test").await];
    assert!(results.iter().all(has_answered), "{results:?}");
    assert_eq!(world.counts(), (2, 0, 1), "the second call goes by the connection of the first");
    // Another port is another connection, which the new answer decides on.
    assert!(is_blocked(&world.call_at("name.test", world.port ^ 1).await));
}

#[tokio::test]
async fn of_a_name_that_leads_to_good_and_bad_addresses_only_the_good_ones_are_called() {
    let world = World::new(true, &[&[BAD, GOOD], &[GOOD, BAD], &[BAD, "169.254.169.254", GOOD, "::1"]]).await;
    for _ in 0..3 {
        assert!(has_answered(&world.call("name.test").await));
    }
    assert_eq!(world.counts(), (3, 0, 3));
}

#[tokio::test]
async fn when_the_good_address_does_not_answer_the_bad_one_is_not_tried_instead() {
    let world = World::new(true, &[&[GOOD, BAD]]).await;
    let closed = loop {
        // A port at which only the bad address has a server.
        let bad = TcpListener::bind((BAD, 0)).await.unwrap();
        let port = bad.local_addr().unwrap().port();
        if TcpListener::bind((GOOD, port)).await.is_ok() {
            break (serve(bad, true), port);
        }
    };
    let result = world.call_at("name.test", closed.1).await;
    assert!(matches!(result, CallResult::ConnectionError(_)), "{result:?}");
    assert_eq!(closed.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_in_a_translated_form_is_no_way_round_and_a_mapped_one_is_what_it_is() {
    let bad = ["::ffff:127.0.0.2", "::127.0.0.2", "64:ff9b::127.0.0.2", "2002:7f00:2::", "fe80::5efe:127.0.0.2"];
    let answers: Vec<_> = bad.iter().map(std::slice::from_ref).collect();
    let world = World::new(true, &answers).await;
    for form in bad {
        let result = world.call("name.test").await;
        assert!(is_blocked(&result), "{form}: {result:?}");
    }
    let world = World::new(true, &[&["::ffff:127.0.0.1"]]).await;
    let result = world.call("name.test").await;
    assert!(has_answered(&result), "{result:?}");
    assert_eq!(world.counts(), (1, 0, 1));
}

#[tokio::test]
async fn an_address_is_checked_without_asking_the_resolver_and_every_name_by_asking_it() {
    let world = World::new(true, &[&[GOOD], &[GOOD], &[]]).await;
    for (host, is_good) in [("127.0.0.1", true), ("127.0.0.2", false), ("0x7f.2", false), ("[::ffff:127.0.0.2]", false)]
    {
        assert_eq!(has_answered(&world.call(host).await), is_good, "{host}");
    }
    assert_eq!(world.counts(), (1, 0, 0));
    assert!(has_answered(&world.call("localhost").await));
    assert!(has_answered(&world.call("a.name.test.").await));
    assert!(matches!(world.call("name.test").await, CallResult::ConnectionError(_)), "a name without addresses");
    assert_eq!(*world.resolver.asked.lock().unwrap(), ["localhost", "a.name.test.", "name.test"]);
}
