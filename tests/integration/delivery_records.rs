//! What is on record of a delivery attempt, for every way in which a receiver may fail, or take its time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, payloads};

/// The kinds of receivers, by what they do with a delivery, and what is then on record: status, HTTP status,
/// error, answer.
fn kinds() -> Vec<(&'static str, Answer, [Value; 4])> {
    let text = "x".repeat(200_000);
    let kept = format!("\"{}", "x".repeat(1023));
    let refused = |status: u16| json!(format!("the receiver answered with status {status}"));
    vec![
        ("takes it", Answer::Status(202, json!({})), [json!("delivered"), json!(202), Value::Null, Value::Null]),
        (
            "fails",
            Answer::Status(500, json!({ "why": "no room" })),
            [json!("retrying"), json!(500), refused(500), json!("{\"why\":\"no room\"}")],
        ),
        ("refuses", Answer::Status(422, json!(1)), [json!("retrying"), json!(422), refused(422), json!("1")]),
        ("is gone", Answer::Status(410, json!("bye")), [json!("failed"), json!(410), refused(410), json!("\"bye\"")]),
        ("redirects", Answer::Status(302, json!("to")), [json!("retrying"), json!(302), refused(302), json!("\"to\"")]),
        (
            "hangs",
            Answer::After(Duration::from_secs(90), Box::new(Answer::Result(json!(1)))),
            [json!("retrying"), Value::Null, json!("the receiver did not answer in time"), Value::Null],
        ),
        (
            "takes its time",
            Answer::After(Duration::from_secs(4), Box::new(Answer::Status(204, json!(null)))),
            [json!("delivered"), json!(204), Value::Null, Value::Null],
        ),
        (
            "takes it with many words",
            Answer::Status(200, json!(text)),
            [json!("delivered"), json!(200), Value::Null, Value::Null],
        ),
        (
            "fails with many words",
            Answer::Status(503, json!(text)),
            [json!("retrying"), json!(503), refused(503), json!(kept)],
        ),
    ]
}

#[tokio::test]
async fn whatever_a_receiver_does_is_on_record() {
    let receiver = Target::start(|call| {
        let index = usize::try_from(call.body["apiInfo"]["parameters"]["n"].as_u64().unwrap()).unwrap();
        kinds().swap_remove(index).1
    })
    .await;
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let count = u32::try_from(kinds().len()).unwrap();
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", count), "sink": sink })).await;
    let run = cloud.api.trigger("job").await;
    for (index, (kind, _, [status, status_code, error, response])) in kinds().into_iter().enumerate() {
        let path = format!("{run}/payloads/{index}");
        let payload = cloud.api.wait_for(&path, |payload| payload["deliveries"][0].is_object()).await;
        let tried = &payload["deliveries"][0];
        let found = [&tried["status"], &tried["statusCode"], &tried["error"], &tried["response"]];
        assert_eq!(found, [&status, &status_code, &error, &response], "a receiver that {kind}");
        assert!(tried["time"].is_string(), "{tried}");
        let least = match kind {
            "hangs" => 30_000,
            "takes its time" => 4_000,
            _ => 0,
        };
        assert!(tried["durationMs"].as_u64().unwrap() >= least, "{kind}: {tried}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_on_record() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sink = json!({ "type": "webhook", "url": format!("http://127.0.0.1:{port}/hook") });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "sink": sink })).await;
    let run = cloud.api.trigger("job").await;
    let path = format!("{run}/payloads/0");
    let payload = cloud.api.wait_for(&path, |payload| payload["deliveries"][1].is_object()).await;
    for tried in payload["deliveries"].as_array().unwrap() {
        assert_eq!((&tried["status"], tried.get("statusCode")), (&json!("retrying"), None));
        assert!(tried["error"].as_str().unwrap().contains("refused"), "{tried}");
    }
}
