//! What must hold of time, in a world without faults and with a clock that stands still while the
//! machine is busy.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_model::Timestamp;
use sundial_simulation::{CalmWorld, in_calm_world};

/// As in `template.yaml`.
const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(900);
const EVERY: Duration = Duration::from_millis(100);

/// How much of a run's slots is used on the average, from its start until the last payload is claimed.
fn slot_use(payload_ms: u64, limit: usize, count: usize, executor_timeout: Duration) -> f64 {
    let payload = json!({ "apiName": "work", "parameters": { "takesMs": payload_ms } });
    let configuration = json!({ "maxConcurrentRequests": limit, "requestTimeout": 100 });
    let job = json!({ "payload": vec![payload; count], "configuration": configuration });
    let played = in_calm_world(executor_timeout, async |world: &CalmWorld| {
        let run = world.start(job.clone()).await;
        // The steady state begins when the workers are there.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (mut used, mut looks) = (0, 0);
        loop {
            for _ in 0..50 {
                tokio::time::sleep(EVERY).await;
                used += world.requests_at_once();
                looks += 1;
            }
            let seen = world.api("GET", &run, None).await;
            let summary = &seen["summary"];
            let left = summary["pending"].as_u64().unwrap() + summary["running"].as_u64().unwrap();
            // What is left is less than the slots can hold, and what is looked at meanwhile.
            if left < (limit + limit * 5_000 / (payload_ms as usize + 1)) as u64 {
                break;
            }
        }
        let ended = world.wait_for(&run, Duration::from_secs(5), |run| run["status"] == "COMPLETED").await;
        assert_eq!(ended["summary"]["succeeded"], count);
        assert!(looks >= 500, "the steady state is too short to say anything: {looks} looks");
        used as f64 / (looks * limit) as f64
    });
    played.unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn nine_of_ten_slots_are_busy_whatever_payloads_take() {
    let hand_overs = Duration::from_secs(300);
    for (payload_ms, limit, count, executor_timeout) in [
        (100, 20, 16_000, EXECUTOR_TIMEOUT),
        (1_000, 100, 8_000, EXECUTOR_TIMEOUT),
        (5_000, 250, 10_000, EXECUTOR_TIMEOUT),
        (60_000, 150, 4_000, EXECUTOR_TIMEOUT),
        // Workers come and go all the time.
        (1_000, 40, 24_000, hand_overs),
        (60_000, 40, 600, hand_overs),
    ] {
        let used = slot_use(payload_ms, limit, count, executor_timeout);
        assert!((0.9..=1.0).contains(&used), "{used:.3} of {limit} slots are used by payloads of {payload_ms} ms");
    }
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn retries_come_in_time_however_far_off_they_are() {
    for seconds in [1, 15, 24, 50, 64, 70, 100, 150] {
        let payload = json!({ "apiName": "work", "parameters": { "takesMs": 100, "failures": 1 } });
        let retry = json!({ "maximumAttempts": 2, "initialInterval": format!("{seconds}s") });
        let job = json!({ "payload": [payload], "configuration": { "retry": retry } });
        let late = in_calm_world(EXECUTOR_TIMEOUT, async |world: &CalmWorld| {
            let run = world.start(job).await;
            world.wait_for(&run, EVERY, |run| run["status"] == "COMPLETED").await;
            let payload = world.api("GET", &format!("{run}/payloads/0"), None).await;
            let failed_at = time(&payload["failedAttempts"][0]["endTime"]);
            let waited = time(&payload["startTime"]).since(failed_at);
            waited.checked_sub(Duration::from_secs(seconds)).expect("no retry comes early")
        });
        let late = late.unwrap_or_else(|violation| panic!("{violation}"));
        assert!(late <= Duration::from_secs(2), "a retry after {seconds} s came {late:?} late");
    }
}

#[test]
fn a_run_ends_when_its_time_is_over_whatever_it_does() {
    for (max_duration, takes_ms, failures) in
        [(3, 700, 0), (40, 30_000, 0), (90, 200_000, 0), (50, 10, 1), (100, 10, 1)]
    {
        let payload = json!({ "apiName": "work", "parameters": { "takesMs": takes_ms, "failures": failures } });
        let retry = json!({ "maximumAttempts": 2, "initialInterval": "10m" });
        let configuration = json!({
            "maxConcurrentRequests": 2, "maxDuration": format!("{max_duration}s"), "requestTimeout": 600, "retry": retry
        });
        let job = json!({ "payload": vec![payload; 300], "configuration": configuration });
        let took = in_calm_world(EXECUTOR_TIMEOUT, async |world: &CalmWorld| {
            let run = world.start(job).await;
            let ended = world.wait_for(&run, EVERY, |run| run["status"] == "TERMINATED").await;
            assert_eq!(ended["reason"]["type"], "deadline");
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(world.requests_at_once(), 0, "what was under way is dropped");
            time(&ended["endTime"]).since(time(&ended["startTime"]))
        });
        let took = took.unwrap_or_else(|violation| panic!("{violation}"));
        let allowed = Duration::from_secs(max_duration);
        assert!(took >= allowed && took <= allowed + Duration::from_secs(2), "{took:?} of {allowed:?}");
    }
}

#[test]
fn a_pause_and_an_end_take_effect_within_five_seconds() {
    for action in ["pause", "terminate"] {
        let payload = json!({ "apiName": "work", "parameters": { "takesMs": 800 } });
        let job = json!({ "payload": vec![payload; 20_000], "configuration": { "maxConcurrentRequests": 250 } });
        let played = in_calm_world(EXECUTOR_TIMEOUT, async |world: &CalmWorld| {
            let run = world.start(job).await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(world.requests_at_once() > 200);
            let path = if action == "pause" { "/jobs/job/pause".to_owned() } else { format!("{run}/terminate") };
            assert_ne!(world.api("POST", &path, None).await, Value::Null);
            // Those in flight may finish after a pause.
            tokio::time::sleep(Duration::from_secs(6)).await;
            assert_eq!(world.requests_at_once(), 0);
            let seen = world.api("GET", &run, None).await;
            let status = if action == "pause" { "PAUSED" } else { "TERMINATED" };
            assert_eq!(seen["status"], status);
            if action == "pause" {
                world.api("POST", "/jobs/job/resume", None).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
                assert!(world.requests_at_once() > 200, "it goes on");
            }
        });
        played.unwrap_or_else(|violation| panic!("{violation}"));
    }
}
