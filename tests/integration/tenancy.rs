//! Keys open their own workspace and nothing else.

use serde_json::json;
use sundial_model::WorkspaceId;
use sundial_runtime::clock;

use crate::harness::{Api, Cloud, Target, payloads};

#[tokio::test]
async fn a_key_opens_its_own_workspace_only() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1) })).await;
    let other = WorkspaceId::new();
    let other_key = cloud.dev.clients().store.create_api_key(other, None, clock::now()).await.unwrap().api_key;
    let stranger = Api { key: other_key.clone(), ..cloud.api.clone() };
    let mut forged = cloud.api.key.clone();
    forged.replace_range(forged.len() - 4.., "0000");
    let with = |key: &str| Api { key: key.to_owned(), ..cloud.api.clone() };
    for (method, path) in [
        ("GET", "/projects"),
        ("GET", "/projects/shop"),
        ("PUT", "/projects/shop"),
        ("DELETE", "/projects/shop"),
        ("GET", "/projects/shop/jobs"),
        ("POST", "/projects/shop/jobs"),
        ("GET", "/projects/shop/jobs/job"),
        ("PUT", "/projects/shop/jobs/job"),
        ("DELETE", "/projects/shop/jobs/job"),
        ("POST", "/projects/shop/jobs/job/trigger"),
        ("POST", "/projects/shop/jobs/job/pause"),
        ("GET", "/projects/shop/jobs/job/payload"),
        ("POST", "/projects/shop/jobs/job/payload"),
        ("GET", "/projects/shop/jobs/job/runs"),
        ("GET", "/projects/shop/runs"),
    ] {
        let (status, problem) = stranger.send(method, path, Some(json!({}))).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not-found")), "{method} {path}");
        for bad in ["", "nonsense", &forged] {
            let (status, problem) = with(bad).send(method, path, Some(json!({}))).await;
            assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")), "{method} {path} with {bad:?}");
        }
    }
    let own = cloud.api.base.replace(&cloud.dev.description().workspace_id.to_string(), &other.to_string());
    let at_home = Api { base: own, key: other_key, ..cloud.api.clone() };
    assert_eq!(at_home.get("/projects").await, json!({ "items": [] }));
    assert_eq!(at_home.send("GET", "/projects/shop/jobs/job", None).await.0, 404);
    assert_eq!(cloud.api.get("/projects/shop/jobs/job").await["id"], "job");
}
