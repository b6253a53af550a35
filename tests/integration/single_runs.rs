//! Single runs: one payload without a job, carried out, retried and delivered as any other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundial_devstack::{FunctionUsage, USAGE_PATH, Usage};
use sundial_model::JobRunId;
use sundial_model::job_run::JobRunStatus;
use sundial_model::secret::SecretValues;
use sundial_runtime::clock;
use sundial_store::NewSingleRun;

use crate::harness::login::{Login, PASSWORD};
use crate::harness::{Answer, Api, Cloud, Target, pointers};

const RUNS: &str = "/projects/shop/single-runs";

async fn start_run(api: &Api, document: Value) -> Value {
    let (status, run) = api.send("POST", RUNS, Some(document)).await;
    assert_eq!(status, 201, "{run}");
    run
}

fn path(run: &Value) -> String {
    format!("{RUNS}/{}", run["id"].as_str().unwrap())
}

async fn start() -> (Cloud, Target) {
    let (cloud, target) = (Cloud::start().await, Target::by_parameters().await);
    cloud.api.make_project(&target).await;
    (cloud, target)
}

#[tokio::test]
async fn a_single_run_is_carried_out_and_delivered_and_names_no_job() {
    let (cloud, target) = start().await;
    let receiver = Target::echo().await;
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url), "headers": { "x-key": "hidden" } });
    let document = json!({ "apiName": "prices/fetch", "parameters": { "sku": 1 }, "sink": sink });
    let run = start_run(&cloud.api, document).await;
    assert_eq!((&run["status"], &run["payloadIndex"], &run["attempts"]), (&json!("PENDING"), &json!(0), &json!(0)));
    let ended =
        cloud.api.wait_for(&path(&run), |run| run["deliveries"].as_array().is_some_and(|it| !it.is_empty())).await;
    assert_eq!((&ended["status"], &ended["result"]), (&json!("SUCCEEDED"), &json!({ "sku": 1 })));
    assert_eq!((&ended["attempts"], &ended["deliveries"][0]["status"]), (&json!(1), &json!("delivered")));
    assert_eq!(ended["sink"]["headers"], json!({ "x-key": "[redacted]" }));
    let call = &target.calls()[0];
    let context = &call.body["context"];
    assert_eq!((&context["runId"], &context["payloadIndex"], &context["attempt"]), (&run["id"], &json!(0), &json!(1)));
    assert_eq!((context.get("jobId"), context.get("jobRunId")), (None, None));
    assert_eq!(call.headers["idempotency-key"], run["id"].as_str().unwrap());
    let delivery = &receiver.calls()[0];
    assert_eq!(delivery.body["apiInfo"]["runId"], run["id"]);
    assert_eq!((delivery.body.get("projectJob"), delivery.body.get("projectJobRun")), (None, None));
    assert_eq!(
        (&delivery.headers["x-key"], &delivery.body["project"]["name"]),
        (&"hidden".parse().unwrap(), &json!("shop"))
    );
    assert_eq!(cloud.api.get("/projects/shop/runs").await["items"], json!([]), "it is no job run");
    assert!(cloud.events().is_empty(), "nothing is told on the bus");
}

#[tokio::test]
async fn it_is_retried_as_its_own_policy_says_and_shows_its_failures() {
    let (cloud, target) = start().await;
    let retry = json!({ "maximumAttempts": 2, "initialInterval": "50ms" });
    let run = json!({ "apiName": "work", "parameters": { "fail": [500, 503] }, "retry": retry });
    let run = start_run(&cloud.api, run).await;
    let ended = cloud.api.wait_for(&path(&run), |run| run["status"] == "FAILED").await;
    assert_eq!((&ended["attempts"], &ended["error"]["code"]), (&json!(2), &json!("http-503")));
    let codes: Vec<_> = ended["failedAttempts"].as_array().unwrap().iter().map(|it| &it["error"]["code"]).collect();
    assert_eq!(codes, ["http-500", "http-503"]);
    let default = start_run(&cloud.api, json!({ "apiName": "work", "parameters": { "fail": [500, 500] } })).await;
    let ended = cloud.api.wait_for(&path(&default), |run| run["status"] == "SUCCEEDED").await;
    assert_eq!(ended["attempts"], 3, "three attempts are the default");
    assert_eq!(target.calls().len(), 5);
}

#[tokio::test]
async fn they_are_listed_newest_first_page_by_page_and_are_their_projects_own() {
    let (cloud, target) = start().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let run = start_run(&cloud.api, json!({ "apiName": "work", "parameters": { "n": n } })).await;
        cloud.api.wait_for(&path(&run), |run| run["status"] == "SUCCEEDED").await;
        ids.push(run["id"].as_str().unwrap().to_owned());
    }
    ids.reverse();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = cloud.api.get(&format!("{RUNS}?limit=2{cursor}")).await;
        listed.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let listed_ids: Vec<_> = listed.iter().map(|run| run["id"].as_str().unwrap()).collect();
    assert_eq!(listed_ids, ids);
    assert!(listed.iter().all(|run| run["status"] == "SUCCEEDED" && run.get("deliveries").is_none()));
    let other = json!({ "target": { "type": "http", "baseUrl": target.url } });
    cloud.api.ok("PUT", "/projects/other", Some(other)).await;
    assert_eq!(cloud.api.get("/projects/other/single-runs").await["items"], json!([]));
    for id in [ids[0].clone(), format!("{}-1", &ids[0][..36]), "nobody".to_owned()] {
        let project = if id == ids[0] { "other" } else { "shop" };
        let (status, problem) = cloud.api.send("GET", &format!("/projects/{project}/single-runs/{id}"), None).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not-found")), "{id}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_is_said_at_once_and_nothing_is_written() {
    let (cloud, _target) = start().await;
    let before = cloud.items_at_rest().await;
    for (document, wrong) in [
        (json!({}), vec!["/apiName"]),
        (json!({ "apiName": "a/../b", "parameters": 7, "colour": 1 }), vec!["/apiName", "/colour", "/parameters"]),
        (
            json!({ "apiName": "a", "requestTimeout": 0, "retry": { "maximumAttempts": 0 } }),
            vec!["/requestTimeout", "/retry/maximumAttempts"],
        ),
        (json!({ "apiName": "a", "sink": { "type": "webhook", "url": "ftp://x" } }), vec!["/sink/url"]),
        (json!({ "apiName": "a", "sink": { "type": "webhook", "url": "http://10.0.0.1/" } }), vec!["/sink/url"]),
        (
            json!({ "apiName": "a", "sink": { "type": "s3", "bucket": "someone-elses", "region": "us-east-1" } }),
            vec!["/sink/bucket"],
        ),
        (json!({ "apiName": "a", "authSession": { "id": "nobody" } }), vec!["/authSession/id"]),
        (json!({ "apiName": "a", "parameters": ["x".repeat(300_000)] }), vec!["/parameters"]),
        (
            json!({ "apiName": "a", "sink": { "type": "webhook", "url": "http://127.0.0.1/", "headers": { "k": "[redacted]" } } }),
            vec!["/sink/headers/k"],
        ),
    ] {
        let (status, problem) = cloud.api.send("POST", RUNS, Some(document.clone())).await;
        assert_eq!((status, pointers(&problem)), (400, wrong), "{document}: {problem}");
    }
    assert_eq!(cloud.items_at_rest().await, before);
    let plain = json!({ "target": { "type": "http", "baseUrl": "http://127.0.0.1:1", "format": "plain" } });
    cloud.api.ok("PUT", "/projects/plain", Some(plain)).await;
    let document = json!({ "apiName": "a", "authSession": { "id": "login" } });
    let (status, problem) = cloud.api.send("POST", "/projects/plain/single-runs", Some(document)).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/authSession"]));
}

#[tokio::test]
async fn its_sink_may_be_a_bucket_and_its_result_large() {
    let (cloud, target) = start().await;
    cloud.dev.make_bucket("results-of-mine").await.unwrap();
    let description = cloud.dev.description();
    let sink = json!({
        "type": "s3", "bucket": "results-of-mine", "prefix": "a/", "region": description.region, "endpoint": description.s3_url,
        "forcePathStyle": true, "accessKeyId": description.access_key_id, "secretAccessKey": description.secret_access_key
    });
    let large = "x".repeat(150_000);
    let run = start_run(&cloud.api, json!({ "apiName": "work", "parameters": [large], "sink": sink })).await;
    let delivered = |run: &Value| run["deliveries"][0]["status"] == "delivered";
    let ended = cloud.api.wait_for(&path(&run), delivered).await;
    assert_eq!(ended.get("result"), None);
    let link = ended["resultLocation"]["signedUrl"].as_str().unwrap();
    let result: Value = cloud.api.client.get(link).send().await.unwrap().json().await.unwrap();
    assert_eq!(result, json!([large]));
    let key = format!("a/single-runs/{}.json", run["id"].as_str().unwrap());
    assert_eq!(cloud.dev.objects("results-of-mine", "").await.unwrap(), [key]);
    assert_eq!(target.calls().len(), 1);
}

#[tokio::test]
async fn what_its_result_would_extend_a_job_run_by_is_never_carried_out() {
    let (cloud, target) = start().await;
    let parameters = json!({ "extend": [{ "api": "more" }, { "api": "more", "parameters": { "n": 1 } }] });
    let run = start_run(&cloud.api, json!({ "apiName": "work", "parameters": parameters })).await;
    cloud.api.wait_for(&path(&run), |run| run["status"] == "SUCCEEDED").await;
    cloud.items_at_rest().await;
    assert_eq!(target.calls().len(), 1);
    let (status, _) = cloud.api.send("GET", &path(&run).replace("-0", "-1"), None).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn one_can_be_ended_and_delivered_once_more_and_started_once_by_a_key() {
    let (cloud, target) = start().await;
    let receiver = Target::start(|call| match call.body["apiInfo"]["name"].as_str() {
        Some("gone") => Answer::Status(410, json!({})),
        _ => Answer::Result(json!(null)),
    })
    .await;
    let sink = json!({ "type": "webhook", "url": format!("{}/hook", receiver.url) });
    let waits = json!({ "apiName": "work", "parameters": { "fail": [500] }, "retry": { "initialInterval": "1h" } });
    let run = start_run(&cloud.api, waits).await;
    cloud.api.wait_for(&path(&run), |run| run["failedAttempts"].as_array().is_some_and(|it| it.len() == 1)).await;
    let (status, problem) = cloud.api.send("DELETE", "/projects/shop", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("project-not-empty")), "it has not ended");
    for _ in 0..2 {
        let ended = cloud.api.ok("POST", &format!("{}/terminate", path(&run)), None).await;
        assert_eq!((&ended["status"], &ended["reason"]["type"]), (&json!("CANCELED"), &json!("terminated")));
    }
    let key = [("idempotency-key", "once")];
    let document = || Some(json!({ "apiName": "gone", "sink": sink }));
    let (status, _, first) = cloud.api.send_with("POST", RUNS, &key, document()).await;
    let (again, headers, second) = cloud.api.send_with("POST", RUNS, &key, document()).await;
    assert_eq!((status, again, &first["id"]), (201, 201, &second["id"]));
    assert_eq!(headers["idempotent-replayed"], "true");
    let given_up = |run: &Value| run["deliveries"][0]["status"] == "failed";
    cloud.api.wait_for(&path(&first), given_up).await;
    let redeliver = format!("{}/redeliver", path(&first));
    assert_eq!(cloud.api.ok("POST", &redeliver, None).await, json!({ "requested": 1 }));
    cloud.api.wait_for(&path(&first), |run| run["deliveries"].as_array().unwrap().len() == 2).await;
    let (status, _) = cloud.api.send("POST", &format!("{}/redeliver", path(&run)), None).await;
    assert_eq!(status, 409, "it has no sink");
    let exhausted: Vec<Value> = cloud.events();
    assert!(
        !exhausted.is_empty() && exhausted.iter().all(|event| event["detail-type"] == "Delivery Exhausted"),
        "{exhausted:?}"
    );
    assert_eq!(exhausted[0]["detail"]["runId"], first["id"]);
    assert_eq!(target.calls().len(), 2);
    cloud.items_at_rest().await;
    cloud.api.ok("DELETE", "/projects/shop", None).await;
}

async fn start_signed_in() -> (Cloud, Login) {
    let (cloud, login) = (Cloud::start().await, Login::start().await);
    cloud.api.make_project(&login.target).await;
    let document = json!({ "id": "login", "parameters": { "password": PASSWORD } });
    cloud.api.ok("POST", "/projects/shop/auth-sessions", Some(document)).await;
    cloud.api.wait_for("/projects/shop/auth-sessions/login", |session| session["status"] == "READY").await;
    (cloud, login)
}

#[tokio::test]
async fn one_that_slips_past_the_deletion_of_its_project_never_starts() {
    let (cloud, target) = start().await;
    let (store, workspace) = (&cloud.dev.clients().store, cloud.dev.description().workspace_id);
    let project = store.project(workspace, &"shop".parse().unwrap()).await.unwrap().unwrap();
    cloud.api.ok("DELETE", "/projects/shop", None).await;
    let new = NewSingleRun {
        id: JobRunId::new(),
        payload: serde_json::from_value(json!({ "apiName": "work" })).unwrap(),
        sink: None,
        auth_session: None,
        caller: None,
    };
    let (view, work) = store.record_single_run(&project, new, &SecretValues::default(), clock::now()).await.unwrap();
    cloud.dev.clients().bus.hand_over(vec![work]).await;
    let begun = Instant::now();
    loop {
        let run = store.run_partition(view.partition.run.id).await.unwrap().unwrap().run;
        if run.status.is_terminal() {
            assert_eq!((run.status, run.start_time), (JobRunStatus::Canceled, None));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(target.calls().len(), 0);
}

#[tokio::test]
async fn its_auth_session_is_checked_before_and_renewed_when_it_is_stale() {
    let (cloud, login) = start_signed_in().await;
    login.expire();
    let document = json!({ "apiName": "work", "authSession": { "id": "login" } });
    let run = start_run(&cloud.api, document).await;
    let ended = cloud.api.wait_for(&path(&run), |run| run["status"] == "SUCCEEDED").await;
    assert_eq!((&ended["attempts"], &ended["authSession"]), (&json!(1), &json!({ "id": "login" })));
    assert_eq!(login.count("auth-sessions/create"), 2, "one of the creation, one of the renewal");
    cloud.items_at_rest().await;
    let (status, _) = cloud.api.send("DELETE", "/projects/shop/auth-sessions/login", None).await;
    assert_eq!(status, 204, "no active run uses it");
}

#[tokio::test]
async fn one_whose_session_cannot_be_renewed_never_starts_and_says_why() {
    let (cloud, login) = start_signed_in().await;
    login.expire();
    let document = json!({ "apiName": "work", "authSession": { "id": "login", "autoRecreate": false } });
    let run = start_run(&cloud.api, document).await;
    let ended = cloud.api.wait_for(&path(&run), |run| run["status"] == "CANCELED").await;
    assert_eq!(ended["reason"]["type"], "auth-session-validate-dependency-failed");
    assert_eq!(login.count("work"), 0);
}

#[tokio::test]
async fn one_whose_session_is_lost_in_its_midst_ends_and_says_why_and_a_session_in_use_stays() {
    let (cloud, login) = start_signed_in().await;
    // The first attempt fails for another reason, so that the second one meets a stale state.
    let retry = json!({ "initialInterval": "1500ms" });
    let document = json!({
        "apiName": "work", "parameters": { "failsFirst": true }, "retry": retry,
        "authSession": { "id": "login", "autoRecreate": false }
    });
    let run = start_run(&cloud.api, document).await;
    cloud.api.wait_for(&path(&run), |run| run["failedAttempts"].as_array().is_some_and(|it| it.len() == 1)).await;
    let (status, problem) = cloud.api.send("DELETE", "/projects/shop/auth-sessions/login", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    login.expire();
    let ended = cloud.api.wait_for(&path(&run), |run| run["status"] == "CANCELED").await;
    assert_eq!(ended["reason"]["type"], "auth-session-invalid-mid-job");
    assert_eq!(ended["attempts"], 1, "what was refused does not count");
    tokio::time::sleep(Duration::from_millis(100)).await;
    cloud.api.ok("DELETE", "/projects/shop/auth-sessions/login", None).await;
}

#[tokio::test]
async fn one_costs_a_handful_of_calls() {
    let (cloud, _target) = start().await;
    let url = format!("{}{USAGE_PATH}", cloud.dev.description().api_url);
    let usage = async |function: &str| {
        let mut usage = cloud.api.client.get(&url).send().await.unwrap().json::<Usage>().await.unwrap();
        usage.remove(function).unwrap_or_default()
    };
    let counts = |usage: FunctionUsage| -> BTreeMap<String, u64> {
        usage.calls.into_iter().map(|(name, of)| (name, of.calls)).filter(|(_, calls)| *calls > 0).collect()
    };
    // The first call of a key notes its use.
    cloud.api.get(RUNS).await;
    let (api, executor) = (usage("job-api").await, usage("payload-executor").await);
    let run = start_run(&cloud.api, json!({ "apiName": "work" })).await;
    let started = counts(usage("job-api").await.since(&api));
    let wanted = [("DynamoDB.GetItem", 2), ("DynamoDB.TransactWriteItems", 1), ("EventBridge.PutEvents", 1)];
    assert_eq!(started, wanted.map(|(name, count)| (name.to_owned(), count)).into(), "the key, the project, the run");
    cloud.api.wait_for(&path(&run), |run| run["status"] == "SUCCEEDED").await;
    cloud.items_at_rest().await;
    let carried_out = counts(usage("payload-executor").await.since(&executor));
    let writes = carried_out["DynamoDB.TransactWriteItems"];
    assert!(writes <= 4, "taken up, recorded, settled, given back: {carried_out:?}");
    assert!(carried_out.values().sum::<u64>() <= 16, "{carried_out:?}");
}
