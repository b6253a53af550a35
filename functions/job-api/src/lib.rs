//! The job API behind API Gateway: projects, jobs, job runs and what became of their payloads.
//!
//! All URLs stand in [`router`]. A handler reads the request, lets the engine decide, and lets
//! the store write; it holds no rule of its own that another door would need too.

mod authentication;
mod body;
mod check_addresses;
mod check_job;
mod check_sessions;
mod check_single_run;
mod compatible;
mod cursor;
mod due;
mod entity_tag;
mod first_answer;
mod following;
mod idempotency;
mod key_use;
mod list_query;
mod openapi;
mod payload_page;
mod problem_response;
pub mod router;
mod routes;
mod runs_view;

use axum::Router;
use lambda_http::lambda_runtime::{Error, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};

pub use body::BODY_BYTES_MAX;

/// The function: takes API Gateway's event, gives API Gateway's answer.
///
/// # Errors
/// None of ours: whatever goes wrong is an answer with a problem document.
pub async fn handle(router: Router, event: LambdaEvent<LambdaRequest>) -> Result<serde_json::Value, Error> {
    // A router is always ready, and must not live on while its answer is awaited: it is not `Sync`.
    let answer = Adapter::from(router).call(event);
    Ok(serde_json::to_value(answer.await?)?)
}
