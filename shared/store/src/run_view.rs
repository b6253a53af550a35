//! A job run as it is shown: where it stands, and what it is an instance of.

use sundial_model::Timestamp;
use sundial_model::job_run::JobRun;

use crate::Store;
use crate::error::StoreError;
use crate::run_partition::RunPartition;
use crate::snapshot::Snapshot;

/// A job run with its counters and its snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// Where it stands.
    pub partition: RunPartition,
    /// What it is an instance of.
    pub snapshot: Snapshot,
}

impl RunView {
    /// As it is answered, but for its results.
    ///
    /// # Errors
    /// When it is a single run, which is answered as a run.
    pub fn answer(&self, now: Timestamp) -> Result<JobRun, StoreError> {
        let Self { partition, snapshot } = self;
        let run = &partition.run;
        let job_id = run.job_id().ok_or_else(|| StoreError::Corrupt(format!("job run {} is of no job", run.id)))?;
        let late = run.effective_time.map(|effective| run.created_at.since(effective).as_millis());
        Ok(JobRun {
            id: run.id,
            job_id: job_id.clone(),
            project_id: run.project_id,
            workspace_id: run.workspace_id,
            run_type: run.run_type,
            status: run.status,
            reason: run.reason.clone(),
            generation: run.generation,
            scheduled_time: run.scheduled_time,
            effective_time: run.effective_time,
            late_by_ms: late.map(|late| u64::try_from(late).unwrap_or(u64::MAX)),
            created_at: run.created_at,
            start_time: run.start_time,
            end_time: run.end_time,
            updated_at: run.updated_at,
            max_concurrent_requests: partition.queue.limit,
            summary: partition.summary(now),
            deliveries: partition.deliveries(),
            configuration_snapshot: snapshot.definition.clone(),
            triggered_by: run.triggered_by.clone(),
            results: None,
        })
    }
}

impl Store {
    /// A job run with what it is an instance of.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn run_view(&self, partition: RunPartition) -> Result<RunView, StoreError> {
        let snapshot = self.snapshot(partition.run.id).await?;
        Ok(RunView { partition, snapshot })
    }
}
