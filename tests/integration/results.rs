//! The results of a job run: one file, a line for each payload, behind a link.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads, summary};

/// The lines that a run's link gives.
async fn lines(run: &Value) -> Vec<Value> {
    let results = &run["results"];
    assert_eq!(results["format"], "jsonl");
    assert!(results["key"].is_string() && results["signedUrlExpiration"].is_string(), "{results}");
    let answer = reqwest::get(results["signedUrl"].as_str().unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert_eq!(results["size"], text.len());
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_link_gives_a_line_for_each_payload_in_order_with_large_results_in_it() {
    let large = "x".repeat(150_000);
    let result = large.clone();
    let target = Target::start(move |call| match call.index() {
        3 => Answer::Status(422, json!({ "error": { "code": "sold-out", "message": "none left" } })),
        7 => Answer::Status(500, json!({})),
        index if index % 5 == 0 => Answer::Result(json!({ "large": result })),
        index => Answer::Result(json!({ "small": index })),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let retry = json!({ "maximumAttempts": 2, "initialInterval": "10ms" });
    let configuration = json!({ "retry": retry, "maxConcurrentRequests": 8 });
    // Over several of the stretches in which payloads are recorded.
    let job = json!({ "id": "job", "payload": payloads("a/b", 230), "configuration": configuration });
    cloud.api.create_job(job).await;
    let path = cloud.api.trigger("job").await;
    let run = cloud.api.wait_for(&path, |run| run["results"].is_object()).await;
    assert_eq!((&run["status"], summary(&run)), (&json!("COMPLETED"), [230, 0, 0, 228, 2, 0]));
    let lines = lines(&run).await;
    assert_eq!(lines.len(), 230);
    for (index, line) in lines.iter().enumerate() {
        let info = &line["apiInfo"];
        let run_id = format!("{}-{index}", run["id"].as_str().unwrap());
        assert_eq!((&info["runId"], &info["name"]), (&json!(run_id), &json!("a/b")));
        assert_eq!(info["parameters"], json!({ "n": index }));
        let (result, error) = (info["result"].to_string(), info["error"].to_string());
        let (in_result, in_error) = match index {
            3 => (String::new(), "sold-out".to_owned()),
            7 => (String::new(), "all-attempts-failed".to_owned()),
            _ if index % 5 == 0 => (large.clone(), String::new()),
            _ => (format!("\"small\":{index}"), String::new()),
        };
        assert!(result.contains(&in_result) && error.contains(&in_error), "{index}: {error}");
        assert_eq!((info["result"].is_null(), info["error"].is_null()), (in_result.is_empty(), in_error.is_empty()));
        assert_eq!((&line["projectJob"]["id"], &line["projectJobRun"]["id"]), (&json!("job"), &run["id"]));
    }
    // Only the answer for one run has it.
    let listed = cloud.api.all("/projects/shop/jobs/job/runs").await;
    assert_eq!(listed[0].get("results"), None);
}

#[tokio::test]
async fn a_run_without_success_has_results_and_so_has_one_that_was_ended() {
    let target = Target::start(|call| match call.api.as_str() {
        "bad" => Answer::Status(400, json!({})),
        _ => Answer::Slow(Duration::from_millis(200), json!(1)),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "bad", "payload": payloads("bad", 3) })).await;
    let path = cloud.api.trigger("bad").await;
    let run = cloud.api.wait_for(&path, |run| run["results"].is_object()).await;
    assert_eq!(run["status"], "FAILED");
    let lines_of_bad = lines(&run).await;
    assert!(lines_of_bad.len() == 3 && lines_of_bad.iter().all(|line| line["apiInfo"]["result"].is_null()));
    let configuration = json!({ "maxConcurrentRequests": 1 });
    cloud.api.create_job(json!({ "id": "long", "payload": payloads("a", 50), "configuration": configuration })).await;
    let path = cloud.api.trigger("long").await;
    cloud.api.wait_for(&path, |run| run["summary"]["succeeded"].as_u64() >= Some(2)).await;
    cloud.api.ok("POST", &format!("{path}/terminate"), None).await;
    let run = cloud.api.wait_for(&path, |run| run["results"].is_object()).await;
    let lines = lines(&run).await;
    let succeeded = lines.iter().filter(|line| !line["apiInfo"]["result"].is_null()).count() as u64;
    assert_eq!((&run["status"], lines.len(), succeeded), (&json!("TERMINATED"), 50, summary(&run)[3]));
    assert!(lines.iter().filter(|line| !line["apiInfo"]["error"].is_null()).count() as u64 == summary(&run)[5]);
}

#[tokio::test]
async fn a_run_that_never_started_has_no_results() {
    let target = Target::start(|_| Answer::Slow(Duration::from_secs(30), json!(1))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1s" }], "overlap": "skip" });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })).await;
    let skipped = "/projects/shop/jobs/job/runs?status=CANCELED";
    let skipped = cloud.api.wait_for(skipped, |page| page["items"].as_array().unwrap().len() >= 2).await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/pause", None).await;
    // Time enough for what follows an end.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for run in skipped["items"].as_array().unwrap() {
        let run = cloud.api.get(&format!("/projects/shop/jobs/job/runs/{}", run["id"].as_str().unwrap())).await;
        assert_eq!((&run["status"], &run["startTime"], run.get("results")), (&json!("CANCELED"), &Value::Null, None));
        assert_eq!(run["reason"]["type"], "another-job-run-active");
    }
}
