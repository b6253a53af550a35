//! A new version is deployed beside runs in flight: it goes on with what the older one has written, and the older one
//! leaves alone what the newer has.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Items, Target, payloads, summary};

const PAYLOADS: u32 = 120;

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
    let downgrade = |(key, mut item): (_, std::collections::HashMap<String, AttributeValue>)| {
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

/// A job run of which some payloads have been carried out; answers with its path, and how many events there were.
async fn run_in_flight(cloud: &Cloud, target: &Target, receiver: &Target) -> (String, usize) {
    let project = json!({ "target": { "type": "http", "baseUrl": target.url } });
    assert_eq!(call(cloud, "PUT", "/projects/shop", Some(project)).await.0, 201);
    let job = json!({
        "id": "j", "payload": payloads("a", PAYLOADS), "configuration": { "maxConcurrentRequests": 4, "requestTimeout": 1 },
        "sink": { "type": "webhook", "url": format!("{}/hook", receiver.url) }
    });
    assert_eq!(call(cloud, "POST", "/projects/shop/jobs", Some(job)).await.0, 201);
    let (_, run) = call(cloud, "POST", "/projects/shop/jobs/j/trigger", None).await;
    let run = format!("/projects/shop/jobs/j/runs/{}", run["id"].as_str().unwrap());
    let mut done = 0;
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
