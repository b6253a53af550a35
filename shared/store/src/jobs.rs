//! Jobs: read, listed, created, changed and deleted.

use sundial_model::event::WorkReady;
use sundial_model::payload::Payload;
use sundial_model::secret::SecretValues;
use sundial_model::{JobId, ProjectId, SecretsId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, text};
use crate::payload_parts::{PayloadPart, chunks};
use crate::projects::StoredProject;
use crate::release::Release;
use crate::secrets::put_secrets;
use crate::stored_job::StoredJob;
use crate::sweep::Staged;
use crate::table::{Expect, Range, Write, first_revision, retry_on_conflict};
use crate::{Store, keys};

/// A page of a list of jobs.
pub struct JobPage {
    /// The jobs by id.
    pub jobs: Vec<StoredJob>,
    /// Where the next page begins: after this id.
    pub next_after: Option<JobId>,
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
    pub async fn jobs(&self, project: ProjectId, after: Option<&JobId>, limit: usize) -> Result<JobPage, StoreError> {
        let partition = keys::jobs(project);
        let mut range = Range::prefix(&partition, keys::JOB_PREFIX);
        if let Some(after) = after {
            range.from = format!("{}{after}\0", keys::JOB_PREFIX);
        }
        let mut ids: Vec<JobId> = Vec::new();
        for item in self.table.query(&range, limit).await? {
            ids.push(text(&item, "sk")?[keys::JOB_PREFIX.len()..].parse().map_err(StoreError::Corrupt)?);
        }
        let next_after = (ids.len() == limit).then(|| ids.last().cloned()).flatten();
        let keys = ids.iter().map(|id| keys::job(project, id)).collect();
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
        let (key, first) = (job.key(), first_revision(job.uuid.0));
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
                job.put_expecting(Expect::NothingBefore(first))?,
                Write::Put(listed.clone(), Expect::Nothing),
                staged.keep(),
            ];
            self.write_effect(writes).await.map(|()| true)
        })
        .await?;
        Ok(is_created.then_some(StoredJob { revision: first, ..job }))
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
        self.write_effect(writes).await?;
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
        let part = payloads.as_deref().map(PayloadPart::of);
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
        let part = PayloadPart::of(&payloads);
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
