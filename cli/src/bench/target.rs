//! `sundial bench target`: a target that does nothing but wait and answer, and counts its calls.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use clap::Args;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::payloads;

/// Where it tells how often it was called.
pub(crate) const CALLS_PATH: &str = "/calls";

/// How the target answers.
#[derive(Args, Clone, Copy)]
pub(crate) struct Target {
    /// How long the target takes to answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// How many bytes each result has; each is different.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub(crate) result_bytes: u32,
}

#[derive(Clone)]
struct Served {
    answers: Target,
    calls: Arc<AtomicU64>,
}

/// All that it reads of a call.
#[derive(Deserialize)]
struct Call {
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Parameters {
    n: u32,
}

/// Serves until the process ends; its first line says where.
pub(crate) async fn run(answers: Target) -> Result<(), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| format!("listening: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("listening: {error}"))?;
    println!("http://{address}");
    let app = Router::new()
        .route(CALLS_PATH, get(async |State(served): State<Served>| served.calls.load(Ordering::Relaxed).to_string()))
        .route("/{*api}", post(answer))
        .with_state(Served { answers, calls: Arc::default() });
    // An answer is not held back for more.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(listener, app).await.map_err(|error| format!("serving: {error}"))
}

async fn answer(State(served): State<Served>, body: Bytes) -> Response {
    served.calls.fetch_add(1, Ordering::Relaxed);
    let Ok(call) = serde_json::from_slice::<Call>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    if served.answers.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(served.answers.latency_ms)).await;
    }
    let result = payloads::result(call.parameters.n, served.answers.result_bytes as usize);
    ([(CONTENT_TYPE, "application/json")], format!(r#"{{"result":{result}}}"#)).into_response()
}
