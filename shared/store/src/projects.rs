//! Projects.

use serde::{Deserialize, Serialize};
use sundial_model::project::Project;
use sundial_model::secret::SecretValues;
use sundial_model::target::Target;
use sundial_model::{ProjectId, ProjectName, SecretsId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json, read};
use crate::secrets::put_secrets;
use crate::signing_secrets::SigningSecrets;
use crate::table::{Expect, Range, Write, first_revision};
use crate::{Store, keys};

/// A project as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredProject {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its target, without secrets.
    #[serde(with = "as_json")]
    pub target: Target,
    /// The secrets of its target.
    pub secrets: SecretsId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when it is being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleting_since: Option<Timestamp>,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    revision: u64,
}

/// A deletion that has not come to an end after this long never will.
const DELETION_TIME: std::time::Duration = std::time::Duration::from_secs(60);

impl StoredProject {
    pub(crate) fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    /// As it is answered.
    pub fn answer(&self) -> Project {
        Project {
            id: self.id,
            name: self.name.clone(),
            target: self.target.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Belongs into a transaction that adds to the project: refused when it is being deleted.
    pub(crate) fn check(&self) -> Write {
        Write::Check(keys::project(self.workspace_id, &self.name), Expect::Revision(self.revision))
    }

    fn put(&self, expect: Expect) -> Result<Write, StoreError> {
        Ok(Write::Put(NewItem::new(keys::project(self.workspace_id, &self.name), self)?, expect))
    }
}

impl Store {
    /// A project by its name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn project(
        &self,
        workspace_id: WorkspaceId,
        name: &ProjectName,
    ) -> Result<Option<StoredProject>, StoreError> {
        let read = self.table.get(&keys::project(workspace_id, name)).await?;
        Ok(read.map(StoredProject::from_read))
    }

    /// The projects of a workspace by name, after `after`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn projects(
        &self,
        workspace_id: WorkspaceId,
        after: Option<&ProjectName>,
        limit: usize,
    ) -> Result<Vec<StoredProject>, StoreError> {
        let partition = keys::workspace(workspace_id);
        let mut range = Range::prefix(&partition, keys::PROJECT_PREFIX);
        if let Some(after) = after {
            // The smallest text after a name is that name and one more character.
            range.from = format!("{}{after}\0", keys::PROJECT_PREFIX);
        }
        let items = self.table.query(&range, limit).await?;
        items.into_iter().map(|item| read(item).map(StoredProject::from_read)).collect()
    }

    /// Creates a project.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one of this name.
    pub async fn create_project(
        &self,
        workspace_id: WorkspaceId,
        name: ProjectName,
        target: Target,
        secrets: &SecretValues,
        signing: &SigningSecrets,
        now: Timestamp,
    ) -> Result<StoredProject, StoreError> {
        let id = ProjectId::new();
        let first = first_revision(id.0);
        let project = StoredProject {
            id,
            name,
            workspace_id,
            target,
            secrets: SecretsId::new(),
            created_at: now,
            updated_at: now,
            deleting_since: None,
            revision: first,
        };
        self.table
            .write(vec![
                project.put(Expect::NothingBefore(first))?,
                put_secrets(project.secrets, secrets)?,
                signing.put(id, Expect::Nothing)?,
            ])
            .await?;
        Ok(project)
    }

    /// Gives a project another target.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has changed since it was read.
    pub async fn update_project(
        &self,
        project: &StoredProject,
        target: Target,
        secrets: &SecretValues,
        now: Timestamp,
    ) -> Result<StoredProject, StoreError> {
        let changed = StoredProject {
            target,
            secrets: SecretsId::new(),
            updated_at: now,
            deleting_since: None,
            revision: project.revision + 1,
            ..project.clone()
        };
        let mut writes = vec![changed.put(Expect::Revision(project.revision))?, put_secrets(changed.secrets, secrets)?];
        writes.extend(self.abandon(&[], [project.secrets], now)?);
        self.table.write(writes).await?;
        Ok(changed)
    }

    /// Deletes a project; `false` when it has jobs, auth sessions, or single runs that have not ended.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has changed since it was read, or is being deleted.
    pub async fn delete_project(&self, project: &StoredProject, now: Timestamp) -> Result<bool, StoreError> {
        if project.deleting_since.is_some_and(|since| now.since(since) < DELETION_TIME) {
            return Err(StoreError::Conflict);
        }
        // This write refuses every job whose creation has read the project before it, so that
        // none can slip in between the look at the list and the end. (A single run that does never starts.)
        let deleting = StoredProject { deleting_since: Some(now), ..project.clone() };
        self.table.write(vec![deleting.put(Expect::Revision(project.revision))?]).await?;
        let revision = project.revision + 1;
        let partition = keys::jobs(project.id);
        let has_jobs = !self.table.query(&Range::prefix(&partition, keys::JOB_PREFIX), 1).await?.is_empty();
        if has_jobs
            || !self.auth_sessions(project.id, None, 1).await?.is_empty()
            || self.active_single_run(project.id, None).await?.is_some()
        {
            self.table.write(vec![project.put(Expect::Revision(revision))?]).await?;
            return Ok(false);
        }
        let key = keys::project(project.workspace_id, &project.name);
        let mut writes = vec![Write::Delete(key, Expect::Revision(revision))];
        // Its runs sign as long as they have something to deliver.
        writes.extend(self.abandon(&[], [project.secrets, SecretsId(project.id.0)], now)?);
        self.table.write(writes).await?;
        Ok(true)
    }

    /// Whether a job can be added to the project now.
    pub(crate) fn takes_jobs(project: &StoredProject, now: Timestamp) -> bool {
        project.deleting_since.is_none_or(|since| now.since(since) >= DELETION_TIME)
    }
}
