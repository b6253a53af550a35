//! Secrets over the API: they come back as `[redacted]`, and sent back they stay what they were, as
//! long as they go to the same place.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Call, Cloud, Target, payloads, pointers};

const R: &str = "[redacted]";

/// Waits until somebody was called so often; answers with the header `x-key` of each call.
async fn keys(receiver: &Target, count: usize) -> Vec<String> {
    let begun = Instant::now();
    while receiver.count() < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "there are just {} calls", receiver.count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let key = |call: Call| call.headers["x-key"].to_str().unwrap().to_owned();
    receiver.calls().into_iter().map(key).collect()
}

fn hook(receiver: &Target) -> String {
    format!("{}/hook", receiver.url)
}

fn webhook(url: &str, key: &str) -> Value {
    json!({ "type": "webhook", "url": url, "headers": { "X-Key": key } })
}

#[tokio::test]
async fn a_job_that_is_sent_back_as_it_came_keeps_its_secrets_and_goes_on() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let (sink, first, second) = (Target::echo().await, Target::echo().await, Target::echo().await);
    let project =
        |url: &str, key: &str| json!({ "target": { "type": "http", "baseUrl": url, "headers": { "X-Key": key } } });
    cloud.api.ok("PUT", "/projects/shop", Some(project(&target.url, "of-target"))).await;
    let shown = cloud.api.get("/projects/shop").await;
    assert_eq!(shown["target"]["headers"], json!({ "X-Key": R }));
    let mut sent = shown.clone();
    sent["target"]["format"] = json!("plain");
    sent["target"]["baseUrl"] = json!(format!("{}/v2", target.url));
    let changed = cloud.api.ok("PUT", "/projects/shop", Some(sent)).await;
    assert_eq!(changed["target"]["headers"], json!({ "X-Key": R }));
    let job = json!({
        "id": "job", "payload": payloads("a", 1), "sink": webhook(&hook(&sink), "of-sink"),
        "notifications": [webhook(&hook(&first), "of-first"), webhook(&hook(&second), "of-second")]
    });
    let mut shown = cloud.api.create_job(job).await;
    assert_eq!(
        (&shown["sink"]["headers"], &shown["notifications"][1]["headers"]),
        (&json!({ "X-Key": R }), &json!({ "X-Key": R }))
    );
    shown["notifications"].as_array_mut().unwrap().reverse();
    shown["description"] = json!("changed");
    let shown = cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(shown)).await;
    assert_eq!(shown["notifications"][0]["url"], hook(&second));
    let path = cloud.api.trigger("job").await;
    let run = cloud.api.wait_for_status(&path, "COMPLETED").await;
    assert_eq!(run["configurationSnapshot"]["sink"]["headers"], json!({ "X-Key": R }));
    for (receiver, key) in [(&target, "of-target"), (&sink, "of-sink"), (&first, "of-first"), (&second, "of-second")] {
        assert_eq!(keys(receiver, 1).await, [key]);
    }
    // A new value takes the place of the old one, and nothing else changes.
    let mut sent = shown.clone();
    sent["sink"]["headers"]["X-Key"] = json!("new");
    cloud.api.ok("PUT", "/projects/shop/jobs/job", Some(sent)).await;
    cloud.api.trigger("job").await;
    assert_eq!(keys(&sink, 2).await, ["of-sink", "new"]);
    assert_eq!(keys(&first, 2).await, ["of-first"; 2]);
    assert_eq!(keys(&target, 2).await, ["of-target"; 2]);
}

#[tokio::test]
async fn a_secret_that_would_go_elsewhere_is_refused_by_name_and_nothing_is_written() {
    let cloud = Cloud::start().await;
    let url = "https://shop.example/v1";
    let project =
        |url: &str, headers: Value| json!({ "target": { "type": "http", "baseUrl": url, "headers": headers } });
    cloud.api.ok("PUT", "/projects/shop", Some(project(url, json!({ "X-Key": "v" })))).await;
    let job = json!({
        "id": "job", "payload": payloads("a", 1), "sink": webhook(url, "v"), "notifications": [webhook(url, "v")]
    });
    let job = cloud.api.create_job(job).await;
    let s3 = json!({
        "type": "s3", "bucket": "results", "region": "x", "accessKeyId": "AK", "secretAccessKey": "v",
        "endpoint": "https://s3.example"
    });
    let s3 = json!({ "id": "s3", "payload": payloads("a", 1), "sink": s3 });
    let s3 = cloud.api.create_job(s3).await;
    assert_eq!(s3["sink"]["secretAccessKey"], R);
    let with = |job: &Value, pointer: &str, value: &str| {
        let mut changed = job.clone();
        *changed.pointer_mut(pointer).unwrap() = json!(value);
        changed
    };
    let mut renamed = job.clone();
    renamed["sink"]["headers"] = json!({ "X-Other": R });
    let before = cloud.items_at_rest().await;
    for (method, path, body, fields) in [
        (
            "PUT",
            "/projects/shop",
            project("http://shop.example/v1", json!({ "X-Key": R })),
            vec!["/target/headers/X-Key"],
        ),
        ("PUT", "/projects/shop", project(url, json!({ "X-Other": R, "X-Key": R })), vec!["/target/headers/X-Other"]),
        ("PUT", "/projects/new", project(url, json!({ "X-Key": R })), vec!["/target/headers/X-Key"]),
        ("PUT", "/projects/shop/jobs/job", renamed, vec!["/sink/headers/X-Other"]),
        (
            "PUT",
            "/projects/shop/jobs/job",
            with(&job, "/sink/url", "https://else.example"),
            vec!["/sink/headers/X-Key"],
        ),
        (
            "PUT",
            "/projects/shop/jobs/job",
            with(&with(&job, "/sink/url", "https://shop.example:444"), "/notifications/0/url", "https://else.example"),
            vec!["/notifications/0/headers/X-Key", "/sink/headers/X-Key"],
        ),
        ("PUT", "/projects/shop/jobs/s3", with(&s3, "/sink/bucket", "other"), vec!["/sink/secretAccessKey"]),
        ("PUT", "/projects/shop/jobs/s3", with(&s3, "/sink/accessKeyId", "AK2"), vec!["/sink/secretAccessKey"]),
        (
            "PUT",
            "/projects/shop/jobs/s3",
            with(&s3, "/sink/endpoint", "https://s3.else"),
            vec!["/sink/secretAccessKey"],
        ),
        (
            "POST",
            "/projects/shop/jobs",
            with(&job, "/id", "copy"),
            vec!["/notifications/0/headers/X-Key", "/sink/headers/X-Key"],
        ),
    ] {
        let (status, problem) = cloud.api.send(method, path, Some(body)).await;
        assert_eq!((status, &problem["code"]), (400, &json!("bad-request")), "{method} {path}: {problem}");
        assert_eq!(pointers(&problem), fields, "{method} {path}");
    }
    assert_eq!(cloud.items().await, before);
}
