//! A job whose occurrence has come.

use std::time::Duration;

use sundial_engine::due::{DuePlan, Occurrences};
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::{JobId, ProjectId, Timestamp};
use sundial_runtime::{Clients, clock};
use sundial_store::{NewJobRun, NewRecords, NextOccurrence, Recorded, StoreError, StoredJob};

/// A decision is made again so often at once, when others change the job at the same time.
const TRIES_MAX: u32 = 8;

/// Records what is due of a job and hands it over. Answers with when it is due next.
pub(crate) async fn attend(clients: &Clients, project: ProjectId, id: &JobId) -> Result<Option<Timestamp>, StoreError> {
    let mut tries = 0;
    loop {
        let Some(job) = clients.store.job(project, id).await? else { return Ok(None) };
        let now = clock::now();
        let Some(wake_at) = job.wake_at() else { return Ok(None) };
        if wake_at > now {
            return Ok(Some(wake_at));
        }
        match record(clients, job, now).await {
            // Another evaluator, or a change by a user, was faster: decide again.
            Err(StoreError::Conflict) if tries < TRIES_MAX => tries += 1,
            result => return result,
        }
        tokio::time::sleep(Duration::from_millis(5 * u64::from(tries))).await;
    }
}

async fn record(clients: &Clients, mut job: StoredJob, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let (Some(schedule), Some(next)) = (job.definition.schedule.clone(), job.next) else { return Ok(None) };
    let specification = schedule.specification();
    let compiled = CompiledSchedule::compile(specification)
        .map_err(|error| StoreError::Corrupt(format!("the schedule of job {}: {error}", job.id)))?;
    let Some(project) = clients.store.project(job.workspace_id, &job.project_name).await? else {
        return Err(StoreError::Corrupt(format!("job {} has no project", job.id)));
    };
    let occurrences = Occurrences { schedule: &compiled, job: job.uuid, catch_up: specification.catch_up };
    let plan = occurrences.plan(next.into(), job.catching_up, now, job.recordable_at_once());
    let DuePlan { due, missed, next, catching_up, last_nominal } = plan;
    let mut occupancy = job.occupancy();
    let runs = due.into_iter().map(|(occurrence, origin)| {
        NewJobRun::of_occurrence(&job, occurrence, occupancy.admit(specification.overlap, origin))
    });
    let records = NewRecords { runs: runs.collect(), missed };
    job.last_nominal = job.last_nominal.max(Some(last_nominal));
    (job.next, job.catching_up) = (next.map(NextOccurrence::from), catching_up);
    let Recorded { job, work, .. } = clients.store.record_job_runs(&project, job, records, now).await?;
    clients.bus.hand_over(work).await;
    Ok(job.wake_at())
}
