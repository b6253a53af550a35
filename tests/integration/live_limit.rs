//! A job's limit on concurrent requests is the one setting that applies to a run that is under way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundial_runtime::clock;
use sundial_store::StoredJob;

use crate::harness::{Answer, Cloud, Target, payloads, summary};

/// A change of the limit applies within this time.
const PROMISE: Duration = Duration::from_secs(10);

/// Waits until the target is asked so much at once.
async fn wait_for_load(target: &Target, is_so: impl Fn(usize) -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so(target.at_once()) {
        assert!(begun.elapsed() < PROMISE, "there are {} requests at once", target.at_once());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_limit_applies_to_the_run_under_way_and_nothing_else_does() {
    let target = Target::start(|_| Answer::Slow(Duration::from_millis(700), Value::Null)).await;
    let (cloud, receiver) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let job = |limit: u32| json!({ "id": "job", "payload": payloads("a", 6_000), "configuration": { "maxConcurrentRequests": limit } });
    cloud.api.create_job(job(10)).await;
    let run = cloud.api.trigger("job").await;
    wait_for_load(&target, |load| load == 10).await;
    // Up, beyond what one worker carries out; everything else changes with it.
    let mut changed = job(150);
    changed["payload"] = payloads("other", 3);
    changed["configuration"]["maxRuns"] = json!(20);
    changed["configuration"]["retry"] = json!({ "maximumAttempts": 7 });
    changed["sink"] = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(changed.clone())).await;
    assert_eq!(cloud.api.get(&run).await["maxConcurrentRequests"], 150);
    assert!(target.most_at_once() <= 10, "{} requests at once", target.most_at_once());
    wait_for_load(&target, |load| load > 120).await;
    // Down, in both lanes.
    changed["configuration"]["maxConcurrentRequests"] = json!(12);
    cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(changed)).await;
    assert_eq!(cloud.api.get(&run).await["maxConcurrentRequests"], 12);
    assert!(target.most_at_once_since() <= 150);
    wait_for_load(&target, |load| load <= 12).await;
    // And it stays so, with all of it used.
    target.most_at_once_since();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (most, under_way) = (target.most_at_once_since(), cloud.api.get(&run).await);
    assert!((4..=12).contains(&most), "{most} requests at once");
    let snapshot = &under_way["configurationSnapshot"];
    assert_eq!((&under_way["status"], summary(&under_way)[0]), (&json!("RUNNING"), 6_000));
    assert_eq!((&snapshot["configuration"]["retry"]["maximumAttempts"], snapshot.get("sink")), (&json!(3), None));
    assert!(summary(&under_way)[3] > 20, "the changed job's maxRuns is not the run's");
    cloud.api.ok("POST", &format!("{run}/terminate"), None).await;
    assert!(target.calls().iter().all(|call| call.api == "a"));
    assert_eq!(receiver.count(), 0, "the run has no sink");
}

#[tokio::test]
async fn what_a_change_was_cut_off_before_is_seen_to_later() {
    let target = Target::start(|_| Answer::Slow(Duration::from_millis(300), Value::Null)).await;
    let cloud = Cloud::start().await;
    let project = cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 3 });
    let job = cloud
        .api
        .create_job(json!({ "id": "job", "payload": payloads("a", 2_000), "configuration": configuration }))
        .await;
    let run = cloud.api.trigger("job").await;
    wait_for_load(&target, |load| load == 3).await;
    // The job was written, and whoever did it died.
    let store = &cloud.dev.clients().store;
    let (project, id) =
        (project["id"].as_str().unwrap().parse().unwrap(), job["id"].as_str().unwrap().parse().unwrap());
    let change = async |change: fn(&mut StoredJob)| {
        let mut job = store.job(project, &id).await.unwrap().unwrap();
        change(&mut job);
        job.runs_must_follow(clock::now());
        store.put_job(job, clock::now()).await.unwrap();
    };
    change(|job| job.definition.configuration.max_concurrent_requests = serde_json::from_value(json!(9)).unwrap())
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(target.most_at_once() <= 3);
    cloud.evaluate_after(Duration::from_secs(31)).await;
    wait_for_load(&target, |load| load == 9).await;
    change(|job| job.state = serde_json::from_value(json!({ "status": "PAUSED" })).unwrap()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cloud.api.get(&run).await["status"], "RUNNING");
    cloud.evaluate_after(Duration::from_secs(31)).await;
    cloud.api.wait_for_status(&run, "PAUSED").await;
    let job = store.job(project, &id).await.unwrap().unwrap();
    assert_eq!((job.runs_follow_at, job.wake_at()), (None, None), "it is done once");
}
