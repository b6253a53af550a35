//! Job runs: list, get, terminate.

use axum::Json as JsonAnswer;
use axum::extract::State;
use serde::Serialize;
use sundial_model::Timestamp;
use sundial_model::job_run::{JobRun, JobRunStatus};
use sundial_model::problem::Problem;
use sundial_runtime::Clients;
use sundial_store::{JobRunPage, keys};

use super::{FoundJob, FoundProject, FoundRun};
use crate::body::{OptionalJson, Page};
use crate::cursor::ListQuery;
use crate::problem_response::ApiProblem;

/// The runs of a job, newest first.
pub(crate) async fn list_of_job(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    query: ListQuery,
) -> Result<JsonAnswer<Page<ListedJobRun>>, ApiProblem> {
    let status = query.status(&JobRunStatus::ALL)?;
    let page = clients.store.job_runs(job.uuid, query.before()?, status, query.limit).await?;
    Ok(JsonAnswer(answer(&query, page, clients.clock.now())))
}

/// The runs of all jobs of a project, newest first.
pub(crate) async fn list_of_project(
    State(clients): State<Clients>,
    FoundProject(project): FoundProject,
    query: ListQuery,
) -> Result<JsonAnswer<Page<ListedJobRun>>, ApiProblem> {
    let status = query.status(&JobRunStatus::ALL)?;
    let page = clients.store.project_runs(project.id, query.before()?, status, query.limit).await?;
    Ok(JsonAnswer(answer(&query, page, clients.clock.now())))
}

/// A job run in a list.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ListedJobRun(JobRun);

fn answer(query: &ListQuery, page: JobRunPage, now: Timestamp) -> Page<ListedJobRun> {
    let runs = page.runs.iter().map(|run| ListedJobRun(run.answer(now))).collect();
    let place = |run: &JobRun| keys::place_of_run(run.created_at, run.scheduled_time, run.id);
    let cursor_after = |ListedJobRun(run): &ListedJobRun| query.cursor(&place(run));
    Page::filled(runs, cursor_after, page.next_before.map(|before| query.cursor(&before)))
}

/// One job run.
pub(crate) async fn get(State(clients): State<Clients>, FoundRun(partition): FoundRun) -> JsonAnswer<JobRun> {
    JsonAnswer(partition.answer(clients.clock.now()))
}

/// Ends a job run; one that has ended stays as it is.
pub(crate) async fn terminate(
    State(clients): State<Clients>,
    FoundRun(found): FoundRun,
    body: OptionalJson,
) -> Result<JsonAnswer<JobRun>, ApiProblem> {
    let TerminateBody {} = body.read()?;
    let now = clients.clock.now();
    let ended = clients.store.terminate_job_run(found.run.id, now).await?;
    let (ended, work) = ended.ok_or_else(|| Problem::not_found(format!("job run {}", found.run.id)))?;
    clients.bus.hand_over(work).await;
    Ok(JsonAnswer(ended.answer(now)))
}

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = sundial_model::InvalidFields, deny_unknown_fields)]
struct TerminateBody {}
