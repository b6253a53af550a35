//! Job runs: what becomes of payloads, and what is said of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads, summary};

#[tokio::test]
async fn every_payload_is_carried_out_and_accounted_for() {
    let target = Target::start(|call| {
        let attempt = call.body["context"]["attempt"].as_u64().unwrap();
        match call.body["context"]["payloadIndex"].as_u64().unwrap() {
            3 if attempt < 3 => Answer::Status(503, json!({})),
            5 => Answer::Status(422, json!({ "error": { "code": "sold-out", "message": "none left" } })),
            7 => Answer::Status(500, json!({})),
            _ => Answer::Result(call.body["parameters"].clone()),
        }
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let retry = json!({ "maximumAttempts": 3, "initialInterval": "20ms" });
    let configuration = json!({ "maxConcurrentRequests": 4, "retry": retry });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a/b", 12), "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [12, 0, 0, 10, 2, 0]);
    assert_eq!((&ended["type"], &ended["generation"]), (&json!("MANUAL"), &json!(1)));
    assert_eq!(ended["configurationSnapshot"]["configuration"]["maxConcurrentRequests"], 4);
    let listed = cloud.api.all(&format!("{run}/payloads")).await;
    assert_eq!(listed.len(), 12);
    for (index, payload) in listed.iter().enumerate() {
        assert_eq!(payload["payloadIndex"], index);
        let expected = match index {
            3 => ("SUCCEEDED", 3, Value::Null),
            5 => ("FAILED", 1, json!({ "code": "sold-out", "message": "none left", "statusCode": 422 })),
            7 => (
                "FAILED",
                3,
                json!({
                    "code": "http-500", "message": "the target answered with status 500", "statusCode": 500
                }),
            ),
            _ => ("SUCCEEDED", 1, Value::Null),
        };
        let found =
            (payload["status"].as_str().unwrap(), payload["attempts"].as_i64().unwrap(), payload["error"].clone());
        assert_eq!(found, expected, "payload {index}");
        if expected.0 == "SUCCEEDED" {
            assert_eq!(payload["result"], json!({ "n": index }));
        }
    }
    let failed = cloud.api.all(&format!("{run}/payloads?status=FAILED")).await;
    assert_eq!(failed.iter().map(|payload| payload["payloadIndex"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 7]);
    let one = cloud.api.get(&format!("{run}/payloads/7")).await;
    let attempts: Vec<_> =
        one["failedAttempts"].as_array().unwrap().iter().map(|it| it["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let job = cloud.api.get("/projects/shop/jobs/job").await;
    assert!(job["lastRunTime"].is_string());
    for (path, count) in
        [("/projects/shop/jobs/job/runs?status=COMPLETED", 1), ("/projects/shop/runs?status=FAILED", 0)]
    {
        assert_eq!(cloud.api.all(path).await.len(), count, "{path}");
    }
    assert_eq!(cloud.api.send("GET", &format!("{run}/payloads/12"), None).await.0, 404);
}

#[tokio::test]
async fn a_target_gets_context_idempotency_key_and_signature() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let project = cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": [{ "apiName": "prices/fetch" }] })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    let call = &target.calls()[0];
    let run_id = format!("{}-0", ended["id"].as_str().unwrap());
    assert_eq!((call.api.as_str(), &call.body["api"]), ("prices/fetch", &json!("prices/fetch")));
    assert_eq!(
        call.body["context"],
        json!({
            "workspaceId": ended["workspaceId"], "projectId": ended["projectId"], "jobId": "job",
            "jobRunId": ended["id"], "runId": run_id, "payloadIndex": 0, "generation": 1, "attempt": 1
        })
    );
    assert_eq!(call.headers["idempotency-key"], run_id);
    assert_eq!(call.headers["webhook-id"], format!("{run_id}_1_1"));
    assert!(call.headers.contains_key("traceparent"));
    let verifier = standardwebhooks::Webhook::new(project["signingSecret"].as_str().unwrap()).unwrap();
    verifier.verify(call.text.as_bytes(), &call.headers).unwrap();
}

#[tokio::test]
async fn the_limit_on_concurrent_requests_holds_over_several_workers() {
    let target = Target::start(|_| Answer::Slow(Duration::from_millis(300), Value::Null)).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 130 });
    cloud.api.create_job(json!({ "id": "wide", "payload": payloads("a", 700), "configuration": configuration })).await;
    let run = cloud.api.trigger("wide").await;
    let ended = cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(summary(&ended), [700, 0, 0, 700, 0, 0]);
    let most = target.most_at_once();
    assert!((66..=130).contains(&most), "{most} requests at once");
}

#[tokio::test]
async fn a_run_of_which_every_payload_failed_has_failed() {
    let target = Target::start(|_| Answer::Status(400, json!({}))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3) })).await;
    let run = cloud.api.trigger("job").await;
    assert_eq!(summary(&cloud.api.wait_for_status(&run, "FAILED").await), [3, 0, 0, 0, 3, 0]);
}

#[tokio::test]
async fn large_results_are_kept_in_the_bucket_behind_a_link() {
    let large = "x".repeat(300_000);
    let result = large.clone();
    let target = Target::start(move |_| Answer::Result(json!(result))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let one = cloud.api.get(&format!("{run}/payloads/1")).await;
    let location = &one["resultLocation"];
    assert_eq!((one.get("result"), &location["size"]), (None, &json!(300_002)));
    let fetched = reqwest::get(location["signedUrl"].as_str().unwrap()).await.unwrap();
    assert_eq!(fetched.json::<String>().await.unwrap(), large);
}

#[tokio::test]
async fn a_trigger_may_bring_its_own_payloads() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 3) })).await;
    let body = json!({ "payload": [{ "apiName": "other", "parameters": { "x": 1 } }] });
    let run = cloud.api.ok("POST", "/projects/shop/jobs/job/trigger", Some(body)).await;
    let path = format!("/projects/shop/jobs/job/runs/{}", run["id"].as_str().unwrap());
    assert_eq!(summary(&cloud.api.wait_for_status(&path, "COMPLETED").await), [1, 0, 0, 1, 0, 0]);
    assert_eq!(target.calls().iter().map(|call| call.api.as_str()).collect::<Vec<_>>(), ["other"]);
    // They are this run's alone.
    assert_eq!(cloud.api.get("/projects/shop/jobs/job").await["payload"], payloads("a", 3));
    let run = cloud.api.trigger("job").await;
    assert_eq!(summary(&cloud.api.wait_for_status(&run, "COMPLETED").await), [3, 0, 0, 3, 0, 0]);
    // As many as a body holds.
    let text = "x".repeat(245_000);
    let body = json!({ "payload": vec![json!({ "apiName": "large", "parameters": [text] }); 16] });
    let run = cloud.api.ok("POST", "/projects/shop/jobs/job/trigger", Some(body)).await;
    let path = format!("/projects/shop/jobs/job/runs/{}", run["id"].as_str().unwrap());
    assert_eq!(summary(&cloud.api.wait_for_status(&path, "COMPLETED").await), [16, 0, 0, 16, 0, 0]);
    let one = cloud.api.get(&format!("{path}/payloads/15")).await;
    assert_eq!(one["parameters"], json!([text]));
}
