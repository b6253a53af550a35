//! Pages of payloads that are refused: bad input by payload and field, and what is too much.

use serde_json::{Value, json};
use sundial_model::PayloadPartId;
use sundial_runtime::clock;
use sundial_store::{PARTS_MAX, PayloadPart};

use crate::harness::{payloads, pointers};
use crate::payload_pages::{JOB, LINES, PAYLOAD, count_items, post, start, stored};

#[tokio::test]
async fn bad_pages_are_refused_by_payload_and_field_and_nothing_is_written() {
    let (cloud, _target) = start().await;
    let before = (cloud.api.get(JOB).await, count_items(&cloud, "").await);
    let good = json!({ "apiName": "a" });
    let large = json!({ "apiName": "a", "parameters": ["x".repeat(300_001)] });
    let array = |value: Value| ("application/json", value.to_string());
    let lines = |text: &str| (LINES, text.to_owned());
    for (what, (content_type, body), status, fields) in [
        ("no payloads", array(json!([])), 400, vec![""]),
        ("no body", ("application/json", String::new()), 400, vec![""]),
        ("no lines", lines(""), 400, vec![""]),
        ("blank lines", lines("\n \r\n\n"), 400, vec![""]),
        ("an object", array(good.clone()), 400, vec![""]),
        ("a job", array(json!({ "payload": [good] })), 400, vec![""]),
        ("half an array", ("application/json", "[{\"apiName\":\"a\"},".to_owned()), 400, vec![""]),
        ("text for a payload", array(json!([good, "a"])), 400, vec!["/1"]),
        (
            "everything",
            array(json!([
                { "api": "a" }, good, { "apiName": "../b" }, { "apiName": "auth-sessions/check", "parameters": "x" },
                large, { "apiName": "a", "retry": { "maximumAttempts": 0, "times": 1 }, "requestTimeout": 900 }
            ])),
            400,
            vec![
                "/0/api",
                "/0/apiName",
                "/2/apiName",
                "/3/apiName",
                "/3/parameters",
                "/4",
                "/5/requestTimeout",
                "/5/retry/maximumAttempts",
                "/5/retry/times",
            ],
        ),
        (
            "bad lines",
            lines(&format!("{good}\n\n{{\"apiName\": a}}\n{{}}\n{large}\n[{good}]\n{{\"apiName\":\"a\"")),
            400,
            vec!["/1", "/2/apiName", "/3", "/4", "/5"],
        ),
        ("an array as lines", lines(&json!([good]).to_string()), 400, vec!["/0"]),
        ("lines as JSON", ("application/json", format!("{good}\n{good}")), 400, vec![""]),
        ("text", ("text/plain", good.to_string()), 415, vec![]),
        ("lines of something", ("application/jsonl", good.to_string()), 415, vec![]),
        ("a body over the limit", lines(&format!("{good}\n").repeat(250_001)), 413, vec![]),
        ("an array over the limit", array(json!(["x".repeat(4_000_000)])), 413, vec![]),
    ] {
        let (status_found, problem) = post(&cloud.api, content_type, body).await;
        assert_eq!((status_found, pointers(&problem)), (status, fields), "{what}: {problem}");
        let code = match status {
            413 => "payload-too-large",
            415 => "unsupported-media-type",
            _ => "bad-request",
        };
        assert_eq!(problem["code"], code, "{what}");
        if what == "bad lines" {
            let message = problem["errors"][0]["message"].as_str().unwrap();
            assert_eq!(message, "in line 3 is not JSON: expected value at column 13");
        }
    }
    let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs/none/payload", Some(json!([good]))).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not-found")));
    assert_eq!((cloud.api.get(JOB).await, count_items(&cloud, "").await), before);
}

#[tokio::test]
async fn a_list_has_bounds_that_are_told() {
    let (cloud, _target) = start().await;
    let store = &cloud.dev.clients().store;
    let part = |count| PayloadPart { id: PayloadPartId::new(), count, bytes: u32::MAX };
    let with_parts = async |parts: Vec<PayloadPart>| {
        let mut job = stored(&cloud).await;
        job.parts = parts;
        store.put_job(job, clock::now()).await.unwrap();
        count_items(&cloud, "").await
    };
    let items = with_parts(vec![part(999_999)]).await;
    let (status, problem) = cloud.api.send("POST", PAYLOAD, Some(payloads("a", 2))).await;
    assert_eq!((status, pointers(&problem)), (400, vec![""]));
    assert!(problem["detail"].as_str().unwrap().contains("has 999999 of the 1000000"), "{problem}");
    assert_eq!(count_items(&cloud, "").await, items);
    let answer = cloud.api.ok("POST", PAYLOAD, Some(payloads("a", 1))).await;
    assert_eq!(answer, json!({ "appended": 1, "payloadCount": 1_000_000 }));
    let items = with_parts(vec![part(1); PARTS_MAX]).await;
    let (status, problem) = cloud.api.send("POST", PAYLOAD, Some(payloads("a", 1))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    assert!(problem["detail"].as_str().unwrap().contains("larger pages"), "{problem}");
    assert_eq!(count_items(&cloud, "").await, items);
    // So many parts fit the items of the job and its runs.
    cloud.api.trigger("job").await;
}
