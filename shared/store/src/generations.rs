//! Running again what failed: a job run that has ended goes on in its next generation, in which the
//! payloads that had failed are pending again.

use sundial_engine::overlap::{Admission, Origin};
use sundial_model::event::WorkReady;
use sundial_model::job_run::JobRunStatus;
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::lane::{Announcement, LanePhase};
use crate::run_partition::RunPartition;
use crate::start::LOST_EVENT_AFTER;
use crate::stored_job::StoredJob;
use crate::table::retry_on_conflict;

/// What a wish to run again what failed came to.
#[derive(Clone, Debug)]
pub enum Retried {
    /// The run goes on.
    Yes(Box<RunPartition>, Vec<WorkReady>),
    /// Nothing of it has failed, or it has not ended by its payloads, or it is too old.
    NothingToRetry(String),
    /// Its job is paused.
    JobPaused,
    /// Another run of its job is active.
    AnotherJobRunActive(String),
    /// The run or its job is not there any more.
    Gone,
}

impl RunPartition {
    /// Why there is nothing to run again.
    fn nothing_to_retry(&self, now: Timestamp) -> Option<String> {
        let failed: u32 = self.lanes.iter().map(|lane| lane.failed).sum();
        let has_ended = matches!(self.run.status, JobRunStatus::Completed | JobRunStatus::Failed);
        if !has_ended {
            return Some(format!("the job run is neither COMPLETED nor FAILED but {:?}", self.run.status));
        }
        if failed == 0 {
            return Some("none of its payloads has failed".to_owned());
        }
        (self.run.too_old_at() <= now && self.run.keep_until <= now + crate::RUN_AGE_MAX)
            .then(|| "the job run is so old that its records are about to be dropped".to_owned())
    }

    /// Begins the next generation: only the first lane works, and opens the others again.
    fn begin_generation(&mut self, now: Timestamp) {
        let summary = self.summary(now);
        self.run.generation += 1;
        self.run.first_new = self.queue.total;
        (self.run.generation_began_at, self.run.end_time, self.run.reason) = (now, None, None);
        self.run.begin(now);
        (self.queue.next, self.queue.put_back, self.queue.canceled) = (0, 0, summary.canceled);
        self.queue.next_request_at = None;
        for lane in &mut self.lanes {
            lane.failed = 0;
            lane.drop_claims();
            self.queue.set_slots(lane, 0);
            lane.hold_until = None;
            // A worker that still delivers knows the generation before; another one goes on.
            lane.release(lane.wake_for_rest(now));
            if lane.number == 0 {
                (lane.phase, lane.next_at) = (LanePhase::Working, Some(now + LOST_EVENT_AFTER));
                lane.announce.push(Announcement::Started);
            }
        }
    }
}

impl Store {
    /// Runs again what failed of a job run.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn retry_job_run(&self, job: &StoredJob, run: JobRunId, now: Timestamp) -> Result<Retried, StoreError> {
        retry_on_conflict(async || {
            let Some(mut job) = self.job_as(job).await? else { return Ok(Retried::Gone) };
            let Some(mut partition) = self.run_partition_to_change(run).await? else { return Ok(Retried::Gone) };
            if let Some(why) = partition.nothing_to_retry(now) {
                return Ok(Retried::NothingToRetry(why));
            }
            if !job.is_active() {
                return Ok(Retried::JobPaused);
            }
            let admission = job.occupancy().admit(job.overlap(), Origin::Present);
            // It cannot wait for others, nor is it newer than them.
            if admission != Admission::Start {
                return Ok(Retried::AnotherJobRunActive(job.why_skipped().message));
            }
            partition.begin_generation(now);
            // The limit is the one setting that is not the snapshot's.
            partition.queue.limit = job.definition.configuration.max_concurrent_requests.get();
            job.active_runs.push(run);
            let lanes = partition.lanes.iter().map(|lane| lane.put(run));
            let writes: Vec<_> = [job.put(), partition.run.put(), partition.queue.put(run)]
                .into_iter()
                .chain(lanes)
                .collect::<Result<_, _>>()?;
            self.write_effect(writes).await?;
            let mut work = vec![WorkReady::lane(run, 0)];
            let delivering = partition.lanes.iter().filter(|lane| lane.number != 0 && lane.next_at.is_some());
            work.extend(delivering.map(|lane| WorkReady::lane(run, lane.number)));
            Ok(Retried::Yes(Box::new(partition), work))
        })
        .await
    }
}
