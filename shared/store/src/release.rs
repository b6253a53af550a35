//! Job runs that wait for others to end, and how they come to be worked on.
//!
//! A run that waits is recorded whole but for a lane, so that no worker can take it up, and
//! stands in its job's queue of waiting runs. The transaction that ends an active run of the job
//! releases the next one: it adds its first lane. So there is no moment at which a run waits for
//! nothing, and none at which two are active that must not be.

use sundial_model::event::WorkReady;
use sundial_model::job_run::JobRunStatus;
use sundial_model::{JobRunId, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::item::{NewItem, text};
use crate::keys::{self, Key};
use crate::lane::Lane;
use crate::run_partition::RunPartition;
use crate::run_partition::StoredJobRun;
use crate::start::LOST_EVENT_AFTER;
use crate::stored_job::StoredJob;
use crate::table::{Expect, Range, Write, after_prefix};

/// One transaction releases so many runs at most: it has at most 100 writes, most of which may be
/// the lanes of the run that ends in it. More than one can be released only under `allow`.
const RELEASED_AT_ONCE: usize = 4;

/// A job with the runs that it releases. The job itself is not among the writes.
pub(crate) struct Release {
    pub(crate) job: StoredJob,
    pub(crate) writes: Vec<Write>,
    /// What the released runs need workers for, once it is written.
    pub(crate) work: Vec<WorkReady>,
}

impl StoredJobRun {
    /// Whether it is recorded and waits for others to end.
    pub(crate) fn waits(&self, lanes: &[Lane]) -> bool {
        !self.status.is_terminal() && lanes.is_empty()
    }

    /// Its first lane, which no worker has taken up. Its worker opens further ones as it needs them.
    pub(crate) fn first_lane(&self, now: Timestamp) -> Lane {
        Lane::new(0, now + LOST_EVENT_AFTER, self.keep_until)
    }

    /// Its place among the runs of its job that wait.
    fn waiting_key(&self) -> Option<Key> {
        Some(keys::waiting_run(self.job_uuid()?, self.scheduled_time.unwrap_or(self.created_at), self.id))
    }

    /// Puts it among the runs of its job that wait.
    pub(crate) fn enqueue(&self) -> Result<Option<Write>, StoreError> {
        let Some(key) = self.waiting_key() else { return Ok(None) };
        let item = NewItem::new(key, &serde_json::json!({}))?.expiring(Some(self.keep_until));
        Ok(Some(Write::Put(item, Expect::Nothing)))
    }

    /// Takes it out of them.
    fn dequeue(&self) -> Option<Write> {
        self.waiting_key().map(|key| Write::Delete(key, Expect::Anything))
    }
}

impl Store {
    /// The writes of a run's job for the transaction that ends the run in this status, if the job is
    /// still there: without the run among those that have not ended, and with what starts in its place.
    /// A single run is no longer among its project's that have not ended.
    pub(crate) async fn after_end(
        &self,
        partition: &RunPartition,
        status: JobRunStatus,
        now: Timestamp,
    ) -> Result<(Vec<Write>, Vec<WorkReady>), StoreError> {
        let RunPartition { run, lanes, .. } = partition;
        let Some(of) = &run.job else { return Ok((vec![run.no_longer_active()], Vec::new())) };
        let job = self.job(run.project_id, &of.id).await?.filter(|job| job.uuid == of.uuid);
        let Some(mut job) = job else { return Ok((Vec::new(), Vec::new())) };
        let is_active = job.active_runs.contains(&run.id);
        if !is_active && !lanes.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        job.active_runs.retain(|active| *active != run.id);
        job.note_end(status, now);
        let dequeued = if is_active { None } else { run.dequeue() };
        if dequeued.is_some() {
            job.waiting_runs = job.waiting_runs.saturating_sub(1);
        }
        let Release { job, mut writes, work } = self.release_but(job, Some(run.id), now).await?;
        writes.extend(dequeued);
        writes.push(job.put()?);
        Ok((writes, work))
    }

    /// Releases what may start of the job's waiting runs.
    pub(crate) async fn release(&self, job: StoredJob, now: Timestamp) -> Result<Release, StoreError> {
        self.release_but(job, None, now).await
    }

    /// `ending` still stands in the queue, and ends in the same transaction.
    async fn release_but(
        &self,
        mut job: StoredJob,
        ending: Option<JobRunId>,
        now: Timestamp,
    ) -> Result<Release, StoreError> {
        let (mut writes, mut work) = (Vec::new(), Vec::new());
        let releasable = job.occupancy().releasable(job.overlap()).min(RELEASED_AT_ONCE);
        if releasable == 0 || !job.is_active() {
            return Ok(Release { job, writes, work });
        }
        let mut next = self.next_waiting(&job, releasable + usize::from(ending.is_some())).await?;
        next.retain(|(_, id)| Some(*id) != ending);
        next.truncate(releasable);
        if next.len() < releasable {
            // The queue is what counts; it may have passed its retention.
            job.waiting_runs = next.len();
        }
        for (key, id) in next {
            writes.push(Write::Delete(key, Expect::Anything));
            job.waiting_runs = job.waiting_runs.saturating_sub(1);
            let waiting = self.run_partition_to_change(id).await?;
            let waiting = waiting.filter(|waiting| !waiting.run.status.is_terminal());
            let Some(RunPartition { mut run, mut queue, .. }) = waiting else { continue };
            run.updated_at = now;
            // The limit is the one setting that is not that of the time when it was recorded.
            let limit = job.definition.configuration.max_concurrent_requests.get();
            if queue.limit != limit {
                queue.limit = limit;
                writes.push(queue.put(id)?);
            }
            // Written, so that whoever has read it as waiting notices.
            writes.push(run.put()?);
            writes.push(run.first_lane(now).put_expecting(id, Expect::Nothing)?);
            work.push(WorkReady::lane(id, 0));
            job.active_runs.push(id);
            job.last_run_time = Some(now);
        }
        Ok(Release { job, writes, work })
    }

    /// The first of a job's runs that wait.
    pub(crate) async fn next_waiting(&self, job: &StoredJob, limit: usize) -> Result<Vec<(Key, JobRunId)>, StoreError> {
        let partition = keys::waiting_runs(job.uuid);
        let range = Range { pk: partition.clone(), from: "0".to_owned(), to: after_prefix("9"), backward: false };
        let mut waiting = Vec::new();
        for item in self.table.query(&range, limit).await? {
            let sk = text(&item, "sk")?;
            let id = sk.rsplit_once('#').and_then(|(_, id)| id.parse().ok());
            let id = id.ok_or_else(|| StoreError::Corrupt(format!("{partition}: {sk}")))?;
            waiting.push((Key { pk: partition.clone(), sk }, id));
        }
        Ok(waiting)
    }
}
