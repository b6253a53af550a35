//! A server that is a target, a webhook receiver, or both, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the server does with a call.
pub(crate) enum Answer {
    /// 200 with this result.
    Result(Value),
    /// This status with this body.
    Status(u16, Value),
    /// 200 with this result, but only after a while.
    Slow(Duration, Value),
}

/// A call that was received.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) api: String,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

type Behaviour = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

/// The server.
pub(crate) struct Target {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    behaviour: Behaviour,
    calls: Mutex<Vec<Call>>,
    /// Calls that have come in and were not answered yet, and the most there were of them.
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Target {
    /// Starts one that answers as `behaviour` says.
    pub(crate) async fn start(behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let state = Arc::new(State {
            behaviour: Arc::new(behaviour),
            calls: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        });
        let app = Router::new().route("/{*api}", post(receive)).with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    /// Starts one that gives back the parameters.
    pub(crate) async fn echo() -> Self {
        Self::start(|call| Answer::Result(call.body["parameters"].clone())).await
    }

    /// What it was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// How many calls it was asked at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_under_way.load(Ordering::SeqCst)
    }
}

async fn receive(
    extract::State(state): extract::State<Arc<State>>,
    Path(api): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Response {
    let body = serde_json::from_str(&text).unwrap_or_default();
    let call = Call { api, headers, text, body };
    state.calls.lock().unwrap().push(call.clone());
    let under_way = state.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    let answer = (state.behaviour)(&call);
    if let Answer::Slow(wait, _) = &answer {
        tokio::time::sleep(*wait).await;
    }
    // Before the caller can know of its answer, and make the next call.
    state.under_way.fetch_sub(1, Ordering::SeqCst);
    match answer {
        Answer::Result(result) | Answer::Slow(_, result) => axum::Json(json!({ "result": result })).into_response(),
        Answer::Status(status, body) => (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response(),
    }
}
