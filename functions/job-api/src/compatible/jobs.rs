//! Jobs: list, create, get, update, delete, pause, resume, trigger.

use axum::Json as JsonAnswer;
use axum::extract::State;
use futures::future::try_join_all;
use http::StatusCode;
use serde_json::{Value, json};
use sundial_model::job::Job;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_runtime::Clients;

use super::generation::KnowsNewest;
use super::job_answer::job;
use super::job_update::Before;
use super::{Generation, documents};
use crate::body::{Json, OptionalJson, PAGE_BYTES_MAX};
use crate::entity_tag::IfMatch;
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;
use crate::routes::jobs::{answer, whole};
use crate::routes::{FoundJob, FoundProject, Workspace, job_actions, jobs};

/// The payloads of one job take so many bytes at most: what is around them has room, too.
const PAYLOAD_BYTES_MAX: usize = PAGE_BYTES_MAX - 500_000;

type Answer = Result<JsonAnswer<Value>, ApiProblem>;

/// Creates a job.
pub(super) async fn create(
    once: Once,
    project: FoundProject,
    Json(document): Json,
) -> Result<(StatusCode, JsonAnswer<Value>), ApiProblem> {
    let (mut document, translation) = documents::job(document);
    let renamed = translation.renamed.clone();
    translation.check()?;
    documents::drop_empty_schedule(&mut document);
    let created = jobs::create(once, project, Json(document)).await.map_err(|problem| problem.naming(&renamed))?;
    let (status, (_, JsonAnswer(Job { id, .. }))) = created;
    Ok((status, JsonAnswer(json!({ "id": id, "message": "created" }))))
}

/// The jobs of a project: all of them, with as many of their payloads as the answer holds. The clients know no pages.
pub(super) async fn list(
    State(clients): State<Clients>,
    workspace: Workspace,
    FoundProject(project): FoundProject,
    generation: Generation,
) -> Answer {
    const AT_ONCE: usize = 100;
    const READ_AT_ONCE: usize = 10;
    let (mut jobs, mut bytes, mut after) = (Vec::new(), 0, None);
    loop {
        let page = clients.store.jobs(project.id, after.as_ref(), AT_ONCE).await?;
        for some in page.jobs.chunks(READ_AT_ONCE) {
            // Half of the room that is left is for their payloads, of which the first one is always there.
            let room = PAGE_BYTES_MAX.saturating_sub(bytes) / 2 / READ_AT_ONCE;
            let read = some.iter().map(|stored| answer(&clients, stored, stored.payload_count() as usize, room));
            for found in try_join_all(read).await? {
                let found = job(&found, workspace.id, generation, room);
                bytes += serde_json::to_vec(&found).map_or(0, |json| json.len());
                jobs.push(found);
            }
            if bytes > PAGE_BYTES_MAX {
                let detail =
                    "the project has more jobs than one answer holds; list them page by page with the other API";
                return Err(Problem::new(ProblemCode::PayloadTooLarge, detail).into());
            }
        }
        after = page.next_after;
        if after.is_none() {
            return Ok(JsonAnswer(json!(jobs)));
        }
    }
}

/// One job, with as many of its payloads as an answer holds.
pub(super) async fn get(
    State(clients): State<Clients>,
    workspace: Workspace,
    FoundJob { job: stored, .. }: FoundJob,
    generation: Generation,
) -> Answer {
    let (_, JsonAnswer(found)) = whole(&clients, &stored).await?;
    Ok(JsonAnswer(job(&found, workspace.id, generation, PAYLOAD_BYTES_MAX)))
}

/// Replaces a job: what the client has read and not changed stays as it is, whether it has words for it or not.
pub(super) async fn update(
    clients: State<Clients>,
    workspace: Workspace,
    found: FoundJob,
    expected: IfMatch,
    KnowsNewest(knows_newest): KnowsNewest,
    Json(document): Json,
) -> Answer {
    let (mut document, translation) = documents::job(document);
    let renamed = translation.renamed.clone();
    translation.check()?;
    let (_, JsonAnswer(before)) = whole(&clients, &found.job).await?;
    let shown = job(&before, workspace.id, Generation::Later, PAYLOAD_BYTES_MAX);
    Before { job: &before, shown: &shown, knows_newest }.keep(&mut document)?;
    documents::drop_empty_schedule(&mut document);
    let updated = jobs::update(clients, found, expected, Json(document)).await;
    let (_, JsonAnswer(Job { id, .. })) = updated.map_err(|problem| problem.naming(&renamed))?;
    Ok(JsonAnswer(json!({ "id": id, "message": "updated job successfully" })))
}

/// Deletes a job; its active runs end.
pub(super) async fn delete(
    clients: State<Clients>,
    found: FoundJob,
    expected: IfMatch,
) -> Result<StatusCode, ApiProblem> {
    jobs::delete(clients, found, expected).await
}

/// Pauses a job and its active runs.
pub(super) async fn pause(once: Once, found: FoundJob, expected: IfMatch, body: OptionalJson) -> Answer {
    let (_, JsonAnswer(Job { id, .. })) = job_actions::pause(once, found, expected, body).await?;
    Ok(JsonAnswer(json!({ "id": id, "message": "Paused" })))
}

/// Lets a paused job and its paused runs go on.
pub(super) async fn resume(once: Once, found: FoundJob, expected: IfMatch, body: OptionalJson) -> Answer {
    let (_, JsonAnswer(Job { id, .. })) = job_actions::resume(once, found, expected, body).await?;
    Ok(JsonAnswer(json!({ "id": id, "message": "Resumed" })))
}

/// Starts a job run now.
pub(super) async fn trigger(
    once: Once,
    workspace: Workspace,
    found: FoundJob,
    expected: IfMatch,
    body: OptionalJson,
) -> Answer {
    let job = found.job.id.clone();
    let JsonAnswer(run) = job_actions::trigger(once, workspace, found, expected, body).await?;
    Ok(JsonAnswer(json!({ "id": job, "jobRunId": run.id, "message": "Triggered" })))
}
