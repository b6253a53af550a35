//! What is done to jobs and projects.

use std::time::Duration;

use serde_json::json;
use sundial_model::job::{JobState, JobStatus};
use sundial_runtime::clock;
use sundial_store::{CLAIM_LIFETIME, Claimed, KeyedCall, StoreError};

use super::{JOBS, check, start};
use crate::harness::{Answer, Cloud, Target, payloads};
use crate::idempotency::{later, post_to};
use crate::payload_pages::stored;

async fn create(cloud: &Cloud, number: usize) -> String {
    create_with(cloud, number, "allow").await
}

async fn create_with(cloud: &Cloud, number: usize, overlap: &str) -> String {
    let schedule = json!({ "intervals": [{ "every": "1h" }], "overlap": overlap });
    let job = json!({ "id": format!("job-{number}"), "payload": payloads("a", 2), "schedule": schedule });
    cloud.api.create_job(job).await;
    format!("{JOBS}/job-{number}")
}

#[tokio::test]
async fn a_job_is_created_once() {
    let cloud = start(&Target::echo().await).await;
    let job = |number| Some(json!({ "id": format!("job-{number}"), "payload": payloads("a", 2) }));
    check(
        &cloud,
        job,
        async |_| JOBS.to_owned(),
        async |number, answer| {
            assert_eq!(answer["id"], format!("job-{number}"));
            assert_eq!(cloud.api.get(&format!("{JOBS}/job-{number}")).await["createdAt"], answer["createdAt"]);
            super::forget_keys(&cloud).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_job_is_triggered_once() {
    let cloud = start(&Target::echo().await).await;
    for own_payloads in [false, true] {
        let body = |_| own_payloads.then(|| json!({ "payload": payloads("b", 3) }));
        let number = |number| number + if own_payloads { 1_000 } else { 0 };
        check(
            &cloud,
            body,
            async |unique| format!("{}/trigger", create(&cloud, number(unique)).await),
            async |unique, answer| {
                let runs = cloud.api.all(&format!("{JOBS}/job-{}/runs", number(unique))).await;
                assert_eq!(runs.iter().map(|run| &run["id"]).collect::<Vec<_>>(), [&answer["id"]]);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_page_is_appended_once() {
    let cloud = start(&Target::echo().await).await;
    check(
        &cloud,
        |_| Some(payloads("b", 3)),
        async |unique| format!("{}/payload", create(&cloud, unique).await),
        async |unique, answer| {
            assert_eq!(answer, json!({ "appended": 3, "payloadCount": 5 }));
            assert_eq!(cloud.api.all(&format!("{JOBS}/job-{unique}/payload")).await.len(), 5);
        },
    )
    .await;
}

#[tokio::test]
async fn a_backfill_goes_on_where_it_was_cut_off_and_counts_all_of_it() {
    // The first of its runs is active for long, and the others wait.
    let cloud = start(&Target::start(|_| Answer::Slow(Duration::from_secs(60), json!(1))).await).await;
    let (from, to) =
        (clock::now() - Duration::from_secs(30 * 3_600 + 1_800), clock::now() - Duration::from_secs(1_800));
    let body = json!({ "from": from, "to": to });
    check(
        &cloud,
        |_| Some(body.clone()),
        async |unique| format!("{}/backfill", create_with(&cloud, unique, "skip").await),
        async |unique, answer| {
            assert_eq!(answer, json!({ "requested": 30 }));
            assert_eq!(cloud.api.all(&format!("{JOBS}/job-{unique}/runs")).await.len(), 30);
        },
    )
    .await;
}

#[tokio::test]
async fn a_job_run_is_retried_once() {
    let cloud = start(&Target::start(|_| Answer::Status(400, json!({}))).await).await;
    let runs = std::sync::Mutex::new(std::collections::HashMap::new());
    check(
        &cloud,
        |_| None,
        async |unique| {
            create(&cloud, unique).await;
            let run = cloud.api.trigger(&format!("job-{unique}")).await;
            cloud.api.wait_for_status(&run, "FAILED").await;
            runs.lock().unwrap().insert(unique, run.clone());
            format!("{run}/retry")
        },
        async |unique, answer| {
            let run = runs.lock().unwrap()[&unique].clone();
            assert_eq!((&answer["generation"], &cloud.api.get(&run).await["generation"]), (&json!(2), &json!(2)));
        },
    )
    .await;
}

#[tokio::test]
async fn a_delivery_is_requested_again_once() {
    let cloud = start(&Target::echo().await).await;
    let receiver = Target::echo().await;
    let sink = json!({ "type": "webhook", "url": format!("{}/sink", receiver.url) });
    let runs = std::sync::Mutex::new(std::collections::HashMap::new());
    check(
        &cloud,
        |_| None,
        async |unique| {
            let job = json!({ "id": format!("job-{unique}"), "payload": payloads("a", 1), "sink": sink });
            cloud.api.create_job(job).await;
            let run = cloud.api.trigger(&format!("job-{unique}")).await;
            cloud.api.wait_for(&run, |run| run["deliveries"]["delivered"] == 1).await;
            runs.lock().unwrap().insert(unique, run.clone());
            format!("{run}/payloads/0/redeliver")
        },
        async |unique, answer| {
            assert_eq!(answer, json!({ "requested": 1 }));
            let path = format!("{}/payloads/0/redeliver", runs.lock().unwrap()[&unique]);
            let items = cloud.items_at_rest().await;
            let run = path.rsplit('/').nth(3).unwrap();
            let requests = items.keys().filter(|(pk, sk)| pk.contains(run) && sk.starts_with("DELIVERY-REQUEST#"));
            assert_eq!(
                requests.count(),
                1,
                "{:?}",
                items.keys().filter(|(pk, _)| pk.contains(run)).collect::<Vec<_>>()
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_secret_is_replaced_once_and_never_shown_again() {
    let cloud = start(&Target::echo().await).await;
    check(
        &cloud,
        |_| None,
        async |unique| {
            let target = json!({ "target": { "type": "http", "baseUrl": "http://127.0.0.1:1" } });
            cloud.api.ok("PUT", &format!("/projects/project-{unique}"), Some(target)).await;
            format!("/projects/project-{unique}/signing-secret/rotate")
        },
        async |unique, answer| {
            assert!(answer["previousValidUntil"].is_string());
            let path = format!("/projects/project-{unique}/signing-secret/rotate");
            let again = post_to(later(&cloud, Duration::ZERO), &cloud.api, "k", &path, None).await;
            assert_eq!(again, (200, json!({ "previousValidUntil": answer["previousValidUntil"] })));
            // Four replaced ones are valid at once: had there been two, there would be no three more.
            for _ in 0..3 {
                cloud.api.ok("POST", &path, None).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_job_is_paused_once() {
    let cloud = start(&Target::echo().await).await;
    check(
        &cloud,
        |_| Some(json!({ "reason": "a pause" })),
        async |unique| format!("{}/pause", create(&cloud, unique).await),
        async |unique, answer| {
            assert_eq!(answer["state"], json!({ "status": "PAUSED", "reason": "a pause" }));
            let (_, headers, _) = cloud.api.send_with("GET", &format!("{JOBS}/job-{unique}"), &[], None).await;
            assert!(headers["etag"].to_str().unwrap().ends_with("-1\""), "{headers:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_call_whose_key_was_taken_over_has_no_effect_any_more() {
    let cloud = start(&Target::echo().await).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2) })).await;
    let (store, now) = (&cloud.dev.clients().store, clock::now());
    let workspace_id = cloud.dev.description().workspace_id;
    let call = KeyedCall { workspace_id, path: "/somewhere", key: "k", body: b"" };
    let claim = async |after: Duration| match store.claim_key(&call, now + after).await.unwrap() {
        Claimed::Now(claim) => Some(claim),
        other => panic!("{other:?}"),
    };
    let slow = claim(Duration::ZERO).await.unwrap();
    assert!(matches!(store.claim_key(&call, now).await.unwrap(), Claimed::UnderWay));
    let second = claim(CLAIM_LIFETIME).await.unwrap();
    let mut job = stored(&cloud).await;
    job.state = JobState { status: JobStatus::Paused, reason: None };
    let put = async |claim| store.fulfilling(claim, json!("done"), true).put_job(job.clone(), now).await.map(drop);
    assert!(matches!(put(&slow).await, Err(StoreError::ClaimLost)));
    assert!(matches!(store.release_key(&slow, now).await, Err(StoreError::Conflict)), "nor does it free the key");
    assert_eq!(cloud.api.get(&format!("{JOBS}/job")).await["state"]["status"], "ACTIVE");
    put(&second).await.unwrap();
    assert!(matches!(put(&slow).await, Err(StoreError::ClaimLost)));
    match store.claim_key(&call, now).await.unwrap() {
        Claimed::Before(answer) => assert_eq!(answer, "done"),
        other => panic!("{other:?}"),
    }
}
