//! A job as the clients read it: what all generations want of it, and its state as the one that asks knows it.

use serde_json::{Map, Value, json};
use sundial_model::WorkspaceId;
use sundial_model::configuration::{Configuration, RetryOverride};
use sundial_model::job::{AuthSessionReference, Job, JobStatus};
use sundial_model::payload::{Parameters, Payload};
use sundial_model::sink::Sink;

use super::Generation;
use super::schedule::schedule;

/// Our names of what has others here.
const OTHERWISE_NAMED: [&str; 3] = ["createdAt", "nextRunTime", "lastRunTime"];

/// A job, alone or in a list.
pub(super) fn job(job: &Job, workspace: WorkspaceId, generation: Generation) -> Value {
    let mut answer = serde_json::to_value(job).unwrap_or_default();
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|name, _| !OTHERWISE_NAMED.contains(&name.as_str()));
    }
    let definition = &job.definition;
    answer["payload"] = job.payload.iter().map(|item| payload(item, &definition.configuration, generation)).collect();
    if let Some(of_job) = &definition.schedule {
        answer["schedule"] = schedule(of_job);
    }
    if let Some(of_job) = &definition.sink {
        answer["sink"] = sink(of_job);
    }
    if let Some(reference) = &definition.auth_session {
        answer["auth_session"] = auth_session(reference);
    }
    answer["created_at"] = json!(job.created_at);
    answer["next_run_time"] = json!(job.next_run_time);
    answer["last_run_time"] = json!(job.last_run_time);
    answer["project_id"] = json!(job.project_id);
    answer["workspace_id"] = json!(workspace);
    answer["source"] = json!("API");
    let reason = job.state.reason.as_ref().filter(|_| job.state.status == JobStatus::Paused);
    if let Some(reason) = reason {
        answer["reason"] = json!({ "type": "paused", "message": reason });
    }
    if generation == Generation::Later {
        answer["state"] = json!(job.state.status);
    }
    answer
}

/// A payload. In later generations it says what it has of its job, because they take their own defaults for what is
/// left out.
fn payload(payload: &Payload, configuration: &Configuration, generation: Generation) -> Value {
    let mut answer = json!({
        "apiName": payload.api_name, "parameters": parameters(payload.parameters.as_ref(), generation)
    });
    let retry: Option<&RetryOverride> = payload.retry.as_ref();
    if generation == Generation::First && retry.is_none() && payload.request_timeout.is_none() {
        return answer;
    }
    answer["requestTimeout"] = json!(payload.request_timeout.unwrap_or(configuration.request_timeout));
    let mut of_payload = retry.map_or_else(|| json!({}), |retry| json!(retry));
    of_payload["maximumAttempts"] =
        json!(retry.and_then(|retry| retry.maximum_attempts).unwrap_or(configuration.retry.maximum_attempts));
    answer["retry"] = of_payload;
    answer
}

/// Parameters: absent ones are `{}`. Later generations read objects only, so that to them an array is one by index.
pub(super) fn parameters(parameters: Option<&Parameters>, generation: Generation) -> Value {
    match (parameters.map(|Parameters(value)| value), generation) {
        (None, _) => json!({}),
        (Some(Value::Array(elements)), Generation::Later) => {
            let by_index = elements.iter().enumerate().map(|(index, value)| (index.to_string(), value.clone()));
            Value::Object(by_index.collect::<Map<_, _>>())
        }
        (Some(value), _) => value.clone(),
    }
}

/// A sink. The keys of a bucket are there for all clients; empty ones stand for Sundial's own role.
pub(super) fn sink(sink: &Sink) -> Value {
    let mut answer = serde_json::to_value(sink).unwrap_or_default();
    if matches!(sink, Sink::S3 { .. }) {
        for key in ["accessKeyId", "secretAccessKey"] {
            if answer.get(key).is_none_or(Value::is_null) {
                answer[key] = json!("");
            }
        }
    }
    answer
}

/// What a job says of its auth session.
pub(super) fn auth_session(reference: &AuthSessionReference) -> Value {
    json!(reference)
}
