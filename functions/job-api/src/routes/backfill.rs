//! Backfill: runs for occurrences of the past that are not on record.

use std::iter::successors;
use std::time::Duration;

use axum::Json as JsonAnswer;
use deserr::Deserr;
use http::StatusCode;
use serde::Serialize;
use sundial_engine::overlap::Origin;
use sundial_engine::schedule::{CompiledSchedule, Occurrence};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::trace::Caller;
use sundial_model::{InvalidFields, JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{NewJobRun, NewRecords, Recorded, StoreError, StoredJob, StoredProject, Tries};

use super::{FoundJob, Workspace};
use crate::body::Json;
use crate::entity_tag::IfMatch;
use crate::first_answer::{FirstAnswer, JobName, Subject};
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;

/// One call asks for so many occurrences at most.
const OCCURRENCES_MAX: usize = 1000;
/// A job has so many runs that wait at most; a deleted job has to end them.
const WAITING_RUNS_MAX: usize = 2_000;

#[derive(Debug, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct BackfillBody {
    from: Timestamp,
    to: Timestamp,
}

/// What a backfill has asked for.
#[derive(Serialize)]
pub(crate) struct Backfilled {
    /// How many runs were recorded; occurrences that had a record are left as they are.
    requested: usize,
}

/// Records runs for the occurrences from `from` to `to`, both included. They take their turn:
/// oldest first, one by one, unless the job's overlap policy is `allow`.
pub(crate) async fn backfill(
    once: Once,
    workspace: Workspace,
    mut found: FoundJob,
    expected: IfMatch,
    Json(document): Json,
) -> Result<(StatusCode, JsonAnswer<Backfilled>), ApiProblem> {
    let body: BackfillBody = InvalidFields::read(document)?;
    let clients = once.clients.clone();
    if body.to > clients.clock.now() {
        return Err(InvalidFields::one("/to", "must not be in the future").into());
    }
    if body.from > body.to {
        return Err(InvalidFields::one("/to", "must not be before from").into());
    }
    let of = Subject::Job { job: JobName::from(&found.job) };
    let answer = |requested| FirstAnswer::Requested { requested, of: Some(of.clone()) };
    let (mut requested, mut tries) = (once.progress(&of), Tries::default());
    'decide: loop {
        let FoundJob { project, mut job } = found;
        if requested == 0 {
            // From the first of them on, the call has its effect.
            expected.check(&job)?;
        }
        let missing = missing(&clients, &job, &body).await?;
        let mut chunks = missing.chunks(job.recordable_at_once(Origin::MadeUp)).peekable();
        while let Some(some) = chunks.next() {
            let so_far = answer(requested + some.len());
            let is_last = chunks.peek().is_none();
            let fulfilling = if is_last { once.answering(so_far) } else { once.answering_so_far(so_far) };
            match record(&fulfilling, &project, job.clone(), some, &workspace.caller).await {
                Ok(recorded) => (job, tries) = (recorded, Tries::default()),
                Err(StoreError::Conflict) => {
                    found = FoundJob { project, job }.again(&clients, &mut tries).await?;
                    continue 'decide;
                }
                Err(error) => return Err(error.into()),
            }
            requested += some.len();
        }
        once.answering(answer(requested));
        return Ok((StatusCode::ACCEPTED, JsonAnswer(Backfilled { requested })));
    }
}

/// The occurrences asked for that are not on record. Those that the evaluator has still to record
/// are its own.
async fn missing(clients: &Clients, job: &StoredJob, body: &BackfillBody) -> Result<Vec<Occurrence>, ApiProblem> {
    let Some(schedule) = &job.definition.schedule else {
        return Err(Problem::new(ProblemCode::Conflict, format!("job {} has no schedule", job.id)).into());
    };
    if !job.is_active() {
        // What was recorded before the pause is on record, and is no more missing.
        return Err(Problem::new(ProblemCode::JobPaused, "resume the job first").into());
    }
    let compiled = CompiledSchedule::compile(schedule.specification())?;
    let first = compiled.next_occurrence(job.uuid, body.from - Duration::from_millis(1));
    let all = successors(first, |last| compiled.next_occurrence(job.uuid, last.nominal));
    let now = clients.clock.now();
    let past = all.take_while(|occurrence| {
        let has_come = occurrence.nominal <= body.to && occurrence.effective <= now;
        has_come && job.next.is_none_or(|next| occurrence.nominal < next.nominal)
    });
    let mut missing: Vec<_> = past.take(OCCURRENCES_MAX + 1).collect();
    if missing.len() > OCCURRENCES_MAX {
        let message = format!("must leave at most {OCCURRENCES_MAX} occurrences; ask for the rest by further calls");
        return Err(InvalidFields::one("/to", message).into());
    }
    let id = |occurrence: &Occurrence| JobRunId::scheduled(job.uuid, occurrence.nominal);
    let recorded = clients.store.recorded_runs(missing.iter().map(id)).await?;
    missing.retain(|occurrence| !recorded.contains(&id(occurrence)));
    if job.waiting_runs + missing.len() > WAITING_RUNS_MAX {
        let detail = format!("{} job runs of the job are waiting; it may have {WAITING_RUNS_MAX}", job.waiting_runs);
        return Err(Problem::new(ProblemCode::Conflict, detail).into());
    }
    Ok(missing)
}

async fn record(
    clients: &Clients,
    project: &StoredProject,
    mut job: StoredJob,
    occurrences: &[Occurrence],
    caller: &Caller,
) -> Result<StoredJob, StoreError> {
    let mut occupancy = job.occupancy();
    let runs = occurrences.iter().map(|occurrence| NewJobRun {
        caller: Some(caller.clone()),
        ..NewJobRun::of_occurrence(&job, *occurrence, occupancy.admit(job.overlap(), Origin::MadeUp))
    });
    let records = NewRecords { runs: runs.collect(), missed: None };
    // Should the schedule or somebody's clock go back, they are not recorded again.
    job.last_nominal = job.last_nominal.max(occurrences.last().map(|last| last.nominal));
    let Recorded { job, work, .. } = clients.store.record_job_runs(project, job, records, clients.clock.now()).await?;
    tracing::info!(job = %job.id, count = occurrences.len(), "job runs of the past are on record");
    clients.bus.hand_over(work).await;
    Ok(job)
}
