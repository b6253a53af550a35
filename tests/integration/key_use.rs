//! When a key was last used is known, and costs its calls nothing.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::future::join_all;
use sundial_model::WorkspaceId;
use sundial_runtime::{Clients, Clock, clock};
use sundial_store::{ListedApiKey, StoreError};
use tower::ServiceExt as _;

use crate::harness::Cloud;
use crate::harness::faulty_table::Fault;

/// The API over these clients, with a clock that is so far ahead.
fn api(clients: &Clients, ahead: Duration) -> Router {
    let clock = Clock::simulated(tokio::time::Instant::now(), clock::now() + ahead);
    sundial_job_api::router::router(Clients { clock, ..clients.clone() })
}

/// The status of a call that only needs a key.
async fn status(api: &Router, workspace: WorkspaceId, key: &str) -> StatusCode {
    let request = Request::get(format!("/v1/workspaces/{workspace}/projects")).header("x-api-key", key);
    api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

async fn only_key(cloud: &Cloud) -> ListedApiKey {
    let keys = cloud.dev.clients().store.api_keys(cloud.dev.description().workspace_id).await.unwrap();
    keys.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_use_is_noted_once_an_hour_however_many_there_are() {
    let cloud = Cloud::start_storage_only().await;
    let (workspace, key) = (cloud.dev.description().workspace_id, cloud.dev.description().api_key.clone());
    assert_eq!(only_key(&cloud).await.last_used_at, None);
    let before = clock::now();
    let functions: Vec<_> = (0..4).map(|_| api(cloud.dev.clients(), Duration::ZERO)).collect();
    let calls = (0..40).map(|number| status(&functions[number % 4], workspace, &key));
    assert!(join_all(calls).await.iter().all(StatusCode::is_success));
    let first = only_key(&cloud).await.last_used_at.unwrap();
    assert!(first >= before && first <= clock::now());
    for (minutes, is_noted) in [(1, false), (58, false), (62, true), (63, false), (130, true)] {
        let known = only_key(&cloud).await.last_used_at;
        // A function that has just been started remembers nothing.
        let function = api(cloud.dev.clients(), Duration::from_secs(minutes * 60));
        assert_eq!(status(&function, workspace, &key).await, StatusCode::OK);
        assert_eq!(only_key(&cloud).await.last_used_at != known, is_noted, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn a_key_that_was_revoked_meanwhile_stays_revoked() {
    let cloud = Cloud::start_storage_only().await;
    let (store, workspace) = (&cloud.dev.clients().store, cloud.dev.description().workspace_id);
    let key = store.verify_api_key(&cloud.dev.description().api_key).await.unwrap().unwrap();
    store.revoke_api_key(workspace, &key.key_id, clock::now()).await.unwrap().unwrap();
    assert!(matches!(store.note_use(&key, clock::now()).await, Err(StoreError::Conflict)));
    assert!(store.verify_api_key(&cloud.dev.description().api_key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_goes_through_when_the_use_of_its_key_cannot_be_noted() {
    let cloud = Cloud::start_storage_only().await;
    let (workspace, key) = (cloud.dev.description().workspace_id, cloud.dev.description().api_key.clone());
    for fault in [Fault::Refused, Fault::NoAnswer] {
        let function = api(&cloud.faulty_clients(Box::new(move |_| Some(fault))), Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(status(&function, workspace, &key).await, StatusCode::OK, "{fault:?}");
        }
    }
    assert_eq!(only_key(&cloud).await.last_used_at, None);
}
