//! The deletion of a job: its runs end, step by step, and the last of them together with the job.

use futures::future::try_join_all;
use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_model::job_run::JobRunStatus;

use crate::Store;
use crate::endings::by_user;
use crate::error::StoreError;
use crate::stored_job::StoredJob;
use crate::table::{Expect, Tries, Write};

/// A transaction ends so many runs at most that wait.
const CANCELED_AT_ONCE: usize = 30;

/// What became of the deletion of a job.
#[derive(Debug)]
pub struct Deletion {
    /// What is to be handed over, however far it has come.
    pub work: Vec<WorkReady>,
    /// Whether the job is gone: `false` when it was not as wanted, and nothing was changed. When it went wrong, the
    /// job may still be there, and what has ended is found by its wake time, too.
    pub outcome: Result<bool, StoreError>,
}

impl Store {
    /// Deletes a job and ends its runs, if it is as wanted. That is decided by the first write, which expects the
    /// job as it was looked at; from then on the job goes, whatever becomes of it meanwhile.
    pub async fn delete_job(
        &self,
        job: &StoredJob,
        is_wanted: impl Fn(&StoredJob) -> bool,
        now: Timestamp,
    ) -> Deletion {
        let mut work = Vec::new();
        let outcome = self.delete_in_steps(job, is_wanted, &mut work, now).await;
        Deletion { work, outcome }
    }

    async fn delete_in_steps(
        &self,
        job: &StoredJob,
        is_wanted: impl Fn(&StoredJob) -> bool,
        work: &mut Vec<WorkReady>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (mut is_begun, mut fewest_runs, mut tries) = (false, usize::MAX, Tries::default());
        while let Some(current) = self.job_as(job).await? {
            if !is_begun && !is_wanted(&current) {
                return Ok(false);
            }
            let runs = current.waiting_runs + current.active_runs.len();
            let is_last = current.waiting_runs == 0 && runs <= 1;
            let step = if is_last {
                self.delete_with_last_run(&current, work, now).await
            } else if is_begun {
                self.end_some_runs(current, work, now).await
            } else {
                self.begin_deletion(current).await
            };
            match step {
                Ok(()) if is_last => return Ok(true),
                Ok(()) => is_begun = true,
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
            if runs < fewest_runs {
                (fewest_runs, tries) = (runs, Tries::default());
            } else {
                tries.again().await?;
            }
        }
        Ok(true)
    }

    /// Another version of a job: whoever has seen the one before does not change what is being deleted.
    async fn begin_deletion(&self, mut job: StoredJob) -> Result<(), StoreError> {
        job.note_edit();
        self.table.write(vec![job.put()?]).await
    }

    /// Ends some of a job's runs that wait, or else all but one of the active ones.
    async fn end_some_runs(
        &self,
        mut job: StoredJob,
        work: &mut Vec<WorkReady>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if job.waiting_runs > 0 {
            work.extend(self.cancel_waiting(job, now).await?);
            return Ok(());
        }
        let mut gone = Vec::new();
        for other in job.active_runs.iter().skip(1) {
            match self.terminate_job_run(*other, now).await? {
                Some((_, more)) => work.extend(more),
                None => gone.push(*other),
            }
        }
        if !gone.is_empty() {
            // Their records have passed their retention; they are active no more.
            job.active_runs.retain(|run| !gone.contains(run));
            self.table.write(vec![job.put()?]).await?;
        }
        Ok(())
    }

    /// Deletes a job together with the end of its last run, so that none starts between.
    async fn delete_with_last_run(
        &self,
        job: &StoredJob,
        work: &mut Vec<WorkReady>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut writes, mut ended) = (self.deletion(job, now)?, Vec::new());
        if let Some(run) = job.active_runs.first()
            && let Some(mut partition) = self.run_partition_to_change(*run).await?
            && !partition.run.status.is_terminal()
        {
            let (ends, closings) = partition.end(by_user(), now)?;
            writes.extend(ends);
            ended = closings;
        }
        self.table.write(writes).await?;
        work.extend(ended);
        Ok(())
    }

    /// Cancels the first of a job's runs that wait.
    async fn cancel_waiting(&self, mut job: StoredJob, now: Timestamp) -> Result<Vec<WorkReady>, StoreError> {
        let (mut writes, mut work) = (Vec::new(), Vec::new());
        let waiting = self.next_waiting(&job, CANCELED_AT_ONCE).await?;
        if waiting.len() < CANCELED_AT_ONCE {
            job.waiting_runs = waiting.len();
        }
        job.waiting_runs = job.waiting_runs.saturating_sub(waiting.len());
        let runs = try_join_all(waiting.iter().map(|(_, run)| self.run_partition_to_change(*run))).await?;
        writes.extend(waiting.into_iter().map(|(key, _)| Write::Delete(key, Expect::Anything)));
        for mut partition in runs.into_iter().flatten().filter(|partition| !partition.run.status.is_terminal()) {
            partition.run.move_to(JobRunStatus::Canceled, Some(by_user()), now);
            writes.push(partition.run.put()?);
            writes.extend(partition.closing(now)?);
            work.extend(partition.closing_work());
        }
        writes.push(job.put()?);
        self.table.write(writes).await?;
        Ok(work)
    }
}
