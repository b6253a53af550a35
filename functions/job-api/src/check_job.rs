//! Job documents on their way in: shape, bounds and meaning, with every field at fault.

use serde_json::Value;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::job::{JobDefinition, JobInput};
use sundial_model::payload::Payload;
use sundial_model::schedule::Schedule;
use sundial_model::secret::SecretValues;
use sundial_model::sink::Sink;
use sundial_model::target::Target;
use sundial_model::{InvalidFields, JobId, WorkspaceId};
use sundial_runtime::Settings;
use sundial_store::{PAYLOAD_BYTES_MAX, json_bytes};

use crate::check_addresses::check_job_addresses;
use crate::check_sessions::{PLAIN, takes_sessions};

/// Where a job is to be: what it may reach from there is decided by the deployment.
pub(crate) struct Place<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) workspace: WorkspaceId,
    /// What carries out its payloads.
    pub(crate) target: &'a Target,
}

/// Reads a job that is to be created.
pub(crate) fn check_new_job(document: Value, place: &Place<'_>) -> Result<JobInput, InvalidFields> {
    let mut errors = InvalidFields::default();
    if document.is_object() {
        for field in ["id", "payload"] {
            if document.get(field).is_none_or(Value::is_null) {
                errors.push(format!("/{field}"), "is required");
            }
        }
    }
    check(document, place, errors)
}

/// Reads what is to replace the job `id`.
pub(crate) fn check_job_update(document: Value, id: &JobId, place: &Place<'_>) -> Result<JobInput, InvalidFields> {
    let mut errors = InvalidFields::default();
    if document.get("payloadTruncated") == Some(&Value::Bool(true)) {
        errors.push(
            "/payloadTruncated",
            "the document holds only a part of the payloads; leave out payload to keep them",
        );
    }
    if document.get("id").and_then(Value::as_str).is_some_and(|given| given != id.as_str()) {
        errors.push("/id", format!("must be that of the path, {id}"));
    }
    check(document, place, errors)
}

/// Adds what is wrong with a document where it is to be: addresses that must not be called, a bucket that must not
/// be written, a session that the target does not take.
pub(crate) fn check_place(document: &Value, place: &Place<'_>, errors: &mut InvalidFields) {
    check_job_addresses(document, &place.settings.address_guard(), errors);
    if let Some(Ok(sink)) =
        document.get("sink").filter(|sink| !sink.is_null()).cloned().map(InvalidFields::read::<Sink>)
        && sink.bucket_of_own_role().is_some_and(|bucket| !place.settings.may_write(place.workspace, bucket))
    {
        let message =
            "is none that this deployment lets Sundial's own role write to; send accessKeyId and secretAccessKey";
        errors.push("/sink/bucket", message);
    }
    if document.get("authSession").is_some_and(|session| !session.is_null()) && !takes_sessions(place.target) {
        errors.push("/authSession", PLAIN);
    }
}

fn check(document: Value, place: &Place<'_>, mut errors: InvalidFields) -> Result<JobInput, InvalidFields> {
    check_place(&document, place, &mut errors);
    // The schedule's meaning is looked at even when something else is at fault.
    let schedule = document.get("schedule").cloned();
    let job = match InvalidFields::read::<JobInput>(document) {
        Ok(job) => Some(job),
        Err(faults) => {
            errors.extend_below("", faults);
            None
        }
    };
    if let Some(Ok(schedule)) = schedule.filter(|schedule| !schedule.is_null()).map(InvalidFields::read::<Schedule>)
        && let Err(faults) = CompiledSchedule::compile(schedule.specification())
    {
        errors.extend_below("/schedule", faults);
    }
    if let Some(list) = job.as_ref().and_then(|job| job.payload.as_ref()) {
        check_payload_sizes(&list.0, &mut errors);
    }
    errors.into_result()?;
    job.ok_or_else(|| InvalidFields::one("", "cannot be read"))
}

/// A job without its payloads, and the secrets of a job, may be this large as JSON: what fits an
/// item of the table with room to spare.
const DEFINITION_BYTES_MAX: usize = 100_000;
const SECRETS_BYTES_MAX: usize = 200_000;

/// Refuses what would not fit the table.
pub(crate) fn check_definition_size(definition: &JobDefinition, secrets: &SecretValues) -> Result<(), InvalidFields> {
    let mut errors = InvalidFields::default();
    if serde_json::to_vec(definition).map_or(0, |json| json.len()) > DEFINITION_BYTES_MAX {
        errors.push("", format!("must be at most {DEFINITION_BYTES_MAX} bytes without its payloads"));
    }
    let secret_bytes: usize = secrets.expose().iter().map(|(key, value)| key.len() + value.len()).sum();
    if secret_bytes > SECRETS_BYTES_MAX {
        errors.push("", format!("must have at most {SECRETS_BYTES_MAX} bytes of headers in sink and notifications"));
    }
    errors.into_result()
}

/// Adds the payloads of the field `payload` that are too large to be kept.
pub(crate) fn check_payload_sizes(payloads: &[Payload], errors: &mut InvalidFields) {
    for (index, payload) in payloads.iter().enumerate() {
        check_payload_size(payload, &format!("/payload/{index}"), errors);
    }
}

/// Adds a payload that is too large to be kept.
pub(crate) fn check_payload_size(payload: &Payload, pointer: &str, errors: &mut InvalidFields) {
    if json_bytes(payload) > PAYLOAD_BYTES_MAX {
        errors.push(pointer, format!("must be at most {PAYLOAD_BYTES_MAX} bytes of JSON"));
    }
}

#[cfg(test)]
pub(crate) mod tests;
