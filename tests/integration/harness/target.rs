//! A server that is a target, a webhook receiver, or both, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{self, DefaultBodyLimit, Path};
use axum::http::header::RETRY_AFTER;
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
    /// This status, and the wish to be left alone for so many seconds.
    Busy(u16, u32),
    /// 200 with this result, but only after a while.
    Slow(Duration, Value),
    /// This answer, but only after a while.
    After(Duration, Box<Answer>),
}

/// A call that was received.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) api: String,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
    /// When it came.
    pub(crate) at: Instant,
}

impl Call {
    /// The payload that a target was asked to carry out.
    pub(crate) fn index(&self) -> u64 {
        self.body["context"]["payloadIndex"].as_u64().unwrap()
    }

    /// Under which number.
    pub(crate) fn attempt(&self) -> u64 {
        self.body["context"]["attempt"].as_u64().unwrap()
    }
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
        let app = Router::new().route("/{*api}", post(receive)).layer(DefaultBodyLimit::disable());
        let app = app.with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    /// Starts one that does what a payload's parameters say: `wait` so many milliseconds, `fail` with the
    /// first of these statuses at the first attempt, and so on, then `extend` the run by these payloads
    /// and give the parameters back.
    pub(crate) async fn by_parameters() -> Self {
        Self::start(|call| {
            let (parameters, attempt) = (&call.body["parameters"], call.attempt());
            let status = parameters["fail"].get(usize::try_from(attempt).unwrap() - 1).and_then(Value::as_u64);
            let answer = match (status, parameters.get("extend")) {
                (Some(status), _) => Answer::Status(u16::try_from(status).unwrap(), json!({})),
                (None, None) => Answer::Result(parameters.clone()),
                (None, Some(payloads)) => {
                    Answer::Status(200, json!({ "result": parameters, "extendedPayloads": payloads }))
                }
            };
            match parameters["wait"].as_u64() {
                Some(wait) => Answer::After(Duration::from_millis(wait), Box::new(answer)),
                None => answer,
            }
        })
        .await
    }

    /// Starts one that gives back the parameters.
    pub(crate) async fn echo() -> Self {
        Self::start(|call| Answer::Result(call.body["parameters"].clone())).await
    }

    /// What it was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls_since(0)
    }

    /// What it was asked after so many calls.
    pub(crate) fn calls_since(&self, count: usize) -> Vec<Call> {
        self.state.calls.lock().unwrap()[count..].to_vec()
    }

    /// How often it was asked so far.
    pub(crate) fn count(&self) -> usize {
        self.state.calls.lock().unwrap().len()
    }

    /// How many calls are under way.
    pub(crate) fn at_once(&self) -> usize {
        self.state.under_way.load(Ordering::SeqCst)
    }

    /// How many calls it was asked at once, at most, since it was asked for this.
    pub(crate) fn most_at_once_since(&self) -> usize {
        let now = self.state.under_way.load(Ordering::SeqCst);
        self.state.most_under_way.swap(now, Ordering::SeqCst)
    }

    /// How many calls it was asked at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_under_way.load(Ordering::SeqCst)
    }
}

/// A call that is under way, until it is answered or its caller is gone.
struct UnderWay(Arc<State>);

impl UnderWay {
    fn begin(state: &Arc<State>) -> Self {
        let under_way = state.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn receive(
    extract::State(state): extract::State<Arc<State>>,
    Path(api): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Response {
    let body = serde_json::from_str(&text).unwrap_or_default();
    let call = Call { api, headers, text, body, at: Instant::now() };
    state.calls.lock().unwrap().push(call.clone());
    let under_way = UnderWay::begin(&state);
    let mut answer = (state.behaviour)(&call);
    while let Answer::After(wait, then) = answer {
        tokio::time::sleep(wait).await;
        answer = *then;
    }
    if let Answer::Slow(wait, _) = &answer {
        tokio::time::sleep(*wait).await;
    }
    // Before the caller can know of its answer, and make the next call.
    drop(under_way);
    respond(answer)
}

fn respond(answer: Answer) -> Response {
    let with_status = |status, body: Value| (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
    match answer {
        Answer::Result(result) | Answer::Slow(_, result) => axum::Json(json!({ "result": result })).into_response(),
        Answer::Status(status, body) => with_status(status, body),
        Answer::Busy(status, seconds) => {
            let mut response = with_status(status, json!({}));
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
            response
        }
        Answer::After(_, then) => respond(*then),
    }
}
