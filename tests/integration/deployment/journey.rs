//! A journey through everything that the functions ask AWS for, after which each has made use of all that its role
//! allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use sundial_devstack::usage_roles::Resource;
use sundial_devstack::{HOSTED_FUNCTIONS, PERMISSIONS_PATH};
use sundial_model::event::{Event, WorkReady};
use sundial_runtime::clock;
use sundial_store::{Export, ExportProgress, Write};

use crate::harness::faulty_table::Fault;
use crate::harness::lambda::{Lambda, Outcome};
use crate::harness::login::{Login, PASSWORD};
use crate::harness::{Answer, Cloud, Target, payloads};

const JOBS: &str = "/projects/shop/jobs";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:prices";
/// An upload that the bucket does not know, or not any more.
const LOST: &str = "00000000-0000-4000-8000-000000000000";

/// As [`PERMISSIONS_PATH`] answers: by function, actions and what they were done to.
type Used = BTreeMap<String, BTreeSet<(String, String)>>;

async fn used(cloud: &Cloud) -> Used {
    let url = format!("{}{PERMISSIONS_PATH}", cloud.dev.description().api_url);
    cloud.api.client.get(url).send().await.unwrap().json().await.unwrap()
}

/// What the roles allow.
fn allowed() -> Used {
    let of_role = |role: &[(&'static str, Resource)]| {
        role.iter().map(|(action, resource)| ((*action).to_owned(), format!("{resource:?}"))).collect()
    };
    HOSTED_FUNCTIONS.iter().map(|function| (function.name.to_owned(), of_role(function.role))).collect()
}

#[tokio::test]
async fn every_function_makes_use_of_all_that_its_role_allows() {
    let lambda = Lambda::start(|_| Outcome::Returns(json!({ "result": 1 }))).await;
    let cloud = Cloud::start_invoking(&lambda.url, &[FUNCTION]).await;
    let target = Target::start(|call| match call.api.as_str() {
        "large" => Answer::Result(json!("x".repeat(150_000))),
        "slow" => Answer::Slow(Duration::from_secs(60), json!(1)),
        _ => Answer::Result(json!(1)),
    })
    .await;
    cloud.api.make_project(&target).await;
    let run = large_results(&cloud).await;
    large_export(&cloud).await;
    lost_upload(&cloud, &run).await;
    schedules(&cloud).await;
    garbage(&cloud).await;
    stale_session(&cloud).await;
    functions(&cloud).await;
    assert_eq!(used(&cloud).await, allowed());
}

/// A single run whose target is a function.
async fn functions(cloud: &Cloud) {
    let target = json!({ "target": { "type": "lambda", "functionArn": FUNCTION } });
    cloud.api.ok("PUT", "/projects/functions", Some(target)).await;
    let runs = "/projects/functions/single-runs";
    let run = cloud.api.ok("POST", runs, Some(json!({ "apiName": "a" }))).await;
    cloud.api.wait_for_status(&format!("{runs}/{}", run["id"].as_str().unwrap()), "SUCCEEDED").await;
}

/// A run whose results are objects, which the API links to.
async fn large_results(cloud: &Cloud) -> String {
    cloud.api.create_job(json!({ "id": "large", "payload": payloads("large", 2) })).await;
    cloud.api.all(JOBS).await;
    let run = cloud.api.trigger("large").await;
    cloud.api.wait_for(&run, |run| run["results"].is_object()).await;
    run
}

/// A run whose export is too large for one part.
async fn large_export(cloud: &Cloud) {
    let large = payloads("large", 70);
    cloud
        .api
        .create_job(json!({ "id": "export", "payload": large, "configuration": { "maxConcurrentRequests": 20 } }))
        .await;
    let run = cloud.api.trigger("export").await;
    cloud.api.wait_for(&run, |run| run["results"]["size"].as_u64().is_some_and(|size| size > 9_000_000)).await;
}

/// An export whose upload the bucket does not know any more: it is looked for, given up, and made again.
async fn lost_upload(cloud: &Cloud, run: &str) {
    let clients = cloud.dev.clients();
    let id = run.rsplit_once('/').unwrap().1.parse().unwrap();
    let mut closing = clients.store.closing(id, 1).await.unwrap().unwrap();
    let progress = ExportProgress { upload: Some(LOST.to_owned()), parts: vec!["lost".to_owned()], next: 2, size: 1 };
    closing.export = Export::Pending(progress);
    closing.next_at = Some(clock::now());
    clients.store.put_closing(&mut closing).await.unwrap();
    clients.bus.hand_over(vec![WorkReady::closing(id, 1)]).await;
    let given_up = ("s3:AbortMultipartUpload".to_owned(), "Results".to_owned());
    wait_until(cloud, "payload-executor", &given_up).await;
}

/// Occurrences while another run is active. One waits until its time is over, and there is a change that no run could
/// follow when it was made.
async fn schedules(cloud: &Cloud) {
    let schedule = json!({ "intervals": [{ "every": "1s" }], "overlap": "bufferOne" });
    cloud.api.create_job(json!({ "id": "scheduled", "payload": payloads("slow", 1), "schedule": schedule })).await;
    let runs = format!("{JOBS}/scheduled/runs");
    let waits = |run: &Value| run["status"] == "PENDING" && run["startTime"].is_null();
    let waiting = |page: &Value| {
        // The first one is about to start.
        let has_started = page["items"].as_array().unwrap().iter().any(|run| run["status"] == "RUNNING");
        page["items"].as_array().unwrap().iter().find(|run| has_started && waits(run)).cloned()
    };
    let page = cloud.api.wait_for(&runs, |page| waiting(page).is_some()).await;
    let id = waiting(&page).unwrap()["id"].as_str().unwrap().to_owned();
    date_back(cloud, "generationBeganAt", |pk, sk| pk == format!("RUN#{id}") && sk == "RUN").await;
    wait_until(cloud, "schedule-evaluator", &on_table("dynamodb:DeleteItem")).await;
    let writes_run = |writes: &[Write]| writes.iter().any(|write| write.key().pk.starts_with("RUN#"));
    let clients = cloud.faulty_clients(Box::new(move |writes| writes_run(writes).then_some(Fault::Refused)));
    let pause = format!("{JOBS}/scheduled/pause");
    assert_eq!(cloud.api.send_to(clients, "POST", &pause, &[], None).await.0, 503);
    wait_until(cloud, "schedule-evaluator", &on_table("dynamodb:ConditionCheckItem")).await;
    cloud.api.ok("DELETE", &format!("{JOBS}/scheduled"), None).await;
}

/// What a job had that was deleted is swept.
async fn garbage(cloud: &Cloud) {
    date_back(cloud, "sweepAt", |pk, _| pk.starts_with("SWEEP#")).await;
    wait_until(cloud, "schedule-evaluator", &on_table("dynamodb:BatchWriteItem")).await;
}

/// A session that turns stale while a run carries it, and cannot be made anew: the job is paused.
async fn stale_session(cloud: &Cloud) {
    let login = Login::start().await;
    cloud.api.make_project(&login.target).await;
    let session = json!({ "id": "login", "parameters": { "password": PASSWORD } });
    cloud.api.ok("POST", "/projects/shop/auth-sessions", Some(session)).await;
    cloud.api.wait_for("/projects/shop/auth-sessions/login", |session| session["status"] == "READY").await;
    let session = json!({ "id": "login" });
    cloud.api.create_job(json!({ "id": "signed-in", "payload": payloads("work", 20), "authSession": session })).await;
    login.change_password("another");
    login.expire_in(6);
    let run = cloud.api.trigger("signed-in").await;
    cloud.api.wait_for_status(&run, "PAUSED").await;
}

/// Lets what would come in a month or more be due: writes another time into an item, and into the index.
async fn date_back(cloud: &Cloud, attribute: &str, is_it: impl Fn(&str, &str) -> bool) {
    let items = cloud.items().await;
    let found: Vec<_> = items.keys().filter(|(pk, sk)| is_it(pk, sk)).collect();
    assert!(!found.is_empty());
    let long_ago = AttributeValue::S("2020-01-01T00:00:00Z".to_owned());
    for (pk, sk) in found {
        let update = cloud.dev.dynamodb().update_item().table_name(&cloud.dev.description().table_name);
        let update = update.key("pk", AttributeValue::S(pk.clone())).key("sk", AttributeValue::S(sk.clone()));
        let update = update.update_expression(format!("SET {attribute} = :then, wakeAt = :then"));
        update.expression_attribute_values(":then", long_ago.clone()).send().await.unwrap();
    }
    cloud.dev.clients().bus.put(&[Event::ScheduleChanged]).await;
}

fn on_table(action: &str) -> (String, String) {
    (action.to_owned(), "Table".to_owned())
}

/// Waits until a function has made use of a permission.
async fn wait_until(cloud: &Cloud, function: &str, permission: &(String, String)) {
    for _ in 0..600 {
        if used(cloud).await.get(function).is_some_and(|permissions| permissions.contains(permission)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{function} never asked for {permission:?}");
}
