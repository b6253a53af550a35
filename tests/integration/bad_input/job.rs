//! Jobs, their payloads and their configuration.

use serde_json::{Value, json};

use super::{Bad, job, text, with};

fn configuration(value: Value) -> Value {
    with("configuration", value)
}

pub(super) fn kinds() -> Vec<Bad> {
    vec![
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
    ]
}
