//! Runs as they are answered: a payload, and what the records of its segment say of it.

use std::collections::HashMap;

use sundial_model::payload::IndexedPayload;
use sundial_model::run::{ResultLocation, Run, RunStatus};
use sundial_model::{RunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{AttemptRecord, DeliveryRecord, Outcome, RunPartition, StoreError};

/// What the records of a segment say.
pub(crate) struct SegmentView {
    outcomes: HashMap<u32, Outcome>,
    attempts: HashMap<u32, AttemptRecord>,
}

impl SegmentView {
    /// Reads the records of a segment.
    pub(crate) async fn read(clients: &Clients, partition: &RunPartition, segment: u32) -> Result<Self, StoreError> {
        let outcomes = clients.store.outcomes(&partition.run, segment).await?;
        let attempts = clients.store.attempts(&partition.run, segment).await?;
        Ok(Self {
            outcomes: outcomes.into_iter().map(|outcome| (outcome.index, outcome)).collect(),
            attempts: attempts.into_iter().map(|record| (record.index, record)).collect(),
        })
    }

    /// A run as a list shows it.
    pub(crate) fn run(&self, partition: &RunPartition, payload: IndexedPayload, now: Timestamp) -> Run {
        let IndexedPayload { index, payload } = payload;
        let attempts = self.attempts.get(&index);
        let outcome = self.outcomes.get(&index);
        let status = match outcome {
            Some(outcome) if outcome.error.is_none() => RunStatus::Succeeded,
            Some(_) => RunStatus::Failed,
            None if partition.run.status.is_terminal() => RunStatus::Canceled,
            None if is_claimed(partition, index, now) => RunStatus::Running,
            None => RunStatus::Pending,
        };
        let outcome = outcome.cloned();
        let last_failed = attempts.and_then(|record| record.failed_attempts.last());
        let location = outcome.as_ref().and_then(|outcome| outcome.location.clone());
        Run {
            id: RunId { job_run: partition.run.id, payload_index: index },
            payload_index: index,
            generation: partition.run.generation,
            api_name: payload.api_name,
            parameters: payload.parameters,
            status,
            attempts: outcome.as_ref().map_or_else(|| attempts.map_or(0, |it| it.attempts), |it| it.attempts),
            start_time: outcome.as_ref().map(|it| it.start_time).or_else(|| last_failed.map(|it| it.start_time)),
            end_time: outcome.as_ref().map(|it| it.end_time),
            result: outcome.as_ref().and_then(|it| it.result.clone()),
            result_location: location.map(|location| ResultLocation {
                key: location.key,
                size: location.size,
                signed_url: None,
                signed_url_expiration: None,
            }),
            error: outcome.and_then(|it| it.error),
            failed_attempts: None,
            deliveries: None,
        }
    }
}

/// Adds what only the answer for one run shows.
pub(crate) fn details(run: Run, view: &SegmentView, deliveries: Vec<DeliveryRecord>) -> Run {
    let index = run.payload_index;
    let failed = view.attempts.get(&index).map(|record| record.failed_attempts.clone()).unwrap_or_default();
    let deliveries = deliveries.into_iter().filter(|record| record.index == index).map(|record| record.attempt);
    Run { failed_attempts: Some(failed), deliveries: Some(deliveries.collect()), ..run }
}

/// Whether a live worker has claimed the payload.
fn is_claimed(partition: &RunPartition, index: u32, now: Timestamp) -> bool {
    let leased = partition.lanes.iter().filter(|lane| lane.is_leased(now));
    leased.flat_map(|lane| &lane.claims).any(|range| (range.start..range.end).contains(&index))
}
