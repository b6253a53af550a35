//! Job runs and their auth session: it is checked before they start, and when it is lost in their midst, they
//! and their job are paused.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::auth_session::{OperationStatus, OperationType};
use sundial_model::event::WorkReady;
use sundial_model::job::{AuthSessionReference, JobState, JobStatus};
use sundial_model::job_run::{Reason, ReasonType};
use sundial_model::run::RunError;
use sundial_model::{AuthSessionId, JobRunId, OperationId, Timestamp};

use super::{StoredAuthSession, StoredOperation};
use crate::Store;
use crate::error::StoreError;
use crate::following::Followed;
use crate::lane::{Lane, LanePhase};
use crate::run_partition::{RunPartition, StoredJobRun};
use crate::stored_job::StoredJob;
use crate::table::{Expect, Write, retry_on_conflict};

/// A job run starts through this lane, and opens others.
pub(super) const FIRST_LANE: u32 = 0;
/// A job run that waits for its session looks again after this long, should nobody tell it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// So many job runs are told when the work on a session has ended; others look again.
const WAITING_MAX: usize = 100;
/// A reason of the job's state has so many characters.
const REASON_LENGTH_MAX: usize = 500;

/// What is to be known of its auth session before a job run carries out payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SessionCheck {
    /// Whether it is valid; nobody has asked yet.
    Wanted,
    /// How this operation ends.
    #[serde(rename_all = "camelCase")]
    Requested {
        operation: OperationId,
        /// Whether it was begun for this run, as its job wants it. That another one failed decides nothing.
        is_own: bool,
    },
}

/// What came of looking at the session of a job run that wants to start.
#[derive(Clone, Debug)]
pub enum SessionOfRun {
    /// It is valid: the run can start.
    Valid,
    /// It is being checked, or the run has ended because it is not valid. This is to be handed over.
    NotNow(Vec<WorkReady>),
}

impl StoredJobRun {
    /// Whether its auth session must be found to be valid before payloads are carried out.
    pub fn waits_for_session(&self) -> bool {
        self.session_check.is_some()
    }

    pub(crate) fn want_session(&mut self) {
        self.session_check = Some(SessionCheck::Wanted);
    }
}

impl Store {
    /// Sees to it that the session of a job run is checked before the run starts, and answers with what came of
    /// that. There may be a check under way already, of another run or of a user.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn session_of_run(&self, run: JobRunId, lane: u32, now: Timestamp) -> Result<SessionOfRun, StoreError> {
        retry_on_conflict(async || {
            let Some(mut partition) = self.run_partition_to_change(run).await? else {
                return Ok(SessionOfRun::NotNow(Vec::new()));
            };
            let waits = |found: &&Lane| found.phase == LanePhase::Working && !found.is_leased(now);
            let Some(mut lane) = partition.lane(lane).filter(waits).cloned() else {
                return Ok(SessionOfRun::NotNow(Vec::new()));
            };
            let Some(check) = partition.run.session_check else { return Ok(SessionOfRun::Valid) };
            let snapshot = self.snapshot(run).await?;
            let Some(reference) = snapshot.definition.auth_session else { return Ok(SessionOfRun::Valid) };
            let project = partition.run.project_id;
            let Some(session) = self.auth_session(project, &reference.id).await? else {
                let text = format!("there is no auth session {}", reference.id);
                return self.end_without_session(run, Reason::new(ReasonType::AuthSessionNotFound, text), now).await;
            };
            if let SessionCheck::Requested { operation, is_own } = check {
                let found = self.auth_operation(project, operation).await?;
                if found.as_ref().is_some_and(|found| found.status == OperationStatus::Succeeded) {
                    partition.run.session_check = None;
                    self.table.write(vec![partition.run.put()?]).await?;
                    return Ok(SessionOfRun::Valid);
                }
                if found.as_ref().is_some_and(|found| found.status == OperationStatus::Pending) {
                    lane.next_at = Some(now + LOOK_AGAIN_AFTER);
                    self.table.write(vec![lane.put(run)?]).await?;
                    return Ok(SessionOfRun::NotNow(Vec::new()));
                }
                if let Some(error) = found.as_ref().and_then(StoredOperation::failure).filter(|_| is_own) {
                    let text = format!("auth session {} is not valid: {} ({})", session.id, error.message, error.code);
                    let reason = Reason::new(ReasonType::AuthSessionValidateDependencyFailed, text);
                    return self.end_without_session(run, reason, now).await;
                }
            }
            self.request_check(partition, lane, session, &reference, now).await
        })
        .await
    }

    /// Has the session checked: by what is being done for it, or by an operation as the job wants it.
    async fn request_check(
        &self,
        mut partition: RunPartition,
        mut lane: Lane,
        mut session: StoredAuthSession,
        reference: &AuthSessionReference,
        now: Timestamp,
    ) -> Result<SessionOfRun, StoreError> {
        let (run, expect) = (&mut partition.run, Expect::Revision(session.revision));
        let begun: Option<StoredOperation> = session.work.is_none().then(|| {
            let operation = session.new_operation(OperationId::new(), OperationType::Validate, now);
            session.begin(&operation, session.validation(reference.over(session.settings)), false, now);
            operation
        });
        let Some(work) = &mut session.work else { return Err(StoreError::Conflict) };
        if work.waiting.len() < WAITING_MAX && !work.waiting.contains(&run.id) {
            work.waiting.push(run.id);
        }
        run.session_check = Some(SessionCheck::Requested { operation: work.operation, is_own: begun.is_some() });
        (session.used_at, lane.next_at) = (Some(now), Some(now + LOOK_AGAIN_AFTER));
        let mut writes: Vec<Write> = vec![session.put(expect)?, run.put()?, lane.put(run.id)?];
        writes.extend(begun.map(|operation| operation.put()).transpose()?);
        self.table.write(writes).await?;
        Ok(SessionOfRun::NotNow(vec![session.work_ready()]))
    }

    async fn end_without_session(
        &self,
        run: JobRunId,
        reason: Reason,
        now: Timestamp,
    ) -> Result<SessionOfRun, StoreError> {
        let ended = self.end_job_run(run, &reason, StoredJobRun::waits_for_session, now).await?;
        Ok(SessionOfRun::NotNow(ended.map(|(_, work)| work).unwrap_or_default()))
    }

    /// Pauses the job of a run that has lost its auth session, and the job's active runs with it; unless it is
    /// paused already, or the run has ended.
    ///
    /// # Errors
    /// When the table cannot be reached before the job is paused. Should its runs not follow, the evaluator sees
    /// to that.
    pub async fn pause_without_session(
        &self,
        run: &StoredJobRun,
        session: &AuthSessionId,
        error: &RunError,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        let text = format!("auth session {session} was refused, and not renewed: {} ({})", error.message, error.code);
        let text: String = text.chars().take(REASON_LENGTH_MAX).collect();
        let paused: Option<StoredJob> = retry_on_conflict(async || {
            let job = self.job(run.project_id, &run.job_id).await?;
            let job =
                job.filter(|job| job.uuid == run.job_uuid && job.active_runs.contains(&run.id) && job.is_active());
            let Some(mut job) = job else { return Ok(None) };
            job.state = JobState { status: JobStatus::Paused, reason: text.parse().ok() };
            job.paused_without = Some(session.clone());
            job.note_edit();
            job.runs_must_follow(now);
            self.table.write(vec![job.put()?]).await?;
            job.revision += 1;
            Ok(Some(job))
        })
        .await?;
        let Some(job) = paused else { return Ok(Vec::new()) };
        let Followed { work, failure } = self.let_runs_follow(&job, now).await;
        match failure {
            Some(error) => tracing::warn!(%error, job = %job.id, "its runs follow later"),
            None => self.runs_have_followed(&job).await?,
        }
        Ok(work)
    }
}
