//! What is done to auth sessions.

use serde_json::{Value, json};

use super::{check, start};
use crate::harness::{Answer, Cloud, Target};

const SESSIONS: &str = "/projects/shop/auth-sessions";

/// A target that makes states, and finds all of them to be good.
async fn welcoming() -> Target {
    Target::start(|_| Answer::Result(json!(true))).await
}

/// The operations that the target was asked to carry out, but for those before `count` calls.
fn operations_since(target: &Target, count: usize) -> Vec<Value> {
    let mut ids: Vec<_> = target.calls_since(count).iter().map(|call| call.body["context"]["runId"].clone()).collect();
    ids.dedup();
    ids
}

async fn done(cloud: &Cloud, answer: &Value) {
    let path = format!("{SESSIONS}/operations/{}", answer["operationId"].as_str().unwrap());
    cloud.api.wait_for(&path, |operation| operation["status"] == "SUCCEEDED").await;
}

#[tokio::test]
async fn a_session_is_created_once() {
    let target = welcoming().await;
    let cloud = start(&target).await;
    let seen = std::sync::Mutex::new(0);
    check(
        &cloud,
        |number| Some(json!({ "id": format!("session-{number}"), "parameters": {} })),
        async |_| {
            *seen.lock().unwrap() = target.count();
            SESSIONS.to_owned()
        },
        async |number, answer| {
            assert_eq!(answer["id"], format!("session-{number}"));
            done(&cloud, &answer).await;
            let seen = *seen.lock().unwrap();
            assert_eq!(operations_since(&target, seen), [answer["operationId"].clone()]);
            super::forget_keys(&cloud).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_session_is_validated_once() {
    let target = welcoming().await;
    let cloud = start(&target).await;
    let seen = std::sync::Mutex::new(0);
    check(
        &cloud,
        |_| None,
        async |number| {
            let id = format!("session-{number}");
            cloud.api.ok("POST", SESSIONS, Some(json!({ "id": id, "type": "RUNTIME", "state": 1 }))).await;
            *seen.lock().unwrap() = target.count();
            format!("{SESSIONS}/{id}/validate")
        },
        async |_, answer| {
            done(&cloud, &answer).await;
            let seen = *seen.lock().unwrap();
            assert_eq!(operations_since(&target, seen), [answer["operationId"].clone()]);
        },
    )
    .await;
}
