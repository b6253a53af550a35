//! The single run: one payload that is carried out without a job.

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::configuration::{RequestTimeout, RetryOverride};
use crate::identifiers::ProjectId;
use crate::invalid::InvalidFields;
use crate::job::AuthSessionReference;
use crate::job_run::Reason;
use crate::payload::{ApiName, Parameters, Payload};
use crate::run::Run;
use crate::sink::Sink;
use crate::timestamp::Timestamp;

/// A single run as a POST carries it.
#[derive(Clone, Debug, PartialEq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct SingleRunInput {
    /// Which API of the target to call.
    pub api_name: ApiName,
    /// What to call it with.
    #[deserr(default)]
    pub parameters: Option<Parameters>,
    /// Seconds per attempt; 600 when absent.
    #[deserr(default)]
    pub request_timeout: Option<RequestTimeout>,
    /// What differs from the default retry policy.
    #[deserr(default)]
    pub retry: Option<RetryOverride>,
    /// The signed-in state that it needs.
    #[deserr(default)]
    pub auth_session: Option<AuthSessionReference>,
    /// Where what comes of it is delivered.
    #[deserr(default)]
    pub sink: Option<Sink>,
}

impl SingleRunInput {
    /// The payload alone.
    pub fn payload(&self) -> Payload {
        Payload {
            api_name: self.api_name.clone(),
            parameters: self.parameters.clone(),
            request_timeout: self.request_timeout,
            retry: self.retry.clone(),
        }
    }
}

/// A single run as it is answered.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SingleRun {
    /// What became of its payload.
    #[serde(flatten)]
    pub run: Run,
    /// Its project.
    pub project_id: ProjectId,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Why it was CANCELED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The signed-in state that it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_session: Option<AuthSessionReference>,
    /// Where what comes of it is delivered; secrets are redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
    /// The API key whose call started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
}
