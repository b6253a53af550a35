//! Deliveries to sinks: the body, and the way there.

use std::time::Instant;

use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use sundial_model::payload::{ApiName, Parameters};
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::sink::Sink;
use sundial_model::trace::Trace;
use sundial_model::{AuthSessionId, JobId, JobRunId, ProjectId, ProjectName, RunId, Timestamp, WorkspaceId};

use crate::bucket::{error_code_of_bucket, presign_put};
use crate::client::{OutboundClient, OutboundRequest};
use crate::delivery::{Message, json_headers, request, signed_post};
use crate::own_role::OwnRole;

pub use crate::delivery::DeliveryOutcome;

/// A run's end, to be delivered.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The project's id.
    pub project_id: ProjectId,
    /// The project's name.
    pub project_name: &'a ProjectName,
    /// The auth session whose state the payload carried, if its job has one.
    pub auth_session: Option<&'a AuthSessionId>,
    /// The job; a single run has none.
    pub job_id: Option<&'a JobId>,
    /// The job run.
    pub job_run_id: JobRunId,
    /// From 1.
    pub generation: u32,
    /// The payload's index.
    pub payload_index: u32,
    /// Which API was called.
    pub api_name: &'a ApiName,
    /// With what.
    pub parameters: Option<&'a Parameters>,
    /// What came of it.
    pub outcome: DeliveredOutcome<'a>,
    /// The trace that the delivery belongs to.
    pub trace: &'a Trace,
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub enum DeliveredOutcome<'a> {
    /// Its result.
    Succeeded(&'a RawValue),
    /// Its error, and whether its attempts ran out.
    Failed(&'a RunError, bool),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    api_info: ApiInfo<'a>,
    workspace_id: WorkspaceId,
    project: ProjectReference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_session: Option<Reference<&'a AuthSessionId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_job: Option<Reference<&'a JobId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_job_run: Option<Reference<JobRunId>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiInfo<'a> {
    name: &'a ApiName,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Parameters>,
    run_id: RunId,
    result: RunResult<'a>,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum RunResult<'a> {
    Completed { result: &'a RawValue, status_code: u16 },
    Failed { error: &'a str, message: &'a str, status_code: u16 },
}

#[derive(Serialize)]
pub(crate) struct ProjectReference<'a> {
    pub(crate) id: ProjectId,
    pub(crate) name: &'a ProjectName,
}

#[derive(Serialize)]
pub(crate) struct Reference<T> {
    pub(crate) id: T,
}

/// What users are told of an error: that attempts ran out says more than what the last one met with.
pub fn error_code(error: &RunError, attempts_ran_out: bool) -> &str {
    if attempts_ran_out { "all-attempts-failed" } else { &error.code }
}

/// The HTTP status that users are told of an error: the target's, or what stands for one.
pub fn status_code(error: &RunError) -> u16 {
    match (error.status_code, error.code.as_str()) {
        (Some(status), _) => status,
        (None, "timeout") => 504,
        (None, _) => 502,
    }
}

impl Delivery<'_> {
    fn run_id(&self) -> RunId {
        RunId { job_run: self.job_run_id, payload_index: self.payload_index }
    }

    /// The body, the same for webhooks and objects.
    fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        let result = match self.outcome {
            DeliveredOutcome::Succeeded(result) => RunResult::Completed { result, status_code: 200 },
            DeliveredOutcome::Failed(error, attempts_ran_out) => RunResult::Failed {
                error: error_code(error, attempts_ran_out),
                message: &error.message,
                status_code: status_code(error),
            },
        };
        serde_json::to_vec(&Body {
            api_info: ApiInfo { name: self.api_name, parameters: self.parameters, run_id: self.run_id(), result },
            workspace_id: self.workspace_id,
            project: ProjectReference { id: self.project_id, name: self.project_name },
            auth_session: self.auth_session.map(|id| Reference { id }),
            project_job: self.job_id.map(|id| Reference { id }),
            project_job_run: self.job_id.map(|_| Reference { id: self.job_run_id }),
        })
    }

    /// The object's key: the same however often it is written.
    fn object_key(&self, prefix: &str) -> String {
        match self.job_id {
            Some(job) => format!("{prefix}{job}/{}/{:08}.json", self.job_run_id, self.payload_index),
            None => format!("{prefix}single-runs/{}.json", self.run_id()),
        }
    }
}

/// What deliveries are signed with.
#[derive(Clone, Copy, Debug)]
pub struct DeliverySigners<'a> {
    /// Sign webhooks.
    pub webhook_secrets: &'a [SecretText],
    /// Signs for a bucket without keys, if it may.
    pub own_role: Option<&'a OwnRole>,
}

impl OutboundClient {
    /// Tries to deliver a run's end to a sink that has its secrets in place.
    pub async fn deliver(
        &self,
        sink: &Sink,
        signers: DeliverySigners<'_>,
        delivery: &Delivery<'_>,
        now: Timestamp,
    ) -> DeliveryOutcome {
        let begun = Instant::now();
        let request = delivery_request(sink, signers, delivery, now).await;
        let outcome = self.try_to_deliver(request, begun).await;
        if sink.bucket_of_own_role().is_none() {
            return outcome;
        }
        // All else that it answers is the deployment's: who its role is, and what that signed with.
        let response = outcome.response.as_deref().and_then(error_code_of_bucket);
        DeliveryOutcome { response, ..outcome }
    }
}

async fn delivery_request(
    sink: &Sink,
    signers: DeliverySigners<'_>,
    delivery: &Delivery<'_>,
    now: Timestamp,
) -> Result<OutboundRequest, String> {
    let body = delivery.body().map_err(|error| format!("the body cannot be written: {error}"))?;
    match sink {
        Sink::Webhook { url, headers, .. } => {
            let message_id = format!("{}_{}", delivery.run_id(), delivery.generation);
            let message = Message { id: &message_id, trace: delivery.trace, body };
            Ok(signed_post(url, headers, signers.webhook_secrets, message, now))
        }
        Sink::S3 { prefix, .. } => {
            let key = delivery.object_key(prefix.as_ref().map_or("", |prefix| prefix.as_str()));
            let mut headers = json_headers();
            let url = presign_put(sink, signers.own_role, &key, &mut headers).await?;
            Ok(request(Method::PUT, url, headers, body))
        }
    }
}

#[cfg(test)]
pub(crate) fn example_delivery(outcome: DeliveredOutcome<'_>) -> Delivery<'_> {
    static NAMES: std::sync::LazyLock<(ProjectName, JobId, ApiName, Trace)> = std::sync::LazyLock::new(|| {
        let (name, trace) = ("shop".parse().expect("a name"), JobRunId::new().into());
        (name, "nightly".parse().expect("an id"), "prices/fetch".parse().expect("a name"), trace)
    });
    let (project_name, job_id, api_name, trace) = &*NAMES;
    Delivery {
        workspace_id: WorkspaceId::new(),
        project_id: ProjectId::new(),
        project_name,
        auth_session: None,
        job_id: Some(job_id),
        job_run_id: JobRunId::new(),
        generation: 1,
        payload_index: 7,
        api_name,
        parameters: None,
        outcome,
        trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn body(outcome: DeliveredOutcome<'_>) -> Value {
        let delivery = example_delivery(outcome);
        assert!(delivery.object_key("a/").ends_with("/00000007.json"));
        serde_json::from_slice(&delivery.body().expect("a body")).expect("JSON")
    }

    #[test]
    fn a_single_run_is_of_no_job_and_has_a_place_of_its_own() {
        let delivery = Delivery {
            job_id: None,
            payload_index: 0,
            ..example_delivery(DeliveredOutcome::Succeeded(RawValue::NULL))
        };
        let id = format!("{}-0", delivery.job_run_id);
        assert_eq!(delivery.object_key("a/"), format!("a/single-runs/{id}.json"));
        let body: Value = serde_json::from_slice(&delivery.body().expect("a body")).expect("JSON");
        assert_eq!(body["apiInfo"]["runId"], json!(id));
        assert_eq!((body.get("projectJob"), body.get("projectJobRun")), (None, None));
    }

    #[test]
    fn bodies_say_what_came_of_the_run() {
        let result = RawValue::from_string("{\"price\":1}".to_owned()).expect("JSON");
        let completed = body(DeliveredOutcome::Succeeded(&result));
        assert_eq!(
            completed["apiInfo"]["result"],
            json!({ "status": "completed", "result": { "price": 1 }, "statusCode": 200 })
        );
        assert_eq!(
            (&completed["project"]["name"], &completed["projectJob"]["id"]),
            (&json!("shop"), &json!("nightly"))
        );
        let error = RunError { code: "timeout".into(), message: "late".into(), status_code: None };
        for (ran_out, code) in [(true, "all-attempts-failed"), (false, "timeout")] {
            assert_eq!(
                body(DeliveredOutcome::Failed(&error, ran_out))["apiInfo"]["result"],
                json!({ "status": "failed", "error": code, "message": "late", "statusCode": 504 })
            );
        }
    }
}
