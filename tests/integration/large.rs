//! Jobs that are larger than one item of the table.

use serde_json::{Value, json};

use crate::harness::{Cloud, Target, summary};

#[tokio::test]
async fn five_thousand_payloads_are_created_run_and_listed() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let text = "x".repeat(200);
    let payload: Value = (0..5000).map(|n| json!({ "apiName": "a", "parameters": { "n": n, "text": text } })).collect();
    assert!(payload.to_string().len() > 1_000_000);
    let configuration = json!({ "maxConcurrentRequests": 64 });
    let job = json!({ "id": "large", "payload": payload, "configuration": configuration });
    let created = cloud.api.create_job(job).await;
    assert_eq!((&created["payloadCount"], created.get("payloadTruncated")), (&json!(5000), None));
    let run = cloud.api.trigger("large").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [5000, 0, 0, 5000, 0, 0]);
    let runs = cloud.api.all(&format!("{run}/payloads")).await;
    assert!(runs.iter().enumerate().all(|(index, run)| run["payloadIndex"] == index && run["result"]["n"] == index));
    assert_eq!((runs.len(), target.calls().len()), (5000, 5000));
    let listed = cloud.api.all("/projects/shop/jobs/large/payload").await;
    assert_eq!((listed.len(), &listed[4999]["index"]), (5000, &json!(4999)));
}
