//! Single runs: one payload without a job.
//!
//! A single run is kept and carried out as a job run of one payload that is an instance of no job. What its
//! result would extend it by joins it as it would any other run, and is on record; it is never carried out,
//! because after one payload the run is done.
//!
//! While it has not ended, it stands in a list of those of its project, so that it is found who uses an auth
//! session, and whether a project is in use.

use std::time::Duration;

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use sundial_model::configuration::Configuration;
use sundial_model::event::WorkReady;
use sundial_model::job::{AuthSessionReference, JobDefinition};
use sundial_model::job_run::{JobRunStatus, JobRunType, Reason, ReasonType};
use sundial_model::lifecycle::SingleRunDetail;
use sundial_model::payload::Payload;
use sundial_model::run::RunStatus;
use sundial_model::secret::SecretValues;
use sundial_model::sink::Sink;
use sundial_model::trace::Caller;
use sundial_model::{AuthSessionId, JobRunId, ProjectId, RunId, SecretsId, Timestamp};

use crate::auth_session::SessionCheck;
use crate::error::StoreError;
use crate::item::{NewItem, read};
use crate::job_runs::JobRunPage;
use crate::projects::StoredProject;
use crate::queue::Queue;
use crate::run_partition::{RunPartition, StoredJobRun};
use crate::run_payloads::extension_writes;
use crate::run_view::RunView;
use crate::secrets::put_secrets;
use crate::snapshot::Snapshot;
use crate::table::{Expect, Range, Write, retry_on_conflict};
use crate::{RUN_AGE_MAX, Store, keys};

/// A single run to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSingleRun {
    /// Its id.
    pub id: JobRunId,
    /// What is to be carried out.
    pub payload: Payload,
    /// Where what comes of it is delivered, without secrets.
    pub sink: Option<Sink>,
    /// The signed-in state that it needs.
    pub auth_session: Option<AuthSessionReference>,
    /// The call that starts it.
    pub caller: Option<Caller>,
}

/// A single run that has not ended.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActiveItem {
    run: JobRunId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_session: Option<AuthSessionId>,
}

impl StoredJobRun {
    /// Takes a single run out of the list of those that have not ended.
    pub(crate) fn no_longer_active(&self) -> Write {
        Write::Delete(keys::active_single_run(self.project_id, self.id), Expect::Anything)
    }
}

impl RunPartition {
    /// What the world is told about a single run.
    pub fn single_run_detail(&self) -> SingleRunDetail {
        let run = &self.run;
        SingleRunDetail {
            workspace_id: run.workspace_id,
            project_id: run.project_id,
            project_name: run.project_name.clone(),
            run_id: RunId { job_run: run.id, payload_index: 0 },
            // Another lane may have gone on with it.
            status: if self.lanes.iter().any(|lane| lane.succeeded > 0) {
                RunStatus::Succeeded
            } else {
                RunStatus::Failed
            },
            start_time: run.start_time,
            end_time: run.end_time,
        }
    }
}

impl NewSingleRun {
    fn view(self, project: &StoredProject, secrets: Option<SecretsId>, now: Timestamp, retention: Duration) -> RunView {
        let keep_until = now + retention + RUN_AGE_MAX;
        let run = StoredJobRun {
            id: self.id,
            job: None,
            project_id: project.id,
            project_name: project.name.clone(),
            workspace_id: project.workspace_id,
            run_type: JobRunType::Manual,
            status: JobRunStatus::Pending,
            reason: None,
            generation: 1,
            scheduled_time: None,
            effective_time: None,
            created_at: now,
            generation_began_at: now,
            first_new: 0,
            start_time: None,
            end_time: None,
            updated_at: now,
            session_check: self.auth_session.is_some().then_some(SessionCheck::Wanted),
            max_duration_ms: None,
            deadline: None,
            triggered_by: self.caller.as_ref().map(|caller| caller.key_id.clone()),
            correlation_id: self.caller.as_ref().map(|caller| caller.correlation_id.clone()),
            trace: self.caller.and_then(|caller| caller.trace),
            keep_until,
            revision: 1,
        };
        // Workers look there for how long an attempt may take.
        let default = Configuration::default();
        let request_timeout = self.payload.request_timeout.unwrap_or(default.request_timeout);
        let configuration = Configuration { request_timeout, ..default };
        let definition = JobDefinition {
            configuration,
            sink: self.sink,
            auth_session: self.auth_session,
            ..JobDefinition::default()
        };
        let snapshot = Snapshot {
            run: self.id,
            definition,
            secrets,
            target: project.target.clone(),
            project_secrets: project.secrets,
            // Its payload stands where others have what they were extended by: so it is part of one transaction.
            parts: Vec::new(),
            keep_until,
        };
        let (requests_at_once, payloads_done) = (1, Some(1));
        let queue = Queue::new(1, requests_at_once, payloads_done, keep_until);
        let lanes = vec![run.first_lane(now)];
        RunView { partition: RunPartition { run, queue, lanes }, snapshot }
    }
}

impl Store {
    /// Records a single run, all of it in one transaction. Answers with the run, and with what is to be handed
    /// over. It relies on nothing of its project but what was read: so runs that start side by side never meet. Should
    /// the project be deleted meanwhile, it never starts: see [`Store::end_without_project`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is a run of this id, or the project is being deleted.
    pub async fn record_single_run(
        &self,
        project: &StoredProject,
        new: NewSingleRun,
        secrets: &SecretValues,
        now: Timestamp,
    ) -> Result<(RunView, WorkReady), StoreError> {
        if !Self::takes_jobs(project, now) {
            return Err(StoreError::Conflict);
        }
        let secrets_id = (!secrets.is_empty()).then(SecretsId::new);
        let payload = [new.payload.clone()];
        let view = new.view(project, secrets_id, now, self.retention);
        let run = &view.partition.run;
        let mut writes = view.creation()?;
        writes.extend(extension_writes(run.id, 0, &payload, run.keep_until)?);
        let auth_session = view.snapshot.definition.auth_session.as_ref().map(|reference| reference.id.clone());
        let key = keys::active_single_run(run.project_id, run.id);
        let active = NewItem::new(key, &ActiveItem { run: run.id, auth_session })?.expiring(Some(run.keep_until));
        writes.push(Write::Put(active, Expect::Nothing));
        if let Some(id) = secrets_id {
            writes.push(put_secrets(id, secrets)?);
            // Nothing else will ever point at them.
            writes.extend(self.abandon(&[], [id], now)?);
        }
        self.write_effect(writes).await?;
        let work = WorkReady::lane(run.id, 0);
        Ok((view, work))
    }

    /// The single runs of a project, newest first, before the sort key `before`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn single_runs(
        &self,
        project: ProjectId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<JobRunPage, StoreError> {
        let shards = (0..keys::RUNS_SHARDS).map(|shard| keys::single_runs(project, shard)).collect();
        self.list_runs(shards, before, None, limit).await
    }

    /// A single run of a project that has not ended: any, or one with this auth session.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(crate) async fn active_single_run(
        &self,
        project: ProjectId,
        with_session: Option<&AuthSessionId>,
    ) -> Result<Option<RunId>, StoreError> {
        let of_shard = async |shard| {
            let range = Range::prefix(&keys::single_runs(project, shard), keys::ACTIVE_PREFIX);
            match with_session {
                // Any will do.
                None => self.table.query(&range, 1).await,
                Some(_) => self.table.query_all(&range).await,
            }
        };
        for item in try_join_all((0..keys::RUNS_SHARDS).map(of_shard)).await?.into_iter().flatten() {
            let item: ActiveItem = read(item)?.value;
            if with_session.is_none_or(|id| item.auth_session.as_ref() == Some(id)) {
                return Ok(Some(RunId { job_run: item.run, payload_index: 0 }));
            }
        }
        Ok(None)
    }

    /// Ends a single run whose auth session was refused in the version `refused` and not renewed; unless the
    /// session is another by now.
    pub(crate) async fn end_single_run_without_session(
        &self,
        run: &StoredJobRun,
        session: &AuthSessionId,
        refused: u32,
        text: String,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        let reason = Reason::new(ReasonType::AuthSessionInvalidMidJob, text);
        retry_on_conflict(async || {
            let found = self.auth_session(run.project_id, session).await?;
            if found.as_ref().is_some_and(|found| found.work.is_some() || found.usable_version() > refused) {
                return Ok(Vec::new());
            }
            let expect = found.map_or(Expect::Nothing, |found| Expect::Revision(found.revision));
            let check = Write::Check(keys::auth_session(run.project_id, session.as_str()), expect);
            let Some(mut partition) = self.run_partition_to_change(run.id).await? else { return Ok(Vec::new()) };
            if partition.run.status.is_terminal() {
                return Ok(Vec::new());
            }
            let (mut writes, work) = partition.end(reason.clone(), now)?;
            writes.extend([partition.run.no_longer_active(), check]);
            self.table.write(writes).await?;
            Ok(work)
        })
        .await
    }

    /// Ends a single run that has not started if its project is not there any more: it was recorded while that was
    /// being deleted. Answers with whether it has.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn end_without_project(&self, run: &StoredJobRun, now: Timestamp) -> Result<bool, StoreError> {
        if run.job.is_some() {
            return Ok(false);
        }
        let project = self.project(run.workspace_id, &run.project_name).await?;
        if project.is_some_and(|project| project.id == run.project_id) {
            return Ok(false);
        }
        let reason = Reason::new(ReasonType::Terminated, "its project was deleted");
        self.end_job_run(run.id, &reason, |run| run.start_time.is_none(), now).await?;
        Ok(true)
    }
}
