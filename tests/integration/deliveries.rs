//! Deliveries: one for each run, to a webhook or a bucket, and what is on record of them.

use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Answer, Cloud, Target, payloads};

#[tokio::test]
async fn a_webhook_gets_a_signed_delivery_for_each_run() {
    let target = Target::start(|call| match call.body["context"]["payloadIndex"].as_u64() {
        Some(1) => Answer::Status(400, json!({})),
        _ => Answer::Result(json!({ "price": 9 })),
    })
    .await;
    let (cloud, receiver) = (Cloud::start().await, Target::echo().await);
    let project = cloud.api.make_project(&target).await;
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url), "headers": { "X-Key": "hunter2" } });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3), "sink": sink })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for(&run, |run| run["deliveries"]["delivered"] == 3).await;
    assert_eq!(ended["deliveries"], json!({ "delivered": 3, "pending": 0, "failed": 0 }));
    let verifier = standardwebhooks::Webhook::new(project["webhookSecret"].as_str().unwrap()).unwrap();
    let mut calls = receiver.calls();
    calls.sort_by_key(|call| call.headers["webhook-id"].to_str().unwrap().to_owned());
    assert_eq!(calls.len(), 3);
    for (index, call) in calls.iter().enumerate() {
        verifier.verify(call.text.as_bytes(), &call.headers).unwrap();
        assert_eq!(call.headers["x-key"], "hunter2");
        let run_id = format!("{}-{index}", ended["id"].as_str().unwrap());
        assert_eq!(call.headers["webhook-id"], format!("{run_id}_1"));
        let result = match index {
            1 => json!({
                "status": "failed", "error": "http-400", "message": "the target answered with status 400", "statusCode": 400
            }),
            _ => json!({ "status": "completed", "result": { "price": 9 }, "statusCode": 200 }),
        };
        assert_eq!(
            call.body,
            json!({
                "apiInfo": { "name": "a", "parameters": { "n": index }, "runId": run_id, "result": result },
                "workspaceId": ended["workspaceId"],
                "project": { "id": ended["projectId"], "name": "shop" },
                "projectJob": { "id": "job" },
                "projectJobRun": { "id": ended["id"] }
            })
        );
    }
}

#[tokio::test]
async fn a_sink_takes_only_what_it_asked_for() {
    let target = Target::start(|call| match call.api.as_str() {
        "bad" => Answer::Status(400, json!({})),
        _ => Answer::Result(json!(1)),
    })
    .await;
    let (cloud, receiver) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let url = format!("{}/hook", receiver.url);
    let sink = json!({ "type": "webhook", "url": url, "skipOnFail": true, "apisToSend": ["good", "bad"] });
    let payload = json!([{ "apiName": "good" }, { "apiName": "bad" }, { "apiName": "other" }]);
    cloud.api.create_job(json!({ "id": "job", "payload": payload, "sink": sink })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    cloud.api.wait_for(&run, |run| run["deliveries"] == json!({ "delivered": 1, "pending": 0, "failed": 0 })).await;
    assert_eq!(ended["summary"]["succeeded"], 2);
    assert_eq!(receiver.calls().len(), 1);
}

#[tokio::test]
async fn a_bucket_gets_an_object_for_each_run() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.dev.make_bucket("results").await.unwrap();
    let description = cloud.dev.description();
    let sink = json!({
        "type": "s3", "bucket": "results", "region": description.region, "prefix": "out/",
        "endpoint": description.s3_url, "forcePathStyle": true,
        "accessKeyId": description.access_key_id, "secretAccessKey": description.secret_access_key
    });
    let created = cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3), "sink": sink })).await;
    assert_eq!(created["sink"]["secretAccessKey"], "[redacted]");
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for(&run, |run| run["deliveries"]["delivered"] == 3).await;
    let prefix = format!("out/job/{}/", ended["id"].as_str().unwrap());
    assert_eq!(cloud.dev.objects("results", &prefix).await.unwrap().len(), 3);
    let one = cloud.api.get(&format!("{run}/payloads/2")).await;
    assert_eq!(one["deliveries"][0]["status"], "delivered");
    // However often it is written, it is the same object.
    cloud.api.ok("POST", &format!("{run}/payloads/2/redeliver"), None).await;
    let is_repeated = |payload: &serde_json::Value| payload["deliveries"].as_array().unwrap().len() == 2;
    cloud.api.wait_for(&format!("{run}/payloads/2"), is_repeated).await;
    assert_eq!(cloud.dev.objects("results", "").await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_failing_sink_is_tried_again_and_never_delays_payloads() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let receiver = Target::start(|call| match call.body["apiInfo"]["parameters"]["n"].as_u64() {
        Some(0) => Answer::Status(410, json!({ "gone": true })),
        _ if TRIES.fetch_add(1, Ordering::SeqCst) < 2 => Answer::Status(503, json!({ "busy": true })),
        _ => Answer::Result(json!(1)),
    })
    .await;
    cloud.api.make_project(&target).await;
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3), "sink": sink })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for(&run, |run| run["status"] == "COMPLETED" && run["deliveries"]["failed"] == 1).await;
    assert_eq!(ended["deliveries"]["pending"], 2, "the run does not wait for its deliveries");
    let all = json!({ "delivered": 2, "pending": 0, "failed": 1 });
    cloud.api.wait_for(&run, |run| run["deliveries"] == all).await;
    let gone = cloud.api.get(&format!("{run}/payloads/0")).await;
    let attempts = gone["deliveries"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((&attempts[0]["status"], &attempts[0]["statusCode"]), (&json!("failed"), &json!(410)));
    assert_eq!(attempts[0]["response"], "{\"gone\":true}");
    let retried = cloud.api.get(&format!("{run}/payloads/1")).await;
    let statuses: Vec<_> =
        retried["deliveries"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["retrying", "delivered"]);
}
