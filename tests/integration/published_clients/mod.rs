//! What the three generations of published clients send and read, as files, field by field: `first.json` and
//! `later.json` for the two of TypeScript, `python.json` for that of Python.
//!
//! A file is a story: what is sent, and all that is answered. `<time>` and the like stand for what differs from one
//! time to the next; `<uuid:run>` notes a value under a name, which is then that value wherever it stands as `{run}`.

mod story;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target};
use story::Story;

/// A target that does what parameters say.
async fn target() -> Target {
    Target::start(|call| {
        let parameters = &call.body["parameters"];
        let answer = match (call.api.as_str(), parameters["fail"].as_u64()) {
            ("auth-sessions/create", _) if parameters["password"] == "wrong" => {
                Answer::Status(401, json!({ "error": { "code": "wrong-password", "message": "no" } }))
            }
            ("auth-sessions/create", _) => Answer::Result(json!({ "token": 1 })),
            ("auth-sessions/check", _) => Answer::Result(json!(true)),
            (_, Some(status)) => Answer::Status(
                u16::try_from(status).unwrap(),
                json!({ "error": { "code": "sold-out", "message": "none left" } }),
            ),
            ("extends", None) => Answer::Status(
                200,
                json!({ "result": 1, "extendedPayloads": [{ "api": "echo" }, { "api": "echo", "parameters": [2] }] }),
            ),
            _ => Answer::Result(parameters.clone()),
        };
        let wait = Duration::from_millis(parameters["wait"].as_u64().unwrap_or(0));
        Answer::After(wait, Box::new(answer))
    })
    .await
}

async fn tell(file: &str) {
    let path = format!("{}/integration/published_clients/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (cloud, target) = (Cloud::start().await, target().await);
    cloud.api.make_project(&target).await;
    // So that runs of jobs leave something to be seen in lists of their own project only.
    let other = json!({ "target": { "type": "http", "baseUrl": target.url } });
    cloud.api.ok("PUT", "/projects/other", Some(other)).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    Story::new(&cloud, &document).tell(document["story"].as_array().unwrap()).await;
}

#[tokio::test]
async fn the_first_generation_reads_what_it_knows() {
    tell("first.json").await;
}

#[tokio::test]
async fn the_later_generation_reads_what_it_knows() {
    tell("later.json").await;
}

#[tokio::test]
async fn the_python_client_reads_what_it_knows() {
    tell("python.json").await;
}

#[tokio::test]
async fn a_job_of_the_other_face_is_read_by_all_generations_whatever_it_has() {
    let (cloud, target) = (Cloud::start().await, target().await);
    cloud.api.make_project(&target).await;
    let job = json!({
        "id": "native", "description": "x", "tags": { "a": "b" },
        "payload": [{ "apiName": "a" }, { "apiName": "a", "parameters": [1, 2], "retry": { "initialInterval": "5s" } }],
        "configuration": { "maxDuration": "1h", "retry": { "maximumAttempts": 7 } },
        "schedule": {
            "cron": ["0 0 9 * * Mon-Fri"], "timezone": "Europe/Berlin", "exclusions": [{ "month": 12 }],
            "calendars": [{ "dayOfWeek": 1, "nth": -1 }, { "dayOfMonth": "L" }], "overlap": "allow"
        },
        "sink": { "type": "s3", "bucket": "own-sink", "region": "us-east-1" },
        "state": { "status": "PAUSED", "reason": "for now" }
    });
    let before = cloud.api.create_job(job).await;
    let story = |user_agent: &str| Story::new(&cloud, &json!({ "headers": { "user-agent": user_agent } }));
    for (user_agent, state) in [
        (
            "speakeasy-sdk/typescript 0.7.0 2.377.1 0.0.1 @intuned/client",
            json!({ "status": "PAUSED", "reason": "for now" }),
        ),
        ("speakeasy-sdk/typescript 0.5.2 2.788.7 0.0.2 @intuned/client", json!("PAUSED")),
        ("python-httpx/0.28.1", json!("PAUSED")),
    ] {
        let story = story(user_agent);
        let (status, one) = story.send("GET", "/jobs/native", None).await;
        let (_, listed) = story.send("GET", "/jobs", None).await;
        assert_eq!((status, &listed[0]), (200, &one), "alone and in a list it is the same");
        assert_eq!(one["state"], state);
        let is_first = state.is_object();
        assert_eq!(one["payload"][0]["parameters"], json!({}));
        let array = if is_first { json!([1, 2]) } else { json!({ "0": 1, "1": 2 }) };
        assert_eq!(one["payload"][1]["parameters"], array);
        assert_eq!(one["payload"][1]["retry"], json!({ "initialInterval": 5000 }));
        assert_eq!(
            one["schedule"]["calendars"],
            json!([]),
            "without what they cannot say they would say something else"
        );
        assert_eq!(
            (&one["schedule"]["intervals"], &one["schedule"]["cron"][0]),
            (&json!([]), &json!("0 0 9 * * Mon-Fri"))
        );
        assert_eq!((&one["sink"]["accessKeyId"], &one["sink"]["secretAccessKey"]), (&json!(""), &json!("")));
        assert_eq!(one["reason"], json!({ "type": "paused", "message": "for now" }));
        // It can be sent back as it was read, and stays what it was.
        if !is_first {
            let (status, answer) = story.send("PUT", "/jobs/native", Some(one)).await;
            assert_eq!((status, &answer["message"]), (200, &json!("updated job successfully")), "{answer}");
            assert_eq!(cloud.api.get("/projects/shop/jobs/native").await, before);
        }
    }
    // What a client of TypeScript knows of it, and nothing else; its own defaults; and a change.
    let story = story("speakeasy-sdk/typescript 0.5.2 2.788.7 0.0.2 @intuned/client");
    let mut known = json!({
        "payload": [
            { "apiName": "a", "parameters": {}, "requestTimeout": 600 },
            { "apiName": "a", "parameters": { "0": 1, "1": 2 }, "requestTimeout": 600 }
        ],
        "configuration": { "retry": { "maximumAttempts": 8 }, "maxConcurrentRequests": 10, "requestTimeout": 60 },
        "schedule": { "intervals": [], "calendars": [] },
        "sink": { "type": "s3", "bucket": "own-sink", "region": "us-east-1", "accessKeyId": "", "secretAccessKey": "", "skipOnFail": false }
    });
    let (status, answer) = story.send("PUT", "/jobs/native", Some(known.clone())).await;
    assert_eq!(status, 200, "{answer}");
    let mut changed = before.clone();
    changed["configuration"]["retry"]["maximumAttempts"] = json!(8);
    changed["configuration"]["requestTimeout"] = json!(60);
    assert_eq!(cloud.api.get("/projects/shop/jobs/native").await, changed);
    known["schedule"]["intervals"] = json!([{ "every": "1h" }]);
    let (status, answer) = story.send("PUT", "/jobs/native", Some(known)).await;
    assert_eq!((status, &answer["details"]["errors"][0]["pointer"]), (400, &json!("/schedule")), "{answer}");
    assert_eq!(cloud.api.get("/projects/shop/jobs/native").await, changed);
}

#[tokio::test]
async fn a_job_that_is_too_large_to_be_read_keeps_the_payloads_that_were_not() {
    let (cloud, target) = (Cloud::start().await, target().await);
    cloud.api.make_project(&target).await;
    let payload: Vec<Value> = (0..50_000).map(|n| json!({ "apiName": "a", "parameters": { "n": n } })).collect();
    cloud.api.create_job(json!({ "id": "large", "payload": payload })).await;
    for _ in 0..2 {
        cloud.api.ok("POST", "/projects/shop/jobs/large/payload", Some(json!(payload))).await;
    }
    let story = Story::new(&cloud, &json!({ "headers": { "user-agent": "python-httpx/0.28.1" } }));
    let (status, mut one) = story.send("GET", "/jobs/large", None).await;
    let shown = one["payload"].as_array().unwrap().len();
    assert_eq!((status, &one["payloadTruncated"], &one["payloadCount"]), (200, &json!(true), &json!(150_000)));
    assert!(shown > 50_000 && one.to_string().len() < 4_000_000, "{shown}");
    let (status, listed) = story.send("GET", "/jobs", None).await;
    assert_eq!((status, &listed[0]["payloadTruncated"]), (200, &json!(true)));
    one["configuration"]["maxConcurrentRequests"] = json!(3);
    let (status, answer) = story.send("PUT", "/jobs/large", Some(one.clone())).await;
    assert_eq!(status, 200, "{answer}");
    let kept = cloud.api.get("/projects/shop/jobs/large").await;
    assert_eq!((&kept["payloadCount"], &kept["configuration"]["maxConcurrentRequests"]), (&json!(150_000), &json!(3)));
    one["payload"].as_array_mut().unwrap().pop();
    let (status, answer) = story.send("PUT", "/jobs/large", Some(one)).await;
    assert_eq!((status, &answer["details"]["errors"][0]["pointer"]), (400, &json!("/payload")), "{answer}");
}

#[tokio::test]
async fn who_waits_for_a_run_gets_its_end_or_is_told_to_ask_later() {
    let (cloud, target) = (Cloud::start().await, target().await);
    cloud.api.make_project(&target).await;
    let first = json!({ "headers": { "user-agent": "speakeasy-sdk/typescript 0.7.0 2.377.1 0.0.1 @intuned/client" } });
    let story = Story::new(&cloud, &first);
    let body = json!({ "api": "echo", "parameters": { "wait": 26_000 }, "requestTimeout": 60 });
    let (status, answer) = story.send("POST", "/run", Some(body)).await;
    assert_eq!((status, &answer["code"], &answer["retirable"]), (504, &json!("request-timeout"), &json!(false)));
    let id = answer["runId"].as_str().unwrap().to_owned();
    assert_eq!(answer["details"], json!({ "runId": id }));
    let path = format!("/run/{id}/result");
    let ended = story.until(&path, |answer| answer["status"] == "completed").await;
    assert_eq!(ended["result"], json!({ "wait": 26_000 }));
}
