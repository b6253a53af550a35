//! What works, and what fails as anything may.

use serde_json::json;

use super::{NOBODY, Witness, mark, webhook};
use crate::harness::{Target, payloads};

/// Makes projects and jobs with secrets, and lets their runs succeed and fail in every way.
/// Answers with the secrets.
pub(super) async fn good_days(witness: &Witness, target: &Target, s3_url: &str) -> Vec<String> {
    let project = |url: &str, key: &str| {
        let headers = json!({ "authorization": key });
        json!({ "target": { "type": "http", "baseUrl": url, "headers": headers } })
    };
    let mut secrets =
        vec![mark("target"), mark("down"), mark("sink"), mark("refused-sink"), mark("s3"), mark("s3-denied")];
    secrets.extend([mark("notified"), mark("not-notified"), mark("replaced")]);
    for (name, url, key) in [("shop", target.url.as_str(), "target"), ("down", NOBODY, "down")] {
        // This once they are shown.
        let made = witness.api.ok("PUT", &format!("/projects/{name}"), Some(project(url, &mark(key)))).await;
        secrets.extend(["signingSecret", "webhookSecret"].map(|field| made[field].as_str().unwrap().to_owned()));
    }
    let hook = format!("{}/hook", target.url);
    let s3 = |endpoint: &str, key: &str| {
        json!({
            "type": "s3", "bucket": "results", "region": "us-east-1", "accessKeyId": "sundial-dev",
            "secretAccessKey": key, "endpoint": endpoint, "forcePathStyle": true
        })
    };
    let notifications = [webhook(&hook, &mark("notified")), webhook(NOBODY, &mark("not-notified"))];
    let configuration = json!({ "retry": { "maximumAttempts": 2, "initialInterval": "10ms" } });
    for (project, id, sink) in [
        ("shop", "good", webhook(&hook, &mark("sink"))),
        ("shop", "refused", webhook(NOBODY, &mark("refused-sink"))),
        ("shop", "s3", s3(NOBODY, &mark("s3"))),
        ("shop", "denied", s3(s3_url, &mark("s3-denied"))),
        ("down", "down", webhook(&hook, &mark("replaced"))),
    ] {
        let mut payload = payloads("a", 2);
        payload[1]["parameters"]["large"] = json!("x".repeat(150_000));
        let job = json!({
            "id": id, "payload": payload, "sink": sink, "notifications": notifications, "configuration": configuration
        });
        let jobs = format!("/projects/{project}/jobs");
        let mut shown = witness.ok("POST", &jobs, Some(job)).await;
        shown["description"] = json!("sent back");
        witness.ok("PUT", &format!("{jobs}/{id}"), Some(shown)).await;
        let run = witness.ok("POST", &format!("{jobs}/{id}/trigger"), None).await;
        let run = format!("{jobs}/{id}/runs/{}", run["id"].as_str().unwrap());
        witness.api.wait_for(&run, |run| run["results"].is_object()).await;
        let first = format!("{run}/payloads/0");
        witness.api.wait_for(&first, |payload| !payload["deliveries"].as_array().unwrap().is_empty()).await;
        for path in [&jobs, &format!("{jobs}/{id}"), &format!("{jobs}/{id}/payload"), &format!("{jobs}/{id}/runs")] {
            witness.ok("GET", path, None).await;
        }
        for path in [format!("{run}/payloads"), format!("{run}/payloads/0"), format!("{run}/payloads/1")] {
            witness.ok("GET", &path, None).await;
        }
        let ended = witness.ok("GET", &run, None).await;
        let export = witness.api.client.get(ended["results"]["signedUrl"].as_str().unwrap()).send().await.unwrap();
        witness.note("export", export.text().await.unwrap());
        if project == "down" {
            assert_eq!(ended["status"], "FAILED");
            witness.ok("POST", &format!("{run}/retry"), None).await;
            witness.api.wait_for(&run, |run| run["generation"] == 2 && run["results"].is_object()).await;
        }
    }
    for path in ["/projects", "/projects/shop", "/projects/shop/runs"] {
        witness.ok("GET", path, None).await;
    }
    let mut shop = witness.api.get("/projects/shop").await;
    shop["target"]["baseUrl"] = json!(NOBODY);
    witness.bad("PUT", "/projects/shop", shop.clone()).await;
    shop["target"]["baseUrl"] = json!(format!("{}/v2", target.url));
    witness.ok("PUT", "/projects/shop", Some(shop)).await;
    secrets
}
