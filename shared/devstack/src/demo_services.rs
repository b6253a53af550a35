//! A target and a webhook receiver to try things out with, served beside the API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Where the target stands on the API's origin.
pub const TARGET_PATH: &str = "/demo/target";
/// Where the webhook receiver stands on the API's origin.
pub const RECEIVER_PATH: &str = "/demo/webhook";

/// A token of the target is good for so many calls.
pub const CALLS_PER_TOKEN: u32 = 30;
/// It is issued for this password.
pub const PASSWORD: &str = "open sesame";

/// What the target and the receiver have seen.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How often the receiver was sent something, by `webhook-id`.
    received: BTreeMap<String, u32>,
    /// How many tokens the target has issued; the last one is good.
    tokens: u64,
    /// For how many calls it still is.
    calls_left: u32,
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many different deliveries came.
    pub fn deliveries(&self) -> usize {
        self.state().received.len()
    }

    /// How many tokens the target has issued.
    pub fn tokens(&self) -> u64 {
        self.state().tokens
    }
}

impl State {
    /// Whether a call carries the token that is good.
    fn is_signed_in(&self, call: &Value) -> bool {
        let token = call["authSession"]["state"]["token"].as_u64();
        token == Some(self.tokens) && self.calls_left > 0
    }

    fn issue(&mut self) -> u64 {
        (self.tokens, self.calls_left) = (self.tokens + 1, CALLS_PER_TOKEN);
        self.tokens
    }
}

/// The routes of both.
pub(crate) fn router(seen: Seen) -> Router {
    Router::new()
        .route(&format!("{TARGET_PATH}/{{*api}}"), post(target))
        .route(RECEIVER_PATH, post(receive))
        .with_state(seen)
}

type TargetAnswer = (StatusCode, Json<Value>);

fn result(result: &Value) -> TargetAnswer {
    (StatusCode::OK, Json(json!({ "result": result })))
}

fn error(status: StatusCode, code: &str, message: &str) -> TargetAnswer {
    (status, Json(json!({ "error": { "code": code, "message": message } })))
}

/// The APIs of the target: `echo` gives back its parameters, `flaky` fails now and then and
/// always for the same attempts, `slow` waits `parameters.ms` milliseconds, and `members` wants a state that
/// `auth-sessions/create` has made of the right password, and that is good for some calls only.
async fn target(Shared(seen): Shared<Seen>, Path(api): Path<String>, Json(call): Json<Value>) -> TargetAnswer {
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
                return error(StatusCode::SERVICE_UNAVAILABLE, "out-of-luck", "this target fails now and then");
            }
        }
        "auth-sessions/create" if parameters["password"] == PASSWORD => {
            return result(&json!({ "token": seen.state().issue() }));
        }
        "auth-sessions/create" => return error(StatusCode::UNAUTHORIZED, "wrong-password", "that is not the password"),
        "auth-sessions/check" => return result(&Value::Bool(seen.state().is_signed_in(&call))),
        "members" => {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let mut state = seen.state();
            if !state.is_signed_in(&call) {
                return error(StatusCode::UNAUTHORIZED, "auth-session-invalid", "the token is not good any more");
            }
            state.calls_left -= 1;
        }
        _ => {
            return error(StatusCode::NOT_FOUND, "no-such-api", "there are echo, flaky, slow and members");
        }
    }
    result(&json!({ "api": api, "echo": parameters }))
}

async fn receive(Shared(seen): Shared<Seen>, headers: HeaderMap, Json(_): Json<Value>) -> StatusCode {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    *seen.state().received.entry(id.to_owned()).or_default() += 1;
    StatusCode::NO_CONTENT
}
