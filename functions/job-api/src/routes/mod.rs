//! The handlers, a file for each resource, and how they find what a path names.

pub(crate) mod auth_sessions;
pub(crate) mod backfill;
pub(crate) mod job_actions;
pub(crate) mod job_payloads;
pub(crate) mod job_runs;
pub(crate) mod jobs;
pub(crate) mod payloads;
pub(crate) mod projects;
pub(crate) mod redeliveries;
pub(crate) mod schedules;
pub(crate) mod signing_secrets;
pub(crate) mod single_runs;

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use sundial_model::problem::Problem;
use sundial_model::trace::{Caller, Trace};
use sundial_model::{JobRunId, ProjectName, WorkspaceId};
use sundial_runtime::Clients;
use sundial_store::{ApiKey, RunPartition, StoredJob, StoredProject, Tries};

use crate::problem_response::{ApiProblem, RequestId};

/// The workspace of the caller's key, which the path names.
pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    /// The call, and whose key it has.
    pub(crate) caller: Caller,
}

/// The project that a path names; it is there.
pub(crate) struct FoundProject(pub(crate) StoredProject);

/// The job that a path names; it is there.
pub(crate) struct FoundJob {
    pub(crate) project: StoredProject,
    pub(crate) job: StoredJob,
}

impl FoundJob {
    /// The same as it is now: someone else has changed it since it was read.
    pub(crate) async fn again(self, clients: &Clients, tries: &mut Tries) -> Result<Self, ApiProblem> {
        let Self { project, job } = self;
        let job = job_again(clients, &job, tries).await?;
        let found = clients.store.project(project.workspace_id, &project.name).await?;
        let project = found.ok_or_else(|| Problem::not_found(format!("project {}", project.name)))?;
        Ok(Self { project, job })
    }
}

/// A job as it is now, in a moment: someone else has changed it since it was read.
pub(crate) async fn job_again(clients: &Clients, job: &StoredJob, tries: &mut Tries) -> Result<StoredJob, ApiProblem> {
    tries.again().await?;
    let again = clients.store.job(job.project_id, &job.id).await?.filter(|again| again.uuid == job.uuid);
    again.ok_or_else(|| Problem::not_found(format!("job {}", job.id)).into())
}

/// The job run that a path names; it is there, and it is that job's.
pub(crate) struct FoundRun(pub(crate) RunPartition);

/// A parameter of the path; what cannot be read names nothing that is there.
pub(crate) async fn parameter<T: FromStr>(parts: &mut Parts, name: &str) -> Result<T, ApiProblem> {
    let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, &())
        .await
        .map_err(|_| Problem::not_found("such route"))?;
    let value = parameters.get(name).and_then(|text| text.parse().ok());
    value.ok_or_else(|| Problem::not_found(format!("such {name}")).into())
}

impl<S: Sync> FromRequestParts<S> for Workspace {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        let key = parts.extensions.get::<ApiKey>().cloned().ok_or_else(|| Problem::not_found("such workspace"))?;
        let trace = parts.headers.get("traceparent").and_then(|header| Trace::of_traceparent(header.to_str().ok()?));
        let correlation_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self { id: key.workspace_id, caller: Caller { key_id: key.key_id, correlation_id, trace } })
    }
}

impl FromRequestParts<Clients> for FoundProject {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let workspace = Workspace::from_request_parts(parts, clients).await?;
        let name: ProjectName = parameter(parts, "project").await?;
        let project = clients.store.project(workspace.id, &name).await?;
        project.map(Self).ok_or_else(|| Problem::not_found(format!("project {name}")).into())
    }
}

impl FromRequestParts<Clients> for FoundJob {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let FoundProject(project) = FoundProject::from_request_parts(parts, clients).await?;
        let id = parameter(parts, "job").await?;
        match clients.store.job(project.id, &id).await? {
            Some(job) => Ok(Self { project, job }),
            None => Err(Problem::not_found(format!("job {id}")).into()),
        }
    }
}

impl FromRequestParts<Clients> for FoundRun {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let FoundJob { job, .. } = FoundJob::from_request_parts(parts, clients).await?;
        let id: JobRunId = parameter(parts, "run").await?;
        let run = clients.store.run_partition(id).await?.filter(|found| found.run.job_uuid() == Some(job.uuid));
        run.map(Self).ok_or_else(|| Problem::not_found(format!("job run {id}")).into())
    }
}
