//! A job whose occurrence has come.

use sundial_engine::due::{DuePlan, Missed, OverlapDecision, decide_overlap, plan};
use sundial_engine::schedule::{CompiledSchedule, Occurrence};
use sundial_model::event::{Event, WorkReady};
use sundial_model::job_run::{JobRunType, Reason, ReasonType};
use sundial_model::{JobId, JobRunId, ProjectId, Timestamp};
use sundial_runtime::{Clients, clock};
use sundial_store::{NewJobRun, NextOccurrence, StartDecision, StoreError, StoredJob};

/// Records what is due of a job and hands it over. Answers with when it is due next.
pub(crate) async fn attend(clients: &Clients, project: ProjectId, id: &JobId) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let Some(job) = clients.store.job(project, id).await? else { return Ok(None) };
        let now = clock::now();
        let Some(wake_at) = job.wake_at() else { return Ok(None) };
        if wake_at > now {
            return Ok(Some(wake_at));
        }
        match record(clients, job, now).await {
            // Another evaluator, or a change by a user, was faster: decide again.
            Err(StoreError::Conflict) => {}
            result => return result,
        }
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
    let due = Occurrence { nominal: next.nominal, effective: next.effective };
    let DuePlan { occurrence, missed, next } = plan(&compiled, job.uuid, specification.catch_up, due, now);
    let mut runs: Vec<_> = missed.map(|missed| missed_run(&job, missed)).into_iter().collect();
    if let Some(occurrence) = occurrence {
        runs.push(scheduled_run(&job, specification.overlap, occurrence));
    }
    job.last_nominal = occurrence.map(|it| it.nominal).or(missed.map(|it| it.to)).or(job.last_nominal);
    job.next = next.map(|next| NextOccurrence { nominal: next.nominal, effective: next.effective });
    let (job, partitions) = clients.store.record_job_runs(&project, job, runs, now).await?;
    let lanes =
        partitions.iter().flat_map(|partition| partition.lanes.iter().map(|lane| (partition.run.id, lane.number)));
    let events: Vec<_> = lanes.map(|(job_run_id, lane)| Event::WorkReady(WorkReady { job_run_id, lane })).collect();
    clients.bus.put(&events).await;
    Ok(job.wake_at())
}

fn scheduled_run(job: &StoredJob, overlap: sundial_model::schedule::Overlap, occurrence: Occurrence) -> NewJobRun {
    let decision = match decide_overlap(overlap, job.active_runs.len()) {
        OverlapDecision::Start => StartDecision::Start,
        OverlapDecision::Skip => {
            let active: Vec<_> = job.active_runs.iter().map(ToString::to_string).collect();
            let message = format!("job run {} was active", active.join(", "));
            StartDecision::Cancel(Reason::new(ReasonType::AnotherJobRunActive, message))
        }
    };
    NewJobRun {
        id: JobRunId::scheduled(job.uuid, occurrence.nominal),
        run_type: JobRunType::Scheduled,
        occurrence: Some((occurrence.nominal, occurrence.effective)),
        decision,
        payloads: None,
        triggered_by: None,
    }
}

/// One record for a whole stretch.
fn missed_run(job: &StoredJob, missed: Missed) -> NewJobRun {
    let Missed { from, to, count } = missed;
    let reason = Reason {
        details: Some(serde_json::json!({ "from": from, "to": to, "count": count })),
        ..Reason::new(ReasonType::Missed, format!("{count} occurrence(s) passed while nothing looked at the schedule"))
    };
    NewJobRun {
        id: JobRunId::missed(job.uuid, from),
        run_type: JobRunType::Scheduled,
        occurrence: Some((from, from)),
        decision: StartDecision::Cancel(reason),
        payloads: None,
        triggered_by: None,
    }
}
