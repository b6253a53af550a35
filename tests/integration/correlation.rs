//! One id from the call of the API to the last delivery: in the log, in answers and, as a trace, in every call.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Call, Process, Target};

/// The trace that a call belongs to, its span, and its flags.
fn trace(call: &Call) -> (String, String, String) {
    let header = call.headers["traceparent"].to_str().unwrap();
    let parts: Vec<_> = header.split('-').collect();
    assert_eq!(parts[0], "00", "{header}");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

#[tokio::test]
async fn a_job_run_is_found_by_one_id_from_its_call_to_its_delivery() {
    let (target, receiver) = (Target::echo().await, Target::echo().await);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.txt");
    let (process, api) = Process::start_verbose(folder.path(), &log).await;
    api.make_project(&target).await;
    let hook = format!("{}/hook", receiver.url);
    let job = json!({
        "id": "j", "payload": [{ "apiName": "a" }, { "apiName": "a" }],
        "sink": { "type": "webhook", "url": hook },
        "notifications": [{ "type": "webhook", "url": format!("{}/told", receiver.url) }]
    });
    api.create_job(job.clone()).await;
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = [("traceparent", &*format!("00-{TRACE}-00f067aa0ba902b7-00"))];
    let (_, headers, run) = api.send_with("POST", "/projects/shop/jobs/j/trigger", &header, None).await;
    let correlation_id = headers["x-request-id"].to_str().unwrap().to_owned();
    let path = format!("/projects/shop/jobs/j/runs/{}", run["id"].as_str().unwrap());
    api.wait_for(&path, |run| run["deliveries"]["delivered"] == 2).await;
    while receiver.calls().len() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let calls: Vec<_> = target.calls().into_iter().chain(receiver.calls()).collect();
    let mut spans: Vec<_> = calls.iter().map(trace).collect();
    assert!(spans.iter().all(|(trace, _, flags)| trace == TRACE && flags == "00"), "{spans:?}");
    spans.sort();
    spans.dedup();
    assert_eq!(spans.len(), 5, "each call is a span of its own");

    // A run that no call has started is a trace of its own.
    let mut scheduled = job;
    scheduled["id"] = json!("scheduled");
    scheduled["schedule"] = json!({ "intervals": [{ "every": "10s" }] });
    api.create_job(scheduled).await;
    let runs = "/projects/shop/jobs/scheduled/runs";
    let listed = api.wait_for(runs, |page| page["items"][0]["deliveries"]["delivered"] == 2).await;
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let own = id.replace('-', "");
    let is_of_it = |call: &Call| call.body["context"]["jobRunId"] == Value::String(id.clone());
    let of_it: Vec<_> = target.calls().into_iter().filter(is_of_it).collect();
    assert_eq!(of_it.len(), 2);
    let is_its_own = |call: &Call| matches!(trace(call), (trace, _, flags) if trace == own && flags == "01");
    assert!(of_it.iter().all(is_its_own), "{of_it:?}");

    process.kill();
    let log = std::fs::read_to_string(log).unwrap();
    for id in [correlation_id, id] {
        for message in ["a job run is on record", "the job run has ended", "deliveries are on record"] {
            let is_told = |line: &str| line.contains(message) && line.contains(&id);
            assert!(log.lines().any(is_told), "no line says that {message} with {id}");
        }
    }
}
