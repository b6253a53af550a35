//! Running again what failed: a job run goes on in its next generation, in which only the payloads
//! that had failed are carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Call, Cloud, Target, payloads, summary};

/// A target that refuses payloads 2 and 4, and is busy with 5, until it is healed.
async fn ailing() -> (Target, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let is_healed = Arc::clone(&healed);
    let target = Target::start(move |call| match call.index() {
        2 | 4 if !is_healed.load(Ordering::SeqCst) => Answer::Status(422, json!({})),
        5 if !is_healed.load(Ordering::SeqCst) => Answer::Status(503, json!({})),
        _ => Answer::Result(json!({ "generation": call.body["context"]["generation"] })),
    })
    .await;
    (target, healed)
}

/// Its job has six payloads, of which three fail.
fn job(receiver: &Target) -> Value {
    let retry = json!({ "maximumAttempts": 2, "initialInterval": "20ms" });
    json!({
        "id": "job", "payload": payloads("a", 6), "configuration": { "retry": retry },
        "sink": { "type": "webhook", "url": format!("{}/sink", receiver.url) },
        "notifications": [{ "type": "webhook", "url": format!("{}/notification", receiver.url) }]
    })
}

/// The ids of what a receiver was sent at this place, in order.
fn ids(receiver: &Target, place: &str) -> Vec<String> {
    let calls = receiver.calls().into_iter().filter(|call| call.api == place);
    let mut ids: Vec<_> = calls.map(|call| call.headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

/// Waits until all that follows the end of a run is done.
async fn wait_for_rest(cloud: &Cloud, run: &str, delivered: u32) -> Value {
    let is_so = |run: &Value| run["deliveries"]["delivered"] == delivered && run["results"].is_object();
    let run = cloud.api.wait_for(run, is_so).await;
    assert_eq!(run["deliveries"], json!({ "delivered": delivered, "pending": 0, "failed": 0 }));
    run
}

async fn exported(run: &Value) -> Vec<Value> {
    let text = reqwest::get(run["results"]["signedUrl"].as_str().unwrap()).await.unwrap().text().await.unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["apiInfo"].take()).collect()
}

#[tokio::test]
async fn only_what_failed_is_carried_out_again_and_all_that_follows_happens_again() {
    let (target, healed) = ailing().await;
    let (cloud, receiver) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(job(&receiver)).await;
    let path = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&path, "COMPLETED").await;
    let first = wait_for_rest(&cloud, &path, 6).await;
    assert_eq!((summary(&first), &first["generation"]), ([6, 0, 0, 3, 3, 0], &json!(1)));
    assert_eq!(exported(&first).await.iter().filter(|info| !info["error"].is_null()).count(), 3);
    let before = target.calls();
    healed.store(true, Ordering::SeqCst);
    let retried = cloud.api.ok("POST", &format!("{path}/retry"), None).await;
    assert_eq!(
        (&retried["status"], &retried["generation"], &retried["endTime"]),
        (&json!("RUNNING"), &json!(2), &Value::Null)
    );
    assert_eq!(summary(&retried), [6, 3, 0, 3, 0, 0]);
    cloud.api.wait_for_status(&path, "COMPLETED").await;
    let second = wait_for_rest(&cloud, &path, 9).await;
    assert_eq!((summary(&second), &second["generation"]), ([6, 0, 0, 6, 0, 0], &json!(2)));
    // The target knows them again.
    let mut again = target.calls().split_off(before.len());
    again.sort_by_key(Call::index);
    assert_eq!(again.iter().map(Call::index).collect::<Vec<_>>(), [2, 4, 5]);
    let run_id = |index: u64| format!("{}-{index}", first["id"].as_str().unwrap());
    for call in &again {
        assert_eq!((call.attempt(), &call.body["context"]["generation"]), (1, &json!(2)));
        assert_eq!(call.headers["idempotency-key"], run_id(call.index()));
        assert_eq!(call.headers["webhook-id"], format!("{}_2_1", run_id(call.index())));
    }
    for (index, record) in cloud.api.all(&format!("{path}/payloads")).await.iter().enumerate() {
        let generation = if [2, 4, 5].contains(&index) { 2 } else { 1 };
        assert_eq!((&record["status"], &record["generation"]), (&json!("SUCCEEDED"), &json!(generation)), "{index}");
        assert_eq!((&record["attempts"], &record["result"]["generation"]), (&json!(1), &json!(generation)), "{index}");
    }
    let one = cloud.api.get(&format!("{path}/payloads/5")).await;
    let deliveries = one["deliveries"].as_array().unwrap();
    assert_eq!((deliveries.len(), &one["failedAttempts"]), (2, &json!([])), "attempts are told of one generation");
    // So do the receivers.
    let mut expected: Vec<_> = (0..6).map(|index| format!("{}_1", run_id(index))).collect();
    expected.extend([2, 4, 5].map(|index| format!("{}_2", run_id(index))));
    expected.sort_unstable();
    assert_eq!(ids(&receiver, "sink"), expected);
    let job_run = first["id"].as_str().unwrap();
    assert_eq!(ids(&receiver, "notification"), [format!("{job_run}_1"), format!("{job_run}_2")]);
    let lines = exported(&second).await;
    assert_eq!((lines.len(), lines.iter().filter(|info| info["error"].is_null()).count()), (6, 6));
}

#[tokio::test]
async fn while_it_goes_on_only_what_had_failed_is_open() {
    let target = Target::start(|call| match (call.index(), call.body["context"]["generation"].as_u64()) {
        (1 | 3, Some(1)) => Answer::Status(400, json!({})),
        (_, Some(1)) => Answer::Result(json!(1)),
        _ => Answer::Slow(Duration::from_secs(2), json!(2)),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 1 });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 5), "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["results"].is_object()).await;
    cloud.api.ok("POST", &format!("{run}/retry"), None).await;
    let is_under_way = |run: &Value| run["summary"]["running"].as_u64() >= Some(1);
    let under_way = cloud.api.wait_for(&run, is_under_way).await;
    assert_eq!((&under_way["status"], under_way.get("results")), (&json!("RUNNING"), None), "they are not whole");
    let records = cloud.api.all(&format!("{run}/payloads")).await;
    let is_open = |record: &&Value| ["PENDING", "RUNNING"].contains(&record["status"].as_str().unwrap());
    let open: Vec<_> = records.iter().filter(is_open).map(|record| record["payloadIndex"].as_u64().unwrap()).collect();
    assert_eq!(open, [1, 3]);
    assert_eq!(cloud.api.all(&format!("{run}/payloads?status=SUCCEEDED")).await.len(), 3);
    // It is active like any other.
    let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs/job/trigger", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("another-job-run-active")));
    assert_eq!(summary(&cloud.api.wait_for_status(&run, "COMPLETED").await), [5, 0, 0, 5, 0, 0]);
}

#[tokio::test]
async fn a_run_that_failed_as_a_whole_may_go_on_as_often_as_it_takes() {
    let target = Target::start(|call| {
        // Each generation brings one of them further.
        let generation = call.body["context"]["generation"].as_u64().unwrap();
        if call.index() + 2 > generation { Answer::Status(400, json!({})) } else { Answer::Result(json!(1)) }
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2) })).await;
    let run = cloud.api.trigger("job").await;
    for (generation, status, expected, calls) in [
        (1, "FAILED", [2, 0, 0, 0, 2, 0], 2),
        (2, "COMPLETED", [2, 0, 0, 1, 1, 0], 4),
        (3, "COMPLETED", [2, 0, 0, 2, 0, 0], 5),
    ] {
        let has_ended = |run: &Value| run["generation"] == generation && run["status"] == status;
        assert_eq!(summary(&cloud.api.wait_for(&run, has_ended).await), expected, "generation {generation}");
        assert_eq!(target.count(), calls, "generation {generation}");
        let (answer, problem) = cloud.api.send("POST", &format!("{run}/retry"), None).await;
        if generation == 3 {
            assert_eq!((answer, &problem["code"]), (409, &json!("nothing-to-retry")), "none has failed");
        } else {
            assert_eq!(answer, 200, "{problem}");
        }
    }
}

#[tokio::test]
async fn a_retry_is_refused_like_a_trigger_and_where_it_has_nothing_to_do() {
    let target = Target::start(|call| match call.index() {
        0 => Answer::Status(400, json!({})),
        _ => Answer::Slow(Duration::from_secs(4), json!(1)),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2) })).await;
    let refused = async |run: &str, code: &str| {
        let (status, problem) = cloud.api.send("POST", &format!("{run}/retry"), None).await;
        assert_eq!((status, problem["code"].as_str().unwrap()), (409, code), "{problem}");
    };
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["summary"]["failed"] == 1).await;
    refused(&run, "nothing-to-retry").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let other = cloud.api.trigger("job").await;
    refused(&run, "another-job-run-active").await;
    cloud.api.wait_for(&other, |run| run["summary"]["failed"] == 1).await;
    cloud.api.ok("POST", &format!("{other}/terminate"), None).await;
    // What a user has ended stays so, though a payload of it had failed.
    refused(&other, "nothing-to-retry").await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/pause", None).await;
    refused(&run, "job-paused").await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/resume", None).await;
    let retried = cloud.api.ok("POST", &format!("{run}/retry"), None).await;
    assert_eq!(retried["generation"], 2, "what was refused has changed nothing");
    // It fails once more, and is no other run than before.
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!((summary(&ended), &ended["id"]), ([2, 0, 0, 1, 1, 0], &retried["id"]));
}
