//! Starting a job run: its record, its lanes and its job's next wake time in one transaction.

use std::time::Duration;

use sundial_model::job_run::{JobRunStatus, JobRunType, Reason};
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::NewItem;
use crate::jobs::StoredJob;
use crate::lane::Lane;
use crate::payload_parts::{PayloadPart, count};
use crate::projects::StoredProject;
use crate::run_partition::{Queue, RunPartition, StoredJobRun};
use crate::table::{Expect, Write};
use crate::{RUN_AGE_MAX, Store, keys};

/// A lane that nobody has taken up after this long is looked at by the evaluator: its event was lost.
const LOST_EVENT_AFTER: Duration = Duration::from_secs(15);

/// A worker carries out up to so many requests at once; a larger limit gets several lanes.
const LANE_LIMIT: u32 = 100;

/// Whether a job run starts, or only leaves a record.
#[derive(Clone, Debug, PartialEq)]
pub enum StartDecision {
    /// It starts.
    Start,
    /// It is recorded as CANCELED.
    Cancel(Reason),
}

/// A job run to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJobRun {
    /// Its id.
    pub id: JobRunId,
    /// What starts it.
    pub run_type: JobRunType,
    /// The nominal and the effective time of its occurrence.
    pub occurrence: Option<(Timestamp, Timestamp)>,
    /// Whether it starts.
    pub decision: StartDecision,
    /// Its payloads instead of the job's own.
    pub payloads: Option<PayloadPart>,
    /// The API key whose trigger starts it.
    pub triggered_by: Option<String>,
}

impl Store {
    /// Records job runs of `job`, which is put in the same transaction in the state given here,
    /// over the one that was read. Answers with what was recorded, in order.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job has changed since it was read, or a run was recorded before.
    pub async fn record_job_runs(
        &self,
        project: &StoredProject,
        mut job: StoredJob,
        new_runs: Vec<NewJobRun>,
        now: Timestamp,
    ) -> Result<(StoredJob, Vec<RunPartition>), StoreError> {
        let partitions: Vec<_> = new_runs.into_iter().map(|new| self.new_partition(project, &job, new, now)).collect();
        let mut writes = Vec::new();
        for RunPartition { run, queue, lanes } in &partitions {
            writes.push(run.put_expecting(Expect::Nothing)?);
            writes.push(queue.put(run.id, Expect::Nothing)?);
            for lane in lanes {
                writes.push(lane.put_expecting(run.id, Expect::Nothing)?);
            }
            let lists =
                [keys::job_runs(run.job_uuid), keys::project_runs(run.project_id, keys::project_runs_shard(run.id))];
            for list in lists {
                let item = NewItem::new(keys::listed_run(list, run.created_at, run.id), &serde_json::json!({}))?;
                writes.push(Write::Put(item.expiring(Some(run.keep_until)), Expect::Nothing));
            }
            if !run.status.is_terminal() {
                job.active_runs.push(run.id);
                job.last_run_time = Some(now);
            }
        }
        writes.push(job.put()?);
        self.table.write(writes).await?;
        job.revision += 1;
        Ok((job, partitions))
    }

    fn new_partition(&self, project: &StoredProject, job: &StoredJob, new: NewJobRun, now: Timestamp) -> RunPartition {
        let starts = new.decision == StartDecision::Start;
        let reason = match new.decision {
            StartDecision::Start => None,
            StartDecision::Cancel(reason) => Some(reason),
        };
        let parts = new.payloads.map_or_else(|| job.parts.clone(), |part| vec![part]);
        let total = count(&parts);
        let limit = job.definition.configuration.max_concurrent_requests.get();
        let lane_count = if starts { limit.min(total.max(1)).div_ceil(LANE_LIMIT) } else { 0 };
        let keep_until = now + self.retention + if starts { RUN_AGE_MAX } else { Duration::ZERO };
        let run = StoredJobRun {
            id: new.id,
            job_uuid: job.uuid,
            job_id: job.id.clone(),
            project_id: job.project_id,
            project_name: job.project_name.clone(),
            workspace_id: job.workspace_id,
            run_type: new.run_type,
            status: if starts { JobRunStatus::Pending } else { JobRunStatus::Canceled },
            reason,
            generation: 1,
            scheduled_time: new.occurrence.map(|(nominal, _)| nominal),
            effective_time: new.occurrence.map(|(_, effective)| effective),
            created_at: now,
            start_time: None,
            end_time: (!starts).then_some(now),
            updated_at: now,
            definition: job.definition.clone(),
            secrets: job.secrets,
            target: project.target.clone(),
            project_secrets: project.secrets,
            parts,
            lane_count,
            triggered_by: new.triggered_by,
            keep_until,
            revision: 1,
        };
        let lanes = (0..lane_count).map(|number| Lane::new(number, now + LOST_EVENT_AFTER, keep_until)).collect();
        RunPartition { run, queue: Queue { total, next: 0, keep_until, revision: 1 }, lanes }
    }
}
