//! What is done to auth sessions.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{check, start};
use crate::harness::{Answer, Cloud, Target};

const SESSIONS: &str = "/projects/shop/auth-sessions";

async fn begin() -> (Cloud, Target) {
    // It makes states, and finds all of them to be good.
    let target = Target::start(|_| Answer::Result(json!(true))).await;
    (start(&target).await, target)
}

/// The operation that was answered is there, and there are just so many in all.
async fn has_one_more(cloud: &Cloud, answer: &Value, count: &AtomicUsize) {
    let id = answer["operationId"].as_str().unwrap();
    cloud.api.get(&format!("{SESSIONS}/operations/{id}")).await;
    let items = cloud.items().await;
    let operations = items.keys().filter(|(pk, _)| pk.starts_with("AUTH-OPERATIONS#")).count();
    assert_eq!(operations, count.fetch_add(1, Ordering::SeqCst) + 1);
}

#[tokio::test]
async fn a_session_is_created_once() {
    let (cloud, _target) = begin().await;
    let count = AtomicUsize::new(0);
    check(
        &cloud,
        |number| Some(json!({ "id": format!("session-{number}"), "parameters": {} })),
        async |_| SESSIONS.to_owned(),
        async |number, answer| {
            assert_eq!(answer["id"], format!("session-{number}"));
            has_one_more(&cloud, &answer, &count).await;
            super::forget_keys(&cloud).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_session_is_validated_once() {
    let (cloud, _target) = begin().await;
    let count = AtomicUsize::new(0);
    check(
        &cloud,
        |_| None,
        async |number| {
            let id = format!("session-{number}");
            cloud.api.ok("POST", SESSIONS, Some(json!({ "id": id, "type": "RUNTIME", "state": 1 }))).await;
            format!("{SESSIONS}/{id}/validate")
        },
        async |_, answer| has_one_more(&cloud, &answer, &count).await,
    )
    .await;
}
