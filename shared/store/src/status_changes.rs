//! Changes of a job run's status by its workers, and by pausing and resuming its job: the run, its
//! lanes, its queue and its job, in one transaction each.
//!
//! The run's item is part of every transaction that ends a lane's work, so that the last lane to
//! do so knows that it is the last.

use sundial_model::event::WorkReady;
use sundial_model::job_run::{JobRunStatus, Reason};
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::lane::{Announcement, Lane, LanePhase};
use crate::run_partition::RunPartition;
use crate::stored_job::StoredJob;
use crate::table::{Write, retry_on_conflict};

impl RunPartition {
    /// The writes of the run, its queue, and all its lanes that are not settled.
    fn puts_of_working(&self, before: &Self) -> Result<Vec<Write>, StoreError> {
        let changed = self.lanes.iter().zip(&before.lanes).filter(|(lane, before)| lane != before);
        let lanes = changed.map(|(lane, _)| lane.put(self.run.id));
        [self.run.put(), self.queue.put(self.run.id)].into_iter().chain(lanes).collect()
    }

    fn has_settled(&self) -> bool {
        self.lanes.iter().all(|lane| lane.phase == LanePhase::Settled)
    }

    fn has_come_to_rest(&self) -> bool {
        self.lanes.iter().all(|lane| matches!(lane.phase, LanePhase::Settled | LanePhase::Paused))
    }

    /// Whether another lane than `number` looks after what is in the queue at `due_at` at the latest:
    /// it has a worker, which looks at the queue before it goes, or is looked at by then.
    fn is_covered_without(&self, number: u32, due_at: Timestamp, now: Timestamp) -> bool {
        let covers = |lane: &Lane| lane.is_leased(now) || lane.wake_at().is_some_and(|at| at <= due_at);
        let others = self.lanes.iter().filter(|lane| lane.number != number && lane.phase == LanePhase::Working);
        others.into_iter().any(covers)
    }
}

/// How a run ends all whose payloads are finished, or will never be carried out.
fn final_status(partition: &RunPartition) -> JobRunStatus {
    let failed_all = partition.queue.total > 0 && partition.lanes.iter().all(|lane| lane.succeeded == 0);
    if failed_all { JobRunStatus::Failed } else { JobRunStatus::Completed }
}

/// What a lane whose worker has nothing to do came to.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The run, its queue and its lanes as they are then.
    pub partition: RunPartition,
    /// What is to be handed over, because the run has ended and others of its job start in its place.
    pub work: Vec<WorkReady>,
}

impl Store {
    /// Ends a lane's work, all whose payloads are finished; the last lane ends the run. `lane` is as
    /// its worker has it, with what it has not written yet. There may be payloads left in the queue
    /// until `queue_due_at`, if another lane looks after them; `None` as answer says that none does.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed, or payloads came to it.
    pub async fn settle_lane(
        &self,
        run: JobRunId,
        lane: &Lane,
        queue_due_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Settled>, StoreError> {
        let Some(mut partition) = self.run_partition_to_change(run).await? else { return Err(StoreError::Conflict) };
        if partition.lane(lane.number).is_none_or(|stored| stored.revision != lane.revision) {
            return Err(StoreError::Conflict);
        }
        if !partition.queue.is_exhausted() && !partition.is_covered_without(lane.number, queue_due_at, now) {
            return Ok(None);
        }
        let mut settled = Lane { phase: LanePhase::Settled, is_draining: false, ..lane.clone() };
        settled.drop_claims();
        partition.queue.set_slots(&mut settled, 0);
        if let Some(stored) = partition.lane_mut(lane.number) {
            *stored = settled.clone();
        }
        let (mut writes, mut work) = (Vec::new(), Vec::new());
        if partition.has_settled() && !partition.run.status.is_terminal() {
            let before = partition.clone();
            partition.run.move_to(final_status(&partition), None, now);
            (writes, work) = self.after_end(&before, partition.run.status, now).await?;
            writes.extend(partition.closing(now)?);
            work.extend(partition.closing_work());
        }
        writes.extend([partition.run.put()?, partition.queue.put(run)?, settled.put(run)?]);
        self.table.write(writes).await?;
        partition.run.revision += 1;
        partition.queue.revision += 1;
        if let Some(stored) = partition.lane_mut(lane.number) {
            stored.revision += 1;
        }
        Ok(Some(Settled { partition, work }))
    }

    /// Lets a lane rest: nothing of it is in flight any more. The last one moves the run to PAUSED.
    /// Answers with the lane and the queue as they are then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed.
    pub async fn rest_lane(&self, run: JobRunId, lane: &Lane, now: Timestamp) -> Result<RunPartition, StoreError> {
        let Some(mut partition) = self.run_partition_to_change(run).await? else { return Err(StoreError::Conflict) };
        if partition.lane(lane.number).is_none_or(|stored| stored.revision != lane.revision) {
            return Err(StoreError::Conflict);
        }
        let mut rested = Lane { phase: LanePhase::Paused, ..lane.clone() };
        partition.queue.set_slots(&mut rested, 0);
        if let Some(stored) = partition.lane_mut(lane.number) {
            *stored = rested.clone();
        }
        if partition.has_come_to_rest() && partition.run.status == JobRunStatus::Pausing {
            let reason = partition.run.reason.take();
            partition.run.move_to(JobRunStatus::Paused, reason, now);
            rested.announce.push(Announcement::Paused);
        }
        self.table.write(vec![partition.run.put()?, partition.queue.put(run)?, rested.put(run)?]).await?;
        partition.run.revision += 1;
        partition.queue.revision += 1;
        rested.revision += 1;
        if let Some(stored) = partition.lane_mut(lane.number) {
            *stored = rested;
        }
        Ok(partition)
    }

    /// Takes an active run of a paused job over PAUSING to PAUSED, unless the job was resumed meanwhile.
    /// Answers with what is to be handed over.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn pause_job_run(
        &self,
        job: &StoredJob,
        run: JobRunId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        retry_on_conflict(async || {
            let Some(job) = self.job_as(job).await?.filter(|job| !job.is_active()) else { return Ok(Vec::new()) };
            let Some(mut partition) = self.run_partition_to_change(run).await? else { return Ok(Vec::new()) };
            if !matches!(partition.run.status, JobRunStatus::Pending | JobRunStatus::Running) {
                return Ok(Vec::new());
            }
            let before = partition.clone();
            for lane in partition.lanes.iter_mut().filter(|lane| lane.phase == LanePhase::Working) {
                lane.phase = LanePhase::Pausing;
                if !lane.is_leased(now) {
                    // Nobody is there to wait for. That its worker died is not forgotten.
                    lane.phase = LanePhase::Paused;
                    (lane.lease_until, lane.next_at) = (None, lane.wake_for_rest(now));
                    partition.queue.set_slots(lane, 0);
                }
            }
            let rests = partition.has_come_to_rest();
            let status = if rests { JobRunStatus::Paused } else { JobRunStatus::Pausing };
            partition.run.move_to(status, Some(reason.clone()), now);
            let mut work = Vec::new();
            let teller = partition.lanes.iter_mut().find(|lane| rests && lane.phase == LanePhase::Paused);
            if let Some(lane) = teller {
                lane.announce.push(Announcement::Paused);
                lane.next_at = Some(now);
                work.push(WorkReady::lane(run, lane.number));
            }
            let mut writes = partition.puts_of_working(&before)?;
            writes.push(job.check());
            self.table.write(writes).await?;
            Ok(work)
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
            let (before, mut work) = (partition.clone(), Vec::new());
            for lane in partition.lanes.iter_mut().filter(|lane| lane.phase != LanePhase::Settled) {
                lane.phase = LanePhase::Working;
                if !lane.is_leased(now) {
                    // Should the event be lost, the evaluator finds it at once.
                    (lane.lease_until, lane.next_at) = (None, Some(now));
                    work.push(WorkReady::lane(run, lane.number));
                }
            }
            if partition.run.waits_for_session() {
                // What was found out before the pause may be long ago.
                partition.run.want_session();
            }
            let has_started = partition.run.start_time.is_some();
            let status = if has_started { JobRunStatus::Running } else { JobRunStatus::Pending };
            partition.run.move_to(status, None, now);
            // A worker that came to tell of the pause is there, and begins.
            let is_there = |lane: &&mut Lane| lane.phase == LanePhase::Working && lane.is_leased(now);
            let begins = !has_started && !partition.run.waits_for_session();
            if let Some(lane) = partition.lanes.iter_mut().find(is_there).filter(|_| begins) {
                lane.announce.push(Announcement::Started);
                partition.run.begin(now);
            }
            let mut writes = partition.puts_of_working(&before)?;
            writes.push(job.check());
            self.table.write(writes).await?;
            Ok(work)
        })
        .await
    }
}
