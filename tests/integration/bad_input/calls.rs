//! Calls of other routes, and bodies that are no JSON documents of a size that is taken.

use serde_json::{Value, json};

use super::{Bad, job, text, with};

pub(super) fn kinds() -> Vec<Bad> {
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
    vec![
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
    ]
}
