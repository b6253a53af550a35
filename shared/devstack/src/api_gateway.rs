//! API Gateway in this process: HTTP in, the event of an HTTP API (payload version 2.0) to the
//! function, and its answer out, with Lambda's limits.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use serde_json::{Map, Value, json};
use sundial_runtime::clock;
use uuid::Uuid;

use crate::function_host::FunctionHost;

/// A synchronous invocation takes and gives so many bytes: a limit of Lambda.
const INVOCATION_BYTES_MAX: usize = 6 * 1024 * 1024;
/// A request has so many bytes: a limit of API Gateway.
const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The front of the API.
pub(crate) fn router(host: FunctionHost) -> Router {
    Router::new().fallback(forward).with_state(host)
}

async fn forward(State(host): State<FunctionHost>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else { return too_large() };
    let event = event(&parts, &body);
    if event.to_string().len() > INVOCATION_BYTES_MAX {
        return too_large();
    }
    match host.job_api(event).await {
        Ok(answer) if answer.to_string().len() <= INVOCATION_BYTES_MAX => response(&answer),
        Ok(_) => {
            tracing::error!("an answer is over Lambda's limit");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Err(error) => {
            tracing::error!(%error, "an invocation of the job API failed");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// The event of an HTTP API: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn event(parts: &http::request::Parts, body: &[u8]) -> Value {
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let protocol = if parts.version == Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" };
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.uri.path(),
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": joined(&parts.headers),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": header(HOST),
            "domainPrefix": "local",
            "http": {
                "method": parts.method.as_str(),
                "path": parts.uri.path(),
                "protocol": protocol,
                "sourceIp": "127.0.0.1",
                "userAgent": header(USER_AGENT)
            },
            "requestId": Uuid::new_v4(),
            "routeKey": "$default",
            "stage": "$default",
            "time": chrono::Utc::now().format("%d/%b/%Y:%H:%M:%S %z").to_string(),
            "timeEpoch": clock::now().milliseconds()
        },
        "isBase64Encoded": false
    });
    if !body.is_empty() {
        // API Gateway passes text as it is, and everything else in base64.
        let is_text = ["json", "text/", "xml"].iter().any(|kind| header(CONTENT_TYPE).contains(kind));
        match std::str::from_utf8(body) {
            Ok(text) if is_text => event["body"] = json!(text),
            _ => {
                event["body"] = json!(STANDARD.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// Headers of the same name are joined by commas.
fn joined(headers: &HeaderMap) -> Map<String, Value> {
    let mut joined = Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        joined.insert(name.to_string(), json!(values.join(",")));
    }
    joined
}

fn response(answer: &Value) -> Response {
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        STANDARD.decode(body).unwrap_or_default()
    } else {
        body.as_bytes().to_vec()
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let single = answer["headers"].as_object().into_iter().flatten();
    for (name, value) in single {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name.as_str()), value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn too_large() -> Response {
    let problem = sundial_model::problem::ProblemCode::PayloadTooLarge;
    let request_id = Uuid::new_v4().to_string();
    let document = json!({
        "type": format!("/problems/{}", problem.code()),
        "title": problem.title(),
        "status": problem.status(),
        "detail": "the request is larger than a function can take",
        "code": problem.code(),
        "correlationId": request_id
    });
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", request_id);
    }
    response
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(json!({ "message": status.canonical_reason() }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
