//! Changes of a job run's status by its workers, and by pausing and resuming its job: the run, its
//! lanes and its job, in one transaction each.
//!
//! The run's item is part of every transaction that ends a lane's work, so that the last lane to
//! do so knows that it is the last.

use sundial_model::event::WorkReady;
use sundial_model::job_run::{JobRunStatus, Reason};
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::lane::{Lane, LanePhase};
use crate::run_partition::{RunPartition, StoredJobRun};
use crate::stored_job::StoredJob;
use crate::table::{Write, retry_on_conflict};

impl StoredJobRun {
    pub(crate) fn move_to(&mut self, status: JobRunStatus, reason: Option<Reason>, now: Timestamp) {
        (self.status, self.reason, self.updated_at) = (status, reason, now);
        if status.is_terminal() {
            self.end_time = Some(now);
        }
    }
}

impl RunPartition {
    /// The writes of the run and of all its lanes.
    pub(crate) fn puts(&self) -> Result<Vec<Write>, StoreError> {
        let lanes = self.lanes.iter().map(|lane| lane.put(self.run.id));
        std::iter::once(self.run.put()).chain(lanes).collect()
    }

    fn has_settled(&self) -> bool {
        self.lanes.iter().all(|lane| lane.phase == LanePhase::Settled)
    }

    fn has_come_to_rest(&self) -> bool {
        self.lanes.iter().all(|lane| matches!(lane.phase, LanePhase::Settled | LanePhase::Paused))
    }
}

/// How a run whose payloads are all finished ends.
fn final_status(partition: &RunPartition) -> JobRunStatus {
    let failed_all = partition.queue.total > 0 && partition.lanes.iter().all(|lane| lane.succeeded == 0);
    if failed_all { JobRunStatus::Failed } else { JobRunStatus::Completed }
}

impl Store {
    /// Ends a lane's work on payloads, all of which are finished; the last lane ends the run.
    /// Answers with the partition as it is then, and with what is to be handed over because
    /// other runs of the job start in its place. `lane` is as its worker has it, with what it has
    /// not written yet.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed, or payloads came to it.
    pub async fn settle_lane(
        &self,
        run: JobRunId,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<(RunPartition, Vec<WorkReady>), StoreError> {
        let Some(mut partition) = self.run_partition_to_change(run).await? else { return Err(StoreError::Conflict) };
        let settled = Lane { phase: LanePhase::Settled, ..lane.clone() };
        let place = usize::try_from(lane.number).unwrap_or(usize::MAX);
        match partition.lanes.get_mut(place) {
            Some(stored) if stored.revision == lane.revision => *stored = settled,
            _ => return Err(StoreError::Conflict),
        }
        if partition.queue.next < partition.queue.total {
            return Err(StoreError::Conflict);
        }
        let (mut writes, mut work) = (Vec::new(), Vec::new());
        if partition.has_settled() && !partition.run.status.is_terminal() {
            let status = final_status(&partition);
            partition.run.move_to(status, None, now);
            (writes, work) = self.after_end(&partition, now).await?;
        }
        let queue = crate::keys::queue(run);
        writes.push(Write::Check(queue, partition.queue.expected()));
        writes.push(partition.run.put()?);
        writes.push(partition.lanes[place].put(run)?);
        self.table.write(writes).await?;
        partition.run.revision += 1;
        partition.lanes[place].revision += 1;
        Ok((partition, work))
    }

    /// Lets a lane rest: nothing of it is in flight any more. The last one moves the run to PAUSED.
    /// Answers with the lane as it is then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed.
    pub async fn rest_lane(&self, run: JobRunId, lane: &Lane, now: Timestamp) -> Result<Lane, StoreError> {
        let Some(mut partition) = self.run_partition_to_change(run).await? else { return Err(StoreError::Conflict) };
        let place = usize::try_from(lane.number).unwrap_or(usize::MAX);
        match partition.lanes.get_mut(place) {
            Some(stored) if stored.revision == lane.revision => {
                *stored = Lane { phase: LanePhase::Paused, ..lane.clone() };
            }
            _ => return Err(StoreError::Conflict),
        }
        if partition.has_come_to_rest() && partition.run.status == JobRunStatus::Pausing {
            let reason = partition.run.reason.take();
            partition.run.move_to(JobRunStatus::Paused, reason, now);
        }
        let mut rested = partition.lanes.swap_remove(place);
        self.table.write(vec![partition.run.put()?, rested.put(run)?]).await?;
        rested.revision += 1;
        Ok(rested)
    }

    /// Takes an active run of a paused job over PAUSING to PAUSED, unless the job was resumed meanwhile.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn pause_job_run(
        &self,
        job: &StoredJob,
        run: JobRunId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        retry_on_conflict(async || {
            let Some(job) = self.job_as(job).await?.filter(|job| !job.is_active()) else { return Ok(()) };
            let Some(mut partition) = self.run_partition_to_change(run).await? else { return Ok(()) };
            if !matches!(partition.run.status, JobRunStatus::Pending | JobRunStatus::Running) {
                return Ok(());
            }
            for lane in &mut partition.lanes {
                match lane.phase {
                    // Nobody is there to wait for.
                    LanePhase::Working if !lane.is_leased(now) => {
                        (lane.phase, lane.owner, lane.lease_until) = (LanePhase::Paused, None, None);
                        lane.next_at = (lane.deliveries_pending > 0).then_some(now);
                    }
                    LanePhase::Working => lane.phase = LanePhase::Pausing,
                    LanePhase::Pausing | LanePhase::Paused | LanePhase::Settled => {}
                }
            }
            let rests = partition.has_come_to_rest();
            let status = if rests { JobRunStatus::Paused } else { JobRunStatus::Pausing };
            partition.run.move_to(status, Some(reason.clone()), now);
            let mut writes = partition.puts()?;
            writes.push(job.check());
            self.table.write(writes).await
        })
        .await
    }

    /// Lets a run that is PAUSING or PAUSED go on, unless its job was paused again meanwhile.
    /// Answers with what is to be handed over.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn resume_job_run(
        &self,
        job: &StoredJob,
        run: JobRunId,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        retry_on_conflict(async || {
            let Some(job) = self.job_as(job).await?.filter(StoredJob::is_active) else { return Ok(Vec::new()) };
            let Some(mut partition) = self.run_partition_to_change(run).await? else { return Ok(Vec::new()) };
            if !matches!(partition.run.status, JobRunStatus::Pausing | JobRunStatus::Paused) {
                return Ok(Vec::new());
            }
            let mut woken = Vec::new();
            for lane in partition.lanes.iter_mut().filter(|lane| lane.phase != LanePhase::Settled) {
                lane.phase = LanePhase::Working;
                if !lane.is_leased(now) {
                    // Should the event be lost, the evaluator finds it at once.
                    (lane.owner, lane.lease_until, lane.next_at) = (None, None, Some(now));
                    woken.push(WorkReady { job_run_id: run, lane: lane.number });
                }
            }
            let has_started = partition.run.start_time.is_some();
            let status = if has_started { JobRunStatus::Running } else { JobRunStatus::Pending };
            partition.run.move_to(status, None, now);
            let mut writes = partition.puts()?;
            writes.push(job.check());
            self.table.write(writes).await?;
            Ok(woken)
        })
        .await
    }
}
