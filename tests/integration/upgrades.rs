//! A new version is deployed beside runs in flight: it goes on with what the older one has written, and the older one
//! leaves alone what the newer has.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Items, Target, payloads, summary};

const PAYLOADS: u32 = 120;

type Item = HashMap<String, AttributeValue>;

/// Sends a request to the job API.
async fn call(cloud: &Cloud, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let clients = cloud.dev.clients().clone();
    let (status, _, answer) = cloud.api.send_to(clients, method, path, &[], body).await;
    (status, answer)
}

/// Works until what a path answers is as it should be: what nobody was sent for is found by its wake time.
async fn work_until(cloud: &Cloud, done: &mut usize, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    const TRIES_MAX: usize = 20;
    for _ in 0..TRIES_MAX {
        work(cloud, done, Duration::from_secs(120)).await.unwrap();
        let (_, answer) = call(cloud, "GET", path, None).await;
        if is_so(&answer) {
            return answer;
        }
        cloud.evaluate_after(Duration::from_secs(60)).await;
    }
    panic!("{path} is {}", call(cloud, "GET", path, None).await.1);
}

/// Lets workers do what the bus has told of since the event of this number, each for so long.
async fn work(cloud: &Cloud, done: &mut usize, lasting: Duration) -> Result<(), lambda_runtime::Error> {
    let events = cloud.events();
    let told: Vec<_> = events[*done..].iter().filter(|event| event["detail-type"] == "Work Ready").cloned().collect();
    *done = events.len();
    for event in told {
        let mut context = Context::default();
        // A worker goes home ten seconds before its end.
        let deadline = SystemTime::now() + lasting + Duration::from_secs(10);
        context.deadline = u64::try_from(deadline.duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
        let event = LambdaEvent::new(serde_json::from_value(event)?, context);
        sundial_payload_executor::handle(cloud.dev.clients(), event).await?;
    }
    Ok(())
}

async fn write(cloud: &Cloud, items: Items) {
    for item in items.into_values() {
        let table = &cloud.dev.description().table_name;
        cloud.dev.dynamodb().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }
}

/// The same items as the first version wrote them.
fn as_version_1(items: Items) -> Items {
    let downgrade = |(key, mut item): (_, HashMap<String, AttributeValue>)| {
        item.insert("schemaVersion".to_owned(), AttributeValue::N("1".to_owned()));
        if let Some(AttributeValue::M(mut job)) = item.remove("job") {
            item.insert("jobUuid".to_owned(), job.remove("uuid").unwrap());
            item.insert("jobId".to_owned(), job.remove("id").unwrap());
        }
        for unknown in ["correlationId", "trace"] {
            item.remove(unknown);
        }
        (key, item)
    };
    items.into_iter().map(downgrade).collect()
}

/// A job run of which nothing has been carried out; answers with its path.
async fn begun_run(cloud: &Cloud, target: &Target, receiver: &Target) -> String {
    let project = json!({ "target": { "type": "http", "baseUrl": target.url } });
    assert_eq!(call(cloud, "PUT", "/projects/shop", Some(project)).await.0, 201);
    let job = json!({
        "id": "j", "payload": payloads("a", PAYLOADS), "configuration": {
            "maxConcurrentRequests": 4, "requestTimeout": 1, "retry": { "maximumAttempts": 3, "initialInterval": "100ms" }
        },
        "sink": { "type": "webhook", "url": format!("{}/hook", receiver.url) },
        "notifications": [{ "type": "webhook", "url": format!("{}/told", receiver.url) }]
    });
    assert_eq!(call(cloud, "POST", "/projects/shop/jobs", Some(job)).await.0, 201);
    let (_, run) = call(cloud, "POST", "/projects/shop/jobs/j/trigger", None).await;
    format!("/projects/shop/jobs/j/runs/{}", run["id"].as_str().unwrap())
}

/// A job run of which some payloads have been carried out; answers with its path, and how many events there were.
async fn run_in_flight(cloud: &Cloud, target: &Target, receiver: &Target) -> (String, usize) {
    let (run, mut done) = (begun_run(cloud, target, receiver).await, 0);
    work(cloud, &mut done, Duration::from_millis(1700)).await.unwrap();
    let [total, _, _, succeeded, _, _] = summary(&call(cloud, "GET", &run, None).await.1);
    assert!(succeeded > 0 && succeeded < total, "{succeeded} of {total} are done");
    (run, done)
}

async fn slow_target() -> Target {
    Target::start(|call| Answer::Slow(Duration::from_millis(50), call.body["parameters"].clone())).await
}

#[tokio::test]
async fn a_run_that_an_older_version_has_begun_goes_on_and_loses_nothing() {
    let (cloud, target, receiver) = (Cloud::start_storage_only().await, slow_target().await, Target::echo().await);
    let (run, mut done) = run_in_flight(&cloud, &target, &receiver).await;
    let items = as_version_1(cloud.items().await);
    assert!(items.values().any(|item| item.contains_key("jobUuid")), "there is a job run");
    write(&cloud, items).await;

    assert_eq!(call(&cloud, "GET", &run, None).await.1["jobId"], "j");
    let ended = work_until(&cloud, &mut done, &run, |run| run["deliveries"]["delivered"] == PAYLOADS).await;
    assert_eq!((&ended["status"], summary(&ended)), (&json!("COMPLETED"), [120, 0, 0, 120, 0, 0]));
    assert_eq!(target.calls().len(), PAYLOADS as usize, "each payload was carried out once");
    let (_, listed) = call(&cloud, "GET", "/projects/shop/jobs/j/runs", None).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    let (_, single_runs) = call(&cloud, "GET", "/projects/shop/single-runs", None).await;
    assert_eq!(single_runs["items"], json!([]), "it was not taken for a run without a job");
}

#[tokio::test]
async fn what_a_newer_version_has_written_is_left_to_it() {
    let (cloud, target, receiver) = (Cloud::start_storage_only().await, slow_target().await, Target::echo().await);
    let (run, mut done) = run_in_flight(&cloud, &target, &receiver).await;
    let before = cloud.items().await;
    let calls = target.calls().len();
    let mut newer = before.clone();
    for item in newer.values_mut().filter(|item| item["sk"].as_s().unwrap() == "RUN") {
        item.insert("schemaVersion".to_owned(), AttributeValue::N("1000".to_owned()));
    }
    write(&cloud, newer.clone()).await;

    let (status, problem) = call(&cloud, "GET", &run, None).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert_eq!(call(&cloud, "POST", &format!("{run}/terminate"), None).await.0, 503);
    // Whoever is sent for it, and whoever finds it by its wake time, has nothing to do and nothing to complain of.
    let mut again = 0;
    work(&cloud, &mut again, Duration::from_secs(1)).await.unwrap();
    cloud.evaluate_after(Duration::from_secs(60)).await;
    work(&cloud, &mut again, Duration::from_secs(1)).await.unwrap();
    assert_eq!((cloud.items().await, target.calls().len()), (newer, calls), "nothing was written or called");

    // The newer version goes on with it.
    write(&cloud, before).await;
    work_until(&cloud, &mut done, &run, |run| run["status"] == "COMPLETED").await;
    assert_eq!(target.calls().len(), PAYLOADS as usize);
}

/// A target of which one in ten payloads fails at its first attempt.
async fn moody_target() -> Target {
    Target::start(|call| match (call.index() % 10, call.attempt()) {
        (0, 1) => Answer::Status(500, json!({})),
        _ => Answer::Slow(Duration::from_millis(20), call.body["parameters"].clone()),
    })
    .await
}

/// A receiver that refuses the first try of one delivery in ten, and that of a notification.
async fn moody_receiver() -> Target {
    let seen = Mutex::new(HashSet::new());
    Target::start(move |call| {
        let is_picked = call.body["apiInfo"]["parameters"]["n"].as_u64().is_none_or(|n| n % 10 == 0);
        let is_first = seen.lock().unwrap().insert(call.headers["webhook-id"].clone());
        Answer::Status(if is_picked && is_first { 500 } else { 200 }, json!({}))
    })
    .await
}

/// The first word of an item's sort key.
fn kind(item: &Item) -> &str {
    item["sk"].as_s().unwrap().split('#').next().unwrap()
}

fn with_version(mut item: Item, version: u32) -> Item {
    item.insert("schemaVersion".to_owned(), AttributeValue::N(version.to_string()));
    item
}

/// Waits until there are items of a kind, and payloads have been carried out.
async fn wait_for_kind(cloud: &Cloud, wanted: &str) {
    loop {
        let items = cloud.items().await;
        if [wanted, "OUTCOME"].iter().all(|wanted| items.values().any(|item| kind(item) == *wanted)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A worker dies and all items of this kind are newer; the older version comes upon that, and then the newer one.
async fn come_upon_newer(newer_kind: &str) {
    let (cloud, target) = (Cloud::start_storage_only().await, moody_target().await);
    let receiver = moody_receiver().await;
    let (run, mut done) = (begun_run(&cloud, &target, &receiver).await, 0);
    tokio::select! {
        () = wait_for_kind(&cloud, newer_kind) => {}
        ended = work(&cloud, &mut done, Duration::from_secs(120)) => panic!("there is no {newer_kind}: {ended:?}"),
    };
    let of_kind = cloud.items_at_rest().await.into_iter().filter(|(_, item)| kind(item) == newer_kind);
    let newer: Items = of_kind.map(|(key, item)| (key, with_version(item, 1000))).collect();
    assert!(!newer.is_empty(), "there is a {newer_kind}");
    write(&cloud, newer.clone()).await;

    // Until the lease of the worker that has died is over.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..3 {
        cloud.evaluate_after(Duration::from_secs(60)).await;
        work(&cloud, &mut done, Duration::from_secs(1)).await.unwrap();
        for path in [&run, &format!("{run}/payloads"), &format!("{run}/payloads/0")] {
            let (status, answer) = call(&cloud, "GET", path, None).await;
            assert!(matches!(status, 200 | 503), "{newer_kind}, {path}: {answer}");
        }
    }
    let after = cloud.items().await;
    for (key, item) in newer {
        assert_eq!(after.get(&key), Some(&item), "a {newer_kind} was not left alone");
    }

    let newest = AttributeValue::N("1000".to_owned());
    let left_alone = after.into_iter().filter(|(_, item)| item["schemaVersion"] == newest);
    write(&cloud, left_alone.map(|(key, item)| (key, with_version(item, 2))).collect()).await;
    let is_told = || receiver.calls().iter().filter(|call| call.api == "told").count() >= 2;
    let is_done = |run: &Value| run["deliveries"]["delivered"] == PAYLOADS && run["status"] == "COMPLETED";
    let ended = work_until(&cloud, &mut done, &run, |run| is_done(run) && is_told()).await;
    assert_eq!(summary(&ended), [120, 0, 0, 120, 0, 0], "{newer_kind}");
    let attempts: HashSet<_> = target.calls().iter().map(|call| (call.index(), call.attempt())).collect();
    assert_eq!(attempts.len(), 132, "what was cut off was made again under its number: {newer_kind}");
}

#[tokio::test]
async fn whatever_part_of_a_run_is_newer_is_left_alone() {
    let kinds = [
        "JOB", "PROJECT", "SECRETS", "SNAPSHOT", "QUEUE", "LANE", "CHUNK", "OUTCOME", "ATTEMPT", "DUE", "DELIVERY",
        "CLOSING",
    ];
    futures::future::join_all(kinds.map(come_upon_newer)).await;
}
