//! Documents near a valid one: whatever comes in is taken or refused by its fields, and what is taken is taken
//! again as it is shown.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use near::{documents_near, pointers};

mod near;

fn whole_job() -> Value {
    json!({
        "id": "nightly-prices", "description": "all prices", "tags": { "team": "pricing" },
        "payload": [
            { "apiName": "prices/fetch", "parameters": { "sku": 1 }, "requestTimeout": 30, "retry": { "maximumAttempts": 5 } },
            { "apiName": "a", "parameters": [1, "2", null] }
        ],
        "configuration": {
            "runMode": "Order-Irrelevant", "maxConcurrentRequests": 5.0, "maxRequestsPerSecond": 7, "maxRuns": 3,
            "requestTimeout": 60, "maxDuration": "6h", "pauseAfterFailedRuns": 2,
            "retry": { "maximumAttempts": 3, "initialInterval": "1s", "backoffCoefficient": 2, "maximumInterval": 60000 }
        },
        "schedule": whole_schedule(),
        "sink": { "type": "webhook", "url": "https://example.com/hook", "headers": { "X-Key": "hunter2" }, "skipOnFail": true, "apisToSend": ["a"] },
        "authSession": { "id": "shop-login", "checkAttempts": 3, "autoRecreate": false },
        "notifications": [{ "type": "webhook", "url": "https://example.com/told", "headers": {} }],
        "state": { "status": "PAUSED", "reason": "not yet" }, "payloadCount": 2, "nextRunTime": null
    })
}

fn whole_schedule() -> Value {
    json!({
        "intervals": [{ "every": "30d", "offset": "5m" }],
        "calendars": [{
            "second": 5, "minute": { "start": 0, "end": 30, "step": 10 }, "hour": [9, 17], "dayOfMonth": ["L", "L-2", 1],
            "month": "MAY", "dayOfWeek": { "start": "MONDAY", "end": "SUNDAY" }, "nth": -1, "year": "*", "comment": "c"
        }],
        "cron": ["0 0 9 * * Mon-Fri"], "exclusions": [{ "month": "DECEMBER", "dayOfMonth": 25 }],
        "timezone": "Europe/Berlin", "dst": { "gap": "skip", "fold": "both" }, "jitter": "30s",
        "startAt": "2026-01-01T00:00:00Z", "endAt": "2036-01-01T00:00:00Z", "overlap": "bufferOne",
        "catchUp": { "policy": "all", "window": "2h", "limit": 7 }
    })
}

/// A deployment that opens nothing.
static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let required = ["SUNDIAL_TABLE", "SUNDIAL_BUS", "SUNDIAL_RESULTS_BUCKET"];
    Settings::from_variables(|variable| required.contains(&variable).then(|| "name".to_owned())).expect("settings")
});

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    InvalidFields::read(json!({ "type": "http", "baseUrl": "https://example.com" })).expect("a target")
});

/// A workspace of it.
pub(crate) fn place() -> Place<'static> {
    Place { settings: &SETTINGS, workspace: WorkspaceId(uuid::Uuid::nil()), target: &TARGET }
}

/// Every fault says where it is.
fn check_faults(faults: &InvalidFields) -> Result<(), TestCaseError> {
    prop_assert!(!faults.0.is_empty());
    for fault in &faults.0 {
        prop_assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "{fault:?}");
        prop_assert!(!fault.message.is_empty());
    }
    Ok(())
}

/// A job as it is answered.
fn shown(input: JobInput) -> Value {
    let (id, state) = (input.id.clone(), input.state.clone());
    let (definition, payloads) = input.into_definition();
    let mut document = serde_json::to_value(definition).expect("JSON");
    document["id"] = json!(id);
    document["state"] = json!(state);
    document["payload"] = json!(payloads);
    document
}

#[test]
fn the_documents_that_others_are_made_of_are_good() {
    check_new_job(whole_job(), &place()).expect("a job");
    assert!(pointers(&whole_job()).len() > 80);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_job_near_a_good_one_is_taken_or_refused_by_its_fields(document in documents_near(whole_job())) {
        let (place, id) = (place(), "nightly-prices".parse().expect("an id"));
        match check_new_job(document.clone(), &place) {
            Err(faults) => check_faults(&faults)?,
            Ok(input) => {
                let first = shown(input);
                let again = check_new_job(first.clone(), &place);
                prop_assert!(again.is_ok(), "{document}: {again:?}");
                prop_assert_eq!(shown(again.expect("a job")), first);
            }
        }
        if let Err(faults) = check_job_update(document, &id, &place) {
            check_faults(&faults)?;
        }
    }

    #[test]
    fn a_schedule_near_a_good_one_is_taken_or_refused_by_its_fields(document in documents_near(whole_schedule())) {
        match InvalidFields::read::<Schedule>(document.clone()) {
            Err(faults) => check_faults(&faults)?,
            Ok(schedule) => {
                prop_assert_eq!(serde_json::to_value(&schedule).expect("JSON"), document, "it comes back as it was sent");
                match CompiledSchedule::compile(schedule.specification()) {
                    Err(faults) => check_faults(&faults)?,
                    Ok(compiled) => {
                        let mut last = sundial_model::Timestamp::from_seconds(1_780_000_000);
                        for _ in 0..3 {
                            let Some(next) = compiled.next_nominal(last) else { break };
                            prop_assert!(next > last);
                            last = next;
                        }
                        prop_assert!(!compiled.in_words(schedule.specification()).is_empty());
                    }
                }
            }
        }
    }
}
