//! Appending to a job's payloads, page by page: what comes in, and what later runs make of it.

use serde_json::{Value, json};
use sundial_model::JobId;
use sundial_store::StoredJob;

use crate::harness::{Api, Cloud, Target, payloads, summary};

pub(crate) const JOB: &str = "/projects/shop/jobs/job";
pub(crate) const PAYLOAD: &str = "/projects/shop/jobs/job/payload";
pub(crate) const LINES: &str = "application/x-ndjson";

/// A cloud with a job of two payloads.
pub(crate) async fn start() -> (Cloud, Target) {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 2) })).await;
    (cloud, target)
}

/// Posts a page as what its content type says.
pub(crate) async fn post(api: &Api, content_type: &str, body: impl Into<String>) -> (u16, Value) {
    let request = api.client.post(format!("{}{PAYLOAD}", api.base)).header("x-api-key", &api.key);
    let answer = request.header("content-type", content_type).body(body.into()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// The job as it is kept.
pub(crate) async fn stored(cloud: &Cloud) -> StoredJob {
    let project = cloud.api.get("/projects/shop").await["id"].as_str().unwrap().parse().unwrap();
    let id: JobId = "job".parse().unwrap();
    cloud.dev.clients().store.job(project, &id).await.unwrap().unwrap()
}

/// How many items the table has whose partition keys begin like this.
pub(crate) async fn count_items(cloud: &Cloud, prefix: &str) -> usize {
    let scan = cloud.dev.dynamodb().scan().table_name(&cloud.dev.description().table_name);
    let items: Result<Vec<_>, _> = scan.into_paginator().items().send().collect().await;
    items.unwrap().iter().filter(|item| item["pk"].as_s().unwrap().starts_with(prefix)).count()
}

/// The parameters of the payloads of a page: which one it is, and which payload of it.
pub(crate) fn page(appender: u32, number: u32, size: u32) -> Value {
    let parameters = |n| json!({ "appender": appender, "page": number, "n": n });
    (0..size).map(|n| json!({ "apiName": "a", "parameters": parameters(n) })).collect()
}

#[tokio::test]
async fn arrays_and_lines_are_appended_in_order_for_later_runs() {
    let (cloud, target) = start().await;
    let before = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&before, "COMPLETED").await;
    let more = json!([
        { "apiName": "b", "parameters": [1], "requestTimeout": 5, "retry": { "maximumAttempts": 2 } },
        { "apiName": "b", "parameters": [2] },
        { "apiName": "b", "parameters": [3] }
    ]);
    let answer = cloud.api.ok("POST", PAYLOAD, Some(more.clone())).await;
    assert_eq!(answer, json!({ "appended": 3, "payloadCount": 5 }));
    let lines = "\n{\"apiName\":\"c\"}\r\n\n   \n{\"apiName\":\"d\",\"parameters\":{\"x\":1}}";
    let answer = post(&cloud.api, "Application/X-NDJSON; charset=utf-8", lines).await;
    assert_eq!(answer, (200, json!({ "appended": 2, "payloadCount": 7 })));
    let job = cloud.api.get(JOB).await;
    let mut expected = payloads("a", 2).as_array().unwrap().clone();
    expected.extend(more.as_array().unwrap().iter().cloned());
    expected.extend([json!({ "apiName": "c" }), json!({ "apiName": "d", "parameters": { "x": 1 } })]);
    assert_eq!((&job["payloadCount"], &job["payload"]), (&json!(7), &json!(expected)));
    let run = cloud.api.trigger("job").await;
    assert_eq!(summary(&cloud.api.wait_for_status(&run, "COMPLETED").await), [7, 0, 0, 7, 0, 0]);
    let apis: Vec<_> =
        cloud.api.all(&format!("{run}/payloads")).await.iter().map(|run| run["apiName"].clone()).collect();
    assert_eq!(apis, ["a", "a", "b", "b", "b", "c", "d"]);
    assert_eq!(target.calls().len(), 9);
    // A run that started before goes by what the list was then.
    assert_eq!(cloud.api.all(&format!("{before}/payloads")).await.len(), 2);
}

#[tokio::test]
async fn pages_go_over_the_borders_of_parts() {
    let (cloud, _target) = start().await;
    // Each is much smaller than the one before, so none of them is taken in.
    for (number, size) in [(0, 900), (1, 90), (2, 9)] {
        let page = page(0, number, size);
        cloud.api.ok("POST", PAYLOAD, Some(page)).await;
    }
    let job = stored(&cloud).await;
    assert_eq!(job.parts.iter().map(|part| part.count).collect::<Vec<_>>(), [902, 90, 9]);
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = cloud.api.get(&format!("{PAYLOAD}?limit=77{cursor}")).await;
        let some = page["items"].as_array().unwrap();
        items.extend(some.iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        assert_eq!(some.len(), 77);
        cursor = format!("&cursor={next}");
    }
    assert!(items.iter().enumerate().all(|(index, item)| item["index"] == index));
    let places = [(0, json!({ "n": 0 })), (901, json!({ "appender": 0, "page": 0, "n": 899 }))];
    let border =
        [(902, json!({ "appender": 0, "page": 1, "n": 0 })), (1000, json!({ "appender": 0, "page": 2, "n": 8 }))];
    for (index, parameters) in places.into_iter().chain(border) {
        assert_eq!(items[index]["parameters"], parameters, "{index}");
    }
    let whole = cloud.api.get(JOB).await;
    assert_eq!((whole["payload"].as_array().unwrap().len(), whole.get("payloadTruncated")), (1001, None));
    let listed = cloud.api.get("/projects/shop/jobs").await;
    assert_eq!(
        (&listed["items"][0]["payloadCount"], &listed["items"][0]["payloadTruncated"]),
        (&json!(1001), &json!(true))
    );
    let run = cloud.api.trigger("job").await;
    assert_eq!(summary(&cloud.api.wait_for_status(&run, "COMPLETED").await), [1001, 0, 0, 1001, 0, 0]);
    let one = cloud.api.get(&format!("{run}/payloads/1000")).await;
    assert_eq!(one["result"], json!({ "appender": 0, "page": 2, "n": 8 }));
}

#[tokio::test]
async fn twenty_pages_of_five_thousand_payloads_come_in() {
    let (cloud, _target) = start().await;
    for number in 0..20 {
        let (status, answer) = if number % 2 == 0 {
            cloud.api.send("POST", PAYLOAD, Some(page(0, number, 5000))).await
        } else {
            let page = page(0, number, 5000);
            let lines: String = page.as_array().unwrap().iter().map(|payload| format!("{payload}\n")).collect();
            post(&cloud.api, LINES, lines).await
        };
        assert_eq!((status, answer), (200, json!({ "appended": 5000, "payloadCount": 2 + (number + 1) * 5000 })));
    }
    // Over HTTP these would be two hundred pages.
    let (store, parts) = (&cloud.dev.clients().store, stored(&cloud).await.parts);
    let items = store.payloads_within(&parts, 0, 200_000, usize::MAX).await.unwrap();
    assert_eq!(items.len(), 100_002);
    for (place, item) in items[2..].iter().enumerate() {
        let expected = json!({ "appender": 0, "page": place / 5000, "n": place % 5000 });
        assert_eq!((item.index as usize, &item.payload.parameters.as_ref().unwrap().0), (place + 2, &expected));
    }
    let job = cloud.api.get(JOB).await;
    let shown = job["payload"].as_array().unwrap().len();
    assert_eq!((&job["payloadCount"], &job["payloadTruncated"]), (&json!(100_002), &json!(true)));
    assert!((10_000..100_002).contains(&shown), "{shown}");
    let run = cloud.api.trigger("job").await;
    assert_eq!(cloud.api.get(&run).await["summary"]["total"], 100_002);
}
