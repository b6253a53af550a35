//! Bad input: each kind is refused with a problem document that names every field at fault, and
//! nothing is written.

use serde_json::{Value, json};

use crate::harness::{Cloud, Target, pointers};

/// A request that must be refused.
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

fn configuration(value: Value) -> Value {
    with("configuration", value)
}

fn schedule(value: Value) -> Value {
    with("schedule", value)
}

fn sink(value: Value) -> Value {
    with("sink", value)
}

fn kinds() -> Vec<Bad> {
    let long_url = format!("https://example.com/{}", "x".repeat(3000));
    let mut kinds = vec![
        text("no body", String::new(), &[""]),
        text("not JSON", "{\"id\": ".to_owned(), &[""]),
        job("not an object", &json!([1, 2]), &[""]),
        job("nothing in it", &json!({}), &["/id", "/payload"]),
        job("an id with spaces", &with("id", json!("no spaces")), &["/id"]),
        job("an id with a slash", &with("id", json!("a/b")), &["/id"]),
        job("a long id", &with("id", json!("x".repeat(129))), &["/id"]),
        job("a number for an id", &with("id", json!(5)), &["/id"]),
        job("an unknown field", &with("colour", json!("red")), &["/colour"]),
        job("no payloads", &with("payload", json!([])), &["/payload"]),
        job("an object for payloads", &with("payload", json!({ "apiName": "a" })), &["/payload"]),
        job(
            "a payload without an API",
            &with("payload", json!([{ "api": "a" }])),
            &["/payload/0/api", "/payload/0/apiName"],
        ),
        job(
            "an API outside its base",
            &with("payload", json!([{ "apiName": "a" }, { "apiName": "../b" }])),
            &["/payload/1/apiName"],
        ),
        job("a reserved API", &with("payload", json!([{ "apiName": "auth-sessions/check" }])), &["/payload/0/apiName"]),
        job(
            "text for parameters",
            &with("payload", json!([{ "apiName": "a", "parameters": "x" }])),
            &["/payload/0/parameters"],
        ),
        job(
            "a payload that is too large",
            &with("payload", json!([{ "apiName": "a", "parameters": ["x".repeat(300_001)] }])),
            &["/payload/0"],
        ),
        job("an unknown run mode", &configuration(json!({ "runMode": "Ordered" })), &["/configuration/runMode"]),
        job(
            "no concurrency",
            &configuration(json!({ "maxConcurrentRequests": 0 })),
            &["/configuration/maxConcurrentRequests"],
        ),
        job(
            "too much concurrency",
            &configuration(json!({ "maxConcurrentRequests": 1001 })),
            &["/configuration/maxConcurrentRequests"],
        ),
        job(
            "half a request",
            &configuration(json!({ "maxConcurrentRequests": 1.5 })),
            &["/configuration/maxConcurrentRequests"],
        ),
        job(
            "text for a number",
            &configuration(json!({ "requestTimeout": "600" })),
            &["/configuration/requestTimeout"],
        ),
        job(
            "a timeout beyond Lambda's",
            &configuration(json!({ "requestTimeout": 900 })),
            &["/configuration/requestTimeout"],
        ),
        job(
            "no attempts",
            &configuration(json!({ "retry": { "maximumAttempts": 0 } })),
            &["/configuration/retry/maximumAttempts"],
        ),
        job(
            "a bad ms-string",
            &configuration(json!({ "retry": { "initialInterval": "1h30m" } })),
            &["/configuration/retry/initialInterval"],
        ),
        job(
            "a negative interval",
            &configuration(json!({ "retry": { "initialInterval": "-1s" } })),
            &["/configuration/retry/initialInterval"],
        ),
        job(
            "a long interval",
            &configuration(json!({ "retry": { "initialInterval": "25h" } })),
            &["/configuration/retry/initialInterval"],
        ),
        job(
            "a shrinking backoff",
            &configuration(json!({ "retry": { "backoffCoefficient": 0.5 } })),
            &["/configuration/retry/backoffCoefficient"],
        ),
        job(
            "an unknown retry field",
            &configuration(json!({ "retry": { "times": 3 } })),
            &["/configuration/retry/times"],
        ),
        job("an empty schedule", &schedule(json!({})), &["/schedule"]),
        job(
            "31 February",
            &schedule(json!({ "calendars": [{ "month": "FEBRUARY", "dayOfMonth": 31 }] })),
            &["/schedule/calendars/0"],
        ),
        job(
            "a short interval",
            &schedule(json!({ "intervals": [{ "every": "0.5s" }] })),
            &["/schedule/intervals/0/every"],
        ),
        job(
            "an offset beyond its interval",
            &schedule(json!({ "intervals": [{ "every": "1m", "offset": "2m" }] })),
            &["/schedule/intervals/0/offset"],
        ),
        job(
            "an hour of no day",
            &schedule(json!({ "calendars": [{}, { "hour": 24 }] })),
            &["/schedule/calendars/1/hour"],
        ),
        job(
            "a range that runs backwards",
            &schedule(json!({ "calendars": [{ "minute": { "start": 9, "end": 5 } }] })),
            &["/schedule/calendars/0/minute/end"],
        ),
        job("a cron string of five fields", &schedule(json!({ "cron": ["0 9 * * *"] })), &["/schedule/cron/0"]),
        job("no cron string", &schedule(json!({ "cron": ["every day"] })), &["/schedule/cron/0"]),
        job(
            "a time zone of Mars",
            &schedule(json!({ "calendars": [{}], "timezone": "Mars/Olympus" })),
            &["/schedule/timezone"],
        ),
        job(
            "an end before the start",
            &schedule(json!({ "calendars": [{}], "startAt": "2027-01-02T00:00:00Z", "endAt": "2027-01-01T00:00:00Z" })),
            &["/schedule/startAt"],
        ),
        job(
            "a schedule that no item holds",
            &schedule(json!({ "calendars": vec![json!({ "comment": "x".repeat(200), "hour": [1, 2, 3] }); 500] })),
            &[""],
        ),
        job("an unknown sink", &sink(json!({ "type": "fax" })), &["/sink/type"]),
        job("a sink of no type", &sink(json!({ "url": "https://example.com" })), &["/sink/type"]),
        job("a sink at no URL", &sink(json!({ "type": "webhook", "url": "nowhere" })), &["/sink/url"]),
        job("a sink at an ftp URL", &sink(json!({ "type": "webhook", "url": "ftp://example.com" })), &["/sink/url"]),
        job(
            "a sink with a password",
            &sink(json!({ "type": "webhook", "url": "https://a:b@example.com" })),
            &["/sink/url"],
        ),
        job(
            "a sink at an empty user",
            &sink(json!({ "type": "webhook", "url": "https://@example.com" })),
            &["/sink/url"],
        ),
        job(
            "a sink at a fragment",
            &sink(json!({ "type": "webhook", "url": "https://example.com/#part" })),
            &["/sink/url"],
        ),
        job("a sink at port 0", &sink(json!({ "type": "webhook", "url": "http://example.com:0/" })), &["/sink/url"]),
        job(
            "a sink at metadata",
            &sink(json!({ "type": "webhook", "url": "http://169.254.169.254/" })),
            &["/sink/url"],
        ),
        job("a sink at a long URL", &sink(json!({ "type": "webhook", "url": long_url })), &["/sink/url"]),
        job(
            "a sink that sets Host",
            &sink(json!({ "type": "webhook", "url": "https://example.com", "headers": { "Host": "x" } })),
            &["/sink/headers/Host"],
        ),
        job(
            "a sink with a line break",
            &sink(json!({ "type": "webhook", "url": "https://example.com", "headers": { "X": "a\r\nb" } })),
            &["/sink/headers/X"],
        ),
        job(
            "a sink that sets what is ours",
            &sink(json!({ "type": "webhook", "url": "https://example.com", "headers": {
                "Webhook_Id": "x", "Expect": "100-continue", "Proxy-Authorization": "x", "content-type": "x", "TE": "x"
            } })),
            &[
                "/sink/headers/Expect",
                "/sink/headers/Proxy-Authorization",
                "/sink/headers/TE",
                "/sink/headers/Webhook_Id",
                "/sink/headers/content-type",
            ],
        ),
        job(
            "a bucket with half a key",
            &sink(json!({ "type": "s3", "bucket": "abc", "region": "us-east-1", "accessKeyId": "A" })),
            &["/sink/secretAccessKey"],
        ),
        job(
            "a bucket without a key",
            &sink(json!({ "type": "s3", "bucket": "abc", "region": "us-east-1" })),
            &["/sink/bucket"],
        ),
        job(
            "Sundial's own bucket",
            &sink(json!({ "type": "s3", "bucket": "sundial-results", "region": "us-east-1" })),
            &["/sink/bucket"],
        ),
        job(
            "a redacted secret",
            &sink(json!({ "type": "webhook", "url": "https://example.com", "headers": { "X": "[redacted]" } })),
            &["/sink/headers/X"],
        ),
        job("an auth session without an id", &with("authSession", json!({})), &["/authSession/id"]),
        job("a state of its own", &with("state", json!({ "status": "SLEEPING" })), &["/state/status"]),
        job("a tag that is no text", &with("tags", json!({ "team": 1 })), &["/tags/team"]),
        job(
            "many faults at once",
            &json!({
                "id": "!", "payload": [{ "apiName": "" }], "configuration": { "retry": { "maximumAttempts": 101 } },
                "schedule": { "cron": ["x"] }, "sink": { "type": "webhook" }, "extra": 1
            }),
            &[
                "/configuration/retry/maximumAttempts",
                "/extra",
                "/id",
                "/payload/0/apiName",
                "/schedule/cron/0",
                "/sink/url",
            ],
        ),
    ];
    let other = |what, method, path, body: Value, status, code, fields| Bad {
        what,
        method,
        path,
        content_type: "application/json",
        body: body.to_string(),
        status,
        code,
        fields,
    };
    kinds.extend([
        Bad {
            content_type: "text/plain",
            status: 415,
            code: "unsupported-media-type",
            ..job("text for JSON", &with("id", json!("a")), &[])
        },
        Bad {
            status: 413,
            code: "payload-too-large",
            ..text("a body over the limit", format!("\"{}\"", "x".repeat(4_000_000)), &[])
        },
        Bad {
            status: 413,
            code: "payload-too-large",
            ..text("a body over Lambda's limit", "x".repeat(6_500_000), &[])
        },
        other(
            "a target at no URL",
            "PUT",
            "/projects/new",
            json!({ "target": { "type": "http", "baseUrl": "x" } }),
            400,
            "bad-request",
            &["/target/baseUrl"][..],
        ),
        other("no target", "PUT", "/projects/new", json!({ "targt": 1 }), 400, "bad-request", &["/target", "/targt"]),
        other(
            "a bad project name",
            "PUT",
            "/projects/a%20b",
            json!({ "target": { "type": "http", "baseUrl": "https://a.example" } }),
            400,
            "bad-request",
            &["/name"],
        ),
        other("a job in no project", "POST", "/projects/none/jobs", with("id", json!("a")), 404, "not-found", &[]),
        other(
            "another id than the path's",
            "PUT",
            "/projects/shop/jobs/old",
            with("id", json!("other")),
            400,
            "bad-request",
            &["/id"],
        ),
        other(
            "half of the payloads",
            "PUT",
            "/projects/shop/jobs/old",
            json!({ "payload": [{ "apiName": "a" }], "payloadTruncated": true }),
            400,
            "bad-request",
            &["/payloadTruncated"],
        ),
        other("an update of nothing", "PUT", "/projects/shop/jobs/none", json!({}), 404, "not-found", &[]),
        other(
            "a pause with a riddle",
            "POST",
            "/projects/shop/jobs/old/pause",
            json!({ "why": "x" }),
            400,
            "bad-request",
            &["/why"],
        ),
        other(
            "a trigger without payloads",
            "POST",
            "/projects/shop/jobs/old/trigger",
            json!({ "payload": [] }),
            400,
            "bad-request",
            &["/payload"],
        ),
        other(
            "a trigger with bad payloads",
            "POST",
            "/projects/shop/jobs/old/trigger",
            json!({ "payload": [{ "apiName": "a" }, { "apiName": "../b", "parameters": 1 }, { "api": "c" }], "now": 1 }),
            400,
            "bad-request",
            &["/now", "/payload/1/apiName", "/payload/1/parameters", "/payload/2/api", "/payload/2/apiName"],
        ),
        other(
            "a trigger with a payload that is too large",
            "POST",
            "/projects/shop/jobs/old/trigger",
            json!({ "payload": [{ "apiName": "a" }, { "apiName": "a", "parameters": ["x".repeat(300_001)] }] }),
            400,
            "bad-request",
            &["/payload/1"],
        ),
        other(
            "a trigger over the limit",
            "POST",
            "/projects/shop/jobs/old/trigger",
            json!({ "payload": vec![json!({ "apiName": "a", "parameters": ["x".repeat(250_000)] }); 16] }),
            413,
            "payload-too-large",
            &[],
        ),
        Bad {
            content_type: "application/x-ndjson",
            ..other(
                "a trigger with lines",
                "POST",
                "/projects/shop/jobs/old/trigger",
                json!({ "apiName": "a" }),
                415,
                "unsupported-media-type",
                &[],
            )
        },
        other("a page of nothing", "GET", "/projects/shop/jobs?limit=0", json!({}), 400, "bad-request", &["/limit"]),
        other(
            "a cursor of nobody",
            "GET",
            "/projects/shop/jobs?cursor=abc",
            json!({}),
            400,
            "bad-request",
            &["/cursor"],
        ),
        // {"v":1,"list":0,"after":"4294967295"}
        other(
            "a forged cursor",
            "GET",
            "/projects/shop/jobs?cursor=eyJ2IjoxLCJsaXN0IjowLCJhZnRlciI6IjQyOTQ5NjcyOTUifQ",
            json!({}),
            400,
            "bad-request",
            &["/cursor"],
        ),
        other("a path that is no text", "GET", "/projects/%FF", json!({}), 404, "not-found", &[]),
        other(
            "a status of nothing",
            "GET",
            "/projects/shop/jobs/old/runs?status=DONE",
            json!({}),
            400,
            "bad-request",
            &["/status"],
        ),
        other("a run that is none", "GET", "/projects/shop/jobs/old/runs/1", json!({}), 404, "not-found", &[]),
        other("a method that is none", "PATCH", "/projects/shop/jobs/old", json!({}), 405, "method-not-allowed", &[]),
        other("a route that is none", "GET", "/nothing", json!({}), 404, "not-found", &[]),
    ]);
    kinds
}

#[tokio::test]
async fn every_kind_of_bad_input_is_refused_by_name_and_nothing_is_written() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let old = cloud.api.create_job(json!({ "id": "old", "payload": [{ "apiName": "a" }] })).await;
    let kinds = kinds();
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
