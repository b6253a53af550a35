//! When deliveries are tried, in a world without faults and with a clock that stands still while the
//! machine is busy.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_model::Timestamp;
use sundial_simulation::{CalmWorld, in_calm_world};

const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(900);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A job with so many payloads, whose results the sink refuses until then.
fn job(count: usize, refused_until: Timestamp, more: &Value) -> Value {
    let mut parameters = json!({ "takesMs": 100, "refusedUntil": refused_until });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let payload = json!({ "apiName": "work", "parameters": parameters });
    json!({ "payload": vec![payload; count], "sink": { "type": "webhook", "url": "http://sink.test/" } })
}

fn play<T>(script: impl AsyncFnOnce(&CalmWorld) -> T) -> T {
    in_calm_world(EXECUTOR_TIMEOUT, script).unwrap_or_else(|violation| panic!("{violation}"))
}

/// How deliveries of a payload were tried: when, since its end, and how that ended.
async fn tries(world: &CalmWorld, run: &str, index: usize) -> Vec<(Duration, String)> {
    let payload = world.api("GET", &format!("{run}/payloads/{index}"), None).await;
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let ended = time(&payload["endTime"]);
    let tries = payload["deliveries"].as_array().unwrap().iter();
    tries.map(|it| (time(&it["time"]).since(ended), it["status"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_receiver_that_is_back_after_24_and_a_half_hours_gets_everything_at_the_eighth_attempt() {
    play(async |world| {
        // The last attempt comes after 24.8 hours at the earliest.
        let run = world.start(job(2, world.now() + HOUR * 24 + MINUTE * 30, &json!({}))).await;
        let is_done = |run: &Value| run["deliveries"] == json!({ "delivered": 2, "pending": 0, "failed": 0 });
        world.wait_for(&run, MINUTE * 10, is_done).await;
        for index in 0..2 {
            let tries = tries(world, &run, index).await;
            let statuses: Vec<&str> = tries.iter().map(|(_, status)| status.as_str()).collect();
            assert_eq!(statuses, [vec!["retrying"; 7], vec!["delivered"]].concat());
            let delays = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
            for (step, pair) in tries.windows(2).enumerate() {
                let (waited, wanted) = (pair[1].0 - pair[0].0, Duration::from_secs(delays[step]));
                // An attempt itself takes up to three seconds, and it is on record a second later.
                let (least, most) = (wanted.mul_f64(0.9), wanted.mul_f64(1.1) + Duration::from_secs(6));
                assert!((least..=most).contains(&waited), "attempt {} came after {waited:?}, not {wanted:?}", step + 2);
            }
        }
        let there = world.executor_time();
        assert!(there < MINUTE * 15, "workers were there for {there:?}, which is waiting");
    });
}

#[test]
fn a_receiver_that_never_comes_back_ends_every_delivery_after_eight_attempts() {
    play(async |world| {
        let run = world.start(job(2, world.now() + HOUR * 1_000, &json!({}))).await;
        let is_done = |run: &Value| run["deliveries"] == json!({ "delivered": 0, "pending": 0, "failed": 2 });
        world.wait_for(&run, MINUTE * 10, is_done).await;
        let tries = tries(world, &run, 1).await;
        assert_eq!((tries.len(), tries[7].1.as_str()), (8, "failed"));
    });
}

#[test]
fn a_receiver_that_asks_for_ages_is_tried_for_three_days() {
    play(async |world| {
        let run = world.start(job(1, world.now() + HOUR * 1_000, &json!({ "retryAfterHours": 10_000 }))).await;
        world.wait_for(&run, MINUTE * 10, |run| run["deliveries"]["failed"] == 1).await;
        let times: Vec<u64> = tries(world, &run, 0).await.iter().map(|(at, _)| at.as_secs() / 3600).collect();
        assert_eq!(times, [0, 24, 48, 72]);
    });
}

#[test]
fn a_dead_sink_costs_little_and_gets_everything_as_soon_as_it_is_back() {
    play(async |world| {
        let (count, begun) = (600, world.now());
        let run = world.start(job(count, begun + HOUR * 10, &json!({}))).await;
        let ended = world.wait_for(&run, MINUTE, |run| run["status"] == "COMPLETED").await;
        assert_eq!(ended["summary"]["succeeded"], count, "payloads do not wait for it");
        assert!(world.now() < begun + MINUTE * 10);
        let is_done = |run: &Value| run["deliveries"] == json!({ "delivered": count, "pending": 0, "failed": 0 });
        world.wait_for(&run, MINUTE, is_done).await;
        let back_for = world.now().since(begun + HOUR * 10);
        assert!(back_for <= MINUTE * 25, "everything was delivered {back_for:?} after it was back");
        let mut attempts = 0;
        for index in 0..count {
            let tries = tries(world, &run, index).await;
            assert!(!tries.is_empty());
            attempts += tries.len();
        }
        // Those that were under way when it died, and some fifty probes.
        assert!(attempts < count + 200, "{attempts} attempts for {count} deliveries");
        let there = world.executor_time();
        assert!(there < HOUR, "workers were there for {there:?}");
    });
}

#[test]
fn whatever_is_due_for_a_sink_that_stays_dead_is_tried_and_given_up() {
    play(async |world| {
        let (count, begun) = (400, world.now());
        let run = world.start(job(count, begun + HOUR * 1_000, &json!({}))).await;
        let is_done = |run: &Value| run["deliveries"] == json!({ "delivered": 0, "pending": 0, "failed": count });
        world.wait_for(&run, MINUTE * 10, is_done).await;
        let took = world.now().since(begun);
        assert!((HOUR * 27..HOUR * 40).contains(&took), "it took {took:?}");
        let mut attempts = 0;
        for index in 0..count {
            let tries = tries(world, &run, index).await;
            assert_eq!(tries.last().unwrap().1, "failed");
            attempts += tries.len();
        }
        assert!(attempts < count + 400, "{attempts} attempts for {count} deliveries");
    });
}
