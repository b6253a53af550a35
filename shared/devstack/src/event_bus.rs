//! EventBridge in this process: `PutEvents`, its rules, and the timer.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sundial_runtime::clock;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::function_host::{FunctionHost, TICK};

/// Between two ticks of the timer.
const TICK_EVERY: Duration = Duration::from_secs(60);

/// What becomes of an event.
#[derive(Clone)]
pub(crate) struct Receiver {
    /// A function is invoked, if a rule names one.
    pub(crate) functions: Option<Box<FunctionHost>>,
    /// What no function takes is appended here, a line each.
    pub(crate) file: PathBuf,
}

impl Receiver {
    fn receive(&self, detail_type: &str, event: Value) -> std::io::Result<()> {
        if let Some(host) = self.functions.as_ref().filter(|_| FunctionHost::takes(detail_type)) {
            host.dispatch(detail_type, event);
            return Ok(());
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.file)?;
        // One write, so that lines of concurrent events stay whole.
        file.write_all(format!("{event}\n").as_bytes())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: String,
    detail_type: String,
    detail: String,
}

/// Serves `PutEvents`, until the process ends.
pub(crate) fn serve(listener: TcpListener, receiver: Receiver, region: &str) {
    let app = Router::new().route("/", post(put_events)).with_state((receiver, region.to_owned()));
    tokio::spawn(async move { axum::serve(listener, app).await });
}

async fn put_events(
    State((receiver, region)): State<(Receiver, String)>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let refuse =
        |code: &str, message: String| (StatusCode::BAD_REQUEST, Json(json!({ "__type": code, "message": message })));
    let operation = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if operation != "AWSEvents.PutEvents" {
        return refuse("UnknownOperationException", format!("{operation:?} is not served here"));
    }
    let request: PutEvents = match serde_json::from_str(&body) {
        Ok(request) => request,
        Err(error) => return refuse("ValidationException", error.to_string()),
    };
    let mut failed = 0;
    let mut results = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        let Ok(detail) = serde_json::from_str::<Value>(&entry.detail) else {
            failed += 1;
            results.push(json!({ "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." }));
            continue;
        };
        let event = event(&entry.source, &entry.detail_type, detail, &region);
        let id = event["id"].clone();
        if let Err(error) = receiver.receive(&entry.detail_type, event) {
            failed += 1;
            results.push(json!({ "ErrorCode": "InternalFailure", "ErrorMessage": error.to_string() }));
        } else {
            results.push(json!({ "EventId": id }));
        }
    }
    (StatusCode::OK, Json(json!({ "FailedEntryCount": failed, "Entries": results })))
}

/// An event as EventBridge gives it to a function.
fn event(source: &str, detail_type: &str, detail: Value, region: &str) -> Value {
    json!({
        "version": "0",
        "id": Uuid::new_v4(),
        "detail-type": detail_type,
        "source": source,
        "account": "000000000000",
        "time": clock::now(),
        "region": region,
        "resources": [],
        "detail": detail
    })
}

/// Ticks at once and then every minute, until the process ends.
pub(crate) fn start_timer(host: FunctionHost, region: &str) {
    let region = region.to_owned();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(TICK_EVERY);
        loop {
            interval.tick().await;
            host.dispatch(TICK, event("aws.events", TICK, json!({}), &region));
        }
    });
}
