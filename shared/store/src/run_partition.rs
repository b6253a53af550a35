//! A job run with its queue and its lanes: one partition, read by one query.

use serde::{Deserialize, Serialize};
use sundial_model::job::JobDefinition;
use sundial_model::job_run::{DeliverySummary, JobRun, JobRunStatus, JobRunType, Reason, Summary};
use sundial_model::target::Target;
use sundial_model::{JobId, JobRunId, JobUuid, ProjectId, ProjectName, SecretsId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json, read, text};
use crate::lane::Lane;
use crate::payload_parts::PayloadPart;
use crate::table::{Expect, Range, Write};
use crate::{RUN_AGE_MAX, Store, keys};

/// A job run as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredJobRun {
    /// Its id.
    pub id: JobRunId,
    /// The creation of the job that it is an instance of.
    pub job_uuid: JobUuid,
    /// The job's id.
    pub job_id: JobId,
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
    /// When a worker took it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// When its status last changed.
    pub updated_at: Timestamp,
    /// What its job was when it started, without secrets.
    #[serde(with = "as_json")]
    pub definition: JobDefinition,
    /// The secrets of sink and notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsId>,
    /// What its project's target was when it started, without secrets.
    #[serde(with = "as_json")]
    pub target: Target,
    /// The secrets of the project.
    pub project_secrets: SecretsId,
    /// Its initial payloads.
    #[serde(with = "as_json")]
    pub parts: Vec<PayloadPart>,
    /// How many lanes it has.
    pub lane_count: u32,
    /// The API key whose trigger started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
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

    /// When the evaluator must end it, whatever it is waiting for.
    pub fn wake_at(&self) -> Option<Timestamp> {
        (!self.status.is_terminal()).then_some(self.created_at + RUN_AGE_MAX)
    }

    /// How many requests may be under way in this lane: an even share of the run's limit.
    pub fn lane_limit(&self, lane: u32) -> u32 {
        let (limit, lanes) = (self.definition.configuration.max_concurrent_requests.get(), self.lane_count.max(1));
        limit / lanes + u32::from(lane < limit % lanes)
    }

    pub(crate) fn put(&self) -> Result<Write, StoreError> {
        self.put_expecting(Expect::Revision(self.revision))
    }

    pub(crate) fn put_expecting(&self, expect: Expect) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::run(self.id), self)?.waking(self.wake_at());
        Ok(Write::Put(item.expiring(Some(self.keep_until)), expect))
    }
}

/// What of a job run's payloads was claimed by lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// How many payloads there are.
    pub total: u32,
    /// The first payload that no lane has claimed.
    pub next: u32,
    /// When the item may go.
    pub keep_until: Timestamp,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl Queue {
    fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    pub(crate) fn put(&self, run: JobRunId, expect: Expect) -> Result<Write, StoreError> {
        Ok(Write::Put(NewItem::new(keys::queue(run), self)?.expiring(Some(self.keep_until)), expect))
    }

    pub(crate) fn expected(&self) -> Expect {
        Expect::Revision(self.revision)
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
        let leased = self.lanes.iter().filter(|lane| lane.is_leased(now));
        let unfinished = self.queue.total.saturating_sub(succeeded + failed);
        if self.run.status.is_terminal() {
            return Summary { total: self.queue.total, succeeded, failed, canceled: unfinished, ..Summary::default() };
        }
        let running = leased.map(|lane| lane.unfinished).sum::<u32>().min(unfinished);
        Summary { total: self.queue.total, pending: unfinished - running, running, succeeded, failed, canceled: 0 }
    }

    /// The counters of deliveries: sums over the lanes.
    pub fn deliveries(&self) -> DeliverySummary {
        DeliverySummary {
            delivered: self.lanes.iter().map(|lane| lane.delivered).sum(),
            pending: self.lanes.iter().map(|lane| lane.deliveries_pending).sum(),
            failed: self.lanes.iter().map(|lane| lane.deliveries_failed).sum(),
        }
    }

    /// As it is answered.
    pub fn answer(&self, now: Timestamp) -> JobRun {
        let run = &self.run;
        let late = run.effective_time.map(|effective| run.created_at.since(effective).as_millis());
        JobRun {
            id: run.id,
            job_id: run.job_id.clone(),
            project_id: run.project_id,
            workspace_id: run.workspace_id,
            run_type: run.run_type,
            status: run.status,
            reason: run.reason.clone(),
            generation: run.generation,
            scheduled_time: run.scheduled_time,
            effective_time: run.effective_time,
            late_by_ms: late.map(|late| u64::try_from(late).unwrap_or(u64::MAX)),
            created_at: run.created_at,
            start_time: run.start_time,
            end_time: run.end_time,
            updated_at: run.updated_at,
            max_concurrent_requests: run.definition.configuration.max_concurrent_requests.get(),
            summary: self.summary(now),
            deliveries: self.deliveries(),
            configuration_snapshot: run.definition.clone(),
            triggered_by: run.triggered_by.clone(),
        }
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
