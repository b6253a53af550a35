//! What becomes of an occurrence, or a trigger, while another run of the job is active.

use std::time::Duration;

use serde_json::{Value, json};
use sundial_model::Timestamp;

use crate::harness::{Answer, Cloud, Target, payloads};

const RUNS: &str = "/projects/shop/jobs/job/runs";

/// A cloud with a job that is due every second and takes this long.
async fn every_second(overlap: &str, takes: Duration) -> (Cloud, Target) {
    let target = Target::start(move |_| Answer::Slow(takes, json!(1))).await;
    let cloud = Cloud::start().await;
    cloud.api.make_project(&target).await;
    let schedule = json!({ "intervals": [{ "every": "1s" }], "overlap": overlap });
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1), "schedule": schedule })).await;
    (cloud, target)
}

/// The job's runs by the times of their occurrences, when `count` are on record and the job is paused.
async fn recorded(cloud: &Cloud, count: usize) -> Vec<Value> {
    cloud.api.wait_for(RUNS, |page| page["items"].as_array().unwrap().len() >= count).await;
    cloud.api.ok("POST", "/projects/shop/jobs/job/pause", None).await;
    let mut runs = cloud.api.all(RUNS).await;
    runs.sort_by_key(|run| run["scheduledTime"].as_str().unwrap().to_owned());
    let times: Vec<Timestamp> =
        runs.iter().map(|run| run["scheduledTime"].as_str().unwrap().parse().unwrap()).collect();
    for pair in times.windows(2) {
        assert_eq!(pair[1].since(pair[0]), Duration::from_secs(1), "every occurrence is on record: {times:?}");
    }
    runs
}

fn count(runs: &[Value], is_so: impl Fn(&Value) -> bool) -> usize {
    runs.iter().filter(|run| is_so(run)).count()
}

fn is_canceled_for_another(run: &Value) -> bool {
    run["status"] == "CANCELED" && run["reason"]["type"] == "another-job-run-active"
}

#[tokio::test]
async fn skip_leaves_a_record_that_says_why() {
    let (cloud, target) = every_second("skip", Duration::from_secs(60)).await;
    let runs = recorded(&cloud, 4).await;
    assert!(!is_canceled_for_another(&runs[0]));
    assert_eq!(count(&runs, is_canceled_for_another), runs.len() - 1);
    assert_eq!(target.calls().len(), 1);
    let message = runs[1]["reason"]["message"].as_str().unwrap();
    assert!(message.contains(runs[0]["id"].as_str().unwrap()), "{message}");
}

#[tokio::test]
async fn allow_starts_another() {
    let (cloud, target) = every_second("allow", Duration::from_secs(60)).await;
    let runs = recorded(&cloud, 4).await;
    assert_eq!(count(&runs, |run| run["status"] == "CANCELED"), 0);
    assert!(target.calls().len() >= 3, "they are carried out side by side");
}

#[tokio::test]
async fn buffer_one_lets_one_wait_and_starts_it_when_the_active_one_has_ended() {
    let (cloud, target) = every_second("bufferOne", Duration::from_secs(8)).await;
    let runs = cloud.api.wait_for(RUNS, |page| count(page["items"].as_array().unwrap(), is_canceled_for_another) >= 2);
    let runs = runs.await["items"].as_array().unwrap().clone();
    let oldest = |number: usize| &runs[runs.len() - 1 - number];
    assert_eq!(oldest(0)["status"], "RUNNING");
    assert_eq!((&oldest(1)["status"], &oldest(1)["startTime"]), (&json!("PENDING"), &Value::Null), "it waits");
    assert!(is_canceled_for_another(oldest(2)) && is_canceled_for_another(oldest(3)));
    let (status, problem) = cloud.api.send("POST", "/projects/shop/jobs/job/trigger", None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("another-job-run-active")), "one waits already");
    let waiting = format!("{RUNS}/{}", oldest(1)["id"].as_str().unwrap());
    let begun = cloud.api.wait_for_status(&waiting, "RUNNING").await;
    let first = cloud.api.get(&format!("{RUNS}/{}", oldest(0)["id"].as_str().unwrap())).await;
    assert_eq!(first["status"], "COMPLETED");
    assert!(begun["startTime"].as_str() >= first["endTime"].as_str(), "one after the other");
    assert_eq!(target.calls().len(), 2);
}

#[tokio::test]
async fn a_run_that_waits_can_be_ended_and_leaves_its_place_to_others() {
    let (cloud, _target) = every_second("bufferOne", Duration::from_secs(60)).await;
    let page = cloud.api.wait_for(RUNS, |page| page["items"].as_array().unwrap().len() >= 2).await;
    let runs = page["items"].as_array().unwrap();
    let waiting = runs.iter().find(|run| run["status"] == "PENDING" && run["startTime"].is_null()).unwrap();
    let path = format!("{RUNS}/{}", waiting["id"].as_str().unwrap());
    let ended = cloud.api.ok("POST", &format!("{path}/terminate"), None).await;
    assert_eq!((&ended["status"], &ended["reason"]["type"]), (&json!("CANCELED"), &json!("terminated")));
    let is_next = |run: &Value| run["status"] == "PENDING" && run["id"] != waiting["id"];
    cloud.api.wait_for(RUNS, |page| page["items"].as_array().unwrap().iter().any(is_next)).await;
    // Deleting the job ends what is active and what waits.
    cloud.api.ok("DELETE", "/projects/shop/jobs/job", None).await;
    let left = cloud.api.all("/projects/shop/runs").await;
    assert_eq!(count(&left, |run| run["status"] == "PENDING" || run["status"] == "RUNNING"), 0, "{left:?}");
}

#[tokio::test]
async fn terminate_running_ends_the_active_one_in_favour_of_the_next() {
    let (cloud, target) = every_second("terminateRunning", Duration::from_secs(60)).await;
    let runs = recorded(&cloud, 4).await;
    let (last, others) = runs.split_last().unwrap();
    let is_superseded = |run: &Value| run["status"] == "TERMINATED" && run["reason"]["type"] == "superseded";
    assert_eq!(count(others, is_superseded), others.len(), "{others:?}");
    assert!(!is_superseded(last));
    assert!(target.calls().len() >= 2);
}
