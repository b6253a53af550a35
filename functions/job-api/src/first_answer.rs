//! What a POST was answered: kept with its idempotency key, and answered again from what is there now.

use axum::Json as JsonAnswer;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::{
    AuthSessionId, AuthSessionUuid, JobId, JobRunId, JobUuid, OperationId, ProjectId, ProjectName, Timestamp,
    WorkspaceId,
};
use sundial_runtime::Clients;
use sundial_store::{JobOfRun, RunPartition, StoredJob, StoredJobRun, StoredProject};

use crate::problem_response::ApiProblem;
use crate::routes::jobs::whole;
use crate::routes::{auth_sessions, single_runs};

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

/// What something was requested of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Subject {
    /// A job.
    Job { job: JobName },
    /// A job run.
    JobRun { id: JobRunId },
}

/// One creation of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProjectReference {
    workspace: WorkspaceId,
    name: ProjectName,
    id: ProjectId,
}

impl From<&StoredProject> for ProjectReference {
    fn from(project: &StoredProject) -> Self {
        Self { workspace: project.workspace_id, name: project.name.clone(), id: project.id }
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
    /// 201, a single run.
    SingleRun { id: JobRunId },
    /// 200, a single run.
    SingleRunChanged { id: JobRunId },
    /// 200, so many payloads of a job.
    Appended { job: JobName, appended: usize },
    /// 202, so many of something.
    Requested {
        requested: usize,
        /// Answers that were recorded before it was kept do not say.
        of: Option<Subject>,
    },
    /// 202, an auth session with what is done for it; 201 when nothing is.
    AuthSession {
        project: ProjectId,
        id: AuthSessionId,
        /// Answers that were recorded before it was kept do not say.
        uuid: Option<AuthSessionUuid>,
        operation: Option<OperationId>,
    },
    /// 200, another secret, which is not shown again.
    Rotated {
        #[serde(rename = "previousValidUntil")]
        previous_valid_until: Timestamp,
        /// Answers that were recorded before it was kept do not say.
        project: Option<ProjectReference>,
    },
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
            let run = find_run(clients, id).await?;
            JsonAnswer(clients.store.run_view(run).await?.answer(clients.clock.now())?).into_response()
        }
        FirstAnswer::SingleRun { id } => {
            let run = find_run(clients, id).await?;
            (StatusCode::CREATED, JsonAnswer(single_runs::whole(clients, run).await?)).into_response()
        }
        FirstAnswer::SingleRunChanged { id } => {
            let run = find_run(clients, id).await?;
            JsonAnswer(single_runs::whole(clients, run).await?).into_response()
        }
        FirstAnswer::Appended { job, appended } => {
            let payload_count = find(clients, job).await?.payload_count();
            JsonAnswer(json!({ "appended": appended, "payloadCount": payload_count })).into_response()
        }
        FirstAnswer::Requested { requested, of } => {
            match of {
                Some(Subject::Job { job }) => drop(find(clients, job).await?),
                Some(Subject::JobRun { id }) => drop(find_run(clients, id).await?),
                None => {}
            }
            (StatusCode::ACCEPTED, JsonAnswer(json!({ "requested": requested }))).into_response()
        }
        FirstAnswer::AuthSession { project, id, uuid, operation } => {
            let session = clients.store.auth_session(project, &id).await?;
            let session = session.filter(|session| uuid.is_none_or(|uuid| session.uuid == uuid));
            let session = session.ok_or_else(|| Problem::not_found(format!("auth session {id} any more")))?;
            auth_sessions::answered(&session, operation)
        }
        FirstAnswer::Rotated { previous_valid_until, project } => {
            if let Some(ProjectReference { workspace, name, id }) = project {
                let found = clients.store.project(workspace, &name).await?.filter(|found| found.id == id);
                found.ok_or_else(|| Problem::not_found(format!("project {name} any more")))?;
            }
            JsonAnswer(json!({ "previousValidUntil": previous_valid_until })).into_response()
        }
        FirstAnswer::Untold => {
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

/// A job run, as it is now, of a job that is there; or a single run of a project that is.
async fn find_run(clients: &Clients, id: JobRunId) -> Result<RunPartition, ApiProblem> {
    let run = clients.store.run_partition(id).await?;
    let run = run.ok_or_else(|| Problem::not_found(format!("job run {id} any more")))?;
    let StoredJobRun { job, project_id: project, project_name, workspace_id, .. } = &run.run;
    match job {
        Some(JobOfRun { id, uuid }) => {
            find(clients, JobName { project: *project, id: id.clone(), uuid: *uuid }).await?;
        }
        None => {
            let found = clients.store.project(*workspace_id, project_name).await?;
            found.filter(|found| found.id == *project).ok_or_else(|| Problem::not_found("its project any more"))?;
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_before_it_said_what_it_is_about_is_read() {
        for (recorded, missing) in [
            (json!({ "answer": "requested", "requested": 5 }), "of"),
            (json!({ "answer": "rotated", "previousValidUntil": "2026-01-01T00:00:00.000Z" }), "project"),
            (json!({ "answer": "authSession", "project": ProjectId::new(), "id": "a", "operation": null }), "uuid"),
        ] {
            let mut value = FirstAnswer::from_value(recorded.clone()).expect("an answer").to_value();
            assert_eq!(value.as_object_mut().and_then(|fields| fields.remove(missing)), Some(Value::Null));
            assert_eq!(value, recorded);
        }
    }
}
