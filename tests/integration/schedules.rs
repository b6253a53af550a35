//! Schedules: occurrences become job runs, once each, and on record.

use std::time::SystemTime;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::json;
use sundial_model::Timestamp;

use crate::harness::{Cloud, Target, payloads};

#[tokio::test]
async fn each_occurrence_is_recorded_once_however_many_evaluators_there_are() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1s" }] });
    cloud.api.create_job(json!({ "id": "often", "payload": payloads("a", 1), "schedule": schedule })).await;
    // Three more evaluators beside the one that the new job has woken.
    let evaluators: Vec<_> = (0..3)
        .map(|_| {
            let clients = cloud.dev.clients().clone();
            tokio::spawn(async move {
                let mut context = Context::default();
                let deadline = SystemTime::now() + std::time::Duration::from_secs(15);
                let since_epoch = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap();
                context.deadline = u64::try_from(since_epoch.as_millis()).unwrap();
                let tick = include_str!("../events/eventbridge-tick.json");
                let event = LambdaEvent::new(serde_json::from_str(tick).unwrap(), context);
                sundial_schedule_evaluator::handle(&clients, event).await
            })
        })
        .collect();
    let runs = "/projects/shop/jobs/often/runs";
    cloud.api.wait_for(runs, |page| page["items"].as_array().unwrap().len() >= 6).await;
    cloud.api.ok("POST", "/projects/shop/jobs/often/pause", None).await;
    for evaluator in evaluators {
        evaluator.await.unwrap().unwrap();
    }
    let recorded = cloud.api.all(runs).await;
    let mut times: Vec<Timestamp> =
        recorded.iter().map(|run| run["scheduledTime"].as_str().unwrap().parse().unwrap()).collect();
    times.sort_unstable();
    for pair in times.windows(2) {
        assert_eq!(pair[1].since(pair[0]).as_secs(), 1, "one record for each second: {times:?}");
    }
    for run in &recorded {
        assert_eq!(run["type"], "SCHEDULED");
        assert_eq!(run["effectiveTime"], run["scheduledTime"]);
        assert!(run["lateByMs"].is_u64());
    }
}

#[tokio::test]
async fn a_paused_job_has_no_next_run_and_makes_nothing_up() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1s" }] });
    let state = json!({ "status": "PAUSED", "reason": "not yet" });
    let job = json!({ "id": "later", "payload": payloads("a", 1), "schedule": schedule, "state": state });
    let created = cloud.api.create_job(job).await;
    assert_eq!((&created["state"], &created["nextRunTime"]), (&state, &json!(null)));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(cloud.api.get("/projects/shop/jobs/later/runs").await["items"], json!([]));
    let resumed = cloud.api.ok("POST", "/projects/shop/jobs/later/resume", None).await;
    let next: Timestamp = resumed["nextRunTime"].as_str().unwrap().parse().unwrap();
    let page = cloud.api.wait_for("/projects/shop/jobs/later/runs", |page| page["items"][0].is_object()).await;
    let oldest = page["items"].as_array().unwrap().last().unwrap();
    assert_eq!(oldest["scheduledTime"], json!(next), "the first run is the first after the resumption");
}

#[tokio::test]
async fn a_schedule_can_be_looked_at_before_and_after_a_job_has_it() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let schedule = json!({ "calendars": [{ "hour": 9, "dayOfWeek": "MONDAY" }], "timezone": "Europe/Berlin" });
    let after = "2026-12-01T00:00:00Z";
    let body = json!({ "schedule": schedule, "after": after, "count": 2 });
    let preview = cloud.api.ok("POST", "/schedules/preview", Some(body)).await;
    let expected = json!({
        "description": "at 09:00 on Monday, Europe/Berlin",
        "occurrences": ["2026-12-07T08:00:00.000Z", "2026-12-14T08:00:00.000Z"]
    });
    assert_eq!(preview, expected);
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })).await;
    let path = "/projects/shop/jobs/job/schedule";
    assert_eq!(cloud.api.get(&format!("{path}?after={after}&count=2")).await, expected);
    assert_eq!(cloud.api.get(path).await["occurrences"].as_array().unwrap().len(), 10);
    for (query, field) in [("after=soon", "/after"), ("count=0", "/count"), ("count=1001", "/count")] {
        let (status, problem) = cloud.api.send("GET", &format!("{path}?{query}"), None).await;
        assert_eq!((status, crate::harness::pointers(&problem)), (400, vec![field]));
    }
    let never = json!({ "schedule": { "calendars": [{ "month": 2, "dayOfMonth": 30 }] } });
    let (status, problem) = cloud.api.send("POST", "/schedules/preview", Some(never)).await;
    assert_eq!((status, crate::harness::pointers(&problem)), (400, vec!["/schedule/calendars/0"]));
}
