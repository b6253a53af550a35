//! What became of the payloads of a job run.

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};
use std::collections::HashMap;
use sundial_model::problem::Problem;
use sundial_model::run::{Run, RunStatus};
use sundial_outbound::results::LINK_LIFETIME;
use sundial_runtime::Clients;
use sundial_store::{RunPartition, keys};

use super::FoundRun;
use crate::body::{PAGE_BYTES_MAX, Page};
use crate::list_query::ListQuery;
use crate::problem_response::ApiProblem;
use crate::runs_view::{SegmentView, details};

/// A page looks at so many payloads at most, however few of them have the status asked for.
const PAYLOADS_LOOKED_AT_MAX: u32 = 5_000;

/// The runs of a job run, by payload index.
pub(crate) async fn list(
    State(clients): State<Clients>,
    FoundRun(partition): FoundRun,
    query: ListQuery,
) -> Result<JsonAnswer<Page<Run>>, ApiProblem> {
    let status = query.status(&RunStatus::ALL)?;
    let first = query.first_index()?;
    let last_looked_at = first.saturating_add(PAYLOADS_LOOKED_AT_MAX);
    let snapshot = clients.store.snapshot(partition.run.id).await?;
    let (mut next, mut runs, mut bytes) = (first, Vec::new(), 0);
    while next < partition.queue.total && next < last_looked_at && runs.len() < query.limit && bytes < PAGE_BYTES_MAX {
        let segment_end = (keys::segment_of(next) + 1) * keys::SEGMENT_LENGTH;
        let view = SegmentView::read(&clients, &partition, keys::segment_of(next)).await?;
        let count = segment_end.min(partition.queue.total) - next;
        let payloads = clients.store.run_payloads_within(&snapshot, next, count as usize, PAGE_BYTES_MAX).await?;
        for payload in payloads {
            next = payload.index + 1;
            let run = view.run(&partition, payload, clients.clock.now());
            if status.is_none_or(|status| run.status == status) {
                bytes += serde_json::to_vec(&run).map_or(0, |json| json.len());
                runs.push(run);
            }
            if runs.len() == query.limit {
                break;
            }
        }
    }
    for run in &mut runs {
        add_link(&clients, run).await?;
    }
    let more = (next < partition.queue.total).then(|| query.cursor(&(next - 1).to_string()));
    Ok(JsonAnswer(Page::filled(runs, |run| query.cursor(&run.payload_index.to_string()), more)))
}

/// One run, with its failed attempts and its deliveries.
pub(crate) async fn get(
    State(clients): State<Clients>,
    FoundRun(partition): FoundRun,
    Path(parameters): Path<HashMap<String, String>>,
) -> Result<JsonAnswer<Run>, ApiProblem> {
    let index = index_in(&partition, &parameters)?;
    let mut run = one(&clients, &partition, index).await?;
    add_link(&clients, &mut run).await?;
    Ok(JsonAnswer(run))
}

/// The payload that a path names; it is there.
pub(super) fn index_in(partition: &RunPartition, parameters: &HashMap<String, String>) -> Result<u32, ApiProblem> {
    let index = parameters.get("index").and_then(|text| text.parse::<u32>().ok());
    index.filter(|index| *index < partition.queue.total).ok_or_else(|| Problem::not_found("such payload").into())
}

pub(super) async fn one(clients: &Clients, partition: &RunPartition, index: u32) -> Result<Run, ApiProblem> {
    let snapshot = clients.store.snapshot(partition.run.id).await?;
    let payload = clients.store.run_payloads_from(&snapshot, index, 1).await?.pop();
    let payload = payload.ok_or_else(|| Problem::not_found("such payload"))?;
    let view = SegmentView::of_payload(clients, partition, index).await?;
    let run = view.run(partition, payload, clients.clock.now());
    let deliveries = clients.store.deliveries(partition.run.id, keys::segment_of(index)).await?;
    Ok(details(run, &view, deliveries))
}

/// A link to a result that is kept in the bucket.
pub(super) async fn add_link(clients: &Clients, run: &mut Run) -> Result<(), ApiProblem> {
    if let Some(location) = &mut run.result_location {
        let link = clients.results.link(&location.key).await.map_err(|error| ApiProblem::internal(&error))?;
        location.signed_url = Some(link);
        location.signed_url_expiration = Some(clients.clock.now() + LINK_LIFETIME);
    }
    Ok(())
}
