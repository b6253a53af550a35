//! Job runs and their auth session: it is checked before they start, and when it is lost in their midst, they
//! and their job are paused.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::auth_session::{AuthSessionSettings, OperationStatus, OperationType};
use sundial_model::event::WorkReady;
use sundial_model::job::{JobDefinition, JobState, JobStatus};
use sundial_model::job_run::{Reason, ReasonType};
use sundial_model::run::RunError;
use sundial_model::{AuthSessionId, JobRunId, OperationId, Timestamp};

use super::{AskedBy, StoredAuthSession, StoredOperation};
use crate::error::StoreError;
use crate::following::Followed;
use crate::lane::{Lane, LanePhase};
use crate::run_partition::{RunPartition, StoredJobRun};
use crate::stored_job::StoredJob;
use crate::table::{Expect, Write, retry_on_conflict};
use crate::{Store, keys};

/// A job run starts through this lane, and opens others.
pub(super) const FIRST_LANE: u32 = 0;
/// A job run that waits for its session looks again after this long, should nobody tell it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A run whose session was found to be valid starts within this time, or has it checked once more.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
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
        /// Whether its failure decides: it tries no less than the job wants.
        decides: bool,
    },
}

/// What came of looking at the session of a job run that wants to start.
#[derive(Clone, Debug)]
pub enum SessionOfRun {
    /// It is valid: the run can start, if it is still the one that is given.
    Valid(Box<StoredJobRun>),
    /// It is being checked, or the run has ended because it is not valid. This is to be handed over.
    NotNow(Vec<WorkReady>),
}

impl StoredJobRun {
    /// Whether its auth session must be found to be valid before payloads are carried out.
    pub fn waits_for_session(&self) -> bool {
        self.session_check.is_some()
    }

    /// Notes that its session was found to be valid, if it is still the run that was looked at, and answers with
    /// whether it is.
    pub fn session_is_valid(&mut self, looked_at: &Self) -> bool {
        let is_same = self.revision == looked_at.revision;
        if is_same {
            self.session_check = None;
        }
        is_same
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
            let Some(partition) = self.run_partition_to_change(run).await? else {
                return Ok(SessionOfRun::NotNow(Vec::new()));
            };
            let waits = |found: &&Lane| found.phase == LanePhase::Working && !found.is_leased(now);
            let Some(mut lane) = partition.lane(lane).filter(waits).cloned() else {
                return Ok(SessionOfRun::NotNow(Vec::new()));
            };
            let valid = |run| Ok(SessionOfRun::Valid(Box::new(run)));
            let Some(check) = partition.run.session_check else { return valid(partition.run) };
            let snapshot = self.snapshot(run).await?;
            let Some(reference) = snapshot.definition.auth_session else { return valid(partition.run) };
            let project = partition.run.project_id;
            let session = self.auth_session(project, &reference.id).await?;
            let Some(session) = session.filter(|session| session.is_for(&snapshot.target)) else {
                let text = format!("there is no auth session {} for the target", reference.id);
                let reason = Reason::new(ReasonType::AuthSessionNotFound, text);
                return self.end_without_session(&partition.run, reason, now).await;
            };
            if let SessionCheck::Requested { operation, decides } = check {
                let found = self.auth_operation(project, operation).await?;
                let is_recent = |found: &StoredOperation| found.ended_at.is_some_and(|at| at + GOOD_FOR > now);
                match found.as_ref().map(|found| found.status) {
                    Some(OperationStatus::Succeeded) if found.as_ref().is_some_and(is_recent) => {
                        return valid(partition.run);
                    }
                    Some(OperationStatus::Pending) => {
                        lane.next_at = Some(now + LOOK_AGAIN_AFTER);
                        self.table.write(vec![lane.put(run)?]).await?;
                        return Ok(SessionOfRun::NotNow(Vec::new()));
                    }
                    // It failed, or was good long ago.
                    Some(OperationStatus::Succeeded | OperationStatus::Failed) | None => {}
                }
                if let Some(error) = found.as_ref().and_then(StoredOperation::failure).filter(|_| decides) {
                    return self.end_without_session(&partition.run, not_valid(&session.id, error), now).await;
                }
            }
            let settings = reference.over(session.settings);
            if session.work.is_none() && session.state.is_none() && !session.may_be_made(settings) {
                let message = "it has no state, and none is to be made".to_owned();
                let error = RunError { code: "no-state".to_owned(), message, status_code: None };
                return self.end_without_session(&partition.run, not_valid(&session.id, &error), now).await;
            }
            self.request_check(partition, lane, session, settings, now).await
        })
        .await
    }

    /// Has the session checked: by what is being done for it, or by an operation as the job wants it.
    async fn request_check(
        &self,
        mut partition: RunPartition,
        mut lane: Lane,
        mut session: StoredAuthSession,
        settings: AuthSessionSettings,
        now: Timestamp,
    ) -> Result<SessionOfRun, StoreError> {
        let (run, expect) = (&mut partition.run, Expect::Revision(session.revision));
        let begun: Option<StoredOperation> = session.work.is_none().then(|| {
            let operation = session.new_operation(OperationId::new(), OperationType::Validate, now);
            session.begin(&operation, session.validation(settings), AskedBy::Start, now);
            operation
        });
        let Some(work) = &mut session.work else { return Err(StoreError::Conflict) };
        if work.waiting.len() < WAITING_MAX && !work.waiting.contains(&run.id) {
            work.waiting.push(run.id);
        }
        run.session_check = Some(SessionCheck::Requested {
            operation: work.operation,
            decides: work.procedure.settings.covers(settings),
        });
        (session.used_at, lane.next_at) = (Some(now), Some(now + LOOK_AGAIN_AFTER));
        let mut writes: Vec<Write> = vec![session.put(expect)?, run.put()?, lane.put(run.id)?];
        writes.extend(begun.map(|operation| operation.put()).transpose()?);
        self.table.write(writes).await?;
        Ok(SessionOfRun::NotNow(vec![session.work_ready()]))
    }

    /// Ends a run as it was read; whoever has changed its check knows better.
    async fn end_without_session(
        &self,
        run: &StoredJobRun,
        reason: Reason,
        now: Timestamp,
    ) -> Result<SessionOfRun, StoreError> {
        let is_same = |found: &StoredJobRun| found.session_check == run.session_check;
        let ended = self.end_job_run(run.id, &reason, is_same, now).await?;
        Ok(SessionOfRun::NotNow(ended.map(|(_, work)| work).unwrap_or_default()))
    }

    /// Pauses the job of a run whose auth session was refused in the version `refused` and not renewed, and the
    /// job's active runs with it; a single run, which has no job, ends. Not so if it is paused already, or the run
    /// has ended, or the session is another by
    /// now.
    ///
    /// # Errors
    /// When the table cannot be reached before the job is paused. Should its runs not follow, the evaluator sees
    /// to that.
    pub async fn pause_without_session(
        &self,
        run: &StoredJobRun,
        session: &AuthSessionId,
        refused: u32,
        error: &RunError,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        let text = format!("auth session {session} was refused, and not renewed: {} ({})", error.message, error.code);
        let text: String = text.chars().take(REASON_LENGTH_MAX).collect();
        let Some(of) = &run.job else {
            return self.end_single_run_without_session(run, session, refused, text, now).await;
        };
        let paused: Option<StoredJob> = retry_on_conflict(async || {
            let found = self.auth_session(run.project_id, session).await?;
            if found.as_ref().is_some_and(|found| found.work.is_some() || found.usable_version() > refused) {
                return Ok(None);
            }
            let expect = found.map_or(Expect::Nothing, |found| Expect::Revision(found.revision));
            let check = Write::Check(keys::auth_session(run.project_id, session.as_str()), expect);
            let job = self.job(run.project_id, &of.id).await?;
            let job = job.filter(|job| job.uuid == of.uuid && job.active_runs.contains(&run.id) && job.is_active());
            let Some(mut job) = job else { return Ok(None) };
            job.state = JobState { status: JobStatus::Paused, reason: text.parse().ok() };
            job.paused_without = Some(session.clone());
            job.note_edit();
            job.runs_must_follow(now);
            self.table.write(vec![job.put()?, check]).await?;
            job.revision += 1;
            Ok(Some(job))
        })
        .await?;
        let Some(job) = paused else { return Ok(Vec::new()) };
        let Followed { work, failure } = self.let_runs_follow(&job, now).await;
        let noted = match failure {
            Some(error) => Err(error),
            None => self.runs_have_followed(&job).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, job = %job.id, "its runs follow later");
        }
        Ok(work)
    }

    /// Whether a job, or an active run of it, uses an auth session.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job_uses_session(&self, job: &StoredJob, session: &AuthSessionId) -> Result<bool, StoreError> {
        let names = |definition: &JobDefinition| {
            definition.auth_session.as_ref().is_some_and(|reference| reference.id == *session)
        };
        for run in &job.active_runs {
            // It is an instance of the job as that was then.
            if self.stored_run(*run).await?.is_some() && names(&self.snapshot(*run).await?.definition) {
                return Ok(true);
            }
        }
        Ok(names(&job.definition))
    }
}

fn not_valid(session: &AuthSessionId, error: &RunError) -> Reason {
    let text = format!("auth session {session} is not valid: {} ({})", error.message, error.code);
    Reason::new(ReasonType::AuthSessionValidateDependencyFailed, text)
}
