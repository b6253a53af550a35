//! Sinks of jobs.

use serde_json::{Value, json};

use super::{Bad, job, with};

fn sink(value: Value) -> Value {
    with("sink", value)
}

pub(super) fn kinds() -> Vec<Bad> {
    let long_url = format!("https://example.com/{}", "x".repeat(3000));
    vec![
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
    ]
}
