//! SIGKILL in the middle of a job run: what was recorded stays, the rest goes on, nothing is
//! counted twice.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Process, Target, payloads, summary};

#[tokio::test]
async fn a_run_survives_sigkill_and_nothing_is_lost_or_counted_twice() {
    const PAYLOADS: u32 = 300;
    let target = Target::start(|call| match call.body["context"]["payloadIndex"].as_u64() {
        Some(index) if index % 50 == 7 => Answer::Status(400, json!({})),
        _ => Answer::Slow(Duration::from_millis(60), call.body["parameters"].clone()),
    })
    .await;
    let receiver = Target::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut api) = Process::start(folder.path()).await;
    api.make_project(&target).await;
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    let configuration = json!({ "maxConcurrentRequests": 8 });
    let job = json!({
        "id": "job", "payload": payloads("a", PAYLOADS), "configuration": configuration, "sink": sink
    });
    api.create_job(job).await;
    let run = api.trigger("job").await;
    for finished in [40, 120, 200] {
        api.wait_for(&run, |run| {
            run["summary"]["succeeded"].as_u64().unwrap() + run["summary"]["failed"].as_u64().unwrap() >= finished
        })
        .await;
        process.kill();
        (process, api) = Process::start(folder.path()).await;
    }
    let ended = api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [300, 0, 0, 294, 6, 0]);
    let ended = api.wait_for(&run, |run| run["deliveries"]["delivered"] == PAYLOADS).await;
    assert_eq!(ended["deliveries"], json!({ "delivered": 300, "pending": 0, "failed": 0 }));
    let runs = api.all(&format!("{run}/payloads")).await;
    assert_eq!(runs.len(), 300);
    for (index, payload) in runs.iter().enumerate() {
        let expected = if index % 50 == 7 { "FAILED" } else { "SUCCEEDED" };
        assert_eq!((payload["status"].as_str(), payload["attempts"].as_u64()), (Some(expected), Some(1)), "{index}");
    }
    let mut delivered: Vec<_> =
        receiver.calls().iter().map(|call| call.headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    delivered.sort_unstable();
    delivered.dedup();
    assert_eq!(delivered.len(), 300, "every delivery arrived, under one id however often it was made");
    drop(process);
}
