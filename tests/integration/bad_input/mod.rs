//! Bad input: each kind is refused with a problem document that names every field at fault, and
//! nothing is written.

mod calls;
mod job;
mod schedule;
mod sink;

use serde_json::{Value, json};

use crate::harness::{Cloud, Target, pointers};

/// A request that must be refused.
#[derive(Clone)]
struct Bad {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    content_type: &'static str,
    body: String,
    status: u16,
    code: &'static str,
    fields: &'static [&'static str],
}

const JOBS: &str = "/projects/shop/jobs";

/// A POST of a job document that is refused with 400.
fn job(what: &'static str, body: &Value, fields: &'static [&'static str]) -> Bad {
    text(what, body.to_string(), fields)
}

fn text(what: &'static str, body: String, fields: &'static [&'static str]) -> Bad {
    let (method, path, content_type) = ("POST", JOBS, "application/json");
    Bad { what, method, path, content_type, body, status: 400, code: "bad-request", fields }
}

/// A good job with one part replaced.
fn with(part: &str, value: Value) -> Value {
    let mut job = json!({ "id": "new", "payload": [{ "apiName": "a" }] });
    job[part] = value;
    job
}
#[tokio::test]
async fn every_kind_of_bad_input_is_refused_by_name_and_nothing_is_written() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let old = cloud.api.create_job(json!({ "id": "old", "payload": [{ "apiName": "a" }] })).await;
    let kinds = [job::kinds(), schedule::kinds(), sink::kinds(), calls::kinds()].concat();
    assert!(kinds.len() >= 40);
    for bad in kinds {
        let request = cloud.api.client.request(bad.method.parse().unwrap(), format!("{}{}", cloud.api.base, bad.path));
        let request = request.header("x-api-key", &cloud.api.key).header("content-type", bad.content_type);
        let answer = request.body(bad.body).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let problem: Value = answer.json().await.unwrap_or_default();
        assert_eq!(status, bad.status, "{}: {problem}", bad.what);
        assert_eq!(headers["content-type"], "application/problem+json", "{}", bad.what);
        assert_eq!((&problem["code"], &problem["status"]), (&json!(bad.code), &json!(status)), "{}", bad.what);
        for field in ["type", "title", "detail", "correlationId"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{}: {problem}", bad.what);
        }
        assert_eq!(pointers(&problem), bad.fields, "{}: {problem}", bad.what);
    }
    assert_eq!(cloud.api.get("/projects/shop/jobs").await["items"], json!([old]));
    assert_eq!(cloud.api.get("/projects/shop/runs").await["items"], json!([]));
    let projects = cloud.api.all("/projects").await;
    assert_eq!(projects.iter().map(|project| project["name"].as_str().unwrap()).collect::<Vec<_>>(), ["demo", "shop"]);
}
