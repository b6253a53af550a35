//! What follows the end of a job run, at least once in each generation: the event on the bus, the
//! notifications, and the export of its results. It is an item of its own, written by the
//! transaction that ends the run, and it keeps a wake time until all of it is done.

use serde::{Deserialize, Serialize};
use sundial_model::event::WorkReady;
use sundial_model::lifecycle::JobRunDetail;
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json};
use crate::run_partition::RunPartition;
use crate::start::LOST_EVENT_AFTER;
use crate::table::{Expect, Write};
use crate::{Store, keys};

/// The export of a run's results, a multipart upload that another worker can go on with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportProgress {
    /// The upload, once it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The tags of its parts.
    #[serde(default)]
    pub parts: Vec<String>,
    /// The first payload that is in none of them.
    pub next: u32,
    /// How many bytes the parts have.
    pub size: u64,
}

/// Where the export stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Export {
    /// There is nothing to export: the run never started.
    None,
    /// It is not complete.
    Pending(ExportProgress),
    /// It is complete.
    Done {
        /// The key in the results bucket.
        key: String,
        /// Bytes.
        size: u64,
    },
    /// It was given up, which is logged.
    Failed,
}

/// A notification that has not been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingNotification {
    /// Its place among the job's notifications.
    pub index: usize,
    /// How often it was tried.
    pub attempts_made: u32,
    /// When it is tried next.
    pub due_at: Timestamp,
}

/// What follows the end of a job run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    /// The run.
    pub run: JobRunId,
    /// Which of its generations has ended.
    pub generation: u32,
    /// How it ended, as the world is told.
    #[serde(with = "as_json")]
    pub detail: JobRunDetail,
    /// Whether the end was told on the bus.
    pub is_announced: bool,
    /// The notifications that are not done; not looked up yet when absent.
    #[serde(with = "as_json")]
    pub notifications: Option<Vec<PendingNotification>>,
    /// The export.
    #[serde(with = "as_json")]
    pub export: Export,
    /// How often the export did not come to its end.
    #[serde(default)]
    pub failures: u32,
    /// A worker works on it until then, unless it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When there is something to do while nobody works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// When the item may go.
    pub keep_until: Timestamp,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl Closing {
    /// When the evaluator must look at it.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.lease_until.or(self.next_at)
    }

    /// Whether a worker works on it at `now`.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Whether all of it is done.
    pub fn is_done(&self) -> bool {
        let is_exported = !matches!(self.export, Export::Pending(_));
        self.is_announced && is_exported && self.notifications.as_ref().is_some_and(Vec::is_empty)
    }

    fn put_expecting(&self, expect: Expect) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::closing(self.run, self.generation), self)?.waking(self.wake_at());
        Ok(Write::Put(item.expiring(Some(self.keep_until)), expect))
    }
}

impl RunPartition {
    /// What the world is told about it, unless it is a single run.
    pub fn lifecycle_detail(&self, now: Timestamp) -> Option<JobRunDetail> {
        let run = &self.run;
        Some(JobRunDetail {
            workspace_id: run.workspace_id,
            project_id: run.project_id,
            project_name: run.project_name.clone(),
            job_id: run.job_id()?.clone(),
            job_run_id: run.id,
            run_type: run.run_type,
            generation: run.generation,
            status: run.status,
            reason: run.reason.clone(),
            scheduled_time: run.scheduled_time,
            start_time: run.start_time,
            end_time: run.end_time,
            summary: self.summary(now),
        })
    }

    /// The write of what follows its end, for the transaction in which it ends. Nothing follows that of a single
    /// run: what came of it is told by its record and its sink.
    pub(crate) fn closing(&self, now: Timestamp) -> Result<Option<Write>, StoreError> {
        let run = &self.run;
        let Some(detail) = self.lifecycle_detail(now) else { return Ok(None) };
        let has_results = run.start_time.is_some();
        let closing = Closing {
            run: run.id,
            generation: run.generation,
            detail,
            is_announced: false,
            notifications: None,
            export: if has_results { Export::Pending(ExportProgress::default()) } else { Export::None },
            failures: 0,
            lease_until: None,
            next_at: Some(now + LOST_EVENT_AFTER),
            keep_until: run.keep_until,
            revision: 0,
        };
        closing.put_expecting(Expect::Nothing).map(Some)
    }

    /// Whom what follows its end needs.
    pub(crate) fn closing_work(&self) -> Option<WorkReady> {
        self.run.job.is_some().then(|| WorkReady::closing(self.run.id, self.run.generation))
    }
}

impl Store {
    /// What follows the end of a run's generation; none before it has ended.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn closing(&self, run: JobRunId, generation: u32) -> Result<Option<Closing>, StoreError> {
        let read: Option<Read<Closing>> = self.table.get(&keys::closing(run, generation)).await?;
        Ok(read.map(|read| Closing { revision: read.revision, ..read.value }))
    }

    /// Writes how far a closing has come.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else works on it.
    pub async fn put_closing(&self, closing: &mut Closing) -> Result<(), StoreError> {
        self.table.write(vec![closing.put_expecting(Expect::Revision(closing.revision))?]).await?;
        closing.revision += 1;
        Ok(())
    }
}
