//! Pause, resume, terminate and delete, on jobs and their active runs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads, summary};

/// A cloud with a job whose payloads take a while, and its run under way.
async fn under_way(payload_count: u32) -> (Cloud, Target, String) {
    let target = Target::start(|_| Answer::Slow(Duration::from_millis(150), json!(1))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 3 });
    let job = json!({ "id": "job", "payload": payloads("a", payload_count), "configuration": configuration });
    cloud.api.create_job(job).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["summary"]["succeeded"].as_u64() >= Some(3)).await;
    (cloud, target, run)
}

#[tokio::test]
async fn a_paused_job_does_not_start_and_its_run_rests_until_it_is_resumed() {
    let (cloud, target, run) = under_way(40).await;
    let job = "/projects/shop/jobs/job";
    let reason = json!({ "reason": "prices are being checked" });
    let paused = cloud.api.ok("POST", &format!("{job}/pause"), Some(reason)).await;
    assert_eq!(paused["state"], json!({ "status": "PAUSED", "reason": "prices are being checked" }));
    let again = cloud.api.ok("POST", &format!("{job}/pause"), None).await;
    assert_eq!(again["state"], paused["state"], "pausing twice is pausing once");
    let rested = cloud.api.wait_for_status(&run, "PAUSED").await;
    assert_eq!(rested["reason"]["type"], "user-request");
    let calls = target.calls().len();
    let (status, problem) = cloud.api.send("POST", &format!("{job}/trigger"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job-paused")));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(target.calls().len(), calls, "nothing starts while the run is paused");
    let counted = cloud.api.get(&run).await;
    assert_eq!(summary(&counted)[2..], [0, u64::try_from(calls).unwrap(), 0, 0], "what was in flight has finished");
    let resumed = cloud.api.ok("POST", &format!("{job}/resume"), None).await;
    assert_eq!(resumed["state"], json!({ "status": "ACTIVE" }));
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!((summary(&ended), ended.get("reason")), ([40, 0, 0, 40, 0, 0], None));
    assert_eq!(target.calls().len(), 40, "no payload was carried out twice");
}

#[tokio::test]
async fn an_active_run_keeps_others_from_starting() {
    let (cloud, _target, run) = under_way(60).await;
    let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs/job/trigger", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("another-job-run-active")));
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    cloud.api.trigger("job").await;
}

#[tokio::test]
async fn a_terminated_run_records_nothing_more() {
    let (cloud, target, run) = under_way(200).await;
    let ended = cloud.api.ok("POST", &format!("{run}/terminate"), None).await;
    assert_eq!((&ended["status"], &ended["reason"]["type"]), (&json!("TERMINATED"), &json!("terminated")));
    let [total, pending, running, succeeded, failed, canceled] = summary(&ended);
    assert_eq!((total, pending, running, succeeded + failed + canceled), (200, 0, 0, 200));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = target.calls().len();
    let later = cloud.api.ok("POST", &format!("{run}/terminate"), None).await;
    assert_eq!(later, ended, "ending it again changes nothing, and nothing was recorded since");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(target.calls().len(), calls, "and no more calls are made");
    let canceled_runs = cloud.api.all(&format!("{run}/payloads?status=CANCELED")).await;
    assert_eq!(canceled_runs.len() as u64, canceled);
    cloud.api.trigger("job").await;
}

#[tokio::test]
async fn deleting_a_job_ends_its_run() {
    let (cloud, target, run) = under_way(200).await;
    assert_eq!(cloud.api.send("DELETE", "/projects/shop/jobs/job", None).await, (204, Value::String(String::new())));
    assert_eq!(cloud.api.send("GET", &run, None).await.0, 404);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = target.calls().len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(target.calls().len(), calls);
    let runs = cloud.api.all("/projects/shop/runs").await;
    assert_eq!(runs.iter().map(|run| run["status"].as_str().unwrap()).collect::<Vec<_>>(), ["TERMINATED"]);
}
