//! Jobs.

use serde::{Deserialize, Serialize};
use sundial_engine::due::CatchingUp;
use sundial_engine::overlap::Occupancy;
use sundial_engine::schedule::Occurrence;
use sundial_model::event::WorkReady;
use sundial_model::job::{Job, JobDefinition, JobState, JobStatus};
use sundial_model::payload::Payload;
use sundial_model::schedule::Overlap;
use sundial_model::secret::SecretValues;
use sundial_model::{
    JobId, JobRunId, JobUuid, PayloadPartId, ProjectId, ProjectName, SecretsId, Timestamp, WorkspaceId,
};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json, text};
use crate::payload_parts::{PayloadPart, chunks, count};
use crate::projects::StoredProject;
use crate::release::Release;
use crate::secrets::put_secrets;
use crate::sweep::Staged;
use crate::table::{Expect, Range, Write, retry_on_conflict};
use crate::{Store, keys};

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
    /// An outage whose occurrences are not all accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catching_up: Option<CatchingUp>,
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
            catching_up: None,
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

    /// How many payloads it has.
    pub fn payload_count(&self) -> u32 {
        count(&self.parts)
    }

    /// When the evaluator must look at it.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.next.filter(|_| self.is_active()).map(|next| next.effective)
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
            next_run_time: self.wake_at(),
            last_run_time: self.last_run_time,
            state: self.state.clone(),
            project_id: self.project_id,
        }
    }

    fn key(&self) -> keys::Key {
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

    fn put_expecting(&self, expect: Expect) -> Result<Write, StoreError> {
        Ok(Write::Put(NewItem::new(self.key(), self)?.waking(self.wake_at()), expect))
    }
}

/// A page of a list of jobs.
pub struct JobPage {
    /// The jobs by id.
    pub jobs: Vec<StoredJob>,
    /// Where the next page begins: after this id.
    pub next_after: Option<String>,
}

impl Store {
    /// A job by its id.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job(&self, project: ProjectId, id: &JobId) -> Result<Option<StoredJob>, StoreError> {
        Ok(self.table.get(&keys::job(project, id)).await?.map(StoredJob::from_read))
    }

    /// The jobs of a project by id, after the id `after`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn jobs(&self, project: ProjectId, after: Option<&str>, limit: usize) -> Result<JobPage, StoreError> {
        let partition = keys::jobs(project);
        let mut range = Range::prefix(&partition, keys::JOB_PREFIX);
        if let Some(after) = after {
            range.from = format!("{}{after}\0", keys::JOB_PREFIX);
        }
        let mut ids = Vec::new();
        for item in self.table.query(&range, limit).await? {
            ids.push(text(&item, "sk")?[keys::JOB_PREFIX.len()..].to_owned());
        }
        let next_after = (ids.len() == limit).then(|| ids.last().cloned()).flatten();
        let keys = ids.iter().filter_map(|id| id.parse().ok()).map(|id| keys::job(project, &id)).collect();
        let mut jobs: Vec<_> = self.table.get_many(keys).await?.into_iter().map(StoredJob::from_read).collect();
        jobs.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(JobPage { jobs, next_after })
    }

    /// Creates a job; `false` when there is one of this id, or its project is no longer what it was.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the project has changed since it was read.
    pub async fn create_job(
        &self,
        project: &StoredProject,
        mut job: StoredJob,
        payloads: Vec<Payload>,
        secrets: &SecretValues,
        now: Timestamp,
    ) -> Result<Option<StoredJob>, StoreError> {
        if !Self::takes_jobs(project, now) {
            return Err(StoreError::Conflict);
        }
        let key = job.key();
        if self.table.get::<StoredJob>(&key).await?.is_some() {
            return Ok(None);
        }
        let staged = self.stage_contents(&mut job, Some(payloads), secrets, now).await?;
        let listed = NewItem::new(keys::listed_job(project.id, job.id.as_str()), &serde_json::json!({}))?;
        let is_created = retry_on_conflict(async || {
            if self.table.get::<StoredJob>(&key).await?.is_some() {
                return Ok(false);
            }
            // Jobs that are created side by side all rely on the same project.
            let project = self.project(project.workspace_id, &project.name).await?;
            let project = project.filter(|project| project.id == job.project_id && Self::takes_jobs(project, now));
            let Some(project) = project else { return Err(StoreError::Conflict) };
            let writes = vec![
                project.check(),
                job.put_expecting(Expect::Nothing)?,
                Write::Put(listed.clone(), Expect::Nothing),
                staged.keep(),
            ];
            self.table.write(writes).await.map(|()| true)
        })
        .await?;
        Ok(is_created.then_some(StoredJob { revision: 1, ..job }))
    }

    /// Replaces what a user decides about a job: `changed` over `job`, as it was read. Answers with
    /// what is then to be handed over, too: another overlap policy may let waiting runs start.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has changed since it was read.
    pub async fn update_job(
        &self,
        job: &StoredJob,
        mut changed: StoredJob,
        payloads: Option<Vec<Payload>>,
        secrets: &SecretValues,
        now: Timestamp,
    ) -> Result<(StoredJob, Vec<WorkReady>), StoreError> {
        let replaces_payloads = payloads.is_some();
        let staged = self.stage_contents(&mut changed, payloads, secrets, now).await?;
        let Release { job: mut changed, mut writes, work } = self.release(changed, now).await?;
        writes.extend([changed.put()?, staged.keep()]);
        let old_parts = if replaces_payloads { job.parts.as_slice() } else { &[] };
        writes.extend(self.abandon(old_parts, job.secrets, now)?);
        self.table.write(writes).await?;
        changed.revision += 1;
        Ok((changed, work))
    }

    /// Writes a job's state alone. A job that is resumed lets its waiting runs start, if none is
    /// active. Answers with what is then to be handed over, too.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has changed since it was read.
    pub async fn put_job(&self, job: StoredJob, now: Timestamp) -> Result<(StoredJob, Vec<WorkReady>), StoreError> {
        let Release { mut job, mut writes, work } = self.release(job, now).await?;
        writes.push(job.put()?);
        self.table.write(writes).await?;
        job.revision += 1;
        Ok((job, work))
    }

    /// Writes the payloads and secrets of a job, which nothing points at yet, and lets `job` point at them.
    async fn stage_contents(
        &self,
        job: &mut StoredJob,
        payloads: Option<Vec<Payload>>,
        secrets: &SecretValues,
        now: Timestamp,
    ) -> Result<Staged, StoreError> {
        let part = payloads
            .as_ref()
            .map(|list| PayloadPart { id: PayloadPartId::new(), count: u32::try_from(list.len()).unwrap_or(u32::MAX) });
        job.secrets = (!secrets.is_empty()).then(SecretsId::new);
        let staged =
            self.stage(part.iter().map(|part| part.id).collect(), job.secrets.into_iter().collect(), now).await?;
        if let (Some(part), Some(payloads)) = (part, payloads) {
            self.table.put_unseen(chunks(part.id, payloads)?).await?;
            job.parts = vec![part];
        }
        if let Some(id) = job.secrets {
            self.table.write(vec![put_secrets(id, secrets)?]).await?;
        }
        Ok(staged)
    }

    /// Writes a payload list for one job run; it is swept with the run's retention.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_run_payloads(&self, payloads: Vec<Payload>, now: Timestamp) -> Result<PayloadPart, StoreError> {
        let part = PayloadPart { id: PayloadPartId::new(), count: u32::try_from(payloads.len()).unwrap_or(u32::MAX) };
        self.table.write(self.abandon(&[part], None, now)?).await?;
        self.table.put_unseen(chunks(part.id, payloads)?).await?;
        Ok(part)
    }

    /// The writes that delete a job and let go of what it points at.
    pub(crate) fn deletion(&self, job: &StoredJob, now: Timestamp) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![
            Write::Delete(job.key(), Expect::Revision(job.revision)),
            Write::Delete(keys::listed_job(job.project_id, job.id.as_str()), Expect::Anything),
        ];
        writes.extend(self.abandon(&job.parts, job.secrets, now)?);
        Ok(writes)
    }
}
