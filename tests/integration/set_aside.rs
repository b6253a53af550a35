//! An item that an evaluator has died of is left alone by those that Lambda starts in its place, and all others start.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_runtime::clock;
use sundial_schedule_evaluator::set_aside;
use sundial_store::Wake;

use crate::harness::{Cloud, Target};

#[tokio::test]
async fn a_job_that_evaluators_die_of_keeps_no_other_from_starting() {
    let (cloud, target) = (Cloud::start_storage_only().await, Target::echo().await);
    let call = async |method, path: &str, body| {
        let (status, _, answer) = cloud.api.send_to(cloud.dev.clients().clone(), method, path, &[], body).await;
        assert!(status < 300, "{answer}");
        answer
    };
    let project: Value = json!({ "target": { "type": "http", "baseUrl": target.url } });
    let project = call("PUT", "/projects/shop", Some(project)).await;
    for id in ["deadly", "harmless"] {
        let job =
            json!({ "id": id, "payload": [{ "apiName": "a" }], "schedule": { "intervals": [{ "every": "10s" }] } });
        call("POST", "/projects/shop/jobs", Some(job)).await;
    }
    let project = project["id"].as_str().unwrap().parse().unwrap();
    let deadly = Wake::Job { project, id: "deadly".parse().unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("set-aside");
    std::fs::write(&file, format!("{} {deadly:?}\n", clock::now())).unwrap();
    set_aside::start(file);

    let complaint = cloud.try_to_evaluate_after(Duration::from_secs(60)).await.unwrap_err().to_string();
    assert!(complaint.contains("died of") && complaint.contains("deadly"), "{complaint}");
    for (id, has_run) in [("deadly", false), ("harmless", true)] {
        let runs = call("GET", &format!("/projects/shop/jobs/{id}/runs"), None).await;
        assert_eq!(runs["items"].as_array().is_some_and(|runs| !runs.is_empty()), has_run, "{id}: {runs}");
    }
}
