//! Jobs and projects: create, list, get, update, delete.

use serde_json::{Value, json};
use sundial_engine::overlap::Admission;
use sundial_engine::schedule::Occurrence;
use sundial_model::secret::SecretValues;
use sundial_model::{JobId, ProjectId};
use sundial_store::{NewJobRun, NewRecords, StoreError};

use crate::harness::{Cloud, Target, payloads};

/// Every field that a job can have.
fn whole_job() -> Value {
    json!({
        "id": "nightly-prices",
        "description": "all prices, every night",
        "tags": { "team": "pricing" },
        "payload": [
            { "apiName": "prices/fetch", "parameters": { "sku": 1 }, "requestTimeout": 30, "retry": { "maximumAttempts": 5 } },
            { "apiName": "prices/fetch", "parameters": [1, 2] },
            { "apiName": "prices/fetch" }
        ],
        "configuration": {
            "runMode": "Order-Irrelevant", "maxConcurrentRequests": 5.0, "requestTimeout": 60,
            "retry": { "maximumAttempts": 3, "initialInterval": "1s", "backoffCoefficient": 2, "maximumInterval": "1m" }
        },
        "schedule": {
            "intervals": [{ "every": "30d" }],
            "calendars": [{ "hour": 9, "dayOfWeek": { "start": "MONDAY", "end": "FRIDAY" } }],
            "timezone": "Europe/Berlin"
        },
        "sink": { "type": "webhook", "url": "https://example.com/hook", "headers": { "X-Key": "hunter2" } },
        "authSession": { "id": "shop-login" }
    })
}

#[tokio::test]
async fn a_job_comes_back_as_it_was_sent_with_its_defaults() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    let project = cloud.api.make_project(&target).await;
    assert!(project["signingSecret"].as_str().unwrap().starts_with("whsec_"));
    let sent = whole_job();
    let created = cloud.api.create_job(sent.clone()).await;
    for unchanged in ["id", "description", "tags", "payload", "schedule", "authSession"] {
        assert_eq!(created[unchanged], sent[unchanged], "{unchanged}");
    }
    assert_eq!(
        created["configuration"],
        json!({
            "runMode": "Order-Irrelevant", "maxConcurrentRequests": 5, "requestTimeout": 60,
            "retry": { "maximumAttempts": 3, "initialInterval": 1000, "backoffCoefficient": 2.0, "maximumInterval": 60000 }
        })
    );
    assert_eq!(created["sink"]["headers"], json!({ "X-Key": "[redacted]" }));
    assert_eq!(created["state"], json!({ "status": "ACTIVE" }));
    assert_eq!(created["projectId"], project["id"]);
    assert_eq!((&created["payloadCount"], &created["lastRunTime"]), (&json!(3), &Value::Null));
    assert!(created["nextRunTime"].is_string() && created["createdAt"].is_string());
    assert_eq!(cloud.api.get("/projects/shop/jobs/nightly-prices").await, created);
    assert_eq!(cloud.api.get("/projects/shop/jobs").await["items"], json!([created]));
    let bare = cloud.api.create_job(json!({ "id": "bare", "payload": payloads("a", 1) })).await;
    assert_eq!((&bare["nextRunTime"], bare.get("schedule"), bare.get("sink")), (&Value::Null, None, None));
    assert_eq!(bare["configuration"]["maxConcurrentRequests"], 10);
}

#[tokio::test]
async fn what_get_answered_can_be_put_back_and_secrets_stay_with_their_destination() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let created = cloud.api.create_job(whole_job()).await;
    let path = "/projects/shop/jobs/nightly-prices";
    assert_eq!(cloud.api.ok("PUT", path, Some(created.clone())).await, created);
    let mut moved = created.clone();
    moved["sink"]["url"] = json!("https://elsewhere.example/hook");
    let (status, problem) = cloud.api.send("PUT", path, Some(moved)).await;
    assert_eq!((status, crate::harness::pointers(&problem)), (400, vec!["/sink/headers/X-Key"]));
    let changed = json!({ "configuration": { "maxConcurrentRequests": 7 } });
    let changed = cloud.api.ok("PUT", path, Some(changed)).await;
    assert_eq!(changed["configuration"]["maxConcurrentRequests"], 7);
    assert_eq!((changed.get("sink"), &changed["nextRunTime"]), (None, &Value::Null), "a PUT replaces the whole job");
    assert_eq!(changed["payload"], created["payload"], "but for the payloads, when they are left out");
    let fewer = cloud.api.ok("PUT", path, Some(json!({ "payload": payloads("b", 1) }))).await;
    assert_eq!((&fewer["payloadCount"], &fewer["payload"]), (&json!(1), &payloads("b", 1)));
}

#[tokio::test]
async fn an_id_is_taken_once_and_free_again_after_deletion() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let job = json!({ "id": "twice", "payload": payloads("a", 1) });
    cloud.api.create_job(job.clone()).await;
    let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs", Some(job.clone())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let (status, problem) = cloud.api.send("DELETE", "/projects/shop", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("project-not-empty")));
    let run = cloud.api.trigger("twice").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    assert_eq!(cloud.api.send("DELETE", "/projects/shop/jobs/twice", None).await.0, 204);
    for path in ["/projects/shop/jobs/twice", &run] {
        assert_eq!(cloud.api.send("GET", path, None).await.0, 404, "{path}");
    }
    assert_eq!(cloud.api.send("DELETE", "/projects/shop/jobs/twice", None).await.0, 404);
    cloud.api.create_job(job).await;
    let runs = cloud.api.get("/projects/shop/jobs/twice/runs").await;
    assert_eq!(runs["items"], json!([]), "a recreated job shares nothing with its namesake");
    assert_eq!(cloud.api.send("DELETE", "/projects/shop/jobs/twice", None).await.0, 204);
    assert_eq!(cloud.api.send("DELETE", "/projects/shop", None).await.0, 204);
    assert_eq!(cloud.api.send("GET", "/projects/shop", None).await.0, 404);
}

#[tokio::test]
async fn lists_go_page_by_page_by_id() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    for n in 0..7 {
        let tags = json!({ "parity": if n % 2 == 0 { "even" } else { "odd" } });
        cloud.api.create_job(json!({ "id": format!("job-{n}"), "tags": tags, "payload": payloads("a", 15) })).await;
    }
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = cloud.api.get(&format!("/projects/shop/jobs?limit=3{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(
            items.iter().all(|job| job["payload"].as_array().unwrap().len() == 10 && job["payloadTruncated"] == true)
        );
        ids.extend(items.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        cursor = page["nextCursor"].as_str().map_or(String::new(), |next| format!("&cursor={next}"));
    }
    assert_eq!(ids, (0..7).map(|n| format!("job-{n}")).collect::<Vec<_>>());
    assert_eq!(cursor, "");
    let odd = cloud.api.all("/projects/shop/jobs?tag=parity:odd").await;
    assert_eq!(odd.len(), 3);
    let page = cloud.api.get("/projects/shop/jobs?limit=3").await;
    let elsewhere = format!("/projects/shop/runs?cursor={}", page["nextCursor"].as_str().unwrap());
    assert_eq!(cloud.api.send("GET", &elsewhere, None).await.0, 400, "a cursor goes with its list");
}

#[tokio::test]
async fn a_job_that_was_created_again_shares_nothing_with_its_namesake() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1d" }] });
    let definition = json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule });
    let created = cloud.api.create_job(definition.clone()).await;
    let (store, id): (_, JobId) = (&cloud.dev.clients().store, "job".parse().unwrap());
    let key = (created["projectId"].as_str().unwrap().parse::<ProjectId>().unwrap(), id);
    // Somebody reads the job, and is slow.
    let before = store.due_jobs(vec![key.clone()]).await.unwrap().remove(&key).unwrap();
    cloud.api.ok("DELETE", "/projects/shop/jobs/job", None).await;
    cloud.api.create_job(definition).await;
    let time = before.job.next.unwrap().nominal;
    let occurrence = Occurrence { nominal: time, effective: time };
    let run = NewJobRun::of_occurrence(&before.job, occurrence, Admission::Start);
    let records = NewRecords { runs: vec![run], missed: None };
    let recorded = store.record_job_runs(&before.project, before.job, records, time).await;
    assert!(matches!(recorded, Err(StoreError::Conflict)), "{recorded:?}");
    assert_eq!(cloud.api.all("/projects/shop/runs").await, [Value::Null; 0]);
    // And the same of a project.
    cloud.api.ok("DELETE", "/projects/shop/jobs/job", None).await;
    cloud.api.ok("DELETE", "/projects/shop", None).await;
    cloud.api.make_project(&target).await;
    let target = before.project.target.clone();
    let updated = store.update_project(&before.project, target, &SecretValues::default(), time).await;
    assert!(matches!(updated, Err(StoreError::Conflict)), "{updated:?}");
}
