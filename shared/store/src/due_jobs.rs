//! Jobs that are due, read many at once: a tick may find thousands of the same second.

use std::collections::HashMap;

use sundial_model::{JobId, ProjectId};

use crate::error::StoreError;
use crate::projects::StoredProject;
use crate::stored_job::StoredJob;
use crate::{Store, keys};

/// A job with what a run of it is made of.
#[derive(Clone, Debug)]
pub struct DueJob {
    /// The job.
    pub job: StoredJob,
    /// Its project.
    pub project: StoredProject,
}

impl Store {
    /// Reads jobs with their projects. What is not there any more is left out, and so is what cannot
    /// be read, which is logged: it must not keep the others from running.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn due_jobs(
        &self,
        ids: Vec<(ProjectId, JobId)>,
    ) -> Result<HashMap<(ProjectId, JobId), DueJob>, StoreError> {
        let keys = ids.iter().map(|(project, id)| keys::job(*project, id)).collect();
        let jobs: Vec<_> = self.table.get_readable(keys).await?.into_iter().map(StoredJob::from_read).collect();
        let mut project_keys: Vec<_> =
            jobs.iter().map(|job| keys::project(job.workspace_id, &job.project_name)).collect();
        project_keys.sort();
        project_keys.dedup();
        let projects = self.table.get_readable(project_keys).await?.into_iter().map(StoredProject::from_read);
        let projects: HashMap<_, _> = projects.map(|project| (project.id, project)).collect();
        let due = jobs.into_iter().filter_map(|job| {
            let project = projects.get(&job.project_id).cloned();
            if project.is_none() {
                tracing::error!(job = %job.id, project = %job.project_id, "a job has no project that can be read");
            }
            Some(((job.project_id, job.id.clone()), DueJob { job, project: project? }))
        });
        Ok(due.collect())
    }
}
