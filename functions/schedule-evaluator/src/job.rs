//! A job whose wake time has come: an occurrence is due, or its active runs have to follow it.

use std::time::Duration;

use sundial_engine::due::{DuePlan, Occurrences};
use sundial_engine::overlap::Origin;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_runtime::Clients;
use sundial_store::{
    DueJob, Followed, NewJobRun, NewRecords, NextOccurrence, Recorded, RunPartition, RunView, StoreError, StoredJob,
};

use crate::TRY_AGAIN_AFTER;
use crate::attended::Attended;

/// A decision is made again so often at once, when others change the job at the same time.
const TRIES_MAX: u32 = 20;

/// Does what is due of a job. Its runs follow after that, so that they never keep an occurrence from
/// being recorded.
pub(crate) async fn attend(clients: &Clients, due: DueJob) -> Result<Attended, StoreError> {
    let now = clients.clock.now();
    let must_follow = due.job.runs_follow_at.is_some_and(|at| at <= now).then(|| due.job.clone());
    let recorded = record_due(clients, due).await;
    let Some(job) = must_follow else { return recorded };
    let (followed, again_at) = follow(clients, &job, now).await;
    let Attended { again_at: due_at, mut work, lags } = recorded?;
    work.extend(followed);
    // Its wake time stands until its runs have followed.
    let due_at = due_at.filter(|at| *at > now);
    Ok(Attended { again_at: due_at.into_iter().chain(again_at).min(), work, lags })
}

/// Records what is due of a job, as it was read and again as it is now if that has changed.
async fn record_due(clients: &Clients, mut due: DueJob) -> Result<Attended, StoreError> {
    let mut tries = 0;
    loop {
        let now = clients.clock.now();
        if due.job.due_at().is_none_or(|due_at| due_at > now) {
            return Ok(Attended { again_at: due.job.wake_at(), ..Attended::default() });
        }
        let (project, id) = (due.job.project_id, due.job.id.clone());
        match record(clients, due, now).await {
            // Another evaluator, or a change by a user, was faster: decide again.
            Err(StoreError::Conflict) if tries < TRIES_MAX => tries += 1,
            result => return result,
        }
        // Spread, so that two that met once do not meet again.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..10 << tries.min(3)))).await;
        let again = clients.store.due_jobs(vec![(project, id.clone())]).await?.remove(&(project, id));
        match again {
            Some(again) => due = again,
            None => return Ok(Attended::default()),
        }
    }
}

/// Whoever has changed the job was cut off before its runs were changed with it. Answers with what is to
/// be handed over, and with when to try again.
async fn follow(clients: &Clients, job: &StoredJob, now: Timestamp) -> (Vec<WorkReady>, Option<Timestamp>) {
    let Followed { work, failure } = clients.store.let_runs_follow(job, now).await;
    let noted = match failure {
        None => clients.store.runs_have_followed(job).await,
        Some(error) => Err(error),
    };
    let Err(error) = noted else { return (work, None) };
    tracing::warn!(%error, job = %job.id, "its runs follow later");
    // Where soon would not help, the next tick tries.
    let is_passing = error.is_passing() || matches!(error, StoreError::Conflict);
    (work, is_passing.then(|| now + TRY_AGAIN_AFTER))
}

async fn record(clients: &Clients, due: DueJob, now: Timestamp) -> Result<Attended, StoreError> {
    let DueJob { mut job, project } = due;
    let (Some(schedule), Some(next)) = (job.definition.schedule.clone(), job.next) else {
        return Ok(Attended::default());
    };
    let specification = schedule.specification();
    let compiled = CompiledSchedule::compile(specification)
        .map_err(|error| StoreError::Corrupt(format!("the schedule of job {}: {error}", job.id)))?;
    let occurrences = Occurrences { schedule: &compiled, job: job.uuid, catch_up: specification.catch_up };
    let at_once = job.recordable_at_once(Origin::Present);
    let plan = occurrences.plan(next.into(), job.catching_up, now, at_once);
    let DuePlan { due, missed, next, catching_up, last_nominal } = plan;
    let mut occupancy = job.occupancy();
    let effective: Vec<_> = due.iter().map(|(occurrence, _)| occurrence.effective).collect();
    let runs = due.into_iter().map(|(occurrence, origin)| {
        NewJobRun::of_occurrence(&job, occurrence, occupancy.admit(specification.overlap, origin))
    });
    let records = NewRecords { runs: runs.collect(), missed };
    job.last_nominal = job.last_nominal.max(Some(last_nominal));
    (job.next, job.catching_up) = (next.map(NextOccurrence::from), catching_up);
    let Recorded { job, work, runs } = clients.store.record_job_runs(&project, job, records, now).await?;
    for RunView { partition: RunPartition { run, .. }, .. } in &runs {
        let (id, scheduled_time, status) = (run.id, run.scheduled_time.map(|time| time.to_string()), run.status);
        let correlation_id = run.correlation_id();
        tracing::info!(correlationId = correlation_id, jobRunId = %id, scheduledTime = scheduled_time, ?status, "a job run is on record");
    }
    let recorded_at = clients.clock.now();
    let lags = effective.into_iter().map(|at| recorded_at.since(at)).collect();
    Ok(Attended { again_at: job.wake_at(), work, lags })
}
