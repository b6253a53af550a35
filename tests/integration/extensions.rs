//! Payloads that extend their run: they join it once, and are like any other from then on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Answer, Cloud, Target, summary};

/// A payload that is carried out as its parameters say.
fn leaf(name: &str, more: Value) -> Value {
    let mut parameters = json!({ "name": name });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "api": format!("leaves/{name}"), "parameters": parameters })
}

/// The names of payloads, however their list came about, in order.
fn names<'a>(parameters: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut names: Vec<_> = parameters.map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn extensions_nest_and_are_carried_out_listed_delivered_and_exported_like_any_other() {
    let (cloud, target, receiver) = (Cloud::start().await, Target::by_parameters().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    // Two levels below the first one, and one that is tried twice before it extends the run.
    let third = [leaf("a-1-1", json!({})), leaf("a-1-2", json!({ "fail": [400] }))];
    let second = [leaf("a-1", json!({ "extend": third })), leaf("a-2", json!({}))];
    let payload = json!([
        { "apiName": "roots", "parameters": { "name": "a", "extend": second } },
        { "apiName": "roots", "parameters": { "name": "b", "fail": [503], "extend": [leaf("b-1", json!({}))] } },
        { "apiName": "roots", "parameters": { "name": "c", "fail": [400], "extend": [leaf("never", json!({}))] } },
        { "apiName": "roots", "parameters": { "name": "d", "extend": [] } }
    ]);
    let configuration = json!({ "retry": { "initialInterval": "20ms" } });
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    let job = json!({ "id": "job", "payload": payload, "configuration": configuration, "sink": sink });
    cloud.api.create_job(job).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let is_closed = |run: &Value| run["deliveries"]["delivered"] == 9 && run["results"].is_object();
    let ended = cloud.api.wait_for(&run, is_closed).await;
    assert_eq!(summary(&ended), [9, 0, 0, 7, 2, 0]);
    let expected = ["a", "a-1", "a-1-1", "a-1-2", "a-2", "b", "b-1", "c", "d"];
    let listed = cloud.api.all(&format!("{run}/payloads")).await;
    assert_eq!(names(listed.iter().map(|record| &record["parameters"])), expected);
    let calls = target.calls();
    let first: Vec<_> = calls.iter().filter(|call| call.attempt() == 1).map(|call| &call.body["parameters"]).collect();
    assert_eq!(names(first.into_iter()), expected, "each was carried out, and just once");
    for (index, record) in listed.iter().enumerate() {
        assert_eq!(record["payloadIndex"], index);
        let one = cloud.api.get(&format!("{run}/payloads/{index}")).await;
        assert_eq!((&one["id"], &one["parameters"]), (&record["id"], &record["parameters"]));
        let name = record["parameters"]["name"].as_str().unwrap();
        let api = if index < 4 { "roots".to_owned() } else { format!("leaves/{name}") };
        assert_eq!((&one["apiName"], &one["deliveries"][0]["status"]), (&json!(api), &json!("delivered")));
        let expected = if ["c", "a-1-2"].contains(&name) { "FAILED" } else { "SUCCEEDED" };
        assert_eq!(one["status"], expected, "{name}");
    }
    let told: BTreeMap<_, _> =
        receiver.calls().iter().map(|call| (call.body["apiInfo"]["runId"].to_string(), ())).collect();
    assert_eq!((told.len(), receiver.count()), (9, 9));
    let link = ended["results"]["signedUrl"].as_str().unwrap();
    let text = reqwest::get(link).await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(names(lines.iter().map(|line| &line["apiInfo"]["parameters"])), expected);
    // They belong to this run: neither the job nor its next run has them.
    assert_eq!(cloud.api.get("/projects/shop/jobs/job").await["payloadCount"], 4);
    let other = cloud.api.trigger("job").await;
    assert_eq!(summary(&cloud.api.wait_for_status(&other, "COMPLETED").await), [9, 0, 0, 7, 2, 0]);
}

#[tokio::test]
async fn an_extension_as_large_as_it_may_be_joins_the_run() {
    let target = Target::start(|call| match call.index() {
        0 => {
            let small: Vec<_> = (0..3_000).map(|n| json!({ "api": "small", "parameters": { "n": n } })).collect();
            Answer::Status(200, json!({ "result": null, "extendedPayloads": small }))
        }
        1 => {
            let text = "x".repeat(200_000);
            let large = json!({ "api": "large", "parameters": { "text": text } });
            Answer::Status(200, json!({ "result": null, "extendedPayloads": vec![large; 5] }))
        }
        _ => Answer::Result(call.body["parameters"]["n"].clone()),
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let configuration = json!({ "maxConcurrentRequests": 50 });
    let payload = json!([{ "apiName": "root" }, { "apiName": "root" }]);
    cloud.api.create_job(json!({ "id": "job", "payload": payload, "configuration": configuration })).await;
    let run = cloud.api.trigger("job").await;
    assert_eq!(summary(&cloud.api.wait_for_status(&run, "COMPLETED").await), [3_007, 0, 0, 3_007, 0, 0]);
    let calls = target.calls();
    let mut small: Vec<_> = calls.iter().filter_map(|call| call.body["parameters"]["n"].as_u64()).collect();
    small.sort_unstable();
    assert_eq!(small, (0..3_000).collect::<Vec<_>>());
    assert_eq!(calls.iter().filter(|call| call.api == "large" && call.text.len() > 200_000).count(), 5);
}

#[tokio::test]
async fn an_extension_that_cannot_join_is_a_final_error_and_nothing_of_it_joins() {
    let good = json!({ "api": "good" });
    let large = |size: usize| json!({ "api": "a", "parameters": ["x".repeat(size)] });
    let cases = [
        (vec![large(210_000); 5], "extended-payloads-too-big"),
        (vec![good.clone(), json!({ "apiName": "a" })], "invalid-extended-payload"),
        (vec![good.clone(), json!({ "api": "a", "retry": {} })], "invalid-extended-payload"),
        (vec![good.clone(), json!({ "api": "../a" })], "invalid-extended-payload"),
        (vec![good.clone(), json!({ "api": "a", "parameters": 1 })], "invalid-extended-payload"),
        (vec![good, large(300_000)], "invalid-extended-payload"),
    ];
    let codes: Vec<_> = cases.iter().map(|(_, code)| *code).collect();
    let target = Target::start(move |call| {
        let extension = &cases[usize::try_from(call.index()).unwrap()].0;
        Answer::Status(200, json!({ "result": 1, "extendedPayloads": extension }))
    })
    .await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let payload: Vec<_> = codes.iter().map(|_| json!({ "apiName": "root" })).collect();
    cloud.api.create_job(json!({ "id": "job", "payload": payload })).await;
    let run = cloud.api.trigger("job").await;
    let ended = cloud.api.wait_for_status(&run, "FAILED").await;
    let listed = cloud.api.all(&format!("{run}/payloads")).await;
    let found: Vec<_> = listed.iter().map(|record| record["error"]["code"].as_str().unwrap()).collect();
    assert_eq!((found, target.count()), (codes, listed.len()), "none is tried again");
    assert_eq!(summary(&ended), [6, 0, 0, 0, 6, 0]);
}
