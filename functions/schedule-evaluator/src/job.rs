//! A job whose occurrence has come.

use std::time::Duration;

use sundial_engine::due::{DuePlan, Occurrences};
use sundial_engine::overlap::Origin;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::Timestamp;
use sundial_runtime::Clients;
use sundial_store::{DueJob, NewJobRun, NewRecords, NextOccurrence, Recorded, StoreError, StoredJob};

use crate::TRY_AGAIN_AFTER;
use crate::attended::Attended;

/// A decision is made again so often at once, when others change the job at the same time.
const TRIES_MAX: u32 = 20;

/// Records what is due of a job, as it was read and again as it is now if that has changed.
pub(crate) async fn attend(clients: &Clients, mut due: DueJob) -> Result<Attended, StoreError> {
    let mut tries = 0;
    loop {
        let now = clients.clock.now();
        let Some(wake_at) = due.job.wake_at() else { return Ok(Attended::default()) };
        if wake_at > now {
            return Ok(Attended { again_at: Some(wake_at), ..Attended::default() });
        }
        if due.job.runs_follow_at.is_some_and(|at| at <= now) {
            return follow(clients, due.job, now).await;
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

/// Whoever has changed the job was cut off before its runs were changed with it. What is due then
/// comes next.
async fn follow(clients: &Clients, job: StoredJob, now: Timestamp) -> Result<Attended, StoreError> {
    let work = clients.store.let_runs_follow(&job, now).await?;
    match clients.store.runs_have_followed(job).await {
        Ok(job) => Ok(Attended { again_at: job.wake_at(), work }),
        Err(error) => {
            tracing::warn!(%error, "that the runs of a job have followed it is noted later");
            Ok(Attended { again_at: Some(now + TRY_AGAIN_AFTER), work })
        }
    }
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
    let runs = due.into_iter().map(|(occurrence, origin)| {
        NewJobRun::of_occurrence(&job, occurrence, occupancy.admit(specification.overlap, origin))
    });
    let records = NewRecords { runs: runs.collect(), missed };
    job.last_nominal = job.last_nominal.max(Some(last_nominal));
    (job.next, job.catching_up) = (next.map(NextOccurrence::from), catching_up);
    let Recorded { job, work, .. } = clients.store.record_job_runs(&project, job, records, now).await?;
    Ok(Attended { again_at: job.wake_at(), work })
}
