//! Retries: whose rules apply, how long they wait, and that nobody else waits with them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads, summary};

/// How each payload of a run ended: its status, its attempts and its error's code.
async fn ends(cloud: &Cloud, run: &str) -> Vec<(String, u64, Value)> {
    let records = cloud.api.all(&format!("{run}/payloads")).await;
    let end = |record: &Value| {
        let status = record["status"].as_str().unwrap().to_owned();
        (status, record["attempts"].as_u64().unwrap(), record["error"]["code"].clone())
    };
    records.iter().map(end).collect()
}

#[tokio::test]
async fn a_payloads_own_rules_come_before_its_jobs_and_final_errors_before_both() {
    let (cloud, target) = (Cloud::start().await, Target::by_parameters().await);
    cloud.api.make_project(&target).await;
    let often = json!({ "maximumAttempts": 4, "initialInterval": "10ms" });
    let payload = json!([
        { "apiName": "a", "parameters": { "fail": vec![503; 9] } },
        { "apiName": "a", "parameters": { "fail": vec![503; 9] }, "retry": often },
        { "apiName": "a", "parameters": { "fail": [500, 429, 408] }, "retry": often },
        { "apiName": "a", "parameters": { "fail": [404, 503] }, "retry": often },
        // It waits for longer than it may, which its job would let it.
        { "apiName": "a", "parameters": { "wait": 2_500 }, "requestTimeout": 1, "retry": { "maximumAttempts": 1 } },
        { "apiName": "a", "parameters": { "wait": 2_500 } }
    ]);
    let configuration = json!({ "requestTimeout": 60, "retry": { "maximumAttempts": 2, "initialInterval": "10ms" } });
    cloud.api.create_job(json!({ "id": "job", "payload": payload, "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let end = |status: &str, attempts, code: &str| {
        (status.to_owned(), attempts, if code.is_empty() { Value::Null } else { json!(code) })
    };
    let expected = [
        end("FAILED", 2, "http-503"),
        end("FAILED", 4, "http-503"),
        end("SUCCEEDED", 4, ""),
        end("FAILED", 1, "http-404"),
        end("FAILED", 1, "timeout"),
        end("SUCCEEDED", 1, ""),
    ];
    assert_eq!(ends(&cloud, &run).await, expected);
    assert_eq!(target.count(), 2 + 4 + 4 + 1 + 1 + 1);
}

#[tokio::test]
async fn a_target_says_itself_what_is_worth_another_attempt() {
    let target = Target::start(|call| match (call.index(), call.attempt()) {
        (0, _) => Answer::Status(503, json!({ "error": { "code": "sold-out", "message": "x", "retryable": false } })),
        (_, 1) => Answer::Status(404, json!({ "error": { "code": "not-yet", "message": "x", "retryable": true } })),
        _ => Answer::Result(json!(1)),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "retry": { "maximumAttempts": 3, "initialInterval": "10ms" } });
    let payload = json!([{ "apiName": "a" }, { "apiName": "a" }]);
    cloud.api.create_job(json!({ "id": "job", "payload": payload, "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let expected = [("FAILED".to_owned(), 1, json!("sold-out")), ("SUCCEEDED".to_owned(), 2, Value::Null)];
    assert_eq!(ends(&cloud, &run).await, expected);
}

#[tokio::test]
async fn a_retry_that_is_far_off_holds_no_slot_and_still_happens() {
    let (cloud, target) = (Cloud::start().await, Target::by_parameters().await);
    cloud.api.make_project(&target).await;
    let far = json!({ "maximumAttempts": 2, "initialInterval": "24s" });
    let mut payload = vec![json!({ "apiName": "a", "parameters": { "fail": [503] }, "retry": far })];
    payload.extend((0..5).map(|n| json!({ "apiName": "a", "parameters": { "n": n } })));
    let configuration = json!({ "maxConcurrentRequests": 1 });
    cloud.api.create_job(json!({ "id": "job", "payload": payload, "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    let waits = cloud.api.wait_for(&run, |run| run["summary"]["succeeded"] == 5).await;
    assert_eq!((&waits["status"], target.count()), (&json!("RUNNING"), 6), "the others do not wait for it");
    let one = cloud.api.get(&format!("{run}/payloads/0")).await;
    assert_eq!((&one["attempts"], &one["failedAttempts"][0]["error"]["code"]), (&json!(1), &json!("http-503")));
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [6, 0, 0, 6, 0, 0]);
    let calls = target.calls();
    let of_it: Vec<Instant> = calls.iter().filter(|call| call.index() == 0).map(|call| call.at).collect();
    assert_eq!(of_it.len(), 2);
    assert!(of_it[1] - of_it[0] >= Duration::from_secs(24), "it was tried after {:?}", of_it[1] - of_it[0]);
}

#[tokio::test]
async fn retry_after_holds_back_the_whole_run() {
    const HOLD: u32 = 3;
    let target = Target::start(|call| match (call.index(), call.attempt()) {
        (5, 1) => Answer::Busy(429, HOLD),
        _ => Answer::Slow(Duration::from_millis(50), json!(1)),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 2, "retry": { "initialInterval": "10ms" } });
    let job = json!({ "id": "job", "payload": payloads("a", 40), "configuration": configuration });
    cloud.api.create_job(job).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!((summary(&ended), target.count()), ([40, 0, 0, 40, 0, 0], 41));
    let calls = target.calls();
    let refused_at = calls.iter().find(|call| call.index() == 5).unwrap().at;
    // Those that were under way, or just about to be, could not know.
    let grace = Duration::from_millis(500);
    let held =
        calls.iter().filter(|call| call.at > refused_at + grace && call.at < refused_at + Duration::from_millis(2_900));
    assert_eq!(held.count(), 0, "nobody is asked meanwhile");
    assert!(calls.iter().filter(|call| call.at >= refused_at + Duration::from_millis(2_900)).count() > 10);
}
