//! Ends of job runs that are not their payloads' doing: a user ends them, the next run takes their
//! place, or their time is over. The deletion of a job ends them, too: [`crate::deletion`].

use sundial_model::event::WorkReady;
use sundial_model::job_run::{JobRunStatus, Reason, ReasonType};
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::lane::LanePhase;
use crate::run_partition::{RunPartition, StoredJobRun};
use crate::stored_job::StoredJob;
use crate::table::{Write, retry_on_conflict};

/// A transaction ends so many runs at most in favour of the next one, as each has many lanes; the
/// others before. There is more than one only where the job's policy has just been `allow`.
const SUPERSEDED_AT_ONCE: usize = 1;

/// Runs that have ended, with what is to be handed over because of it.
pub(crate) type Ended = (Vec<Write>, Vec<WorkReady>);

impl RunPartition {
    /// Ends the run as it stands: from here on no outcome is recorded; deliveries of what had ended
    /// go on. Answers with the writes, and with what is to be handed over.
    pub(crate) fn end(&mut self, reason: Reason, now: Timestamp) -> Result<Ended, StoreError> {
        let run = self.run.id;
        let mut writes = Vec::new();
        for lane in self.lanes.iter_mut().filter(|lane| lane.phase != LanePhase::Settled) {
            lane.phase = LanePhase::Settled;
            lane.drop_claims();
            self.queue.set_slots(lane, 0);
            if !lane.is_leased(now) {
                lane.release(lane.wake_for_rest(now));
            }
            writes.push(lane.put(run)?);
        }
        let has_started = self.run.start_time.is_some();
        let status = match reason.reason_type {
            ReasonType::TooOld => JobRunStatus::Failed,
            ReasonType::Superseded | ReasonType::Deadline => JobRunStatus::Terminated,
            _ if has_started => JobRunStatus::Terminated,
            _ => JobRunStatus::Canceled,
        };
        self.run.move_to(status, Some(reason), now);
        // The queue is written, so that nobody claims or opens anything any more.
        writes.extend([self.run.put()?, self.queue.put(run)?]);
        writes.extend(self.closing(now)?);
        Ok((writes, self.closing_work().into_iter().collect()))
    }
}

pub(crate) fn by_user() -> Reason {
    Reason::new(ReasonType::Terminated, "a user ended it")
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
        self.end_job_run(run, &by_user(), |_| true, now).await
    }

    /// Ends a run whose time is over: its job's `maxDuration`, or [`RUN_AGE_MAX`](crate::RUN_AGE_MAX), after
    /// which its items and what they point at are kept for a while only. Answers with when it must be
    /// looked at again, and with what is to be handed over.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn end_if_over(
        &self,
        run: JobRunId,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Vec<WorkReady>), StoreError> {
        let Some(stored) = self.stored_run(run).await? else { return Ok((None, Vec::new())) };
        let wake_at = stored.wake_at();
        if wake_at.is_none_or(|wake_at| wake_at > now) {
            return Ok((wake_at, Vec::new()));
        }
        let reason = if stored.too_old_at() <= now {
            Reason::new(ReasonType::TooOld, "it was not done after 30 days")
        } else {
            Reason::new(ReasonType::Deadline, "it took longer than its job's maxDuration")
        };
        // A retry may have given it more time since.
        let is_over = |run: &StoredJobRun| run.wake_at().is_some_and(|wake_at| wake_at <= now);
        let ended = self.end_job_run(run, &reason, is_over, now).await?;
        Ok((None, ended.map(|(_, work)| work).unwrap_or_default()))
    }

    pub(crate) async fn end_job_run(
        &self,
        run: JobRunId,
        reason: &Reason,
        is_wanted: impl Fn(&StoredJobRun) -> bool,
        now: Timestamp,
    ) -> Result<Option<(RunPartition, Vec<WorkReady>)>, StoreError> {
        retry_on_conflict(async || {
            let Some(mut partition) = self.run_partition_to_change(run).await? else { return Ok(None) };
            if partition.run.status.is_terminal() || !is_wanted(&partition.run) {
                return Ok(Some((partition, Vec::new())));
            }
            let before = partition.clone();
            let (mut writes, mut work) = partition.end(reason.clone(), now)?;
            let (writes_of_job, starting) = self.after_end(&before, partition.run.status, now).await?;
            writes.extend(writes_of_job);
            work.extend(starting);
            self.write_effect(writes).await?;
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
    ) -> Result<Ended, StoreError> {
        let reason = Reason::new(ReasonType::Superseded, format!("job run {by} has taken its place"));
        let surplus = job.active_runs.len().saturating_sub(SUPERSEDED_AT_ONCE);
        if surplus > 0 {
            let mut gone = Vec::new();
            for run in &job.active_runs[..surplus] {
                if self.beside().end_job_run(*run, &reason, |_| true, now).await?.is_none() {
                    gone.push(*run);
                }
            }
            if gone.len() < surplus {
                // The others are not the job's active ones any more: it has changed.
                return Err(StoreError::Conflict);
            }
            job.active_runs.retain(|run| !gone.contains(run));
        }
        let (mut writes, mut work) = (Vec::new(), Vec::new());
        for run in std::mem::take(&mut job.active_runs) {
            let Some(mut partition) = self.run_partition_to_change(run).await? else { continue };
            if partition.run.status.is_terminal() {
                // It has ended since the job was read.
                return Err(StoreError::Conflict);
            }
            let (ends, closings) = partition.end(reason.clone(), now)?;
            writes.extend(ends);
            work.extend(closings);
        }
        Ok((writes, work))
    }

    /// The same creation of a job, as it is now.
    pub(crate) async fn job_as(&self, job: &StoredJob) -> Result<Option<StoredJob>, StoreError> {
        Ok(self.job(job.project_id, &job.id).await?.filter(|current| current.uuid == job.uuid))
    }
}
