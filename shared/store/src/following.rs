//! The active runs of a job follow it: they pause and go on with it, and its limit of requests is
//! theirs. Nothing else of a job that has changed applies to them.
//!
//! The job is written first, together with a time at which the evaluator sees to what may be missing
//! then; so it is enough that whoever changes a job tries.

use std::time::Duration;

use sundial_model::event::WorkReady;
use sundial_model::job_run::{Reason, ReasonType};
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::stored_job::StoredJob;
use crate::table::retry_on_conflict;

/// Whoever has changed a job has also changed its runs after this long, or was cut off.
const FOLLOW_AFTER: Duration = Duration::from_secs(30);

impl StoredJob {
    /// Notes that its active runs may not be as it is.
    pub fn let_runs_follow(&mut self, now: Timestamp) {
        self.runs_follow_at = (!self.active_runs.is_empty()).then(|| now + FOLLOW_AFTER);
    }

    fn pause_reason(&self) -> Reason {
        let given = self.state.reason.as_ref().map(ToString::to_string);
        Reason::new(ReasonType::UserRequest, given.unwrap_or_else(|| "a user paused the job".to_owned()))
    }
}

impl Store {
    /// Makes the active runs of a job as it is: it may be done any number of times. Answers with what is
    /// to be handed over.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn let_runs_follow(&self, job: &StoredJob, now: Timestamp) -> Result<Vec<WorkReady>, StoreError> {
        let (mut work, reason) = (Vec::new(), job.pause_reason());
        for run in &job.active_runs {
            self.apply_limit(job, *run).await?;
            work.extend(if job.is_active() {
                self.resume_job_run(job, *run, now).await?
            } else {
                self.pause_job_run(job, *run, &reason, now).await?
            });
        }
        Ok(work)
    }

    /// Notes that the active runs of a job are as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job has changed since.
    pub async fn runs_have_followed(&self, mut job: StoredJob) -> Result<StoredJob, StoreError> {
        if job.runs_follow_at.take().is_some() {
            self.table.write(vec![job.put()?]).await?;
            job.revision += 1;
        }
        Ok(job)
    }

    async fn apply_limit(&self, job: &StoredJob, run: JobRunId) -> Result<(), StoreError> {
        retry_on_conflict(async || {
            let Some(job) = self.job_as(job).await? else { return Ok(()) };
            let Some(mut partition) = self.run_partition(run).await? else { return Ok(()) };
            let limit = job.definition.configuration.max_concurrent_requests.get();
            if partition.queue.limit == limit || partition.run.status.is_terminal() {
                return Ok(());
            }
            partition.queue.limit = limit;
            self.table.write(vec![partition.queue.put(run)?, job.check()]).await
        })
        .await
    }
}
