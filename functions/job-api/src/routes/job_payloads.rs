//! The payloads of a job: listed, and appended to, page by page.

use axum::Json as JsonAnswer;
use axum::extract::State;
use serde::Serialize;
use sundial_model::InvalidFields;
use sundial_model::payload::{IndexedPayload, PAYLOADS_MAX};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_runtime::Clients;
use sundial_store::{Append, PARTS_MAX, StoredJob};

use super::FoundJob;
use crate::body::{PAGE_BYTES_MAX, Page};
use crate::entity_tag::IfMatch;
use crate::first_answer::{FirstAnswer, JobName};
use crate::idempotency::Once;
use crate::list_query::ListQuery;
use crate::payload_page::PayloadPage;
use crate::problem_response::ApiProblem;

/// The payloads of a job, page by page.
pub(crate) async fn list(
    State(clients): State<Clients>,
    FoundJob { job, .. }: FoundJob,
    query: ListQuery,
) -> Result<JsonAnswer<Page<IndexedPayload>>, ApiProblem> {
    let first = query.first_index()?;
    let payloads = clients.store.payloads_within(&job.parts, first, query.limit, PAGE_BYTES_MAX).await?;
    let last = payloads.last().map(|payload| payload.index);
    let more = last.filter(|last| last + 1 < job.payload_count()).map(|last| query.cursor(&last.to_string()));
    Ok(JsonAnswer(Page::filled(payloads, |payload| query.cursor(&payload.index.to_string()), more)))
}

/// What an append has done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Appended {
    /// How many payloads were appended.
    appended: usize,
    /// How many the job has since.
    payload_count: u32,
}

/// Appends payloads to a job, for runs that start later. Pages that are sent side by side come in
/// one after the other, each in one piece.
pub(crate) async fn append(
    once: Once,
    FoundJob { job, .. }: FoundJob,
    expected: IfMatch,
    PayloadPage(page): PayloadPage,
) -> Result<JsonAnswer<Appended>, ApiProblem> {
    let clients = once.answering(FirstAnswer::Appended { job: JobName::from(&job), appended: page.len() });
    let is_expected = |job: &StoredJob| expected.check(job).is_ok();
    match clients.store.append_payloads(&job, &page, is_expected, clients.clock.now()).await? {
        Append::Done { payload_count } => Ok(JsonAnswer(Appended { appended: page.len(), payload_count })),
        Append::Unwanted => Err(IfMatch::failed().into()),
        Append::Gone => Err(Problem::not_found(format!("job {}", job.id)).into()),
        Append::TooManyPayloads { payload_count } => {
            let message = format!(
                "holds {} payloads, and the job has {payload_count} of the {PAYLOADS_MAX} that it may have",
                page.len()
            );
            Err(InvalidFields::one("", message).into())
        }
        Append::TooManyParts => {
            let detail = format!(
                "the payloads of the job came in {PARTS_MAX} pieces, which is the most; append larger pages, of up \
                 to 4 MB, to a job that is created anew"
            );
            Err(Problem::new(ProblemCode::Conflict, detail).into())
        }
    }
}
