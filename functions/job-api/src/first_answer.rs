//! What a POST was answered: kept with its idempotency key, and answered again from what is there now.

use axum::Json as JsonAnswer;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::{AuthSessionId, JobId, JobRunId, JobUuid, OperationId, ProjectId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::StoredJob;

use crate::problem_response::ApiProblem;
use crate::routes::auth_sessions;
use crate::routes::jobs::whole;

/// One creation of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobName {
    project: ProjectId,
    id: JobId,
    uuid: JobUuid,
}

impl From<&StoredJob> for JobName {
    fn from(job: &StoredJob) -> Self {
        Self { project: job.project_id, id: job.id.clone(), uuid: job.uuid }
    }
}

/// What a POST was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase")]
pub(crate) enum FirstAnswer {
    /// 201, a job.
    Created { job: JobName },
    /// 200, a job.
    Job { job: JobName },
    /// 200, a job run.
    JobRun { id: JobRunId },
    /// 200, so many payloads of a job.
    Appended { job: JobName, appended: usize },
    /// 202, so many of something.
    Requested { requested: usize },
    /// 202, an auth session with what is done for it; 201 when nothing is.
    AuthSession { project: ProjectId, id: AuthSessionId, operation: Option<OperationId> },
    /// 200, another secret, which is not shown again.
    Rotated {
        #[serde(rename = "previousValidUntil")]
        previous_valid_until: Timestamp,
    },
    /// The call has no effect: it is simply carried out again.
    NoEffect,
    /// The handler did not say.
    Untold,
}

impl FirstAnswer {
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    pub(crate) fn from_value(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }
}

/// The answer to the same call again.
pub(crate) async fn again(clients: &Clients, answer: FirstAnswer) -> Result<Response, ApiProblem> {
    Ok(match answer {
        FirstAnswer::Created { job } => {
            (StatusCode::CREATED, whole(clients, &find(clients, job).await?).await?).into_response()
        }
        FirstAnswer::Job { job } => whole(clients, &find(clients, job).await?).await?.into_response(),
        FirstAnswer::JobRun { id } => {
            let run = clients.store.run_partition(id).await?;
            let run = run.ok_or_else(|| Problem::not_found(format!("job run {id} any more")))?;
            JsonAnswer(clients.store.run_view(run).await?.answer(clients.clock.now())).into_response()
        }
        FirstAnswer::Appended { job, appended } => {
            let payload_count = find(clients, job).await?.payload_count();
            JsonAnswer(json!({ "appended": appended, "payloadCount": payload_count })).into_response()
        }
        FirstAnswer::Requested { requested } => {
            (StatusCode::ACCEPTED, JsonAnswer(json!({ "requested": requested }))).into_response()
        }
        FirstAnswer::AuthSession { project, id, operation } => {
            let session = clients.store.auth_session(project, &id).await?;
            let session = session.ok_or_else(|| Problem::not_found(format!("auth session {id} any more")))?;
            auth_sessions::answered(&session, operation)
        }
        FirstAnswer::Rotated { previous_valid_until } => {
            JsonAnswer(json!({ "previousValidUntil": previous_valid_until })).into_response()
        }
        FirstAnswer::NoEffect | FirstAnswer::Untold => {
            let detail = "the call was carried out before, and its answer was not kept";
            return Err(Problem::new(ProblemCode::Conflict, detail).into());
        }
    })
}

/// The same creation of a job, as it is now.
async fn find(clients: &Clients, JobName { project, id, uuid }: JobName) -> Result<StoredJob, ApiProblem> {
    let job = clients.store.job(project, &id).await?.filter(|job| job.uuid == uuid);
    job.ok_or_else(|| Problem::not_found(format!("job {id} any more")).into())
}
