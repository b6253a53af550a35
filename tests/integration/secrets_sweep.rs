//! Versions of secrets live as long as a job run may need them, and no longer.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use sundial_store::Write;
use tower::ServiceExt as _;

use crate::harness::faulty_table::Fault;
use crate::harness::{Answer, Api, Cloud, Target, payloads};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A job run may go on for 30 days, and is kept for 90 more.
const NEEDED: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// The marks that stand in the versions of secrets which are there; those without any do not count.
async fn versions(cloud: &Cloud) -> BTreeSet<String> {
    let items = cloud.items().await.into_iter().filter(|((pk, _), _)| pk.starts_with("SECRETS#"));
    let marks = items.flat_map(|(_, item)| {
        // What a project signs with has no versions.
        let values = item.get("values").into_iter().flat_map(|values| values.as_m().unwrap().values());
        let values: Vec<_> = values.map(|value| value.as_s().unwrap().clone()).collect();
        values.into_iter().filter(|value| value.starts_with("of-"))
    });
    marks.collect()
}

fn marks(marks: &[&str]) -> BTreeSet<String> {
    marks.iter().map(|mark| (*mark).to_owned()).collect()
}

async fn put_project(api: &Api, target: &Target, key: &str) {
    let target = json!({ "type": "http", "baseUrl": target.url, "headers": { "x-key": key } });
    api.ok("PUT", "/projects/shop", Some(json!({ "target": target }))).await;
}

fn job(sink: &Target, key: &str) -> Value {
    let sink = json!({ "type": "webhook", "url": sink.url.clone() + "/hook", "headers": { "x-key": key } });
    json!({ "id": "job", "payload": payloads("a", 1), "sink": sink })
}

/// A receiver that takes nothing at first, so that a delivery is pending for five seconds.
async fn reluctant() -> Target {
    let tries = AtomicUsize::new(0);
    Target::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Status(503, json!({})),
        _ => Answer::Result(json!(1)),
    })
    .await
}

/// The header `x-key` of each call, when there were so many.
async fn keys(receiver: &Target, count: usize) -> Vec<String> {
    let begun = Instant::now();
    while receiver.count() < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "there are just {} calls", receiver.count());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    receiver.calls().iter().map(|call| call.headers["x-key"].to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_version_that_was_replaced_lives_until_no_run_can_need_it() {
    let (cloud, target, sink) = (Cloud::start().await, Target::echo().await, reluctant().await);
    put_project(&cloud.api, &target, "of-target-1").await;
    cloud.api.create_job(job(&sink, "of-sink-1")).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    keys(&sink, 1).await;
    put_project(&cloud.api, &target, "of-target-2").await;
    cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(job(&sink, "of-sink-2"))).await;
    let all = marks(&["of-sink-1", "of-sink-2", "of-target-1", "of-target-2"]);
    assert_eq!(versions(&cloud).await, all);
    cloud.evaluate_after(NEEDED - DAY).await;
    assert_eq!(versions(&cloud).await, all);
    // What was still to be delivered went with the secrets that its run was recorded with.
    assert_eq!(keys(&sink, 2).await, ["of-sink-1", "of-sink-1"]);
    cloud.evaluate_after(NEEDED + HOUR).await;
    assert_eq!(versions(&cloud).await, marks(&["of-sink-2", "of-target-2"]));
    cloud.api.trigger("job").await;
    assert_eq!(keys(&sink, 3).await[2], "of-sink-2");
    assert_eq!(keys(&target, 2).await, ["of-target-1", "of-target-2"]);
    assert!(cloud.items().await.keys().all(|(pk, _)| !pk.starts_with("SWEEP#")), "no note is left");
}

#[tokio::test]
async fn a_run_whose_failed_payloads_are_run_again_late_still_has_its_secrets() {
    let (cloud, sink) = (Cloud::start().await, Target::echo().await);
    let target = Target::start(|_| Answer::Status(400, json!({}))).await;
    put_project(&cloud.api, &target, "of-target-1").await;
    cloud.api.create_job(job(&sink, "of-sink-1")).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "FAILED").await;
    keys(&sink, 1).await;
    put_project(&cloud.api, &target, "of-target-2").await;
    cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(job(&sink, "of-sink-2"))).await;
    cloud.evaluate_after(NEEDED - DAY).await;
    cloud.api.ok("POST", &format!("{run}/retry"), None).await;
    assert_eq!(keys(&target, 2).await, ["of-target-1"; 2]);
    assert_eq!(keys(&sink, 2).await, ["of-sink-1"; 2]);
}

#[tokio::test]
async fn what_a_deleted_job_and_its_deleted_project_had_still_serves_the_deliveries_that_are_left() {
    let (cloud, target, sink) = (Cloud::start().await, Target::echo().await, reluctant().await);
    let project = json!({ "type": "http", "baseUrl": target.url, "headers": { "x-key": "of-target" } });
    let project = cloud.api.ok("PUT", "/projects/shop", Some(json!({ "target": project }))).await;
    cloud.api.create_job(job(&sink, "of-sink")).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    keys(&sink, 1).await;
    cloud.api.ok("DELETE", "/projects/shop/jobs/job", None).await;
    cloud.api.ok("DELETE", "/projects/shop", None).await;
    cloud.evaluate_after(NEEDED - DAY).await;
    assert_eq!(versions(&cloud).await, marks(&["of-sink", "of-target"]));
    assert_eq!(keys(&sink, 2).await, ["of-sink"; 2]);
    let verifier = standardwebhooks::Webhook::new(project["webhookSecret"].as_str().unwrap()).unwrap();
    let delivered = &sink.calls()[1];
    verifier.verify(delivered.text.as_bytes(), &delivered.headers).unwrap();
    cloud.evaluate_after(NEEDED + HOUR).await;
    assert_eq!(versions(&cloud).await, marks(&[]));
}

#[tokio::test]
async fn versions_that_nothing_ever_pointed_at_are_swept_within_hours() {
    let (cloud, target, sink) = (Cloud::start().await, Target::echo().await, Target::echo().await);
    put_project(&cloud.api, &target, "of-target").await;
    cloud.api.create_job(job(&sink, "of-sink")).await;
    // A function dies before the transaction that points at them.
    let is_of_job = |writes: &[Write]| writes.iter().any(|write| write.key().pk.starts_with("JOB#"));
    let faults = Box::new(move |writes: &[Write]| is_of_job(writes).then_some(Fault::Unavailable));
    let function = sundial_job_api::router::router(cloud.faulty_clients(faults));
    let jobs = format!("/v1/workspaces/{}/projects/shop/jobs", cloud.dev.description().workspace_id);
    let mut another = job(&sink, "of-refused-1");
    another["id"] = json!("another");
    for request in [
        Request::post(&jobs).body(Body::from(another.to_string())),
        Request::put(format!("{jobs}/job")).body(Body::from(job(&sink, "of-refused-2").to_string())),
    ] {
        let mut request = request.unwrap();
        request.headers_mut().insert("x-api-key", cloud.api.key.parse().unwrap());
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        assert_eq!(function.clone().oneshot(request).await.unwrap().status(), 503);
    }
    let all = marks(&["of-refused-1", "of-refused-2", "of-sink", "of-target"]);
    assert_eq!(versions(&cloud).await, all, "they are written before anything points at them");
    cloud.evaluate_after(HOUR / 2).await;
    assert_eq!(versions(&cloud).await, all, "it may still be under way");
    cloud.evaluate_after(HOUR * 2).await;
    assert_eq!(versions(&cloud).await, marks(&["of-sink", "of-target"]));
    cloud.evaluate_after(NEEDED * 2).await;
    assert_eq!(versions(&cloud).await, marks(&["of-sink", "of-target"]), "what a job points at stays for good");
    cloud.api.trigger("job").await;
    assert_eq!(
        (keys(&target, 1).await, keys(&sink, 1).await),
        (vec!["of-target".to_owned()], vec!["of-sink".to_owned()])
    );
}
