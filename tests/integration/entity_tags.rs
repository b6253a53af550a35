//! Nobody overwrites what somebody else has changed since, if he says what he has seen.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Cloud, Target, payloads};

const JOB: &str = "/projects/shop/jobs/job";

async fn start() -> (Cloud, Target) {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1) })).await;
    (cloud, target)
}

async fn tag(api: &Api) -> String {
    let (_, headers, _) = api.send_with("GET", JOB, &[], None).await;
    headers["etag"].to_str().unwrap().to_owned()
}

/// Sends a request under `If-Match`; answers with its status and its code, if it has one.
async fn under(api: &Api, tag: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let (status, _, answer) = api.send_with(method, path, &[("if-match", tag)], body).await;
    (status, answer["code"].clone())
}

#[tokio::test]
async fn a_tag_changes_with_all_that_an_editor_sees_and_with_nothing_else() {
    let (cloud, _target) = start().await;
    let mut tags = vec![tag(&cloud.api).await];
    let pause = format!("{JOB}/pause");
    for (method, path, body) in [
        ("PUT", JOB, Some(json!({ "description": "changed" }))),
        ("POST", &format!("{JOB}/payload"), Some(payloads("a", 1))),
        ("POST", &pause, None),
        ("POST", &pause, Some(json!({ "reason": "another one" }))),
        ("POST", &format!("{JOB}/resume"), None),
    ] {
        let (status, headers, _) = cloud.api.send_with(method, path, &[], body).await;
        assert_eq!(status, 200, "{method} {path}");
        let now = tag(&cloud.api).await;
        if let Some(answered) = headers.get("etag") {
            assert_eq!(answered.to_str().unwrap(), now, "{method} {path}");
        }
        assert!(!tags.contains(&now), "{method} {path}");
        tags.push(now);
    }
    let last = tags.last().unwrap();
    cloud.api.ok("POST", &format!("{JOB}/resume"), None).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    cloud.api.wait_for(JOB, |job| job["lastRunTime"].is_string()).await;
    assert_eq!(&tag(&cloud.api).await, last, "runs leave it as it is");
    cloud.api.ok("DELETE", JOB, None).await;
    let job = json!({ "id": "job", "payload": payloads("a", 1) });
    let (_, created, _) = cloud.api.send_with("POST", "/projects/shop/jobs", &[], Some(job)).await;
    assert!(!tags.contains(&created["etag"].to_str().unwrap().to_owned()), "nor has a namesake an old tag");
}

#[tokio::test]
async fn a_job_that_pauses_itself_has_changed() {
    let (cloud, _target) = start().await;
    let failing = Target::start(|_| Answer::Status(400, json!({}))).await;
    let project = json!({ "target": { "type": "http", "baseUrl": failing.url } });
    cloud.api.ok("PUT", "/projects/shop", Some(project)).await;
    cloud.api.ok("PUT", JOB, Some(json!({ "configuration": { "pauseAfterFailedRuns": 1 } }))).await;
    let before = tag(&cloud.api).await;
    cloud.api.trigger("job").await;
    cloud.api.wait_for(JOB, |job| job["state"]["status"] == "PAUSED").await;
    assert_eq!(under(&cloud.api, &before, "PUT", JOB, Some(json!({}))).await.0, 412);
}

#[tokio::test]
async fn a_change_to_another_version_is_refused_and_nothing_is_written() {
    let (cloud, _target) = start().await;
    let old = tag(&cloud.api).await;
    cloud.api.ok("PUT", JOB, Some(json!({ "description": "by somebody else" }))).await;
    let (now, before) = (tag(&cloud.api).await, cloud.items_at_rest().await);
    let (pause, resume) = (format!("{JOB}/pause"), format!("{JOB}/resume"));
    let (append, trigger, backfill) = (format!("{JOB}/payload"), format!("{JOB}/trigger"), format!("{JOB}/backfill"));
    let past = json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-01-01T06:00:00Z" });
    let weak = format!("W/{now}");
    for tag in [&old, &weak, "\"\"", &format!("{old}, {weak}")] {
        for (method, path, body) in [
            ("PUT", JOB, Some(json!({}))),
            ("DELETE", JOB, None),
            ("POST", &pause, None),
            ("POST", &resume, None),
            ("POST", &append, Some(payloads("b", 1))),
            ("POST", &trigger, None),
            ("POST", &trigger, Some(json!({ "payload": payloads("b", 1) }))),
            ("POST", &backfill, Some(past.clone())),
        ] {
            let answer = under(&cloud.api, tag, method, path, body).await;
            assert_eq!(answer, (412, json!("precondition-failed")), "{method} {path} {tag}");
        }
    }
    for malformed in ["x", "\"", &old[1..], "* *", ""] {
        let answer = under(&cloud.api, malformed, "PUT", JOB, Some(json!({}))).await;
        assert_eq!(answer, (400, json!("bad-request")), "{malformed}");
    }
    assert_eq!(cloud.items_at_rest().await, before);
    for tag in ["*".to_owned(), now.clone(), format!("{old} , {now}")] {
        assert_eq!(under(&cloud.api, &tag, "POST", &resume, None).await.0, 200, "{tag}");
    }
    assert_eq!(under(&cloud.api, &now, "POST", &trigger, None).await.0, 200);
    assert_eq!(under(&cloud.api, &now, "POST", &append, Some(payloads("b", 1))).await.0, 200);
    assert_eq!(under(&cloud.api, &now, "POST", &append, Some(payloads("b", 1))).await.0, 412, "it was the first");
    let now = tag(&cloud.api).await;
    assert_eq!(under(&cloud.api, &now, "DELETE", JOB, None).await.0, 204);
    assert_eq!(under(&cloud.api, "*", "PUT", JOB, Some(json!({}))).await.0, 404);
}

#[tokio::test]
async fn of_changes_to_the_same_version_one_is_made() {
    let (cloud, _target) = start().await;
    for _ in 0..5 {
        let tag = tag(&cloud.api).await;
        let edits = (0..8).map(|number| {
            let (api, tag) = (&cloud.api, &tag);
            async move { under(api, tag, "PUT", JOB, Some(json!({ "description": format!("edit {number}") }))).await.0 }
        });
        let statuses = join_all(edits).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    }
}

#[tokio::test]
async fn a_job_that_is_busy_can_be_changed_under_a_tag() {
    let (cloud, _target) = start().await;
    let schedule = json!({ "intervals": [{ "every": "1s" }], "overlap": "allow" });
    cloud.api.ok("PUT", JOB, Some(json!({ "schedule": schedule }))).await;
    let before = tag(&cloud.api).await;
    cloud.api.wait_for(&format!("{JOB}/runs"), |runs| runs["items"].as_array().unwrap().len() > 2).await;
    assert_eq!(under(&cloud.api, &before, "PUT", JOB, Some(json!({}))).await.0, 200);
}

#[tokio::test]
async fn a_job_that_an_older_version_has_written_is_read() {
    let (cloud, _target) = start().await;
    let (table, items) = (&cloud.dev.description().table_name, cloud.items_at_rest().await);
    let (_, mut item) = items.into_iter().find(|((pk, sk), _)| pk.starts_with("JOB#") && sk == "JOB").unwrap();
    assert!(item.remove("documentVersion").is_some());
    cloud.dev.dynamodb().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    let before = tag(&cloud.api).await;
    assert_eq!(under(&cloud.api, &before, "PUT", JOB, Some(json!({}))).await.0, 200);
    assert_ne!(tag(&cloud.api).await, before);
}
