//! What can be done to a job: pause, resume, trigger.

use axum::Json as JsonAnswer;
use deserr::Deserr;
use sundial_engine::overlap::{Admission, Origin};
use sundial_model::auth_session::AuthSessionStatus;
use sundial_model::event::WorkReady;
use sundial_model::job::{JobState, JobStatus};
use sundial_model::job_run::{JobRun, JobRunType};
use sundial_model::payload::PayloadList;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::text::PauseReason;
use sundial_model::{AuthSessionId, InvalidFields, JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{NewJobRun, NewRecords, Recorded, StoreError, StoredJob, Tries};

use super::jobs::TaggedJob;
use super::{FoundJob, Workspace, job_again, jobs};
use crate::body::OptionalJson;
use crate::check_job::check_payload_sizes;
use crate::due::{announce, set_next};
use crate::entity_tag::IfMatch;
use crate::first_answer::{FirstAnswer, JobName};
use crate::following::let_runs_follow;
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;

#[derive(Debug, Default, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct PauseBody {
    #[deserr(default)]
    reason: Option<PauseReason>,
}

/// Pauses a job and its active runs.
pub(crate) async fn pause(
    once: Once,
    FoundJob { job, .. }: FoundJob,
    expected: IfMatch,
    body: OptionalJson,
) -> Result<TaggedJob, ApiProblem> {
    let PauseBody { reason } = body.read()?;
    let clients = once.answering(FirstAnswer::Job { job: JobName::from(&job) });
    let now = clients.clock.now();
    let state = JobState { status: JobStatus::Paused, reason };
    let (job, _) = change(&clients, job, &expected, now, |job| {
        let was_active = job.is_active();
        // Pausing again without a reason keeps the one that was given.
        if was_active || state.reason.is_some() {
            job.state = state.clone();
            job.runs_must_follow(now);
        }
        Ok(())
    })
    .await?;
    // From here on no run starts.
    let_runs_follow(&clients, &job, now).await?;
    Ok(jobs::whole(&clients, &job).await?)
}

/// Lets a paused job and its paused runs go on, and a run start that waited for one that has ended.
/// What was due meanwhile is not made up.
pub(crate) async fn resume(
    once: Once,
    FoundJob { job, .. }: FoundJob,
    expected: IfMatch,
    body: OptionalJson,
) -> Result<TaggedJob, ApiProblem> {
    let ResumeBody {} = body.read()?;
    let clients = once.answering(FirstAnswer::Job { job: JobName::from(&job) });
    let now = clients.clock.now();
    let ready = ready_session(&clients, &job).await?;
    let (job, work) = change(&clients, job, &expected, now, |job| {
        if !job.is_active() {
            if job.paused_without != ready {
                return Err(Problem::new(ProblemCode::Conflict, "the job was paused once more meanwhile"));
            }
            (job.state, job.failed_in_a_row, job.paused_without) = (JobState::default(), 0, None);
            job.runs_must_follow(now);
            set_next(job, now);
        }
        Ok(())
    })
    .await?;
    clients.bus.hand_over(work).await;
    let_runs_follow(&clients, &job, now).await?;
    announce(&clients, &job, now).await;
    Ok(jobs::whole(&clients, &job).await?)
}

/// The auth session without which a job was paused: it goes on only when that is READY, or not needed any more.
async fn ready_session(clients: &Clients, job: &StoredJob) -> Result<Option<AuthSessionId>, ApiProblem> {
    let Some(id) = &job.paused_without else { return Ok(None) };
    let session = clients.store.auth_session(job.project_id, id).await?;
    let what = match session.map(|session| session.status) {
        Some(AuthSessionStatus::Ready) => return Ok(Some(id.clone())),
        // It may have got another session, or none, and its runs may have been ended.
        _ if !clients.store.job_uses_session(job, id).await? => return Ok(Some(id.clone())),
        Some(AuthSessionStatus::Pending | AuthSessionStatus::Expired) => "is not READY: update or validate it first",
        None => "is not there any more: create it first",
    };
    Err(Problem::new(ProblemCode::Conflict, format!("auth session {id} {what}")).into())
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
struct ResumeBody {}

/// Changes a job as it is now, again when someone else was faster. It is written even where that changes
/// nothing: a call of before that its caller has given up must not come through after the answer.
async fn change(
    clients: &Clients,
    job: StoredJob,
    expected: &IfMatch,
    now: Timestamp,
    change: impl Fn(&mut StoredJob) -> Result<(), Problem>,
) -> Result<(StoredJob, Vec<WorkReady>), ApiProblem> {
    let (mut current, mut tries) = (job, Tries::default());
    loop {
        expected.check(&current)?;
        let mut changed = current.clone();
        change(&mut changed)?;
        if changed.state != current.state {
            changed.note_edit();
        }
        match clients.store.put_job(changed, now).await {
            Err(StoreError::Conflict) => current = job_again(clients, &current, &mut tries).await?,
            result => return Ok(result?),
        }
    }
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
pub(crate) struct TriggerBody {
    #[deserr(default)]
    payload: Option<PayloadList>,
}

/// Starts a job run now.
pub(crate) async fn trigger(
    once: Once,
    workspace: Workspace,
    mut found: FoundJob,
    expected: IfMatch,
    body: OptionalJson,
) -> Result<JsonAnswer<JobRun>, ApiProblem> {
    let TriggerBody { payload } = body.read()?;
    let id = JobRunId::new();
    let clients = once.answering(FirstAnswer::JobRun { id });
    let now = clients.clock.now();
    expected.check(&found.job)?;
    admit(&found.job)?;
    let mut payloads = None;
    if let Some(PayloadList(list)) = payload {
        let mut errors = InvalidFields::default();
        check_payload_sizes(&list, &mut errors);
        errors.into_result()?;
        payloads = Some(clients.store.put_run_payloads(list, now).await?);
    }
    let mut tries = Tries::default();
    loop {
        expected.check(&found.job)?;
        let new = NewJobRun {
            id,
            run_type: JobRunType::Manual,
            occurrence: None,
            admission: admit(&found.job)?,
            payloads,
            caller: Some(workspace.caller.clone()),
        };
        match start(&clients, &found, new, now).await {
            Err(StoreError::Conflict) => found = found.again(&clients, &mut tries).await?,
            result => return Ok(JsonAnswer(result?)),
        }
    }
}

/// Whether a run may start now, or is kept for later.
fn admit(job: &StoredJob) -> Result<Admission, Problem> {
    if !job.is_active() {
        return Err(Problem::new(ProblemCode::JobPaused, "resume the job first"));
    }
    match job.occupancy().admit(job.overlap(), Origin::Present) {
        Admission::Skip => Err(Problem::new(ProblemCode::AnotherJobRunActive, job.why_skipped().message)),
        admission => Ok(admission),
    }
}

async fn start(
    clients: &Clients,
    FoundJob { project, job }: &FoundJob,
    new: NewJobRun,
    now: Timestamp,
) -> Result<JobRun, StoreError> {
    let records = NewRecords { runs: vec![new], missed: None };
    let Recorded { runs, work, .. } = clients.store.record_job_runs(project, job.clone(), records, now).await?;
    let view = runs.into_iter().next().ok_or(StoreError::Conflict)?;
    tracing::info!(jobRunId = %view.partition.run.id, job = %job.id, "a job run is on record");
    clients.bus.hand_over(work).await;
    view.answer(now)
}
