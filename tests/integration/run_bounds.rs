//! Bounds of a job's runs: how many payloads they carry out, how long they take, how fast they ask,
//! and how often they may fail.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Cloud, Target, payloads, summary};

#[tokio::test]
async fn just_max_runs_payloads_are_carried_out_and_the_rest_is_canceled() {
    let target = Target::start(|call| match call.api.as_str() {
        "bad" => Answer::Status(400, json!({})),
        // What it is extended by counts like any other.
        _ => Answer::Status(200, json!({ "result": 1, "extendedPayloads": [{ "api": "more" }] })),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxRuns": 7, "maxConcurrentRequests": 3 });
    for (api, status, expected) in
        [("good", "COMPLETED", [27, 0, 0, 7, 0, 20]), ("bad", "FAILED", [20, 0, 0, 0, 7, 13])]
    {
        let before = target.count();
        let job = json!({ "id": api, "payload": payloads(api, 20), "configuration": configuration });
        cloud.api.create_job(job).await;
        let run = cloud.api.trigger(api).await;
        let ended = cloud.api.wait_for_status(&run, status).await;
        assert_eq!((summary(&ended), target.count() - before), (expected, 7), "{api}");
        let canceled = cloud.api.all(&format!("{run}/payloads?status=CANCELED")).await;
        assert_eq!(canceled.len() as u64, expected[5], "{api}");
        assert!(canceled.iter().all(|record| record["attempts"] == 0));
    }
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_terminated_by_its_deadline() {
    let target = Target::start(|_| Answer::Slow(Duration::from_millis(300), json!(1))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxDuration": "3s", "maxConcurrentRequests": 1 });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 900), "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "TERMINATED").await;
    assert_eq!(ended["reason"]["type"], "deadline");
    let [total, pending, running, succeeded, failed, canceled] = summary(&ended);
    assert_eq!((total, pending, running, failed, succeeded + canceled), (900, 0, 0, 0, 900));
    assert!(succeeded >= 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = target.count();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((target.count(), summary(&cloud.api.get(&run).await)), (calls, summary(&ended)));
}

#[tokio::test]
async fn a_job_is_paused_when_so_many_of_its_runs_have_failed_in_a_row() {
    let target = Target::start(|call| match call.body["parameters"]["is_good"].as_bool() {
        Some(true) => Answer::Result(json!(1)),
        _ => Answer::Status(400, json!({})),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "pauseAfterFailedRuns": 2 });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "configuration": configuration })).await;
    let job = "/projects/shop/jobs/job";
    let run = async |is_good: bool| {
        let body = json!({ "payload": [{ "apiName": "a", "parameters": { "is_good": is_good } }] });
        let run = cloud.api.ok("POST", &format!("{job}/trigger"), Some(body)).await;
        let path = format!("{job}/runs/{}", run["id"].as_str().unwrap());
        cloud.api.wait_for_status(&path, if is_good { "COMPLETED" } else { "FAILED" }).await;
        cloud.api.get(job).await["state"].clone()
    };
    for (is_good, status) in [(false, "ACTIVE"), (true, "ACTIVE"), (false, "ACTIVE"), (false, "PAUSED")] {
        assert_eq!(run(is_good).await["status"], status, "a run that did well breaks the row");
    }
    let (status, problem) = cloud.api.send("POST", &format!("{job}/trigger"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job-paused")));
    assert!(cloud.api.get(job).await["state"]["reason"].is_string());
    cloud.api.ok("POST", &format!("{job}/resume"), None).await;
    assert_eq!(run(false).await["status"], "ACTIVE", "they are counted anew");
}

/// The most calls that came within any such time.
fn most_within(times: &[Instant], window: Duration) -> usize {
    let count = |start: &Instant| times.iter().filter(|at| **at >= *start && **at < *start + window).count();
    times.iter().map(count).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_requests_start_per_second_than_allowed_however_many_lanes_there_are() {
    for (id, limit, wait) in [("one", 10, 5), ("several", 250, 4_000)] {
        const RATE: u32 = 50;
        let target = Target::start(move |_| Answer::Slow(Duration::from_millis(wait), json!(1))).await;
        let cloud = Cloud::start().await;
        cloud.api.make_project(&target).await;
        let configuration = json!({ "maxConcurrentRequests": limit, "maxRequestsPerSecond": RATE });
        cloud.api.create_job(json!({ "id": id, "payload": payloads("a", 400), "configuration": configuration })).await;
        let run = cloud.api.trigger(id).await;
        cloud.api.wait_for_status(&run, "COMPLETED").await;
        let mut times: Vec<Instant> = target.calls().iter().map(|call| call.at).collect();
        times.sort_unstable();
        assert_eq!(times.len(), 400);
        assert!(limit < 100 || target.most_at_once() > 100, "one lane is enough for {}", target.most_at_once());
        // A busy machine delivers calls late, and then some of them close together.
        let took = times[399] - times[0];
        assert!(took >= Duration::from_secs(7), "{id}: all within {took:?}");
        let most = most_within(&times, Duration::from_secs(2));
        assert!(most <= 3 * RATE as usize, "{id}: {most} within two seconds");
    }
}
