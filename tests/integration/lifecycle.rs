//! What is told of job runs: events on the bus as they go on, and a notification when they end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads};

/// Waits until a job was told of so often; answers with the types and details, in order.
async fn events_of(cloud: &Cloud, job: &str, count: usize) -> Vec<(String, Value)> {
    let begun = Instant::now();
    loop {
        let events = cloud.events().into_iter().filter(|event| event["detail"]["jobId"] == job);
        let events: Vec<_> = events.collect();
        if events.len() >= count {
            assert!(events.iter().all(|event| event["source"] == "sundial" && event["id"].is_string()));
            let event = |mut event: Value| (event["detail-type"].as_str().unwrap().to_owned(), event["detail"].take());
            return events.into_iter().map(event).collect();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "there are just {events:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn types(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(detail_type, _)| detail_type.as_str()).collect()
}

/// A target that takes its time for the API `slow`, and refuses `bad`.
async fn target() -> Target {
    Target::start(|call| match call.api.as_str() {
        "slow" => Answer::Slow(Duration::from_millis(150), json!(1)),
        "bad" => Answer::Status(400, json!({})),
        _ => Answer::Result(json!(1)),
    })
    .await
}

#[tokio::test]
async fn the_bus_is_told_when_a_run_starts_and_how_it_ends() {
    let (cloud, target) = (Cloud::start().await, target().await);
    let project = cloud.api.make_project(&target).await;
    for (id, end, status) in [("good", "Job Run Completed", "COMPLETED"), ("bad", "Job Run Failed", "FAILED")] {
        cloud.api.create_job(json!({ "id": id, "payload": payloads(id, 3) })).await;
        let path = cloud.api.trigger(id).await;
        let run = cloud.api.wait_for_status(&path, status).await;
        let events = events_of(&cloud, id, 2).await;
        assert_eq!(types(&events), ["Job Run Started", end]);
        let (started, ended) = (&events[0].1, &events[1].1);
        assert_eq!((&started["status"], &started["endTime"]), (&json!("RUNNING"), &Value::Null));
        assert_eq!((&started["jobRunId"], &started["summary"]["total"]), (&run["id"], &json!(3)));
        let mut detail = json!({
            "workspaceId": run["workspaceId"], "projectId": project["id"], "projectName": "shop", "jobId": id,
            "jobRunId": run["id"], "type": "MANUAL", "generation": 1, "status": status,
            "startTime": run["startTime"], "endTime": run["endTime"]
        });
        detail["summary"] = run["summary"].clone();
        assert_eq!(*ended, detail);
    }
}

#[tokio::test]
async fn the_bus_is_told_of_a_pause_and_of_an_end_by_a_user() {
    let (cloud, target) = (Cloud::start().await, target().await);
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 1 });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("slow", 90), "configuration": configuration })).await;
    let path = cloud.api.trigger("job").await;
    cloud.api.wait_for(&path, |run| run["summary"]["succeeded"].as_u64() >= Some(1)).await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/pause", None).await;
    cloud.api.wait_for_status(&path, "PAUSED").await;
    let events = events_of(&cloud, "job", 2).await;
    assert_eq!((types(&events)[1], &events[1].1["status"]), ("Job Run Paused", &json!("PAUSED")));
    assert_eq!(events[1].1["reason"]["type"], "user-request");
    cloud.api.ok("POST", "/projects/shop/jobs/job/resume", None).await;
    let run = cloud.api.ok("POST", &format!("{path}/terminate"), None).await;
    let events = events_of(&cloud, "job", 3).await;
    assert_eq!(types(&events), ["Job Run Started", "Job Run Paused", "Job Run Terminated"]);
    let ended = &events[2].1;
    assert_eq!((&ended["summary"], &ended["reason"]["type"]), (&run["summary"], &json!("terminated")));
}

#[tokio::test]
async fn the_bus_is_told_of_occurrences_that_were_skipped() {
    let (cloud, target) = (Cloud::start().await, target().await);
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 1 });
    let schedule = json!({ "intervals": [{ "every": "1s" }], "overlap": "skip" });
    let payload = payloads("slow", 100);
    let job = json!({ "id": "job", "payload": payload, "configuration": configuration, "schedule": schedule });
    cloud.api.create_job(job).await;
    let events = events_of(&cloud, "job", 2).await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/pause", None).await;
    let canceled = events.iter().find(|(detail_type, _)| detail_type == "Job Run Canceled").map(|(_, detail)| detail);
    let canceled = canceled.unwrap();
    assert_eq!((&canceled["status"], &canceled["type"]), (&json!("CANCELED"), &json!("SCHEDULED")));
    assert_eq!((&canceled["reason"]["type"], &canceled["startTime"]), (&json!("another-job-run-active"), &Value::Null));
    assert!(canceled["scheduledTime"].is_string());
}

#[tokio::test]
async fn each_end_is_notified_once_signed_and_again_after_a_failure() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let (cloud, target) = (Cloud::start().await, target().await);
    let receiver = Target::start(|call| match call.api.as_str() {
        "busy" if TRIES.fetch_add(1, Ordering::SeqCst) == 0 => Answer::Status(503, json!({})),
        _ => Answer::Result(json!(1)),
    })
    .await;
    let project = cloud.api.make_project(&target).await;
    let place = |name: &str| json!({ "type": "webhook", "url": format!("{}/{name}", receiver.url), "headers": { "x-key": name } });
    let notifications = json!([place("busy"), place("plain")]);
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2), "notifications": notifications })).await;
    let path = cloud.api.trigger("job").await;
    let run = cloud.api.wait_for_status(&path, "COMPLETED").await;
    let begun = Instant::now();
    while receiver.count() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "there are just {} notifications", receiver.count());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut calls = receiver.calls();
    calls.sort_by_key(|call| (call.api.clone(), call.at));
    assert_eq!(calls.iter().map(|call| call.api.as_str()).collect::<Vec<_>>(), ["busy", "busy", "plain"]);
    let waited = calls[1].at - calls[0].at;
    assert!(waited >= Duration::from_secs(4), "it was tried again after {waited:?}");
    let verifier = standardwebhooks::Webhook::new(project["webhookSecret"].as_str().unwrap()).unwrap();
    let event = events_of(&cloud, "job", 2).await.remove(1);
    for call in &calls {
        verifier.verify(call.text.as_bytes(), &call.headers).unwrap();
        assert_eq!(call.headers["webhook-id"], format!("{}_1", run["id"].as_str().unwrap()));
        assert_eq!(call.headers["x-key"], call.api);
        assert_eq!((&call.body["type"], &call.body["data"]), (&json!("job-run.completed"), &event.1));
        assert!(call.body["timestamp"].is_string());
    }
}
