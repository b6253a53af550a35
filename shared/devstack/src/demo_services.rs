//! A target and a webhook receiver to try things out with, served beside the API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Where the target stands on the API's origin.
pub const TARGET_PATH: &str = "/demo/target";
/// Where the webhook receiver stands on the API's origin.
pub const RECEIVER_PATH: &str = "/demo/webhook";

/// What the receiver was sent: how often, by `webhook-id`.
#[derive(Clone, Default)]
pub struct Received(Arc<Mutex<BTreeMap<String, u32>>>);

impl Received {
    /// How many different deliveries came.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn note(&self, id: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id.to_owned()).or_default() += 1;
    }
}

/// The routes of both.
pub(crate) fn router(received: Received) -> Router {
    Router::new()
        .route(&format!("{TARGET_PATH}/{{*api}}"), post(target))
        .route(RECEIVER_PATH, post(receive))
        .with_state(received)
}

/// The APIs of the target: `echo` gives back its parameters, `flaky` fails now and then and
/// always for the same attempts, `slow` waits `parameters.ms` milliseconds.
async fn target(Path(api): Path<String>, Json(call): Json<Value>) -> (StatusCode, Json<Value>) {
    let parameters = &call["parameters"];
    match api.as_str() {
        "echo" => {}
        "slow" => {
            let wait = parameters["ms"].as_u64().unwrap_or(1000).min(600_000);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        "flaky" => {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let (index, attempt) = (call["context"]["payloadIndex"].as_u64(), call["context"]["attempt"].as_u64());
            if let (Some(index), Some(attempt)) = (index, attempt)
                && index % 5 == 3
                && attempt <= 1 + index % 2
            {
                let error = json!({ "code": "out-of-luck", "message": "this target fails now and then" });
                return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": error })));
            }
        }
        _ => {
            let error = json!({ "code": "no-such-api", "message": "there are echo, flaky and slow" });
            return (StatusCode::NOT_FOUND, Json(json!({ "error": error })));
        }
    }
    (StatusCode::OK, Json(json!({ "result": { "api": api, "echo": parameters } })))
}

async fn receive(State(received): State<Received>, headers: HeaderMap, Json(_): Json<Value>) -> StatusCode {
    received.note(headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default());
    StatusCode::NO_CONTENT
}
