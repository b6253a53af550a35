//! Calls to a project's target.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sundial_engine::attempt::{ANSWER_BYTES_MAX, CallResult};
use sundial_model::payload::Parameters;
use sundial_model::secret::SecretText;
use sundial_model::target::{Target, TargetFormat};
use sundial_model::trace::Trace;
use sundial_model::{AuthSessionId, JobId, JobRunId, ProjectId, Timestamp, WorkspaceId};

use crate::answer::{AnswerLimit, OutboundAnswer};
use crate::client::{OutboundClient, OutboundRequest, add_headers};
use crate::function::Invocation;
use crate::signature::sign;
use crate::traceparent::traceparent;

/// What a target is called with, around the parameters.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallContext {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The project.
    pub project_id: ProjectId,
    /// The job, if the call is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The job run, if the call is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_run_id: Option<JobRunId>,
    /// The run, or the operation on an auth session; it is also the idempotency key.
    pub run_id: String,
    /// The payload's index.
    pub payload_index: u32,
    /// From 1.
    pub generation: u32,
    /// From 1.
    pub attempt: u32,
    /// The nominal time of the job run's occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<Timestamp>,
}

/// What an API is called with.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum CallParameters<'a> {
    /// What stands in a payload.
    Payload(&'a Parameters),
    /// JSON that nothing else may show.
    Secret(#[serde(serialize_with = "exposed")] &'a SecretText),
    /// `{}`.
    Nothing {},
}

/// The signed-in state that a call carries.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CallSession<'a> {
    /// The auth session.
    pub id: &'a AuthSessionId,
    /// Its state, as JSON.
    #[serde(serialize_with = "exposed")]
    pub state: &'a SecretText,
}

/// Secret JSON as itself.
fn exposed<S: Serializer>(json: &&SecretText, serializer: S) -> Result<S::Ok, S::Error> {
    let json: &RawValue = serde_json::from_str(json.expose()).map_err(|_| S::Error::custom("a secret is no JSON"))?;
    json.serialize(serializer)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api: &'a str,
    parameters: Option<CallParameters<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_session: Option<CallSession<'a>>,
    context: &'a CallContext,
}

/// One call.
#[derive(Clone, Debug)]
pub struct TargetCall<'a> {
    /// Whom, with secrets in place.
    pub target: &'a Target,
    /// Sign the call.
    pub signing_secrets: &'a [SecretText],
    /// Which API: a payload's, or one that is there for auth sessions.
    pub api: &'a str,
    /// With what.
    pub parameters: Option<CallParameters<'a>>,
    /// With what signed-in state.
    pub auth_session: Option<CallSession<'a>>,
    /// And what around it.
    pub context: &'a CallContext,
    /// The trace that it belongs to.
    pub trace: &'a Trace,
    /// How long it may take, but for the time that its answer waits for memory of ours.
    pub timeout: Duration,
}

impl OutboundClient {
    /// Calls a target. The answer's memory is to be held until what came of it is recorded or stored.
    pub async fn call_target(&self, call: TargetCall<'_>, now: Timestamp) -> OutboundAnswer {
        let body = match call.target.format() {
            TargetFormat::Envelope => {
                let TargetCall { api, parameters, auth_session, context, .. } = call;
                serde_json::to_vec(&Envelope { api, parameters, auth_session, context })
            }
            TargetFormat::Plain => match call.parameters {
                Some(parameters) => serde_json::to_vec(&parameters),
                None => Ok(b"{}".to_vec()),
            },
        };
        let Ok(body) = body else {
            return CallResult::ConnectionError("the request cannot be written".to_owned()).into();
        };
        let traceparent = traceparent(call.trace);
        let (base_url, user_headers) = match call.target {
            Target::Http { base_url, headers, .. } => (base_url, headers),
            Target::Lambda { function_arn: function, qualifier } => {
                let (workspace, qualifier) = (call.context.workspace_id, qualifier.as_ref());
                let (traceparent, timeout) = (traceparent.as_str(), call.timeout);
                return self.invoke(Invocation { workspace, function, qualifier, traceparent, timeout }, body).await;
            }
        };
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, user_headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let run_id = &call.context.run_id;
        for (name, value) in [("idempotency-key", run_id.as_str()), ("traceparent", &traceparent)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let message_id = format!("{run_id}_{}_{}", call.context.generation, call.context.attempt);
        sign(&mut headers, call.signing_secrets, &message_id, now, &body);
        let request = OutboundRequest {
            method: Method::POST,
            url: base_url.join(call.api),
            headers,
            body,
            timeout: call.timeout,
            answer_limit: AnswerLimit { bytes_max: ANSWER_BYTES_MAX, is_cut: false },
        };
        self.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_json_is_sent_as_itself_and_shown_nowhere() {
        let (id, text) = ("login".parse().expect("an id"), SecretText::new("{\"token\":\"hunter2\"}"));
        let session = CallSession { id: &id, state: &text };
        let sent = serde_json::to_value(session).expect("JSON");
        assert_eq!(sent, serde_json::json!({ "id": "login", "state": { "token": "hunter2" } }));
        assert!(!format!("{session:?}").contains("hunter2"));
        let parameters = serde_json::to_value(CallParameters::Secret(&text)).expect("JSON");
        assert_eq!(parameters, serde_json::json!({ "token": "hunter2" }));
        assert_eq!(serde_json::to_value(CallParameters::Nothing {}).expect("JSON"), serde_json::json!({}));
    }
}
