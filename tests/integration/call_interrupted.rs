//! Calls in the middle of which something happens: somebody else changes the job, or a write fails.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use sundial_runtime::clock;
use sundial_store::{Deletion, Write};

use crate::harness::faulty_table::Fault;
use crate::harness::{Answer, Api, Cloud, Target, payloads};
use crate::payload_pages::stored;

const JOB: &str = "/projects/shop/jobs/job";

/// A job whose runs take long, each hour, as the overlap policy says.
async fn start(overlap: &str) -> (Cloud, Target) {
    let cloud = Cloud::start().await;
    let target = Target::start(|_| Answer::Slow(Duration::from_secs(60), json!(1))).await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(job(overlap)).await;
    (cloud, target)
}

fn job(overlap: &str) -> Value {
    let schedule = json!({ "intervals": [{ "every": "1h" }], "overlap": overlap });
    json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })
}

async fn tag(api: &Api) -> String {
    api.send_with("GET", JOB, &[], None).await.1["etag"].to_str().unwrap().to_owned()
}

fn writes(writes: &[Write], prefix: &str) -> bool {
    writes.iter().any(|write| write.key().pk.starts_with(prefix))
}

/// Three runs that are active, and one that waits.
async fn start_busy() -> (Cloud, Target) {
    let (cloud, target) = start("allow").await;
    for _ in 0..3 {
        cloud.api.trigger("job").await;
    }
    cloud.api.ok("PUT", JOB, Some(job("bufferOne"))).await;
    cloud.api.trigger("job").await;
    let job = stored(&cloud).await;
    assert_eq!((job.active_runs.len(), job.waiting_runs), (3, 1));
    (cloud, target)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_under_a_tag_that_has_ended_runs_goes_through() {
    for number in 0..4 {
        let (cloud, _target) = start_busy().await;
        let tag = tag(&cloud.api).await;
        let runs: Vec<_> = cloud.api.all(&format!("{JOB}/runs")).await;
        let old = tag.clone();
        let clients = cloud.interrupted_clients(
            |all| writes(all, "RUN#"),
            number,
            move |api| {
                let old = old.clone();
                async move {
                    let edit = Some(json!({ "description": "by somebody else" }));
                    let under_tag = api.send_with("PUT", JOB, &[("if-match", &old)], edit.clone()).await.0;
                    assert_eq!(under_tag, 412, "who has seen what is being deleted does not change it");
                    api.ok("PUT", JOB, edit).await;
                }
            },
        );
        let (status, _, answer) = cloud.api.send_to(clients, "DELETE", JOB, &[("if-match", &tag)], None).await;
        assert_eq!(status, 204, "{number}: {answer}");
        assert_eq!(cloud.api.send("GET", JOB, None).await.0, 404);
        assert_eq!(runs.len(), 4);
        for run in &runs {
            let id = run["id"].as_str().unwrap().parse().unwrap();
            let run = cloud.dev.clients().store.run_partition(id).await.unwrap().unwrap().run;
            assert!(run.status.is_terminal(), "{run:?}");
        }
    }
}

#[tokio::test]
async fn what_a_deletion_has_ended_is_handed_over_also_when_it_fails() {
    let (cloud, _target) = start_busy().await;
    let job = stored(&cloud).await;
    let is_last =
        |all: &[Write]| all.iter().any(|write| matches!(write, Write::Delete(key, _) if key.pk.starts_with("JOB#")));
    let clients = cloud.faulty_clients(Box::new(move |all| is_last(all).then_some(Fault::Unavailable)));
    let Deletion { work, outcome } = clients.store.delete_job(&job, |_| true, clock::now()).await;
    assert!(outcome.is_err());
    assert_eq!(work.len(), 3, "{work:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_that_a_pause_cuts_off_is_finished_by_the_same_call_after_it() {
    let (cloud, _target) = start("skip").await;
    let ago = |minutes: u64| clock::now() - Duration::from_secs(minutes * 60);
    let (path, past) = (format!("{JOB}/backfill"), Some(json!({ "from": ago(30 * 60 + 30), "to": ago(30) })));
    let pause = async |api: Api| drop(api.ok("POST", &format!("{JOB}/pause"), None).await);
    let clients = cloud.interrupted_clients(|all| writes(all, "JOB-RUNS#"), 1, pause);
    let key = [("idempotency-key", "k")];
    let (status, _, problem) = cloud.api.send_to(clients, "POST", &path, &key, past.clone()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job-paused")));
    let recorded = cloud.api.all(&format!("{JOB}/runs")).await.len();
    assert!(recorded > 0 && recorded < 30, "{recorded}");
    cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
    let (status, _, answer) = cloud.api.send_with("POST", &path, &key, past).await;
    assert_eq!((status, answer), (202, json!({ "requested": 30 })));
    assert_eq!(cloud.api.all(&format!("{JOB}/runs")).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_under_a_tag_is_not_appended_to_what_has_changed_meanwhile() {
    let (cloud, _target) = start("skip").await;
    let tag = tag(&cloud.api).await;
    let edit = async |api: Api| drop(api.ok("PUT", JOB, Some(json!({}))).await);
    let clients = cloud.interrupted_clients(|all| writes(all, "JOB#"), 0, edit);
    let (path, page) = (format!("{JOB}/payload"), Some(payloads("b", 2)));
    assert_eq!(cloud.api.send_to(clients, "POST", &path, &[("if-match", &tag)], page).await.0, 412);
    assert_eq!(cloud.api.get(JOB).await["payloadCount"], 1);
}

#[tokio::test]
async fn a_call_that_always_meets_others_gives_up() {
    let (cloud, _target) = start("allow").await;
    let past = json!({ "from": clock::now() - Duration::from_secs(9_000), "to": clock::now() });
    let calls = [
        ("PUT", JOB.to_owned(), Some(json!({}))),
        ("DELETE", JOB.to_owned(), None),
        ("POST", format!("{JOB}/pause"), None),
        ("POST", format!("{JOB}/resume"), None),
        ("POST", format!("{JOB}/trigger"), None),
        ("POST", format!("{JOB}/backfill"), Some(past)),
        ("POST", format!("{JOB}/payload"), Some(payloads("b", 1))),
    ];
    let answers = calls.into_iter().map(|(method, path, body)| {
        let clients = cloud.faulty_clients(Box::new(|all| writes(all, "JOB#").then_some(Fault::Conflict)));
        let api = &cloud.api;
        async move {
            let (status, _, problem) = api.send_to(clients, method, &path, &[], body).await;
            assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{method} {path}");
        }
    });
    join_all(answers).await;
}

#[tokio::test]
async fn a_change_that_its_runs_cannot_follow_now_is_not_called_done_and_they_follow_later() {
    let (cloud, _target) = start("allow").await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "RUNNING").await;
    let unable = || cloud.faulty_clients(Box::new(|all| writes(all, "RUN#").then_some(Fault::Refused)));
    let later = async || cloud.evaluate_after(Duration::from_secs(31)).await;
    let mut limited = job("allow");
    limited["configuration"] = json!({ "maxConcurrentRequests": 7 });
    let (pause, resume) = (format!("{JOB}/pause"), format!("{JOB}/resume"));
    let (status, _, answer) = cloud.api.send_to(unable(), "PUT", JOB, &[], Some(limited)).await;
    assert_eq!(status, 503, "{answer}");
    later().await;
    assert_eq!(cloud.api.get(&run).await["maxConcurrentRequests"], 7);
    for (path, before, after) in [(&pause, "RUNNING", "PAUSED"), (&resume, "PAUSED", "RUNNING")] {
        let (status, _, answer) = cloud.api.send_to(unable(), "POST", path, &[], None).await;
        assert_eq!(status, 503, "{path}: {answer}");
        assert_eq!(cloud.api.get(&run).await["status"], before);
        later().await;
        cloud.api.wait_for_status(&run, after).await;
    }
}
