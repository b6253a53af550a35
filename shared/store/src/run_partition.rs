//! A job run with its queue and its lanes: one partition, read by one query.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_engine::sink_delivery::DELIVERY_TIME_MAX;
use sundial_model::job_run::{DeliverySummary, JobRunStatus, JobRunType, Reason, Summary};
use sundial_model::trace::Trace;
use sundial_model::{JobId, JobRunId, JobUuid, ProjectId, ProjectName, Timestamp, WorkspaceId};

use crate::auth_session::SessionCheck;
use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json, read, text};
use crate::lane::Lane;
use crate::queue::Queue;
use crate::table::{Expect, Range, Write};
use crate::{RUN_AGE_MAX, Store, keys};

/// The job that a job run is an instance of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOfRun {
    /// This creation of it.
    pub uuid: JobUuid,
    /// What its user calls it.
    pub id: JobId,
}

/// A job run as it is kept, but for what it is an instance of (its [`Snapshot`](crate::Snapshot)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredJobRun {
    /// Its id.
    pub id: JobRunId,
    /// The job that it is an instance of; a single run is one of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobOfRun>,
    /// The project.
    pub project_id: ProjectId,
    /// The project's name.
    pub project_name: ProjectName,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// What started it.
    pub run_type: JobRunType,
    /// Where it stands.
    pub status: JobRunStatus,
    /// Why, where that is not the usual course.
    #[serde(with = "as_json")]
    pub reason: Option<Reason>,
    /// 1, and one more for each retry.
    pub generation: u32,
    /// The nominal time of its occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<Timestamp>,
    /// That, and the jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_time: Option<Timestamp>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When this generation was.
    pub generation_began_at: Timestamp,
    /// Payloads from this index on came with this generation: results of it have added them.
    #[serde(default)]
    pub first_new: u32,
    /// When a worker took it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// When its status last changed.
    pub updated_at: Timestamp,
    /// What is to be known of its auth session before payloads are carried out.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_check: Option<SessionCheck>,
    /// How long it may take from its start on, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration_ms: Option<u64>,
    /// So much later it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The API key whose trigger started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
    /// The id that the call has in the log that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<String>,
    /// The trace that the call belongs to that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Trace>,
    /// When its items may go, at the latest.
    pub keep_until: Timestamp,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl StoredJobRun {
    fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    /// When it must have ended, whatever it is waiting for.
    pub fn too_old_at(&self) -> Timestamp {
        // What is delivered after its end needs its items.
        (self.generation_began_at + RUN_AGE_MAX).min(self.keep_until - DELIVERY_TIME_MAX)
    }

    /// When the evaluator must end it.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let at = self.deadline.map_or(self.too_old_at(), |deadline| deadline.min(self.too_old_at()));
        (!self.status.is_terminal()).then_some(at)
    }

    /// By what it is found in the log: the id of the call that started it, or, when there was none, its own.
    pub fn correlation_id(&self) -> String {
        self.correlation_id.clone().unwrap_or_else(|| self.id.to_string())
    }

    /// The trace that its calls belong to: that of the call that started it, or its own.
    pub fn trace(&self) -> Trace {
        self.trace.clone().unwrap_or_else(|| self.id.into())
    }

    /// The job's id; a single run has none.
    pub fn job_id(&self) -> Option<&JobId> {
        self.job.as_ref().map(|job| &job.id)
    }

    /// The creation of the job that it is an instance of.
    pub fn job_uuid(&self) -> Option<JobUuid> {
        self.job.as_ref().map(|job| job.uuid)
    }

    /// A worker takes it up, or it goes on in another generation.
    pub fn begin(&mut self, now: Timestamp) {
        (self.status, self.updated_at) = (JobRunStatus::Running, now);
        self.start_time.get_or_insert(now);
        self.deadline = self.max_duration_ms.map(|length| now + Duration::from_millis(length));
    }

    pub(crate) fn move_to(&mut self, status: JobRunStatus, reason: Option<Reason>, now: Timestamp) {
        (self.status, self.reason, self.updated_at) = (status, reason, now);
        if status.is_terminal() {
            self.end_time = Some(now);
        }
    }

    pub(crate) fn put(&self) -> Result<Write, StoreError> {
        self.put_expecting(Expect::Revision(self.revision))
    }

    pub(crate) fn put_expecting(&self, expect: Expect) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::run(self.id), self)?.waking(self.wake_at());
        Ok(Write::Put(item.expiring(Some(self.keep_until)), expect))
    }
}

/// A job run, its queue and its lanes, as they were at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPartition {
    /// The run.
    pub run: StoredJobRun,
    /// Its queue.
    pub queue: Queue,
    /// Its lanes in the order of their numbers; none when it never started.
    pub lanes: Vec<Lane>,
}

impl RunPartition {
    /// The counters: sums over the lanes.
    pub fn summary(&self, now: Timestamp) -> Summary {
        let sum = |count: fn(&Lane) -> u32| self.lanes.iter().map(count).sum::<u32>();
        let (succeeded, failed) = (sum(|lane| lane.succeeded), sum(|lane| lane.failed));
        let (total, canceled) = (self.queue.total, self.queue.canceled);
        let unfinished = total.saturating_sub(succeeded + failed + canceled);
        if self.run.status.is_terminal() {
            return Summary { total, succeeded, failed, canceled: canceled + unfinished, ..Summary::default() };
        }
        let leased = self.lanes.iter().filter(|lane| lane.is_leased(now));
        let running = leased.map(|lane| lane.unfinished).sum::<u32>().min(unfinished);
        Summary { total, pending: unfinished - running, running, succeeded, failed, canceled }
    }

    /// The counters of deliveries: sums over the lanes.
    pub fn deliveries(&self) -> DeliverySummary {
        let sum = |count: fn(&Lane) -> i64| u32::try_from(self.lanes.iter().map(count).sum::<i64>()).unwrap_or(0);
        DeliverySummary {
            delivered: sum(|lane| lane.delivered),
            pending: sum(|lane| lane.deliveries_pending.into()),
            failed: sum(|lane| lane.deliveries_failed),
        }
    }

    /// The lane of this number.
    pub fn lane(&self, number: u32) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.number == number)
    }

    pub(crate) fn lane_mut(&mut self, number: u32) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.number == number)
    }
}

impl Store {
    /// The item of a job run.
    pub(crate) async fn stored_run(&self, id: JobRunId) -> Result<Option<StoredJobRun>, StoreError> {
        Ok(self.table.get(&keys::run(id)).await?.map(StoredJobRun::from_read))
    }

    /// A job run to be changed.
    ///
    /// The run is read before its lanes: if another lane ends its work after that, or the run is
    /// released, its revision is no longer the one that was read, and the change is refused. (One
    /// query alone may see the lanes before and the run after somebody's transaction.)
    pub(crate) async fn run_partition_to_change(&self, id: JobRunId) -> Result<Option<RunPartition>, StoreError> {
        let Some(run) = self.stored_run(id).await? else { return Ok(None) };
        let partition = self.run_partition(id).await?;
        Ok(partition.map(|partition| RunPartition { run, ..partition }))
    }

    /// A job run as it is now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn run_partition(&self, id: JobRunId) -> Result<Option<RunPartition>, StoreError> {
        let partition = keys::run_partition(id);
        let (mut run, mut queue, mut lanes) = (None, None, Vec::new());
        // Lanes, queue and run, in this order of sort keys.
        let range = Range { to: keys::RUN.to_owned(), ..Range::prefix(&partition, keys::LANE_PREFIX) };
        for item in self.table.query_all(&range).await? {
            match text(&item, "sk")?.as_str() {
                keys::RUN => run = Some(StoredJobRun::from_read(read(item)?)),
                keys::QUEUE => queue = Some(Queue::from_read(read(item)?)),
                _ => lanes.push(Lane::from_read(read(item)?)),
            }
        }
        Ok(run.zip(queue).map(|(run, queue)| RunPartition { run, queue, lanes }))
    }
}
