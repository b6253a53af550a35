//! Jobs: create, list, get, update, delete.

use axum::Json as JsonAnswer;
use axum::extract::State;
use futures::future::try_join_all;
use http::StatusCode;
use sundial_model::event::WorkReady;
use sundial_model::job::{Job, JobInput};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::secret::{HasSecrets, SecretValues};
use sundial_model::{InvalidFields, JobUuid};
use sundial_runtime::Clients;
use sundial_store::{Deletion, StoreError, StoredJob, Tries};

use super::{FoundJob, FoundProject, job_again};
use crate::body::{Json, PAGE_BYTES_MAX, Page};
use crate::check_job::{Place, check_definition_size, check_job_update, check_new_job};
use crate::due::{announce, set_next};
use crate::entity_tag::{EntityTag, IfMatch};
use crate::first_answer::{FirstAnswer, JobName};
use crate::following::let_runs_follow;
use crate::idempotency::Once;
use crate::list_query::ListQuery;
use crate::problem_response::ApiProblem;

/// A job in a list carries so many payloads at most.
const LISTED_PAYLOADS_MAX: usize = 10;
/// And so many bytes of them.
const LISTED_PAYLOAD_BYTES_MAX: usize = 100_000;

/// A job as it is answered, and the version that its user sees by that.
pub(crate) type TaggedJob = (EntityTag, JsonAnswer<Job>);

/// Creates a job.
pub(crate) async fn create(
    once: Once,
    FoundProject(project): FoundProject,
    Json(document): Json,
) -> Result<(StatusCode, TaggedJob), ApiProblem> {
    let clients = &once.clients;
    let now = clients.clock.now();
    let place = Place { settings: &clients.settings, workspace: project.workspace_id, target: &project.target };
    let mut input = check_new_job(document, &place)?;
    let state = input.state.take().unwrap_or_default();
    let Some(id) = input.id.take() else { return Err(InvalidFields::one("/id", "is required").into()) };
    let (mut definition, payloads) = input.into_definition();
    definition.keep_redacted(None, &SecretValues::default())?;
    let secrets = definition.secret_values();
    check_definition_size(&definition, &secrets)?;
    let mut job = StoredJob::new(&project, JobUuid::new(), id.clone(), definition, state, now);
    set_next(&mut job, now);
    let payloads = payloads.unwrap_or_default();
    let clients = once.answering(FirstAnswer::Created { job: JobName::from(&job) });
    let created = clients.store.create_job(&project, job, payloads, &secrets, now).await?;
    let Some(job) = created else {
        return Err(Problem::new(ProblemCode::Conflict, format!("there is a job {id} already")).into());
    };
    announce(&clients, &job, now).await;
    Ok((StatusCode::CREATED, whole(&clients, &job).await?))
}

/// One job, with as many of its payloads as an answer holds.
pub(crate) async fn get(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
) -> Result<TaggedJob, ApiProblem> {
    Ok(whole(&clients, &job).await?)
}

/// A job as it is answered, with as many of its payloads as an answer holds.
pub(crate) async fn whole(clients: &Clients, job: &StoredJob) -> Result<TaggedJob, StoreError> {
    let answer = answer(clients, job, job.payload_count() as usize, PAGE_BYTES_MAX).await?;
    Ok((EntityTag::of(job), JsonAnswer(answer)))
}

/// A job as it is answered, with so many of its payloads, and so many bytes of them, at most; with one at least.
pub(crate) async fn answer(clients: &Clients, job: &StoredJob, count: usize, bytes: usize) -> Result<Job, StoreError> {
    let payloads = clients.store.payloads_within(&job.parts, 0, count, bytes).await?;
    Ok(job.answer(payloads.into_iter().map(|indexed| indexed.payload).collect()))
}

/// The jobs of a project, by id.
pub(crate) async fn list(
    State(clients): State<Clients>,
    FoundProject(project): FoundProject,
    query: ListQuery,
) -> Result<JsonAnswer<Page<Job>>, ApiProblem> {
    /// Payloads are read for so many jobs at once.
    const AT_ONCE: usize = 10;
    let tag = query.tag()?;
    let page = clients.store.jobs(project.id, query.after()?.as_ref(), query.limit).await?;
    let has_tag = |job: &&StoredJob| tag.is_none_or(|(key, value)| job.definition.tags.has(key, value));
    let wanted: Vec<_> = page.jobs.iter().filter(has_tag).collect();
    let mut jobs = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE) {
        let answers = some.iter().map(|job| answer(&clients, job, LISTED_PAYLOADS_MAX, LISTED_PAYLOAD_BYTES_MAX));
        jobs.extend(try_join_all(answers).await?);
    }
    let more = page.next_after.map(|id| query.cursor(id.as_str()));
    Ok(JsonAnswer(Page::filled(jobs, |job| query.cursor(job.id.as_str()), more)))
}

/// Replaces a job; its payloads only when they are sent.
pub(crate) async fn update(
    State(clients): State<Clients>,
    FoundJob { project, job }: FoundJob,
    expected: IfMatch,
    Json(document): Json,
) -> Result<TaggedJob, ApiProblem> {
    let place = Place { settings: &clients.settings, workspace: job.workspace_id, target: &project.target };
    let input = check_job_update(document, &job.id, &place)?;
    let (mut current, mut tries) = (job, Tries::default());
    loop {
        expected.check(&current)?;
        match replace(&clients, &current, input.clone()).await {
            // A run of it started or ended meanwhile, or someone else changed it: the last one wins.
            Err(ReplaceError::Store(StoreError::Conflict)) => {
                current = job_again(&clients, &current, &mut tries).await?;
            }
            Err(ReplaceError::Store(error)) => return Err(error.into()),
            Err(ReplaceError::Fields(errors)) => return Err(errors.into()),
            Ok((job, work)) => {
                let now = clients.clock.now();
                clients.bus.hand_over(work).await;
                let_runs_follow(&clients, &job, now).await?;
                announce(&clients, &job, now).await;
                return Ok(whole(&clients, &job).await?);
            }
        }
    }
}

enum ReplaceError {
    Store(StoreError),
    Fields(InvalidFields),
}

async fn replace(
    clients: &Clients,
    job: &StoredJob,
    input: JobInput,
) -> Result<(StoredJob, Vec<WorkReady>), ReplaceError> {
    let now = clients.clock.now();
    let (mut definition, payloads) = input.into_definition();
    let stored = clients.store.secret_values(job.secrets).await.map_err(ReplaceError::Store)?;
    definition.keep_redacted(Some(&job.definition), &stored).map_err(ReplaceError::Fields)?;
    let secrets = definition.secret_values();
    check_definition_size(&definition, &secrets).map_err(ReplaceError::Fields)?;
    let mut changed = job.clone();
    // The limit of requests is the one setting that applies to runs that are under way.
    if job.definition.configuration.max_concurrent_requests != definition.configuration.max_concurrent_requests {
        changed.runs_must_follow(now);
    }
    changed.definition = definition;
    changed.note_edit();
    set_next(&mut changed, now);
    clients.store.update_job(job, changed, payloads, &secrets, now).await.map_err(ReplaceError::Store)
}

/// Deletes a job; an active run is ended.
pub(crate) async fn delete(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    expected: IfMatch,
) -> Result<StatusCode, ApiProblem> {
    let is_expected = |job: &StoredJob| expected.check(job).is_ok();
    let Deletion { work, outcome } = clients.store.delete_job(&job, is_expected, clients.clock.now()).await;
    clients.bus.hand_over(work).await;
    if outcome? { Ok(StatusCode::NO_CONTENT) } else { Err(IfMatch::failed().into()) }
}
