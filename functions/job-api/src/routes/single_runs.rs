//! Single runs: start, list, get, terminate, deliver once more.

use axum::Json as JsonAnswer;
use axum::extract::{FromRequestParts, State};
use futures::future::try_join_all;
use http::StatusCode;
use http::request::Parts;
use sundial_model::job::JobDefinition;
use sundial_model::payload::IndexedPayload;
use sundial_model::problem::Problem;
use sundial_model::run::RunStatus;
use sundial_model::secret::{HasSecrets, SecretValues};
use sundial_model::single_run::SingleRun;
use sundial_model::{InvalidFields, JobRunId, RunId};
use sundial_runtime::Clients;
use sundial_store::{NewSingleRun, RunPartition, RunView, keys};

use super::payloads::{add_link, one};
use super::redeliveries::{self, RedeliverBody};
use super::{FoundProject, Workspace, parameter};
use crate::body::{Json, OptionalJson, PAGE_BYTES_MAX, Page};
use crate::check_job::{Place, check_definition_size};
use crate::check_single_run::check_single_run;
use crate::first_answer::{FirstAnswer, Subject};
use crate::idempotency::Once;
use crate::list_query::ListQuery;
use crate::problem_response::ApiProblem;
use crate::runs_view::{SegmentView, details};

/// The one payload of a single run.
const INDEX: u32 = 0;

/// The single run that a path names; it is there, and it is that project's.
pub(crate) struct FoundSingleRun(pub(crate) RunPartition);

impl FromRequestParts<Clients> for FoundSingleRun {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let FoundProject(project) = FoundProject::from_request_parts(parts, clients).await?;
        let id: RunId = parameter(parts, "single").await?;
        let not_found = || Problem::not_found(format!("single run {id}"));
        if id.payload_index != INDEX {
            return Err(not_found().into());
        }
        let found = clients.store.run_partition(id.job_run).await?;
        let found = found.filter(|found| found.run.job.is_none() && found.run.project_id == project.id);
        found.map(Self).ok_or_else(|| not_found().into())
    }
}

/// Starts a single run.
pub(crate) async fn create(
    once: Once,
    workspace: Workspace,
    FoundProject(project): FoundProject,
    Json(document): Json,
) -> Result<(StatusCode, JsonAnswer<SingleRun>), ApiProblem> {
    let place = Place { settings: &once.clients.settings, workspace: project.workspace_id, target: &project.target };
    let input = check_single_run(document, &place)?;
    if let Some(reference) = &input.auth_session
        && once.clients.store.auth_session(project.id, &reference.id).await?.is_none()
    {
        let message = format!("must be one of the project: there is no auth session {}", reference.id);
        return Err(InvalidFields::one("/authSession/id", message).into());
    }
    let payload = input.payload();
    // What a job keeps of these, so that it is kept alike.
    let mut definition =
        JobDefinition { sink: input.sink, auth_session: input.auth_session, ..JobDefinition::default() };
    definition.keep_redacted(None, &SecretValues::default())?;
    let secrets = definition.secret_values();
    check_definition_size(&definition, &secrets)?;
    let id = JobRunId::new();
    let clients = once.answering(FirstAnswer::SingleRun { id });
    let new = NewSingleRun {
        id,
        payload,
        sink: definition.sink,
        auth_session: definition.auth_session,
        caller: Some(workspace.caller),
    };
    let indexed = IndexedPayload { index: INDEX, payload: new.payload.clone() };
    let (view, work) = clients.store.record_single_run(&project, new, &secrets, clients.clock.now()).await?;
    tracing::info!(jobRunId = %id, "a single run is on record");
    clients.bus.hand_over(vec![work]).await;
    // Nothing has become of it yet, so that nothing need be read.
    let nothing = SegmentView::default();
    let run = details(nothing.run(&view.partition, indexed, view.partition.run.created_at), &nothing, Vec::new());
    Ok((StatusCode::CREATED, JsonAnswer(answer(&view, run))))
}

/// A single run as it is answered alone, with its failed attempts and its deliveries.
pub(crate) async fn whole(clients: &Clients, partition: RunPartition) -> Result<SingleRun, ApiProblem> {
    let mut run = one(clients, &partition, INDEX).await?;
    add_link(clients, &mut run).await?;
    let view = clients.store.run_view(partition).await?;
    Ok(answer(&view, run))
}

fn answer(RunView { partition, snapshot }: &RunView, run: sundial_model::run::Run) -> SingleRun {
    let reason = partition.run.reason.clone().filter(|_| run.status == RunStatus::Canceled);
    SingleRun {
        run,
        project_id: partition.run.project_id,
        created_at: partition.run.created_at,
        // One that ended by itself just before it was terminated has none.
        reason,
        auth_session: snapshot.definition.auth_session.clone(),
        sink: snapshot.definition.sink.clone(),
        triggered_by: partition.run.triggered_by.clone(),
    }
}

/// The single runs of a project, newest first.
pub(crate) async fn list(
    State(clients): State<Clients>,
    FoundProject(project): FoundProject,
    query: ListQuery,
) -> Result<JsonAnswer<Page<SingleRun>>, ApiProblem> {
    /// So many are read at once.
    const AT_ONCE: usize = 10;
    let page = clients.store.single_runs(project.id, query.before()?, query.limit).await?;
    let place = |run: &SingleRun| keys::place_of_run(run.created_at, None, run.run.id.job_run);
    let (mut items, mut bytes, mut is_full) = (Vec::with_capacity(page.runs.len()), 0, false);
    for some in page.runs.chunks(AT_ONCE) {
        is_full = bytes > PAGE_BYTES_MAX;
        if is_full {
            break;
        }
        let read = try_join_all(some.iter().map(|view| listed(&clients, view))).await?;
        for run in read.into_iter().flatten() {
            bytes += serde_json::to_vec(&run).map_or(0, |json| json.len());
            items.push(run);
        }
    }
    let more = if is_full { items.last().map(&place) } else { page.next_before };
    let more = more.map(|before| query.cursor(&before));
    Ok(JsonAnswer(Page::filled(items, |run| query.cursor(&place(run)), more)))
}

/// A single run in a list; none when its payload has passed its retention, which it may do a little earlier.
async fn listed(clients: &Clients, view: &RunView) -> Result<Option<SingleRun>, ApiProblem> {
    let payload = clients.store.run_payloads_from(&view.snapshot, INDEX, 1).await?.pop();
    let Some(payload) = payload else { return Ok(None) };
    let segment = SegmentView::read(clients, &view.partition, keys::segment_of(INDEX)).await?;
    let mut run = segment.run(&view.partition, payload, clients.clock.now());
    add_link(clients, &mut run).await?;
    Ok(Some(answer(view, run)))
}

/// One single run, with its failed attempts and its deliveries.
pub(crate) async fn get(
    State(clients): State<Clients>,
    FoundSingleRun(partition): FoundSingleRun,
) -> Result<JsonAnswer<SingleRun>, ApiProblem> {
    Ok(JsonAnswer(whole(&clients, partition).await?))
}

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
struct TerminateBody {}

/// Ends a single run: no attempt starts any more. One that has ended stays as it is.
pub(crate) async fn terminate(
    once: Once,
    FoundSingleRun(found): FoundSingleRun,
    body: OptionalJson,
) -> Result<JsonAnswer<SingleRun>, ApiProblem> {
    let TerminateBody {} = body.read()?;
    let id = found.run.id;
    let clients = once.answering(FirstAnswer::SingleRunChanged { id });
    let ended = clients.store.terminate_job_run(id, clients.clock.now()).await?;
    let (ended, work) = ended.ok_or_else(|| Problem::not_found("such single run"))?;
    clients.bus.hand_over(work).await;
    Ok(JsonAnswer(whole(&clients, ended).await?))
}

/// Delivers what came of a single run once more.
pub(crate) async fn redeliver(
    once: Once,
    FoundSingleRun(found): FoundSingleRun,
    body: OptionalJson,
) -> redeliveries::Answer {
    let RedeliverBody {} = body.read()?;
    let id = found.run.id;
    let clients = once.answering(FirstAnswer::Requested { requested: 0, of: Some(Subject::JobRun { id }) });
    let redelivery = clients.store.redeliver_payload(id, INDEX, clients.clock.now()).await?;
    redeliveries::answer(&once, id, redelivery).await
}
