//! A server that is a target, a webhook receiver, or both, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
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
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Target {
    /// Starts one that answers as `behaviour` says.
    pub(crate) async fn start(behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let state: (Arc<Mutex<Vec<Call>>>, Behaviour) = (Arc::clone(&calls), Arc::new(behaviour));
        let app = Router::new().route("/{*api}", post(receive)).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, calls }
    }

    /// Starts one that gives back the parameters.
    pub(crate) async fn echo() -> Self {
        Self::start(|call| Answer::Result(call.body["parameters"].clone())).await
    }

    /// What it was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn receive(
    State((calls, behaviour)): State<(Arc<Mutex<Vec<Call>>>, Behaviour)>,
    Path(api): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Response {
    let body = serde_json::from_str(&text).unwrap_or_default();
    let call = Call { api, headers, text, body };
    calls.lock().unwrap().push(call.clone());
    match behaviour(&call) {
        Answer::Result(result) => axum::Json(json!({ "result": result })).into_response(),
        Answer::Status(status, body) => (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response(),
        Answer::Slow(wait, result) => {
            tokio::time::sleep(wait).await;
            axum::Json(json!({ "result": result })).into_response()
        }
    }
}
