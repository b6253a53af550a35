//! A POST with an idempotency key has its effect once, however often it is sent.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use sundial_runtime::{Clients, Clock, clock};

use crate::harness::faulty_table::Fault;
use crate::harness::{Answer, Api, Cloud, Target, payloads};

const JOB: &str = "/projects/shop/jobs/job";
const JOBS: &str = "/projects/shop/jobs";

async fn start() -> (Cloud, Target) {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1h" }], "overlap": "allow" });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })).await;
    (cloud, target)
}

/// A POST with a key; answers with its status, its body, and whether it was carried out before.
async fn post(api: &Api, key: &str, path: &str, body: Option<Value>) -> (u16, Value, bool) {
    let (status, headers, answer) = api.send_with("POST", path, &[("idempotency-key", key)], body).await;
    (status, answer, headers.contains_key("idempotent-replayed"))
}

/// The same to a function over these clients.
pub(crate) async fn post_to(clients: Clients, api: &Api, key: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let (status, _, answer) = api.send_to(clients, "POST", path, &[("idempotency-key", key)], body).await;
    (status, answer)
}

/// The clients of a function so much later.
pub(crate) fn later(cloud: &Cloud, by: Duration) -> Clients {
    let clock = Clock::simulated(tokio::time::Instant::now(), clock::now() + by);
    Clients { clock, ..cloud.dev.clients().clone() }
}

async fn runs(cloud: &Cloud) -> usize {
    cloud.api.all(&format!("{JOB}/runs")).await.len()
}

#[tokio::test]
async fn a_call_that_is_sent_again_is_answered_again_with_what_is_there_now() {
    let (cloud, _target) = start().await;
    let trigger = format!("{JOB}/trigger");
    let (status, first, replayed) = post(&cloud.api, "k", &trigger, None).await;
    assert_eq!((status, replayed), (200, false));
    cloud.api.wait_for_status(&format!("{JOB}/runs/{}", first["id"].as_str().unwrap()), "COMPLETED").await;
    let (status, second, replayed) = post(&cloud.api, "k", &trigger, None).await;
    assert_eq!((status, replayed, &second["id"], &second["status"]), (200, true, &first["id"], &json!("COMPLETED")));
    assert_eq!(runs(&cloud).await, 1);
    assert_ne!(post(&cloud.api, "other", &trigger, None).await.1["id"], first["id"]);

    let job = json!({ "id": "new", "payload": payloads("a", 1) });
    assert_eq!(post(&cloud.api, "k", JOBS, Some(job.clone())).await.0, 201, "a key goes with its path");
    cloud.api.ok("PUT", &format!("{JOBS}/new"), Some(json!({ "description": "changed" }))).await;
    let (status, again, replayed) = post(&cloud.api, "k", JOBS, Some(job.clone())).await;
    assert_eq!((status, replayed, &again["description"]), (201, true, &json!("changed")));
    cloud.api.ok("DELETE", &format!("{JOBS}/new"), None).await;
    cloud.api.create_job(job.clone()).await;
    assert_eq!(post(&cloud.api, "k", JOBS, Some(job)).await.0, 404, "a namesake is another job");

    let page = format!("{JOB}/payload");
    for replayed in [false, true] {
        let answer = post(&cloud.api, "k", &page, Some(payloads("a", 2))).await;
        assert_eq!(answer, (200, json!({ "appended": 2, "payloadCount": 3 }), replayed));
    }
    let hours = |hours: u64| clock::now() - Duration::from_secs(hours * 3_600);
    let body = json!({ "from": hours(6), "to": hours(1) });
    for replayed in [false, true] {
        let answer = post(&cloud.api, "k", &format!("{JOB}/backfill"), Some(body.clone())).await;
        assert_eq!(answer, (202, json!({ "requested": 5 }), replayed));
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused_for_a_day() {
    let (cloud, _target) = start().await;
    let (pause, reason) = (format!("{JOB}/pause"), |text: &str| Some(json!({ "reason": text })));
    assert_eq!(post(&cloud.api, "k", &pause, reason("one")).await.0, 200);
    for _ in 0..2 {
        let (status, problem, _) = post(&cloud.api, "k", &pause, reason("other")).await;
        assert_eq!((status, &problem["code"]), (409, &json!("idempotency-key-reused")));
    }
    assert_eq!(cloud.api.get(JOB).await["state"]["reason"], "one");
    let day = Duration::from_secs(24 * 60 * 60);
    for (ahead, status) in [(day - Duration::from_secs(60), 409), (day, 200)] {
        let answer = post_to(later(&cloud, ahead), &cloud.api, "k", &pause, reason("other")).await;
        assert_eq!(answer.0, status, "whenever the table drops it, after {ahead:?}");
    }
}

#[tokio::test]
async fn a_key_is_visible_text_of_a_bounded_length() {
    let (cloud, _target) = start().await;
    let trigger = format!("{JOB}/trigger");
    for bad in ["", " ", "a b", &"x".repeat(256)] {
        let (status, problem, _) = post(&cloud.api, bad, &trigger, None).await;
        assert_eq!((status, &problem["code"]), (400, &json!("bad-request")), "{bad}");
    }
    assert_eq!(runs(&cloud).await, 0);
    assert_eq!(post(&cloud.api, &"~".repeat(255), &trigger, None).await.0, 200);
}

#[tokio::test]
async fn a_call_that_was_refused_leaves_its_key_free() {
    let (cloud, _target) = start().await;
    let job = json!({ "id": "new", "payload": payloads("a", 1) });
    assert_eq!(post(&cloud.api, "k", JOBS, Some(json!({ "id": "new" }))).await.0, 400);
    assert_eq!(post(&cloud.api, "k", JOBS, Some(job)).await.0, 201);
    let trigger = format!("{JOB}/trigger");
    cloud.api.ok("POST", &format!("{JOB}/pause"), None).await;
    assert_eq!(post(&cloud.api, "k", &trigger, None).await.0, 409);
    cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
    let is_start = |writes: &[sundial_store::Write]| writes.iter().any(|write| write.key().pk.starts_with("RUN#"));
    for (fault, status) in [(Fault::Refused, 429), (Fault::Unavailable, 503)] {
        let clients = cloud.faulty_clients(Box::new(move |writes| is_start(writes).then_some(fault)));
        assert_eq!(post_to(clients, &cloud.api, "k", &trigger, None).await.0, status);
    }
    assert_eq!(post(&cloud.api, "k", &trigger, None).await.0, 200);
    assert_eq!(runs(&cloud).await, 1);
}

#[tokio::test]
async fn of_many_calls_at_once_one_has_its_effect() {
    let (cloud, _target) = start().await;
    let trigger = format!("{JOB}/trigger");
    let answers = join_all((0..20).map(|_| post(&cloud.api, "k", &trigger, None))).await;
    let (good, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|(status, ..)| *status == 200);
    assert!(!good.is_empty() && good.iter().all(|(_, run, _)| run["id"] == good[0].1["id"]), "{answers:?}");
    assert!(busy.iter().all(|(_, problem, _)| problem["code"] == "idempotency-key-reused"), "{answers:?}");
    assert_eq!(runs(&cloud).await, 1);
    let payload = format!("{JOB}/payload");
    let pages = join_all((0..20).map(|_| post(&cloud.api, "k", &payload, Some(payloads("b", 3))))).await;
    assert!(pages.iter().any(|(status, ..)| *status == 200));
    assert_eq!(cloud.api.get(JOB).await["payloadCount"], 4);
}

#[tokio::test]
async fn a_call_that_has_changed_nothing_changes_nothing_later() {
    let (cloud, _target) = start().await;
    let (pause, resume) = (format!("{JOB}/pause"), format!("{JOB}/resume"));
    cloud.api.ok("POST", &pause, None).await;
    assert_eq!(post(&cloud.api, "k", &pause, None).await.0, 200);
    cloud.api.ok("POST", &resume, None).await;
    let (status, job, replayed) = post(&cloud.api, "k", &pause, None).await;
    assert_eq!((status, replayed, &job["state"]), (200, true, &json!({ "status": "ACTIVE" })));

    let failing = Target::start(|call| match call.body["context"]["generation"].as_u64() {
        Some(1) => Answer::Status(400, json!({})),
        _ => Answer::Slow(Duration::from_secs(20), json!(1)),
    });
    let project = json!({ "target": { "type": "http", "baseUrl": failing.await.url } });
    cloud.api.ok("PUT", "/projects/shop", Some(project)).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "FAILED").await;
    let terminate = format!("{run}/terminate");
    assert_eq!(post(&cloud.api, "k", &terminate, None).await.1["status"], "FAILED");
    cloud.api.ok("POST", &format!("{run}/retry"), None).await;
    let (status, again, replayed) = post(&cloud.api, "k", &terminate, None).await;
    assert_eq!((status, replayed, &again["status"], &again["generation"]), (200, true, &json!("RUNNING"), &json!(2)));
}

#[tokio::test]
async fn what_no_route_takes_and_what_has_no_effect_claims_no_key() {
    let (cloud, _target) = start().await;
    let preview = |every: &str| Some(json!({ "schedule": { "intervals": [{ "every": every }] } }));
    for (path, body, expected) in [
        ("/nowhere", None, 404),
        (JOB, None, 405),
        ("/schedules/preview", preview("1h"), 200),
        ("/schedules/preview", preview("2h"), 200),
    ] {
        let is_claim = |writes: &[sundial_store::Write]| writes[0].key().pk.starts_with("IDEMPOTENCY#");
        let clients = cloud.faulty_clients(Box::new(move |writes| is_claim(writes).then_some(Fault::Unavailable)));
        let headers = [("idempotency-key", "k")];
        let (status, headers, _) = cloud.api.send_to(clients, "POST", path, &headers, body).await;
        assert_eq!((status, headers.get("idempotent-replayed")), (expected, None), "{path}");
    }
}

#[tokio::test]
async fn what_is_kept_of_an_answer_holds_no_document_and_is_dropped() {
    let (cloud, _target) = start().await;
    let job = json!({
        "id": "secretive", "payload": [{ "apiName": "a", "parameters": { "pin": "hunter2" } }],
        "sink": { "type": "webhook", "url": "https://example.com", "headers": { "x-key": "hunter2" } }
    });
    assert_eq!(post(&cloud.api, "hunter2", JOBS, Some(job)).await.0, 201);
    let items = cloud.items_at_rest().await;
    let kept: Vec<_> = items.iter().filter(|((pk, _), _)| pk.starts_with("IDEMPOTENCY#")).collect();
    assert_eq!(kept.len(), 1);
    assert!(!format!("{kept:?}").contains("hunter2"), "{kept:?}");
    let expires: i64 = kept[0].1["expiresAt"].as_n().unwrap().parse().unwrap();
    assert!((86_300..86_500).contains(&(expires - clock::now().seconds())));
}
