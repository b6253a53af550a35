//! Examples of what requests carry. A test reads each of them as its route does.

use serde_json::{Value, json};

pub(super) fn project() -> Value {
    json!({ "target": { "type": "http", "baseUrl": "https://shop.example/apis", "headers": { "authorization": "Bearer abc" } } })
}

pub(super) fn job() -> Value {
    json!({
        "id": "nightly-prices",
        "description": "All prices, every night",
        "tags": { "team": "pricing" },
        "payload": [
            { "apiName": "prices/fetch", "parameters": { "sku": 1 }, "requestTimeout": 60, "retry": { "maximumAttempts": 5 } },
            { "apiName": "prices/fetch", "parameters": { "sku": 2 } }
        ],
        "configuration": {
            "maxConcurrentRequests": 10,
            "requestTimeout": 600,
            "retry": { "maximumAttempts": 3, "initialInterval": "1s", "backoffCoefficient": 2, "maximumInterval": "1m" }
        },
        "schedule": {
            "calendars": [{ "hour": 2, "minute": 30, "dayOfWeek": { "start": "MONDAY", "end": "FRIDAY" } }],
            "exclusions": [{ "month": "DECEMBER", "dayOfMonth": 25 }],
            "timezone": "Europe/Berlin",
            "overlap": "skip",
            "catchUp": { "policy": "latest", "window": "24h" }
        },
        "sink": { "type": "webhook", "url": "https://shop.example/results", "skipOnFail": false },
        "notifications": [{ "type": "webhook", "url": "https://shop.example/told" }]
    })
}

pub(super) fn smallest_job() -> Value {
    json!({ "id": "by-hand", "payload": [{ "apiName": "prices/fetch" }] })
}

pub(super) fn job_update() -> Value {
    json!({
        "description": "All prices, every hour",
        "configuration": { "maxConcurrentRequests": 20 },
        "schedule": { "intervals": [{ "every": "1h", "offset": "5m" }] }
    })
}

pub(super) fn payloads() -> Value {
    json!([{ "apiName": "prices/fetch", "parameters": { "sku": 3 } }, { "apiName": "prices/fetch", "parameters": [4] }])
}

pub(super) fn pause() -> Value {
    json!({ "reason": "the shop is being moved" })
}

pub(super) fn trigger() -> Value {
    json!({ "payload": [{ "apiName": "prices/fetch", "parameters": { "sku": 7 } }] })
}

pub(super) fn backfill() -> Value {
    json!({ "from": "2026-01-01T00:00:00.000Z", "to": "2026-01-07T00:00:00.000Z" })
}

pub(super) fn preview() -> Value {
    json!({ "schedule": { "cron": ["0 0 9 * * Mon-Fri"], "timezone": "Europe/Berlin" }, "after": "2026-01-01T00:00:00.000Z", "count": 3 })
}

pub(super) fn auth_session() -> Value {
    json!({ "id": "shop-login", "parameters": { "user": "robot", "password": "secret" }, "checkAttempts": 2 })
}

pub(super) fn given_session() -> Value {
    json!({ "id": "by-hand", "type": "RUNTIME", "state": { "cookies": ["a=b"] } })
}

pub(super) fn auth_session_update() -> Value {
    json!({ "parameters": { "user": "robot", "password": "another secret" } })
}

pub(super) fn single_run() -> Value {
    json!({
        "apiName": "prices/fetch",
        "parameters": { "sku": 1 },
        "requestTimeout": 60,
        "retry": { "maximumAttempts": 5 },
        "sink": { "type": "webhook", "url": "https://shop.example/results" }
    })
}

pub(super) fn smallest_single_run() -> Value {
    json!({ "apiName": "prices/fetch" })
}
