//! Each answer carries the id of its request, and says when another try is worth it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use sundial_job_api::router::router;
use tower::ServiceExt as _;

use crate::harness::Cloud;
use crate::harness::faulty_table::Fault;

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request_and_a_problem_the_same() {
    let cloud = Cloud::start_storage_only().await;
    let api = router(cloud.dev.clients().clone());
    let mut ids = Vec::new();
    for (method, path) in
        [("GET", "/healthz"), ("GET", "/nowhere"), ("POST", "/healthz"), ("GET", "/v1/workspaces/x/projects")]
    {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = api.clone().oneshot(request).await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let (status, body) = body(answer).await;
        if status != 200 {
            assert_eq!(body["correlationId"], json!(id), "{method} {path}: {body}");
        }
        assert!(!ids.contains(&id));
        ids.push(id);
    }
}

#[tokio::test]
async fn the_id_of_a_request_is_that_of_the_front() {
    let cloud = Cloud::start_storage_only().await;
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/nowhere", "rawQueryString": "", "headers": {},
        "requestContext": {
            "accountId": "0", "apiId": "a", "domainName": "localhost", "domainPrefix": "a", "requestId": "Ab3dEgHijKlmNo=",
            "routeKey": "$default", "stage": "$default", "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1773342238000_i64,
            "http": { "method": "GET", "path": "/nowhere", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "" }
        },
        "isBase64Encoded": false
    });
    let event = serde_json::from_value(event).unwrap();
    let api = router(cloud.dev.clients().clone());
    let answer = sundial_job_api::handle(api, LambdaEvent::new(event, Context::default())).await.unwrap();
    assert_eq!(answer["headers"]["x-request-id"], "Ab3dEgHijKlmNo=");
    let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(problem["correlationId"], "Ab3dEgHijKlmNo=");
}

#[tokio::test]
async fn a_table_that_is_throttled_is_said_to_be_and_when_to_come_back() {
    let cloud = Cloud::start_storage_only().await;
    let (workspace, key) = (cloud.dev.description().workspace_id, &cloud.dev.description().api_key);
    let target = json!({ "target": { "type": "http", "baseUrl": "http://127.0.0.1:1" } });
    for (fault, expected) in [(Fault::Refused, (429, "too-many-requests")), (Fault::Unavailable, (503, "unavailable"))]
    {
        let api: Router = router(cloud.faulty_clients(Box::new(move |_| Some(fault))));
        let request = Request::put(format!("/v1/workspaces/{workspace}/projects/shop"));
        let request = request.header("x-api-key", key).header("content-type", "application/json");
        let answer = api.oneshot(request.body(Body::from(target.to_string())).unwrap()).await.unwrap();
        let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        let (status, problem) = body(answer).await;
        assert_eq!((status, problem["code"].as_str().unwrap()), expected);
        assert!((1..60).contains(&seconds));
    }
}

async fn body(answer: Response<Body>) -> (u16, Value) {
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
