//! What can be done to a job: pause, resume, trigger.

use axum::Json as JsonAnswer;
use axum::extract::State;
use deserr::Deserr;
use sundial_engine::due::{OverlapDecision, decide_overlap};
use sundial_model::event::{Event, WorkReady};
use sundial_model::job::{Job, JobState, JobStatus};
use sundial_model::job_run::{JobRun, JobRunType, Reason, ReasonType};
use sundial_model::payload::PayloadList;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::text::PauseReason;
use sundial_model::{InvalidFields, JobRunId, Timestamp};
use sundial_runtime::{Clients, clock};
use sundial_store::{NewJobRun, PayloadPart, StartDecision, StoreError, StoredJob, StoredProject};

use super::{FoundJob, Workspace, jobs};
use crate::body::OptionalJson;
use crate::check_job::check_payload_sizes;
use crate::due::{announce, set_next};
use crate::problem_response::ApiProblem;

#[derive(Debug, Default, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
struct PauseBody {
    #[deserr(default)]
    reason: Option<PauseReason>,
}

/// Pauses a job and its active runs.
pub(crate) async fn pause(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    body: OptionalJson,
) -> Result<JsonAnswer<Job>, ApiProblem> {
    let PauseBody { reason } = body.read()?;
    let now = clock::now();
    let state = JobState { status: JobStatus::Paused, reason: reason.clone() };
    let job = change(&clients, job, |job| {
        let was_active = job.is_active();
        // Pausing again without a reason keeps the one that was given.
        if was_active || state.reason.is_some() {
            job.state = state.clone();
        }
    })
    .await?;
    // From here on no run starts. The active ones follow; if this is cut off, pausing again ends it.
    let message = reason.map_or_else(|| "a user paused the job".to_owned(), |reason| reason.to_string());
    let reason = Reason::new(ReasonType::UserRequest, message);
    for run in &job.active_runs {
        clients.store.pause_job_run(&job, *run, &reason, now).await?;
    }
    Ok(JsonAnswer(jobs::whole(&clients, &job).await?))
}

/// Lets a paused job and its paused runs go on. What was due meanwhile is not made up.
pub(crate) async fn resume(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    body: OptionalJson,
) -> Result<JsonAnswer<Job>, ApiProblem> {
    let ResumeBody {} = body.read()?;
    let now = clock::now();
    let job = change(&clients, job, |job| {
        if !job.is_active() {
            job.state = JobState::default();
            set_next(job, now);
        }
    })
    .await?;
    let mut events = Vec::new();
    for run in &job.active_runs {
        let lanes = clients.store.resume_job_run(&job, *run, now).await?;
        events.extend(lanes.into_iter().map(|lane| Event::WorkReady(WorkReady { job_run_id: *run, lane })));
    }
    clients.bus.put(&events).await;
    announce(&clients, &job, now).await;
    Ok(JsonAnswer(jobs::whole(&clients, &job).await?))
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
struct ResumeBody {}

/// Changes a job as it is now, again when someone else was faster.
async fn change(clients: &Clients, job: StoredJob, change: impl Fn(&mut StoredJob)) -> Result<StoredJob, ApiProblem> {
    let mut current = job;
    loop {
        let mut changed = current.clone();
        change(&mut changed);
        if changed == current {
            return Ok(current);
        }
        match clients.store.put_job(changed).await {
            Err(StoreError::Conflict) => {
                let again = clients.store.job(current.project_id, &current.id).await?;
                current = again.ok_or_else(|| Problem::not_found(format!("job {}", current.id)))?;
            }
            result => return Ok(result?),
        }
    }
}

#[derive(Debug, Default, Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
struct TriggerBody {
    #[deserr(default)]
    payload: Option<PayloadList>,
}

/// Starts a job run now.
pub(crate) async fn trigger(
    State(clients): State<Clients>,
    workspace: Workspace,
    FoundJob { project, job }: FoundJob,
    body: OptionalJson,
) -> Result<JsonAnswer<JobRun>, ApiProblem> {
    let TriggerBody { payload } = body.read()?;
    let now = clock::now();
    refuse_when_not_startable(&job)?;
    let mut payloads = None;
    if let Some(PayloadList(list)) = payload {
        let mut errors = InvalidFields::default();
        check_payload_sizes(&list, &mut errors);
        errors.into_result()?;
        payloads = Some(clients.store.put_run_payloads(list, now).await?);
    }
    let (mut project, mut current) = (project, job);
    loop {
        refuse_when_not_startable(&current)?;
        match start(&clients, &project, current.clone(), payloads, &workspace.key_id, now).await {
            Err(StoreError::Conflict) => {
                let again = clients.store.job(current.project_id, &current.id).await?;
                current = again.ok_or_else(|| Problem::not_found(format!("job {}", current.id)))?;
                let again = clients.store.project(project.workspace_id, &project.name).await?;
                project = again.ok_or_else(|| Problem::not_found(format!("project {}", project.name)))?;
            }
            result => return Ok(JsonAnswer(result?)),
        }
    }
}

fn refuse_when_not_startable(job: &StoredJob) -> Result<(), Problem> {
    if !job.is_active() {
        return Err(Problem::new(ProblemCode::JobPaused, "resume the job first"));
    }
    let overlap = job.definition.schedule.as_ref().map(|schedule| schedule.specification().overlap);
    match decide_overlap(overlap.unwrap_or_default(), job.active_runs.len()) {
        OverlapDecision::Start => Ok(()),
        OverlapDecision::Skip => {
            let active: Vec<_> = job.active_runs.iter().map(ToString::to_string).collect();
            let detail = format!("job run {} is active", active.join(", "));
            Err(Problem::new(ProblemCode::AnotherJobRunActive, detail))
        }
    }
}

async fn start(
    clients: &Clients,
    project: &StoredProject,
    job: StoredJob,
    payloads: Option<PayloadPart>,
    key_id: &str,
    now: Timestamp,
) -> Result<JobRun, StoreError> {
    let new = NewJobRun {
        id: JobRunId::new(),
        run_type: JobRunType::Manual,
        occurrence: None,
        decision: StartDecision::Start,
        payloads,
        triggered_by: Some(key_id.to_owned()),
    };
    let (_, partitions) = clients.store.record_job_runs(project, job, vec![new], now).await?;
    let partition = partitions.into_iter().next().ok_or(StoreError::Conflict)?;
    let work = |lane| Event::WorkReady(WorkReady { job_run_id: partition.run.id, lane });
    let events: Vec<_> = (0..partition.run.lane_count).map(work).collect();
    clients.bus.put(&events).await;
    Ok(partition.answer(now))
}
