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

/// What became of the active runs of a job.
#[derive(Debug, Default)]
pub struct Followed {
    /// What is to be handed over.
    pub work: Vec<WorkReady>,
    /// Why some of them are not as the job is.
    pub failure: Option<StoreError>,
}

impl StoredJob {
    /// Notes that its active runs may not be as it is; whoever does so sees to it, too.
    pub fn runs_must_follow(&mut self, now: Timestamp) {
        self.runs_follow_at = (!self.active_runs.is_empty()).then(|| now + FOLLOW_AFTER);
    }

    fn pause_reason(&self) -> Reason {
        let given = self.state.reason.as_ref().map(ToString::to_string);
        let reason_type = match self.paused_without {
            Some(_) => ReasonType::AuthSessionInvalidMidJob,
            None => ReasonType::UserRequest,
        };
        Reason::new(reason_type, given.unwrap_or_else(|| "a user paused the job".to_owned()))
    }
}

impl Store {
    /// Makes the active runs of a job as it is: it may be done any number of times. One that cannot be
    /// changed keeps nobody else from it.
    pub async fn let_runs_follow(&self, job: &StoredJob, now: Timestamp) -> Followed {
        let mut followed = Followed::default();
        for run in &job.active_runs {
            match self.let_run_follow(job, *run, now).await {
                Ok(work) => followed.work.extend(work),
                Err(error) => followed.failure = Some(error),
            }
        }
        followed
    }

    async fn let_run_follow(
        &self,
        job: &StoredJob,
        run: JobRunId,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        let work = if job.is_active() {
            self.resume_job_run(job, run, now).await?
        } else {
            self.pause_job_run(job, run, &job.pause_reason(), now).await?
        };
        self.apply_limit(job, run).await?;
        Ok(work)
    }

    /// Notes that the active runs of a job have followed it, as it was read; unless it has changed since
    /// in a way that they must follow again.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn runs_have_followed(&self, job: &StoredJob) -> Result<(), StoreError> {
        retry_on_conflict(async || {
            let Some(mut current) = self.job_as(job).await? else { return Ok(()) };
            if current.runs_follow_at.is_none() || current.runs_follow_at != job.runs_follow_at {
                return Ok(());
            }
            current.runs_follow_at = None;
            self.table.write(vec![current.put()?]).await
        })
        .await
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
