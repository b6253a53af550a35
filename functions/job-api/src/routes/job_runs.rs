//! Job runs: list, get, terminate, run again what failed.

use axum::Json as JsonAnswer;
use axum::extract::State;
use serde::Serialize;
use sundial_model::Timestamp;
use sundial_model::job_run::{JobRun, JobRunResults, JobRunStatus, ResultsFormat};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_outbound::results::LINK_LIFETIME;
use sundial_runtime::Clients;
use sundial_store::{Closing, Export, JobRunPage, Retried, RunView, StoreError, keys};

use super::{FoundJob, FoundProject, FoundRun};
use crate::body::{OptionalJson, Page};
use crate::first_answer::FirstAnswer;
use crate::idempotency::Once;
use crate::list_query::ListQuery;
use crate::problem_response::ApiProblem;

/// The runs of a job, newest first.
pub(crate) async fn list_of_job(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    query: ListQuery,
) -> Result<JsonAnswer<Page<ListedJobRun>>, ApiProblem> {
    let status = query.status(&JobRunStatus::ALL)?;
    let page = clients.store.job_runs(job.uuid, query.before()?, status, query.limit).await?;
    Ok(JsonAnswer(answer(&query, page, clients.clock.now())?))
}

/// The runs of all jobs of a project, newest first.
pub(crate) async fn list_of_project(
    State(clients): State<Clients>,
    FoundProject(project): FoundProject,
    query: ListQuery,
) -> Result<JsonAnswer<Page<ListedJobRun>>, ApiProblem> {
    let status = query.status(&JobRunStatus::ALL)?;
    let page = clients.store.project_runs(project.id, query.before()?, status, query.limit).await?;
    Ok(JsonAnswer(answer(&query, page, clients.clock.now())?))
}

/// A job run in a list.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ListedJobRun(JobRun);

fn answer(query: &ListQuery, page: JobRunPage, now: Timestamp) -> Result<Page<ListedJobRun>, StoreError> {
    let runs = page.runs.iter().map(|run| run.answer(now).map(ListedJobRun)).collect::<Result<_, _>>()?;
    let place = |run: &JobRun| keys::place_of_run(run.created_at, run.scheduled_time, run.id);
    let cursor_after = |ListedJobRun(run): &ListedJobRun| query.cursor(&place(run));
    Ok(Page::filled(runs, cursor_after, page.next_before.map(|before| query.cursor(&before))))
}

/// One job run, with a link to its results.
pub(crate) async fn get(
    State(clients): State<Clients>,
    FoundRun(partition): FoundRun,
) -> Result<JsonAnswer<JobRun>, ApiProblem> {
    let view = clients.store.run_view(partition).await?;
    let now = clients.clock.now();
    let results = results(&clients, &view, now).await?;
    Ok(JsonAnswer(JobRun { results, ..view.answer(now)? }))
}

/// Where its results are, once they are exported.
async fn results(clients: &Clients, view: &RunView, now: Timestamp) -> Result<Option<JobRunResults>, ApiProblem> {
    let run = &view.partition.run;
    let closing = if run.status.is_terminal() { clients.store.closing(run.id, run.generation).await? } else { None };
    let Some(Closing { export: Export::Done { key, size }, .. }) = closing else { return Ok(None) };
    let signed_url = clients.results.link(&key).await.map_err(|error| ApiProblem::internal(&error))?;
    let signed_url_expiration = now + LINK_LIFETIME;
    Ok(Some(JobRunResults { key, format: ResultsFormat::Jsonl, size, signed_url, signed_url_expiration }))
}

/// Ends a job run; one that has ended stays as it is.
pub(crate) async fn terminate(
    once: Once,
    FoundRun(found): FoundRun,
    body: OptionalJson,
) -> Result<JsonAnswer<JobRun>, ApiProblem> {
    let TerminateBody {} = body.read()?;
    let clients = once.answering(FirstAnswer::JobRun { id: found.run.id });
    let now = clients.clock.now();
    let ended = clients.store.terminate_job_run(found.run.id, now).await?;
    let (ended, work) = ended.ok_or_else(|| Problem::not_found(format!("job run {}", found.run.id)))?;
    clients.bus.hand_over(work).await;
    Ok(JsonAnswer(clients.store.run_view(ended).await?.answer(now)?))
}

/// Runs again what failed of a job run.
pub(crate) async fn retry(
    once: Once,
    FoundJob { job, .. }: FoundJob,
    FoundRun(found): FoundRun,
    body: OptionalJson,
) -> Result<JsonAnswer<JobRun>, ApiProblem> {
    let RetryBody {} = body.read()?;
    let clients = once.answering(FirstAnswer::JobRun { id: found.run.id });
    let now = clients.clock.now();
    let refuse = |code, why: String| Err(Problem::new(code, why).into());
    match clients.store.retry_job_run(&job, found.run.id, now).await? {
        Retried::Yes(partition, work) => {
            clients.bus.hand_over(work).await;
            Ok(JsonAnswer(clients.store.run_view(*partition).await?.answer(now)?))
        }
        Retried::NothingToRetry(why) => refuse(ProblemCode::NothingToRetry, why),
        Retried::JobPaused => refuse(ProblemCode::JobPaused, "resume the job first".to_owned()),
        Retried::AnotherJobRunActive(why) => refuse(ProblemCode::AnotherJobRunActive, why),
        Retried::Gone => Err(Problem::not_found(format!("job run {}", found.run.id)).into()),
    }
}

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = sundial_model::InvalidFields, deny_unknown_fields)]
struct RetryBody {}

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = sundial_model::InvalidFields, deny_unknown_fields)]
struct TerminateBody {}
