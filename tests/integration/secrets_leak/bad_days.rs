//! What is refused.

use serde_json::{Value, json};

use super::{Witness, mark};
use crate::harness::{Api, payloads};

/// Sends a secret in every place where it does not belong. Answers with the secret.
pub(super) async fn bad_days(witness: &Witness) -> String {
    let secret = mark("misplaced");
    let m = secret.as_str();
    let spaced = format!("{m} with spaces");
    let long = m.repeat(300);
    let with_sink = |sink: Value| json!({ "id": "new", "payload": payloads("a", 1), "sink": sink });
    let hook = "https://example.com/hook";
    for sink in [
        json!(m),
        json!({ "type": m, "url": hook }),
        json!({ "type": "webhook", "url": hook, "token": m }),
        json!({ "type": "webhook", "url": hook, "secretAccessKey": m }),
        json!({ "type": "webhook", "url": hook, "headers": m }),
        json!({ "type": "webhook", "url": hook, "headers": [m] }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": [m] } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": { "value": m } } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": format!("{m}\n") } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": long } }),
        json!({ "type": "webhook", "url": hook, "headers": { "host": m, "bad name": m, "webhook-id": m } }),
        json!({ "type": "webhook", "url": hook, "headers": { "x-key": m, "X-KEY": m } }),
        json!({ "type": "webhook", "url": m }),
        json!({ "type": "webhook", "url": format!("https://user:{m}@example.com/") }),
        json!({ "type": "webhook", "url": format!("ftp://example.com/?token={m}") }),
        json!({ "type": "webhook", "url": hook, "apisToSend": [format!("../{m}")] }),
        json!({ "type": "webhook", "url": hook, "skipOnFail": m }),
        json!({ "type": "s3", "bucket": spaced, "region": spaced, "prefix": format!("{m}\n") }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "secretAccessKey": m }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": m }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": long, "secretAccessKey": m }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": "A", "secretAccessKey": [m] }),
        json!({ "type": "s3", "bucket": "abc", "region": "x", "accessKeyId": "A", "secretAccessKey": m, "endpoint": m }),
    ] {
        witness.bad("POST", "/projects/shop/jobs", with_sink(sink)).await;
    }
    for (part, value) in [
        ("id", json!(spaced)),
        ("payload", json!(m)),
        ("payload", json!([m])),
        ("payload", json!([{ "apiName": format!("../{m}"), "parameters": m }])),
        ("description", json!(long)),
        ("tags", json!({ "key": long })),
        ("configuration", json!({ "runMode": m, "maxConcurrentRequests": m, "requestTimeout": m, "maxDuration": m })),
        ("configuration", json!({ "retry": { "initialInterval": m, "backoffCoefficient": m, "maximumAttempts": m } })),
        ("schedule", json!({ "timezone": m, "cron": [m] })),
        ("schedule", json!({ "calendars": [{ "hour": m, "dayOfMonth": m, "dayOfWeek": { "start": m, "nth": m } }] })),
        ("schedule", json!({ "intervals": [{ "every": m, "offset": m }], "jitter": m, "startAt": m, "overlap": m })),
        ("schedule", json!({ "cron": ["* * * * * *"], "dst": { "gap": m }, "catchUp": { "policy": m, "window": m } })),
        ("state", json!({ "status": m })),
        ("authSession", json!({ "id": spaced, "autoRecreate": m })),
        ("notifications", json!([m])),
        ("notifications", json!([{ "type": m }, { "type": "webhook", "url": m, "headers": m }])),
        ("password", json!(m)),
    ] {
        let mut job = json!({ "id": "new", "payload": payloads("a", 1) });
        job[part] = value;
        witness.bad("POST", "/projects/shop/jobs", job).await;
    }
    for target in [
        json!(m),
        json!({ "type": m }),
        json!({ "type": "http", "baseUrl": m }),
        json!({ "type": "http", "baseUrl": format!("https://example.com/?token={m}") }),
        json!({ "type": "http", "baseUrl": format!("https://{m}@example.com/") }),
        json!({ "type": "http", "baseUrl": "https://example.com", "format": m }),
        json!({ "type": "http", "baseUrl": "https://example.com", "headers": { "x": [m] }, "apiKey": m }),
    ] {
        witness.bad("PUT", "/projects/shop", json!({ "target": target })).await;
    }
    witness.bad("PUT", "/projects/shop", json!({ "signingSecret": m, "target": {} })).await;
    for session in [
        json!(m),
        json!({ "id": "new", "parameters": m }),
        json!({ "id": "new", "parameters": { "password": "x".repeat(256_000), "more": m } }),
        json!({ "id": "new", "type": m, "state": m }),
        json!({ "id": "new", "state": m, "parameters": { "password": m } }),
        json!({ "id": spaced, "parameters": [m], "checkAttempts": m, "autoRecreate": m, "password": m }),
    ] {
        witness.bad("POST", "/projects/shop/auth-sessions", session).await;
    }
    witness.bad("PUT", "/projects/shop/auth-sessions/login", json!({ "state": m })).await;
    witness.bad("PUT", "/projects/shop/auth-sessions/given", json!({ "parameters": [m] })).await;
    let job = "/projects/shop/jobs/good";
    for (path, body) in [
        (format!("{job}/pause"), json!({ "reason": long, "token": m })),
        (format!("{job}/trigger"), json!({ "payload": m, "token": m })),
        (format!("{job}/backfill"), json!({ "from": m, "to": m })),
        (format!("{job}/payload"), json!([{ "apiName": format!("../{m}") }, m])),
        ("/schedules/preview".to_owned(), json!({ "schedule": { "cron": [m] }, "after": m, "count": m })),
    ] {
        witness.bad("POST", &path, body).await;
    }
    witness.bad_text("/projects/shop/jobs", "application/json", format!("{{\"sink\": {m}")).await;
    witness.bad_text("/projects/shop/jobs", "application/json", format!("\"{m}\"")).await;
    witness.bad_text("/projects/shop/jobs", &format!("text/{m}"), m.to_owned()).await;
    witness.bad_text(&format!("{job}/payload"), "application/x-ndjson", format!("{m}\n{{\"apiName\": \"{m}")).await;
    for query in [
        format!("{job}/runs?status={m}"),
        format!("{job}/runs?limit={m}"),
        format!("{job}/runs?cursor={m}"),
        format!("/projects/shop/jobs?tag={m}"),
        format!("{job}/runs?limit=1&limit={m}"),
        format!("{job}/schedule?after={m}&count={m}"),
    ] {
        let (status, answer) = witness.send("GET", &query, None).await;
        assert!((400..500).contains(&status), "{query}: {status} {answer}");
    }
    let wrong_key = Api { key: m.to_owned(), ..witness.api.clone() };
    witness.note("a wrong key", wrong_key.send("GET", "/projects", None).await.1.to_string());
    secret
}
