//! A call that is sent again is about what it was about the first time, and not about what has its name since.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_runtime::clock;
use sundial_store::Write;

use crate::harness::faulty_table::Fault;
use crate::harness::{Answer, Api, Cloud, Target, payloads};
use crate::idempotency::post_to;

const JOB: &str = "/projects/shop/jobs/job";

/// Sends a call with the key `k`; answers with its status, its body, and whether it was carried out before.
async fn post(api: &Api, path: &str, body: Option<&Value>) -> (u16, Value, bool) {
    let (status, headers, answer) = api.send_with("POST", path, &[("idempotency-key", "k")], body.cloned()).await;
    (status, answer, headers.get("idempotent-replayed").is_some_and(|value| value == "true"))
}

/// Sends it again, when what it is about is gone.
async fn is_gone(api: &Api, path: &str, body: Option<&Value>) {
    let (status, problem, replayed) = post(api, path, body).await;
    assert_eq!((status, &problem["code"], replayed), (404, &json!("not-found"), true), "{path}: {problem}");
}

#[tokio::test]
async fn what_was_requested_of_a_job_is_not_answered_for_its_namesake() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let sink = json!({ "type": "webhook", "url": format!("{}/sink", target.url) });
    let schedule = json!({ "intervals": [{ "every": "1h" }], "overlap": "allow" });
    let job = json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule, "sink": sink });
    cloud.api.create_job(job.clone()).await;
    let (trigger, backfill) = (format!("{JOB}/trigger"), format!("{JOB}/backfill"));
    let past =
        json!({ "from": clock::now() - Duration::from_secs(9_000), "to": clock::now() - Duration::from_secs(600) });
    let (status, run, _) = post(&cloud.api, &trigger, None).await;
    assert_eq!(status, 200, "{run}");
    let run = format!("{JOB}/runs/{}", run["id"].as_str().unwrap());
    cloud.api.wait_for(&run, |run| run["deliveries"]["delivered"] == 1).await;
    let (of_run, of_payload) = (format!("{run}/redeliver"), format!("{run}/payloads/0/redeliver"));
    for (path, body) in [(&backfill, Some(&past)), (&of_run, None), (&of_payload, None)] {
        assert_eq!(post(&cloud.api, path, body).await.0, 202, "{path}");
        let (status, _, replayed) = post(&cloud.api, path, body).await;
        assert_eq!((status, replayed), (202, true), "{path}");
    }
    cloud.api.ok("DELETE", JOB, None).await;
    cloud.api.create_job(job).await;
    for (path, body) in [(&trigger, None), (&backfill, Some(&past)), (&of_run, None), (&of_payload, None)] {
        is_gone(&cloud.api, path, body).await;
    }
}

#[tokio::test]
async fn what_was_done_to_a_project_or_a_session_is_not_answered_for_its_namesake() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let rotate = "/projects/shop/signing-secret/rotate";
    let sessions = "/projects/shop/auth-sessions";
    let session = json!({ "id": "login", "type": "RUNTIME", "state": { "token": 1 } });
    assert_eq!(post(&cloud.api, rotate, None).await.0, 200);
    assert_eq!(post(&cloud.api, sessions, Some(&session)).await.0, 201);
    assert_eq!(post(&cloud.api, rotate, None).await.0, 200);
    assert_eq!(post(&cloud.api, sessions, Some(&session)).await.0, 201);
    cloud.api.ok("DELETE", &format!("{sessions}/login"), None).await;
    cloud.api.ok("POST", sessions, Some(session.clone())).await;
    is_gone(&cloud.api, sessions, Some(&session)).await;
    cloud.api.ok("DELETE", &format!("{sessions}/login"), None).await;
    cloud.api.ok("DELETE", "/projects/shop", None).await;
    // Until it is gone for good, its name is taken.
    while cloud
        .api
        .send("PUT", "/projects/shop", Some(json!({ "target": { "type": "http", "baseUrl": target.url } })))
        .await
        .0
        != 201
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    is_gone(&cloud.api, rotate, None).await;
}

#[tokio::test]
async fn what_a_backfill_had_come_to_does_not_count_for_the_jobs_namesake() {
    let cloud = Cloud::start().await;
    let target = Target::start(|_| Answer::Slow(Duration::from_secs(60), json!(1))).await;
    cloud.api.make_project(&target).await;
    let job = json!({ "id": "job", "payload": payloads("a", 1), "schedule": { "intervals": [{ "every": "1h" }] } });
    cloud.api.create_job(job.clone()).await;
    let ago = |minutes: u64| clock::now() - Duration::from_secs(minutes * 60);
    let (path, past) = (format!("{JOB}/backfill"), Some(json!({ "from": ago(30 * 60 + 30), "to": ago(30) })));
    let is_record = |writes: &[Write]| writes.iter().any(|write| write.key().pk.starts_with("JOB-RUNS#"));
    let records = std::sync::atomic::AtomicUsize::new(0);
    let clients = cloud.faulty_clients(Box::new(move |writes| {
        let is_second = is_record(writes) && records.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1;
        is_second.then_some(Fault::Unavailable)
    }));
    assert_eq!(post_to(clients, &cloud.api, "k", &path, past.clone()).await.0, 503);
    assert!(!cloud.api.all(&format!("{JOB}/runs")).await.is_empty(), "a part of it is on record");
    cloud.api.ok("DELETE", JOB, None).await;
    cloud.api.create_job(job).await;
    let (status, answer, _) = post(&cloud.api, &path, past.as_ref()).await;
    assert_eq!((status, answer), (202, json!({ "requested": 30 })));
    assert_eq!(cloud.api.all(&format!("{JOB}/runs")).await.len(), 30);
}
