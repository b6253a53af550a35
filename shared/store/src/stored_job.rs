//! A job as it is kept.

use serde::{Deserialize, Serialize};
use sundial_engine::due::CatchingUp;
use sundial_engine::overlap::Occupancy;
use sundial_engine::schedule::Occurrence;
use sundial_model::job::{Job, JobDefinition, JobState, JobStatus};
use sundial_model::job_run::JobRunStatus;
use sundial_model::payload::Payload;
use sundial_model::schedule::Overlap;
use sundial_model::{
    AuthSessionId, JobId, JobRunId, JobUuid, ProjectId, ProjectName, SecretsId, Timestamp, WorkspaceId,
};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json};
use crate::keys;
use crate::payload_parts::{PayloadPart, count};
use crate::projects::StoredProject;
use crate::table::{Expect, Write};

/// When a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextOccurrence {
    /// What the schedule says.
    pub nominal: Timestamp,
    /// That, and the jitter.
    pub effective: Timestamp,
}

impl From<Occurrence> for NextOccurrence {
    fn from(Occurrence { nominal, effective }: Occurrence) -> Self {
        Self { nominal, effective }
    }
}

impl From<NextOccurrence> for Occurrence {
    fn from(NextOccurrence { nominal, effective }: NextOccurrence) -> Self {
        Self { nominal, effective }
    }
}

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredJob {
    /// This creation of it.
    pub uuid: JobUuid,
    /// What its user calls it.
    pub id: JobId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its project's name.
    pub project_name: ProjectName,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// What its user decided, without secrets.
    #[serde(with = "as_json")]
    pub definition: JobDefinition,
    /// The secrets of sink and notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsId>,
    /// Its payload list.
    #[serde(with = "as_json")]
    pub parts: Vec<PayloadPart>,
    /// Whether it runs.
    #[serde(with = "as_json")]
    pub state: JobState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is due next, were it ACTIVE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextOccurrence>,
    /// The nominal time of its newest recorded occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_nominal: Option<Timestamp>,
    /// The start of its newest job run that was not CANCELED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_time: Option<Timestamp>,
    /// Its job runs that are not terminal and may be worked on.
    #[serde(default)]
    pub active_runs: Vec<JobRunId>,
    /// How many of its job runs wait for others to end.
    #[serde(default)]
    pub waiting_runs: usize,
    /// How many of its job runs in a row have FAILED.
    #[serde(default)]
    pub failed_in_a_row: u32,
    /// An outage whose occurrences are not all accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catching_up: Option<CatchingUp>,
    /// Its active runs may not be as it is: paused, going on, or with its limit. The evaluator sees to that
    /// then, unless whoever has changed the job has done so before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_follow_at: Option<Timestamp>,
    /// It is PAUSED because this auth session was refused and not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_without: Option<AuthSessionId>,
    /// How often what its user decides has changed: document, payloads, state. Its runs, which write the job,
    /// too, leave that as it is.
    #[serde(default)]
    pub(crate) document_version: u64,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl StoredJob {
    /// A job that is not stored yet.
    pub fn new(
        project: &StoredProject,
        uuid: JobUuid,
        id: JobId,
        definition: JobDefinition,
        state: JobState,
        now: Timestamp,
    ) -> Self {
        Self {
            uuid,
            id,
            project_id: project.id,
            project_name: project.name.clone(),
            workspace_id: project.workspace_id,
            definition,
            secrets: None,
            parts: Vec::new(),
            state,
            created_at: now,
            next: None,
            last_nominal: None,
            last_run_time: None,
            active_runs: Vec::new(),
            waiting_runs: 0,
            failed_in_a_row: 0,
            catching_up: None,
            runs_follow_at: None,
            paused_without: None,
            document_version: 0,
            revision: 0,
        }
    }

    pub(crate) fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.state.status == JobStatus::Active
    }

    /// What becomes of a run that is due while another one is active.
    pub fn overlap(&self) -> Overlap {
        self.definition.schedule.as_ref().map(|schedule| schedule.specification().overlap).unwrap_or_default()
    }

    /// Its job runs that have not ended.
    pub fn occupancy(&self) -> Occupancy {
        Occupancy { active: self.active_runs.len(), waiting: self.waiting_runs }
    }

    /// Which version of this creation of it its user sees.
    pub fn document_version(&self) -> u64 {
        self.document_version
    }

    /// Notes that what its user decides has changed.
    pub fn note_edit(&mut self) {
        self.document_version += 1;
    }

    /// How many payloads it has.
    pub fn payload_count(&self) -> u32 {
        count(&self.parts)
    }

    /// Notes how one of its job runs has ended; so many failures in a row as its configuration says
    /// pause it, and its other runs with it.
    pub(crate) fn note_end(&mut self, status: JobRunStatus, now: Timestamp) {
        match status {
            JobRunStatus::Failed => self.failed_in_a_row += 1,
            JobRunStatus::Completed => self.failed_in_a_row = 0,
            _ => return,
        }
        let most = self.definition.configuration.pause_after_failed_runs;
        if self.is_active() && most.is_some_and(|most| self.failed_in_a_row >= most.get()) {
            let text = format!("{} job runs in a row have failed", self.failed_in_a_row);
            self.state = JobState { status: JobStatus::Paused, reason: text.parse().ok() };
            self.note_edit();
            self.runs_follow_at = (!self.active_runs.is_empty()).then_some(now);
        }
    }

    /// When its next run is due.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.next.filter(|_| self.is_active()).map(|next| next.effective)
    }

    /// When the evaluator must look at it.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.due_at().into_iter().chain(self.runs_follow_at).min()
    }

    /// As it is answered, with the payloads that are shown.
    pub fn answer(&self, payload: Vec<Payload>) -> Job {
        let payload_count = self.payload_count();
        Job {
            id: self.id.clone(),
            payload_truncated: payload.len() < payload_count as usize,
            payload,
            payload_count,
            definition: self.definition.clone(),
            created_at: self.created_at,
            next_run_time: self.due_at(),
            last_run_time: self.last_run_time,
            state: self.state.clone(),
            project_id: self.project_id,
        }
    }

    pub(crate) fn key(&self) -> keys::Key {
        keys::job(self.project_id, &self.id)
    }

    /// Belongs into a transaction that relies on the job being as it was read.
    pub(crate) fn check(&self) -> Write {
        Write::Check(self.key(), Expect::Revision(self.revision))
    }

    /// The write of this state over the one that was read.
    pub(crate) fn put(&self) -> Result<Write, StoreError> {
        self.put_expecting(Expect::Revision(self.revision))
    }

    pub(crate) fn put_expecting(&self, expect: Expect) -> Result<Write, StoreError> {
        Ok(Write::Put(NewItem::new(self.key(), self)?.waking(self.wake_at()), expect))
    }
}
