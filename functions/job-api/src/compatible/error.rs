//! Errors as the clients read them. `retirable` is their spelling of retriable; both are sent.

use axum::Json as JsonAnswer;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use sundial_model::problem::{Problem, ProblemCode};

use super::pointers::{Renamed, rename};
use crate::problem_response::{ApiProblem, RequestId, retry_after};

/// A single run that had not ended when its caller's patience had.
#[derive(Clone, Debug)]
pub(super) struct NotInTime {
    pub(super) run_id: String,
}

impl IntoResponse for NotInTime {
    fn into_response(self) -> Response {
        let mut response = StatusCode::GATEWAY_TIMEOUT.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl ApiProblem {
    /// The same about the names that the client has sent.
    pub(super) fn naming(self, renamed: &[Renamed]) -> Self {
        let problem = self.into_problem();
        if problem.errors.0.is_empty() {
            return problem.into();
        }
        rename(problem.errors, renamed).into()
    }
}

/// The status and the code of a problem in the clients' words: their codes are fewer. What a job's state forbids is
/// bad input to them, because that is the only thing that all of them read.
fn status_and_code(code: ProblemCode) -> (u16, &'static str) {
    use ProblemCode::{
        AnotherJobRunActive, BadRequest, Conflict, IdempotencyKeyReused, InternalServerError, JobPaused,
        MethodNotAllowed, NotFound, NothingToRetry, PayloadTooLarge, PreconditionFailed, ProjectNotEmpty,
        TooManyRequests, Unauthorized, Unavailable, UnsupportedMediaType,
    };
    match code {
        BadRequest | JobPaused | AnotherJobRunActive | NothingToRetry => (400, "bad-request"),
        Unauthorized => (401, "unauthorized"),
        NotFound => (404, "not-found"),
        MethodNotAllowed => (405, "method-not-allowed"),
        Conflict | ProjectNotEmpty | IdempotencyKeyReused | PreconditionFailed => (409, "conflict"),
        PayloadTooLarge | UnsupportedMediaType => (code.status(), "unprocessable-entity"),
        TooManyRequests | InternalServerError | Unavailable => (code.status(), "internal-server-error"),
    }
}

fn body(code: &str, status: u16, message: &str, details: &Value, correlation_id: &str) -> Value {
    // What is not the caller's fault may go through later.
    let is_retriable = status >= 500 || status == 429;
    json!({
        "code": code,
        "category": if is_retriable { "infrastructure" } else { "user" },
        "message": message,
        "retirable": is_retriable,
        "retriable": is_retriable,
        "details": details,
        "correlationId": correlation_id
    })
}

/// Every field at fault, in words: the clients show a message and little else.
fn message(problem: &Problem) -> String {
    match problem.errors.0.as_slice() {
        [_, _, ..] => {
            let faults: Vec<_> =
                problem.errors.0.iter().map(|error| format!("{} {}", error.pointer, error.message)).collect();
            faults.join("; ")
        }
        _ => problem.detail.clone(),
    }
}

/// Puts what went wrong into the clients' words.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let correlation_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let mut response = next.run(request).await;
    if let Some(NotInTime { run_id }) = response.extensions_mut().remove() {
        let status = StatusCode::GATEWAY_TIMEOUT;
        let message = format!("the run {run_id} goes on; ask for its result");
        let mut body = body("request-timeout", status.as_u16(), &message, &json!({ "runId": run_id }), &correlation_id);
        // The same call again would be another run.
        (body["retirable"], body["retriable"]) = (json!(false), json!(false));
        body["runId"] = json!(run_id);
        return (status, JsonAnswer(body)).into_response();
    }
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let (status, code) = status_and_code(problem.code);
    let details = match problem.errors.0.as_slice() {
        [] if problem.code.code() == code => Value::Null,
        [] => json!({ "code": problem.code.code() }),
        errors => json!({ "errors": errors }),
    };
    let body = body(code, status, &message(&problem), &details, &correlation_id);
    let headers = std::mem::take(response.headers_mut());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, JsonAnswer(body)).into_response();
    if let Some(allowed) = headers.get(http::header::ALLOW) {
        response.headers_mut().insert(http::header::ALLOW, allowed.clone());
    }
    if let Some(seconds) = retry_after(problem.code) {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}
