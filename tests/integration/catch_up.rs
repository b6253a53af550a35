//! What is made up of the past: after an outage, and on request.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_model::Timestamp;
use sundial_runtime::clock;

use crate::harness::{Answer, Cloud, Target, payloads, pointers};

/// The runs of a job by the times of their occurrences.
async fn runs(cloud: &Cloud, job: &str) -> Vec<Value> {
    let mut runs = cloud.api.all(&format!("/projects/shop/jobs/{job}/runs")).await;
    runs.sort_by_key(|run| run["scheduledTime"].as_str().unwrap().to_owned());
    runs
}

fn is_missed(run: &Value) -> bool {
    run["status"] == "CANCELED" && run["reason"]["type"] == "missed"
}

#[tokio::test]
async fn after_an_outage_the_policy_decides_and_nothing_is_left_out() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    // First due in five minutes, so that no other evaluator finds anything due.
    let offset = (clock::now().seconds() + 300) % 600;
    for (id, catch_up) in [
        ("latest", json!({})),
        ("all", json!({ "policy": "all", "limit": 3 })),
        ("none", json!({ "policy": "none" })),
        ("window", json!({ "policy": "all", "window": "25m" })),
    ] {
        let intervals = json!([{ "every": "10m", "offset": format!("{offset}s") }]);
        let schedule = json!({ "intervals": intervals, "catchUp": catch_up });
        cloud.api.create_job(json!({ "id": id, "payload": payloads("a", 1), "schedule": schedule })).await;
    }
    // After 5, 15, 25, 35, 45 and 55 minutes.
    cloud.evaluate_after(Duration::from_secs(63 * 60)).await;
    for (id, made_up) in [("latest", 1), ("all", 3), ("none", 0), ("window", 2)] {
        let recorded = runs(&cloud, id).await;
        let (missed, others): (Vec<_>, Vec<_>) = recorded.iter().partition(|run| is_missed(run));
        assert_eq!(missed.len(), 1, "{id}: one record for the stretch: {recorded:?}");
        let details = &missed[0]["reason"]["details"];
        assert_eq!(
            (others.len(), details["count"].as_u64()),
            (made_up, Some(6 - made_up as u64)),
            "{id}: {recorded:?}"
        );
        assert!(details["from"].as_str() < details["to"].as_str());
        let oldest = others.iter().map(|run| run["scheduledTime"].as_str()).min();
        assert_eq!(oldest.is_some_and(|oldest| oldest < details["from"].as_str()), id == "all", "{id}: {recorded:?}");
        let is_late = |run: &&&Value| run["lateByMs"].as_u64().unwrap() > 400_000;
        assert_eq!(others.iter().filter(is_late).count(), made_up, "{id}: each says how late it was: {recorded:?}");
        let is_done = |run: &Value| is_missed(run) || run["status"] == "COMPLETED";
        let page = format!("/projects/shop/jobs/{id}/runs");
        cloud.api.wait_for(&page, |page| page["items"].as_array().unwrap().iter().all(is_done)).await;
    }
}

#[tokio::test]
async fn a_backfill_runs_what_is_not_on_record_one_by_one_and_oldest_first() {
    let target = Target::start(|_| Answer::Slow(Duration::from_millis(50), json!(1))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let now = clock::now();
    // Due half an hour from now, so that nothing else finds it due, and no bound below is met exactly.
    let offset = format!("{}s", (now.seconds() + 1800) % 3600);
    let schedule = json!({ "intervals": [{ "every": "1h", "offset": offset }] });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })).await;
    let range = |from: u64, to: u64| {
        Some(json!({ "from": now - Duration::from_secs(from * 3600), "to": now - Duration::from_secs(to * 3600) }))
    };
    let backfill = "/projects/shop/jobs/job/backfill";
    let (status, answer) = cloud.api.send("POST", backfill, range(48, 24)).await;
    assert_eq!((status, answer), (202, json!({ "requested": 24 })));
    let (_, again) = cloud.api.send("POST", backfill, range(50, 24)).await;
    assert_eq!(again, json!({ "requested": 2 }), "those already on record are left");
    cloud
        .api
        .wait_for("/projects/shop/jobs/job/runs", |page| {
            let runs = page["items"].as_array().unwrap();
            runs.len() == 26 && runs.iter().all(|run| run["status"] == "COMPLETED")
        })
        .await;
    let times: Vec<Timestamp> = target
        .calls()
        .iter()
        .map(|call| call.body["context"]["scheduledTime"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(times.len(), 26, "each once");
    // The two that were asked for later came before those that still waited.
    let turns_back = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(turns_back <= 1, "{times:?}");
    let runs = runs(&cloud, "job").await;
    assert!(runs.iter().all(|run| run["triggeredBy"].is_string() && run["type"] == "SCHEDULED"));
    for pair in runs[2..].windows(2) {
        assert!(pair[1]["startTime"].as_str() >= pair[0]["endTime"].as_str(), "one by one");
    }
}

#[tokio::test]
async fn a_backfill_that_makes_no_sense_is_refused_whole() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1s" }], "startAt": "2026-01-01T00:00:00Z" });
    let state = json!({ "status": "PAUSED" });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })).await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/pause", None).await;
    cloud.api.create_job(json!({ "id": "manual", "payload": payloads("a", 1), "state": state })).await;
    let (now, ago) = (clock::now(), |seconds: u64| clock::now() - Duration::from_secs(seconds));
    let send = async |job: &str, from: Timestamp, to: Timestamp| {
        let body = Some(json!({ "from": from, "to": to }));
        cloud.api.send("POST", &format!("/projects/shop/jobs/{job}/backfill"), body).await
    };
    let (status, problem) = send("job", ago(10), now).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job-paused")));
    cloud.api.ok("POST", "/projects/shop/jobs/job/resume", None).await;
    for (from, to) in [(ago(10), now + Duration::from_secs(60)), (ago(10), ago(20)), (ago(5000), ago(10))] {
        let (status, problem) = send("job", from, to).await;
        assert_eq!((status, pointers(&problem)), (400, vec!["/to"]), "{problem}");
    }
    cloud.api.ok("POST", "/projects/shop/jobs/manual/resume", None).await;
    let (status, problem) = send("manual", ago(10), now).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "it has no schedule");
    let before = cloud.api.all("/projects/shop/jobs/job/runs").await;
    assert!(before.iter().all(|run| run.get("triggeredBy").is_none()), "nothing was recorded: {before:?}");
}
