//! Runs: single ones are started, or carried out while their caller waits; what came of any run is told.

use std::time::Duration;

use axum::Json as JsonAnswer;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sundial_model::RunId;
use sundial_model::problem::Problem;
use sundial_runtime::Clients;
use sundial_store::{Outcome, RunPartition, keys};
use tokio::time::Instant;

use super::error::NotInTime;
use super::run_answer::{KnownRun, RunAnswer};
use super::{Generation, documents};
use crate::body::Json;
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;
use crate::routes::{FoundProject, Workspace, parameter, single_runs};
use crate::runs_view::SegmentView;

/// A caller who waits for the end of a run gets it within this time, or is told to ask later.
const PATIENCE: Duration = Duration::from_secs(25);
/// It is looked at after this long, and ever less often.
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(100);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);
/// So many bytes of what a result has asked for are told beside it.
const EXTENDED_BYTES_MAX: usize = 150_000;

async fn start_single(
    once: Once,
    workspace: Workspace,
    project: FoundProject,
    document: Value,
) -> Result<RunId, ApiProblem> {
    let (document, translation) = documents::single_run(document);
    let renamed = translation.renamed.clone();
    translation.check()?;
    let started = single_runs::create(once, workspace, project, Json(document)).await;
    let (_, JsonAnswer(started)) = started.map_err(|problem| problem.naming(&renamed))?;
    Ok(started.run.id)
}

/// Starts a single run.
pub(super) async fn start(
    once: Once,
    workspace: Workspace,
    project: FoundProject,
    Json(document): Json,
) -> Result<(StatusCode, JsonAnswer<Value>), ApiProblem> {
    let id = start_single(once, workspace, project, document).await?;
    Ok((StatusCode::CREATED, JsonAnswer(json!({ "runId": id, "status": "pending" }))))
}

/// Carries out a single run, and waits for what comes of it.
pub(super) async fn carry_out(
    once: Once,
    workspace: Workspace,
    project: FoundProject,
    generation: Generation,
    Json(document): Json,
) -> Result<Response, ApiProblem> {
    let (clients, until) = (once.clients.clone(), Instant::now() + PATIENCE);
    let id = start_single(once, workspace, project, document).await?;
    let mut look_after = FIRST_LOOK_AFTER;
    while Instant::now() + look_after < until {
        tokio::time::sleep(look_after).await;
        look_after = (look_after * 2).min(LOOK_EVERY_MAX);
        let looked = tokio::time::timeout_at(until, ended(&clients, id, generation)).await;
        let Ok(looked) = looked else { break };
        match looked {
            Ok(Some(known)) => return Ok(JsonAnswer(known.answer(generation)).into_response()),
            Ok(None) => {}
            // The run goes on; there is time for another look.
            Err(problem) => tracing::warn!(?problem, "a run could not be looked at"),
        }
    }
    Ok(NotInTime { run_id: id.to_string() }.into_response())
}

/// What came of a single run, once it has ended.
async fn ended(clients: &Clients, id: RunId, generation: Generation) -> Result<Option<KnownRun>, ApiProblem> {
    match clients.store.run_partition(id.job_run).await? {
        Some(partition) if partition.run.status.is_terminal() => {
            known(clients, &partition, id, generation).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// A run that a path names, one of a job run or a single one; it is there, and it is that project's.
pub(super) struct AnyRun {
    partition: RunPartition,
    id: RunId,
}

impl FromRequestParts<Clients> for AnyRun {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let FoundProject(project) = FoundProject::from_request_parts(parts, clients).await?;
        let id: RunId = parameter(parts, "run_id").await.map_err(|_| Problem::not_found("such run"))?;
        let not_found = || Problem::not_found(format!("run {id}"));
        let found = clients.store.run_partition(id.job_run).await?;
        let found = found.filter(|found| found.run.project_id == project.id && is_one_of(found, id.payload_index));
        let partition = found.ok_or_else(not_found)?;
        if let Some(of) = &partition.run.job {
            // As everywhere else, the runs of a job go with it.
            let job = clients.store.job(project.id, &of.id).await?;
            job.filter(|job| job.uuid == of.uuid).ok_or_else(not_found)?;
        }
        Ok(Self { partition, id })
    }
}

/// Whether a payload is one of a job run; a single run has one, whatever that has asked for.
fn is_one_of(found: &RunPartition, index: u32) -> bool {
    let count = if found.run.job.is_some() { found.queue.total } else { 1 };
    index < count
}

/// What came of a run.
pub(super) async fn result(
    State(clients): State<Clients>,
    AnyRun { partition, id }: AnyRun,
    generation: Generation,
) -> Result<JsonAnswer<RunAnswer>, ApiProblem> {
    Ok(JsonAnswer(known(&clients, &partition, id, generation).await?.answer(generation)))
}

async fn known(
    clients: &Clients,
    partition: &RunPartition,
    id: RunId,
    generation: Generation,
) -> Result<KnownRun, ApiProblem> {
    let view = SegmentView::read(clients, partition, keys::segment_of(id.payload_index)).await?;
    let (status, outcome) = view.outcome(partition, id.payload_index, clients.clock.now());
    let (mut result, mut extended) = (None, Vec::new());
    if let Some(outcome) = outcome {
        result = result_of(clients, outcome).await?;
        // The first clients do not know of it.
        if let Some(range) = outcome.extension.filter(|_| generation == Generation::Later) {
            let snapshot = clients.store.snapshot(id.job_run).await?;
            let count = range.count() as usize;
            extended = clients.store.run_payloads_within(&snapshot, range.start, count, EXTENDED_BYTES_MAX).await?;
        }
    }
    Ok(KnownRun {
        id,
        status,
        of_job: partition.run.job.is_some(),
        attempts: outcome.map_or(0, |outcome| outcome.attempts),
        reason: partition.run.reason.clone(),
        error: outcome.and_then(|outcome| outcome.error.clone()),
        attempts_ran_out: outcome.is_some_and(|outcome| outcome.attempts_ran_out),
        result,
        extended,
    })
}

/// The result itself, wherever it is kept: the clients read no links.
async fn result_of(clients: &Clients, outcome: &Outcome) -> Result<Option<Box<RawValue>>, ApiProblem> {
    let Some(location) = &outcome.location else { return Ok(outcome.result.clone()) };
    let json = clients.results.get(&location.key).await.map_err(|error| ApiProblem::internal(&error))?;
    RawValue::from_string(json).map(Some).map_err(|error| ApiProblem::internal(&error))
}
