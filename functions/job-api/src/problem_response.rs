//! Problems become answers here, last: RFC 9457 with a correlation id.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use lambda_http::request::RequestContext;
use problem_details::{JsonProblemDetails, ProblemDetails};
use serde::Serialize;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::{FieldError, InvalidFields};
use sundial_store::StoreError;
use tracing::Instrument;
use uuid::Uuid;

use crate::idempotency::REPLAYED;

/// What a handler answers when something is wrong.
#[derive(Debug)]
pub(crate) struct ApiProblem(Problem);

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<InvalidFields> for ApiProblem {
    fn from(errors: InvalidFields) -> Self {
        Self(errors.into())
    }
}

impl ApiProblem {
    /// The problem itself, to be put into other words.
    pub(crate) fn into_problem(self) -> Problem {
        self.0
    }

    /// Something went wrong on our side: the client is told that, the log is told what.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self(Problem::new(ProblemCode::InternalServerError, "the request could not be carried out"))
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => {
                Self(Problem::new(ProblemCode::Conflict, "it is being changed by someone else; try again"))
            }
            StoreError::Unavailable(message) => {
                tracing::warn!(error = message, "the table is not available");
                Self(Problem::new(ProblemCode::Unavailable, "the storage is not available at the moment; try again"))
            }
            StoreError::Newer { item, version } => {
                tracing::warn!(item, version, "an older version was asked for what a newer one has written");
                Self(Problem::new(ProblemCode::Unavailable, "Sundial is being replaced by a newer version; try again"))
            }
            StoreError::Throttled(message) => {
                tracing::warn!(error = message, "the table is throttled");
                Self(Problem::new(ProblemCode::TooManyRequests, "there are too many requests at the moment; try again"))
            }
            StoreError::ClaimLost => {
                let detail = "the call took so long that another one with its idempotency key may be under way";
                Self(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
            }
            other => Self::internal(&other),
        }
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    code: &'static str,
    correlation_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// The request's id, in every answer; problem documents and log lines have it as `correlationId`.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the front calls the request, so that its log and ours can be put together; else a new id.
fn request_id(request: &Request) -> String {
    let of_front = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    let is_plain = |id: &String| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    of_front.filter(is_plain).unwrap_or_else(|| Uuid::now_v7().to_string())
}

/// After how many seconds a call that went wrong in this way is worth another try.
pub(crate) fn retry_after(code: ProblemCode) -> Option<u16> {
    match code {
        // A partition of the table that was throttled is split within seconds.
        ProblemCode::TooManyRequests => Some(2),
        ProblemCode::Unavailable => Some(5),
        _ => None,
    }
}

/// The request's id, for whoever puts problems into other words.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives each request its id, and each problem its document.
pub(crate) async fn render_problems(mut request: Request, next: Next) -> Response {
    let correlation_id = request_id(&request);
    request.extensions_mut().insert(RequestId(correlation_id.clone()));
    let span = tracing::error_span!("request", correlationId = correlation_id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span).await;
    if let Some(Problem { code, detail, errors: InvalidFields(errors) }) = response.extensions_mut().remove() {
        let extensions = Extensions { code: code.code(), correlation_id: correlation_id.clone(), errors };
        let details = ProblemDetails::from_status_code(response.status())
            .with_title(code.title())
            .with_detail(detail)
            .with_extensions(extensions);
        let details = match format!("/problems/{}", code.code()).parse::<http::Uri>() {
            Ok(problem_type) => details.with_type(problem_type),
            Err(_) => details,
        };
        let headers = std::mem::take(response.headers_mut());
        response = JsonProblemDetails::from(details).into_response();
        for (name, value) in &headers {
            if name == http::header::ALLOW || name == REPLAYED {
                response.headers_mut().insert(name, value.clone());
            }
        }
        if let Some(seconds) = retry_after(code) {
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
        }
    }
    if let Ok(value) = HeaderValue::from_str(&correlation_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
