//! A job as the clients read it: what all generations want of it, and its state as the one that asks knows it.

use serde_json::{Map, Value, json};
use sundial_model::WorkspaceId;
use sundial_model::job::{Job, JobStatus};
use sundial_model::payload::{Parameters, Payload};
use sundial_model::sink::Sink;

use super::Generation;
use super::schedule::schedule;

/// Our names of what has others here.
const OTHERWISE_NAMED: [&str; 4] = ["createdAt", "nextRunTime", "lastRunTime", "payload"];

/// A job, alone or in a list, with as many of its payloads as `bytes` hold in the clients' words, and one at least.
pub(super) fn job(job: &Job, workspace: WorkspaceId, generation: Generation, bytes: usize) -> Value {
    let definition = &job.definition;
    let mut answer = json!(definition);
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|name, _| !OTHERWISE_NAMED.contains(&name.as_str()));
    }
    let (mut payloads, mut taken) = (Vec::new(), 0);
    for item in &job.payload {
        let item = payload(item, generation);
        taken += item.to_string().len() + 1;
        if taken > bytes && !payloads.is_empty() {
            break;
        }
        payloads.push(item);
    }
    if payloads.len() < job.payload_count as usize {
        answer["payloadTruncated"] = json!(true);
    }
    answer["id"] = json!(job.id);
    answer["payload"] = Value::Array(payloads);
    answer["payloadCount"] = json!(job.payload_count);
    if let Some(of_job) = &definition.schedule {
        answer["schedule"] = schedule(of_job);
    }
    if let Some(of_job) = &definition.sink {
        answer["sink"] = sink(of_job);
    }
    // Each generation has its own name for it, and gets just that: so it can be taken away, too.
    if generation == Generation::Later
        && let Some(fields) = answer.as_object_mut()
        && let Some(reference) = fields.remove("authSession")
    {
        fields.insert("auth_session".to_owned(), reference);
    }
    answer["created_at"] = json!(job.created_at);
    answer["next_run_time"] = json!(job.next_run_time);
    answer["last_run_time"] = json!(job.last_run_time);
    answer["projectId"] = json!(job.project_id);
    answer["project_id"] = json!(job.project_id);
    answer["workspace_id"] = json!(workspace);
    answer["source"] = json!("API");
    let reason = job.state.reason.as_ref().filter(|_| job.state.status == JobStatus::Paused);
    if let Some(reason) = reason {
        answer["reason"] = json!({ "type": "paused", "message": reason });
    }
    answer["state"] = match generation {
        Generation::First => json!(job.state),
        Generation::Later => json!(job.state.status),
    };
    answer
}

fn payload(payload: &Payload, generation: Generation) -> Value {
    let mut answer = json!({
        "apiName": payload.api_name, "parameters": parameters(payload.parameters.as_ref(), generation)
    });
    if let Some(timeout) = payload.request_timeout {
        answer["requestTimeout"] = json!(timeout);
    }
    if let Some(retry) = &payload.retry {
        answer["retry"] = json!(retry);
    }
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
    let mut answer = json!(sink);
    if matches!(sink, Sink::S3 { .. }) {
        for key in ["accessKeyId", "secretAccessKey"] {
            if answer.get(key).is_none_or(Value::is_null) {
                answer[key] = json!("");
            }
        }
    }
    answer
}
