//! Rotation of the secrets that calls, deliveries and notifications are signed with.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::harness::{Answer, Call, Cloud, Target, payloads};

const ROTATE_SIGNING: &str = "/projects/shop/signing-secret/rotate";
const ROTATE_WEBHOOK: &str = "/projects/shop/webhook-secret/rotate";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Whether a secret has signed a call.
fn has_signed(secret: &str, call: &Call) -> bool {
    Webhook::new(secret).unwrap().verify(call.text.as_bytes(), &call.headers).is_ok()
}

async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn both_secrets_sign_after_a_rotation_and_each_what_is_its_own() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let (sink, notified) = (Target::echo().await, Target::echo().await);
    let project = cloud.api.make_project(&target).await;
    let hook = |receiver: &Target| json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    let job =
        json!({ "id": "job", "payload": payloads("a", 1), "sink": hook(&sink), "notifications": [hook(&notified)] });
    cloud.api.create_job(job).await;
    let signing = cloud.api.ok("POST", ROTATE_SIGNING, None).await;
    let webhook = cloud.api.ok("POST", ROTATE_WEBHOOK, Some(json!({}))).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    wait_until("a delivery and a notification", || sink.count() > 0 && notified.count() > 0).await;
    let of_calls = [text(&signing["secret"]), text(&project["signingSecret"])];
    let of_webhooks = [text(&webhook["secret"]), text(&project["webhookSecret"])];
    for (receiver, good, bad) in
        [(&target, &of_calls, &of_webhooks), (&sink, &of_webhooks, &of_calls), (&notified, &of_webhooks, &of_calls)]
    {
        let call = &receiver.calls()[0];
        assert!(good.iter().all(|secret| has_signed(secret, call)));
        assert!(!bad.iter().any(|secret| has_signed(secret, call)));
        let signatures: Vec<_> = call.headers["webhook-signature"].to_str().unwrap().split(' ').collect();
        assert_eq!(signatures.len(), 2);
    }
    // Neither is ever shown again, nor does another target change them.
    let shown = cloud.api.make_project(&target).await;
    assert_eq!((&shown["signingSecret"], &shown["webhookSecret"]), (&Value::Null, &Value::Null));
    cloud.api.trigger("job").await;
    wait_until("another call", || target.count() > 1).await;
    assert!(of_calls.iter().all(|secret| has_signed(secret, &target.calls()[1])));
}

#[tokio::test]
async fn a_run_that_goes_on_signs_by_the_new_secret_within_a_minute() {
    let target = Target::start(|_| Answer::Slow(Duration::from_secs(1), json!(1))).await;
    let cloud = Cloud::start().await;
    let project = cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 1 });
    let job = json!({ "id": "job", "payload": payloads("a", 200), "configuration": configuration });
    cloud.api.create_job(job).await;
    let run = cloud.api.trigger("job").await;
    wait_until("the first call", || target.count() > 0).await;
    let rotated = text(&cloud.api.ok("POST", ROTATE_SIGNING, None).await["secret"]);
    assert!(!has_signed(&rotated, &target.calls()[0]));
    wait_until("a call that the new secret has signed", || {
        target.calls().last().is_some_and(|call| has_signed(&rotated, call))
    })
    .await;
    assert!(has_signed(&text(&project["signingSecret"]), target.calls().last().unwrap()));
    cloud.api.ok("POST", &format!("{run}/terminate"), None).await;
}

#[tokio::test]
async fn no_secret_ends_before_its_time_however_often_it_is_replaced() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let project = cloud.api.make_project(&target).await;
    let mut secrets = vec![text(&project["signingSecret"])];
    for _ in 0..2 {
        // Two at the same time: each secret that is shown signs.
        let (one, other) =
            tokio::join!(cloud.api.ok("POST", ROTATE_SIGNING, None), cloud.api.ok("POST", ROTATE_SIGNING, None));
        secrets.extend([text(&one["secret"]), text(&other["secret"])]);
    }
    let (status, problem) = cloud.api.send("POST", ROTATE_SIGNING, None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    cloud.api.ok("POST", ROTATE_WEBHOOK, None).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let call = &target.calls()[0];
    assert_eq!(secrets.len(), 5);
    for (place, secret) in secrets.iter().enumerate() {
        assert!(has_signed(secret, call), "secret {place} does not sign");
    }
}

#[tokio::test]
async fn a_rotation_is_refused_where_there_is_nothing_to_replace() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    assert_eq!(cloud.api.send("POST", "/projects/none/webhook-secret/rotate", None).await.0, 404);
    assert_eq!(cloud.api.send("GET", ROTATE_SIGNING, None).await.0, 405);
    let (status, problem) = cloud.api.send("POST", ROTATE_SIGNING, Some(json!({ "secret": "mine" }))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/secret")));
    let rotated = cloud.api.ok("POST", ROTATE_SIGNING, None).await;
    let until: sundial_model::Timestamp = rotated["previousValidUntil"].as_str().unwrap().parse().unwrap();
    let left = until.since(sundial_runtime::clock::now());
    assert!(left <= Duration::from_secs(86_400) && left > Duration::from_secs(86_300), "{left:?}");
    cloud.api.ok("DELETE", "/projects/shop", None).await;
    assert_eq!(cloud.api.send("POST", ROTATE_SIGNING, None).await.0, 404);
}
