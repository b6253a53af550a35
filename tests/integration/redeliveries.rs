//! Redelivery: one payload's result, or all of a run that was given up, goes to the sink once more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads};

/// A receiver that wants nothing until it is healed.
async fn ailing() -> (Target, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let is_healed = Arc::clone(&healed);
    let receiver = Target::start(move |_| match is_healed.load(Ordering::SeqCst) {
        true => Answer::Status(204, json!(null)),
        false => Answer::Status(410, json!({ "gone": true })),
    })
    .await;
    (receiver, healed)
}

fn sink(receiver: &Target) -> Value {
    json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) })
}

fn deliveries(delivered: u32, failed: u32) -> Value {
    json!({ "delivered": delivered, "pending": 0, "failed": failed })
}

/// How often each delivery came, by its id.
fn counts(receiver: &Target) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in receiver.calls() {
        *counts.entry(call.headers["webhook-id"].to_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

async fn statuses(cloud: &Cloud, run: &str, index: u32) -> Vec<String> {
    let payload = cloud.api.get(&format!("{run}/payloads/{index}")).await;
    let deliveries = payload["deliveries"].as_array().unwrap();
    deliveries.iter().map(|delivery| delivery["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_delivered_is_delivered_once_more_under_the_same_id() {
    let (cloud, target, receiver) = (Cloud::start().await, Target::echo().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3), "sink": sink(&receiver) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(3, 0)).await;
    let path = format!("{run}/payloads/1/redeliver");
    assert_eq!(cloud.api.send("POST", &path, None).await, (202, json!({ "requested": 1 })));
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(3, 0) && receiver.count() == 4).await;
    let mut counts: Vec<_> = counts(&receiver).into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2]);
    assert_eq!(statuses(&cloud, &run, 1).await, ["delivered", "delivered"]);
    let calls = receiver.calls();
    let (first, again) =
        (calls.iter().find(|call| call.headers["webhook-id"] == calls[3].headers["webhook-id"]).unwrap(), &calls[3]);
    assert_eq!(first.text, again.text, "the same body, too");
}

#[tokio::test]
async fn all_that_was_given_up_of_a_run_is_delivered_once_it_can_be() {
    let (cloud, target, (receiver, healed)) = (Cloud::start().await, Target::echo().await, ailing().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1_250), "sink": sink(&receiver) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(0, 1_250)).await;
    healed.store(true, Ordering::SeqCst);
    // One of them before the others.
    cloud.api.ok("POST", &format!("{run}/payloads/700/redeliver"), Some(json!({}))).await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(1, 1_249)).await;
    let answer = cloud.api.send("POST", &format!("{run}/redeliver"), None).await;
    assert_eq!(answer, (202, json!({ "requested": 1_249 })));
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(1_250, 0)).await;
    let counts = counts(&receiver);
    assert_eq!(counts.len(), 1_250);
    assert!(counts.values().all(|count| *count == 2), "each was given up, and then delivered once");
    assert_eq!(statuses(&cloud, &run, 1_249).await, ["failed", "delivered"]);
    let answer = cloud.api.send("POST", &format!("{run}/redeliver"), None).await;
    assert_eq!(answer, (202, json!({ "requested": 0 })));
}

#[tokio::test]
async fn a_delivery_that_is_on_its_way_is_not_requested_again() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let receiver = Target::start(|_| Answer::Slow(Duration::from_secs(1), json!(1))).await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "sink": sink(&receiver) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(1, 0)).await;
    let path = format!("{run}/payloads/0/redeliver");
    let requests = (0..5).map(|_| cloud.api.ok("POST", &path, None));
    let requested: Vec<u64> =
        futures::future::join_all(requests).await.iter().map(|it| it["requested"].as_u64().unwrap()).collect();
    assert_eq!(requested.iter().sum::<u64>(), 1, "{requested:?}");
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(1, 0)).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_result_that_was_replaced_is_not_delivered_once_more() {
    let healed = Arc::new(AtomicBool::new(false));
    let is_healed = Arc::clone(&healed);
    let target = Target::start(move |_| match is_healed.load(Ordering::SeqCst) {
        true => Answer::Result(json!(1)),
        false => Answer::Status(422, json!({})),
    })
    .await;
    let (cloud, (receiver, wants)) = (Cloud::start().await, ailing().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2), "sink": sink(&receiver) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(0, 2)).await;
    healed.store(true, Ordering::SeqCst);
    cloud.api.ok("POST", &format!("{run}/retry"), None).await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(0, 4)).await;
    wants.store(true, Ordering::SeqCst);
    cloud.api.ok("POST", &format!("{run}/redeliver"), None).await;
    // Those of the first generation do not count any more.
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(2, 0)).await;
    let answer = cloud.api.send("POST", &format!("{run}/redeliver"), None).await;
    assert_eq!(answer, (202, json!({ "requested": 0 })));
    let again: Vec<_> = counts(&receiver).into_iter().filter(|(_, count)| *count > 1).collect();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|(id, _)| id.ends_with("_2")), "{again:?}");
}

#[tokio::test]
async fn a_redelivery_is_refused_where_there_is_nothing_to_deliver() {
    let target = Target::start(|call| match call.api.as_str() {
        "bad" => Answer::Status(400, json!({})),
        "slow" => Answer::Slow(Duration::from_secs(30), json!(1)),
        _ => Answer::Result(json!(1)),
    })
    .await;
    let (cloud, receiver) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "without", "payload": payloads("a", 1) })).await;
    let without = cloud.api.trigger("without").await;
    cloud.api.wait_for_status(&without, "COMPLETED").await;
    let mut wants = sink(&receiver);
    (wants["skipOnFail"], wants["apisToSend"]) = (json!(true), json!(["good", "bad", "slow"]));
    let payload = json!([{ "apiName": "good" }, { "apiName": "bad" }, { "apiName": "other" }, { "apiName": "slow" }]);
    cloud.api.create_job(json!({ "id": "job", "payload": payload, "sink": wants })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["summary"]["running"] == 1 && run["deliveries"] == deliveries(1, 0)).await;
    for (path, status, words) in [
        (format!("{without}/redeliver"), 409, "no sink"),
        (format!("{without}/payloads/0/redeliver"), 409, "no sink"),
        (format!("{run}/payloads/1/redeliver"), 409, "does not want it"),
        (format!("{run}/payloads/2/redeliver"), 409, "does not want it"),
        (format!("{run}/payloads/3/redeliver"), 409, "has not ended"),
        (format!("{run}/payloads/4/redeliver"), 404, "payload"),
        (format!("{run}0/redeliver"), 404, "run"),
    ] {
        let (found, problem) = cloud.api.send("POST", &path, None).await;
        assert_eq!(found, status, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{path}: {problem}");
    }
    let (status, problem) = cloud.api.send("POST", &format!("{run}/redeliver"), Some(json!({ "all": true }))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/all")));
    assert_eq!(receiver.count(), 1);
    cloud.api.ok("POST", &format!("{run}/terminate"), None).await;
}

#[tokio::test]
async fn a_run_whose_secrets_are_gone_says_so() {
    const NEEDED: Duration = Duration::from_secs(200 * 24 * 60 * 60);
    let (cloud, target, receiver) = (Cloud::start().await, Target::echo().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let mut keyed = sink(&receiver);
    keyed["headers"] = json!({ "x-key": "one" });
    let job = |key: &str| {
        let mut sink = keyed.clone();
        sink["headers"]["x-key"] = json!(key);
        json!({ "id": "job", "payload": payloads("a", 1), "sink": sink })
    };
    cloud.api.create_job(job("one")).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(1, 0)).await;
    cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(job("two"))).await;
    cloud.api.ok("POST", &format!("{run}/payloads/0/redeliver"), None).await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == deliveries(1, 0) && receiver.count() == 2).await;
    assert_eq!(receiver.calls()[1].headers["x-key"], "one", "with what the run was recorded with");
    cloud.evaluate_after(NEEDED).await;
    let (status, problem) = cloud.api.send("POST", &format!("{run}/payloads/0/redeliver"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    assert!(problem["detail"].as_str().unwrap().contains("secrets"), "{problem}");
}
