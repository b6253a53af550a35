//! The document is whole, and what it gives as an example is what the routes take.

use super::*;
use crate::check_job::tests::place;
use crate::check_job::{check_job_update, check_new_job};
use crate::check_sessions::check_new_session;
use crate::check_single_run::check_single_run;
use crate::routes::{backfill, job_actions, schedules};
use sundial_model::InvalidFields;
use sundial_model::auth_session::AuthSessionInput;
use sundial_model::payload::PayloadList;
use sundial_model::project::ProjectInput;

/// Every reference in a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(elements) => elements.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is used by nobody");
    }
}

#[test]
fn operations_have_ids_of_their_own_and_summaries() {
    let mut ids: Vec<_> = operations().map(|(_, operation)| operation.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), operations().count());
    assert!(operations().all(|(_, operation)| !operation.summary.is_empty()));
}

#[test]
fn what_is_an_example_is_taken() {
    let place = place();
    let mut count = 0;
    for (_, operation) in operations() {
        let (Body::Json(_, examples) | Body::Optional(_, examples) | Body::PayloadPage(examples)) = operation.body
        else {
            continue;
        };
        for example in examples {
            let id = "nightly-prices".parse().expect("an id");
            let read: Result<(), InvalidFields> = match operation.id {
                "putProject" => InvalidFields::read::<ProjectInput>(example()).map(drop),
                "createJob" => check_new_job(example(), &place).map(drop),
                "updateJob" => check_job_update(example(), &id, &place).map(drop),
                "appendPayload" => InvalidFields::read::<PayloadList>(example()).map(drop),
                "pauseJob" => InvalidFields::read::<job_actions::PauseBody>(example()).map(drop),
                "triggerJob" => InvalidFields::read::<job_actions::TriggerBody>(example()).map(drop),
                "backfillJob" => InvalidFields::read::<backfill::BackfillBody>(example()).map(drop),
                "createAuthSession" => check_new_session(example(), place.target).map(drop),
                "updateAuthSession" => InvalidFields::read::<AuthSessionInput>(example()).map(drop),
                "startSingleRun" => check_single_run(example(), &place).map(drop),
                "previewSchedule" => InvalidFields::read::<schedules::PreviewBody>(example()).map(drop),
                other => panic!("say here how the example of {other} is read"),
            };
            assert_eq!(read, Ok(()), "{}: {}", operation.id, example());
            count += 1;
        }
    }
    assert!(count >= 8);
}

#[test]
fn requests_take_no_field_that_is_not_described() {
    let document = document();
    for (_, operation) in operations() {
        if let Body::Json(name, _) | Body::Optional(name, _) = operation.body {
            let schema = &document["components"]["schemas"][name];
            assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        }
    }
}
