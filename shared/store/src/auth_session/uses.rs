//! Who uses auth sessions: found by looking at all jobs of a project and at its single runs that have not ended,
//! because it is asked for rarely.

use sundial_model::{AuthSessionId, ProjectId};

use crate::Store;
use crate::error::StoreError;
use crate::stored_job::StoredJob;

/// Jobs are looked at in pages of this length.
const PAGE_LENGTH: usize = 100;

impl Store {
    /// An active job run or single run that uses a session, if there is one, in words.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(super) async fn active_run_with_session(
        &self,
        project: ProjectId,
        id: &AuthSessionId,
    ) -> Result<Option<String>, StoreError> {
        let mut after = None;
        loop {
            let page = self.jobs(project, after.as_ref(), PAGE_LENGTH).await?;
            for run in page.jobs.iter().flat_map(|job| &job.active_runs) {
                // The job may have got another session since.
                if self.stored_run(*run).await?.is_none_or(|run| run.status.is_terminal()) {
                    continue;
                }
                let snapshot = self.snapshot(*run).await?;
                if snapshot.definition.auth_session.is_some_and(|reference| reference.id == *id) {
                    return Ok(Some(format!("job run {run}")));
                }
            }
            after = page.next_after;
            if after.is_none() {
                let single = self.active_single_run(project, Some(id)).await?;
                return Ok(single.map(|run| format!("single run {run}")));
            }
        }
    }

    /// Whether a project has auth sessions, or jobs that name any. (An active single run keeps its session there.)
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn uses_auth_sessions(&self, project: ProjectId) -> Result<bool, StoreError> {
        if !self.auth_sessions(project, None, 1).await?.is_empty() {
            return Ok(true);
        }
        let names_one = |job: &StoredJob| job.definition.auth_session.is_some();
        let mut after = None;
        loop {
            let page = self.jobs(project, after.as_ref(), PAGE_LENGTH).await?;
            after = page.next_after;
            if page.jobs.iter().any(names_one) {
                return Ok(true);
            }
            if after.is_none() {
                return Ok(false);
            }
        }
    }
}
