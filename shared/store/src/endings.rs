//! Ends of job runs that are not their payloads' doing: a user ends them, the next run takes their
//! place, or their job is deleted.

use futures::future::try_join_all;
use sundial_model::event::WorkReady;
use sundial_model::job_run::{JobRunStatus, Reason, ReasonType};
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::lane::LanePhase;
use crate::run_partition::RunPartition;
use crate::stored_job::StoredJob;
use crate::table::{Expect, Write, retry_on_conflict};

/// A transaction ends so many runs at most in favour of the next one; the others before. There is
/// more than one only where the job's policy has just been `allow`.
const SUPERSEDED_AT_ONCE: usize = 3;
/// And so many that wait: it has 4 MB, and each run has a snapshot of its job.
const CANCELED_AT_ONCE: usize = 16;

impl RunPartition {
    /// Ends the run as it stands. From here on no outcome is recorded; deliveries of what had ended go on.
    fn end(&mut self, reason: Reason, now: Timestamp) {
        for lane in &mut self.lanes {
            lane.phase = LanePhase::Settled;
            (lane.claims, lane.unfinished) = (Vec::new(), 0);
            if !lane.is_leased(now) {
                lane.next_at = (lane.deliveries_pending > 0).then_some(now);
            }
        }
        let has_started = self.run.start_time.is_some();
        let status = match reason.reason_type {
            ReasonType::TooOld => JobRunStatus::Failed,
            ReasonType::Superseded => JobRunStatus::Terminated,
            _ if has_started => JobRunStatus::Terminated,
            _ => JobRunStatus::Canceled,
        };
        self.run.move_to(status, Some(reason), now);
    }
}

fn by_user() -> Reason {
    Reason::new(ReasonType::Terminated, "a user ended the job run")
}

impl Store {
    /// Ends a run that has not ended: TERMINATED, or CANCELED when it never started. Answers with
    /// the run as it is then, and with what is to be handed over because other runs start in its
    /// place.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn terminate_job_run(
        &self,
        run: JobRunId,
        now: Timestamp,
    ) -> Result<Option<(RunPartition, Vec<WorkReady>)>, StoreError> {
        self.end_job_run(run, &by_user(), now).await
    }

    /// Ends a run that is not done after [`RUN_AGE_MAX`](crate::RUN_AGE_MAX), whatever it is waiting for: its items and
    /// what they point at are kept for a while after that only. Answers with when it must be looked
    /// at again, and with what is to be handed over because other runs start in its place.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn end_if_too_old(
        &self,
        run: JobRunId,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Vec<WorkReady>), StoreError> {
        let wake_at = self.stored_run(run).await?.and_then(|run| run.wake_at());
        if wake_at.is_none_or(|wake_at| wake_at > now) {
            return Ok((wake_at, Vec::new()));
        }
        let reason = Reason::new(ReasonType::TooOld, "the job run was not done after 30 days");
        let ended = self.end_job_run(run, &reason, now).await?;
        Ok((None, ended.map(|(_, work)| work).unwrap_or_default()))
    }

    async fn end_job_run(
        &self,
        run: JobRunId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Option<(RunPartition, Vec<WorkReady>)>, StoreError> {
        retry_on_conflict(async || {
            let Some(mut partition) = self.run_partition_to_change(run).await? else { return Ok(None) };
            let mut work = Vec::new();
            if !partition.run.status.is_terminal() {
                let writes_of_job;
                (writes_of_job, work) = self.after_end(&partition, now).await?;
                partition.end(reason.clone(), now);
                let mut writes = partition.puts()?;
                writes.extend(writes_of_job);
                self.table.write(writes).await?;
            }
            Ok(Some((partition, work)))
        })
        .await
    }

    /// The writes that end the active runs of a job in favour of the run `by`, which is recorded in
    /// the same transaction.
    pub(crate) async fn supersede(
        &self,
        job: &mut StoredJob,
        by: JobRunId,
        now: Timestamp,
    ) -> Result<Vec<Write>, StoreError> {
        let reason = Reason::new(ReasonType::Superseded, format!("job run {by} has taken its place"));
        let surplus = job.active_runs.len().saturating_sub(SUPERSEDED_AT_ONCE);
        if surplus > 0 {
            let mut gone = Vec::new();
            for run in &job.active_runs[..surplus] {
                if self.end_job_run(*run, &reason, now).await?.is_none() {
                    gone.push(*run);
                }
            }
            if gone.len() < surplus {
                // The others are not the job's active ones any more: it has changed.
                return Err(StoreError::Conflict);
            }
            job.active_runs.retain(|run| !gone.contains(run));
        }
        let mut writes = Vec::new();
        for run in std::mem::take(&mut job.active_runs) {
            let Some(mut partition) = self.run_partition_to_change(run).await? else { continue };
            if partition.run.status.is_terminal() {
                // It has ended since the job was read.
                return Err(StoreError::Conflict);
            }
            partition.end(reason.clone(), now);
            writes.extend(partition.puts()?);
        }
        Ok(writes)
    }

    /// Deletes a job and ends its runs.
    ///
    /// # Errors
    /// When the table cannot be reached; then the job is still there.
    pub async fn delete_job(&self, job: &StoredJob, now: Timestamp) -> Result<(), StoreError> {
        while let Some(current) = self.job_as(job).await?.filter(|current| current.waiting_runs > 0) {
            match self.cancel_waiting(current, now).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        retry_on_conflict(async || {
            let Some(mut current) = self.job_as(job).await? else { return Ok(()) };
            if current.waiting_runs > 0 {
                self.cancel_waiting(current, now).await?;
                return Err(StoreError::Conflict);
            }
            // All but one end before; the last one ends with the job, so that none starts between.
            let mut others = current.active_runs.clone();
            let last = others.pop();
            let mut gone = Vec::new();
            for other in &others {
                if self.terminate_job_run(*other, now).await?.is_none() {
                    gone.push(*other);
                }
            }
            if !gone.is_empty() {
                // Their records have passed their retention; they are active no more.
                current.active_runs.retain(|run| !gone.contains(run));
                self.table.write(vec![current.put()?]).await?;
            }
            if !others.is_empty() {
                return Err(StoreError::Conflict);
            }
            let mut writes = self.deletion(&current, now)?;
            if let Some(run) = last
                && let Some(mut partition) = self.run_partition_to_change(run).await?
                && !partition.run.status.is_terminal()
            {
                partition.end(by_user(), now);
                writes.extend(partition.puts()?);
            }
            self.table.write(writes).await
        })
        .await
    }

    /// Cancels the first of a job's runs that wait.
    async fn cancel_waiting(&self, mut job: StoredJob, now: Timestamp) -> Result<(), StoreError> {
        let mut writes = Vec::new();
        let waiting = self.next_waiting(&job, CANCELED_AT_ONCE).await?;
        if waiting.len() < CANCELED_AT_ONCE {
            job.waiting_runs = waiting.len();
        }
        job.waiting_runs = job.waiting_runs.saturating_sub(waiting.len());
        let runs = try_join_all(waiting.iter().map(|(_, run)| self.stored_run(*run))).await?;
        writes.extend(waiting.into_iter().map(|(key, _)| Write::Delete(key, Expect::Anything)));
        for mut run in runs.into_iter().flatten().filter(|run| !run.status.is_terminal()) {
            run.move_to(JobRunStatus::Canceled, Some(by_user()), now);
            writes.push(run.put()?);
        }
        writes.push(job.put()?);
        self.table.write(writes).await
    }

    /// The same creation of a job, as it is now.
    pub(crate) async fn job_as(&self, job: &StoredJob) -> Result<Option<StoredJob>, StoreError> {
        Ok(self.job(job.project_id, &job.id).await?.filter(|current| current.uuid == job.uuid))
    }
}
