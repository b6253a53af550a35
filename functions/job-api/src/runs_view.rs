//! Runs as they are answered: a payload, and what the records of its segment say of it.

use sundial_model::payload::IndexedPayload;
use sundial_model::run::{FAILED_ATTEMPTS_MAX, FailedAttempt, ResultLocation, Run, RunStatus};
use sundial_model::{RunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{DeliveryRecord, Outcome, RunPartition, SegmentAttempts, SegmentOutcomes, StoreError, keys};

/// What the records of a segment say; nothing, where there are none yet.
#[derive(Default)]
pub(crate) struct SegmentView {
    outcomes: SegmentOutcomes,
    attempts: SegmentAttempts,
}

impl SegmentView {
    /// Reads the records of a segment.
    pub(crate) async fn read(clients: &Clients, partition: &RunPartition, segment: u32) -> Result<Self, StoreError> {
        let (store, run) = (&clients.store, &partition.run);
        let (outcomes, attempts) = futures::future::try_join(
            store.outcomes(run.id, segment, run.generation),
            store.attempts(run.id, segment, run.generation),
        )
        .await?;
        Ok(Self { outcomes, attempts })
    }

    /// The same with the attempts of the generation in which a payload ended.
    pub(crate) async fn of_payload(
        clients: &Clients,
        partition: &RunPartition,
        index: u32,
    ) -> Result<Self, StoreError> {
        let (segment, run) = (keys::segment_of(index), &partition.run);
        let view = Self::read(clients, partition, segment).await?;
        match view.outcomes.get(index) {
            Some((ended_in, _)) if ended_in < run.generation && !view.outcomes.is_open(index, run) => {
                let attempts = clients.store.attempts(run.id, segment, ended_in).await?;
                Ok(Self { attempts, ..view })
            }
            _ => Ok(view),
        }
    }

    /// How a payload stands: its outcome, unless it is to be carried out again.
    fn standing(&self, partition: &RunPartition, index: u32, now: Timestamp) -> (RunStatus, Option<(u32, &Outcome)>) {
        let run = &partition.run;
        let ended = self.outcomes.get(index);
        if self.outcomes.is_open(index, run) {
            let status = match run.status.is_terminal() {
                true => RunStatus::Canceled,
                false if is_claimed(partition, index, now) => RunStatus::Running,
                false => RunStatus::Pending,
            };
            return (status, None);
        }
        let status = match ended {
            Some((_, outcome)) if outcome.has_succeeded() => RunStatus::Succeeded,
            Some(_) => RunStatus::Failed,
            None => RunStatus::Canceled,
        };
        (status, ended)
    }

    /// Where a payload stands, and its outcome, unless it is to be carried out again.
    pub(crate) fn outcome(
        &self,
        partition: &RunPartition,
        index: u32,
        now: Timestamp,
    ) -> (RunStatus, Option<&Outcome>) {
        let (status, ended) = self.standing(partition, index, now);
        (status, ended.map(|(_, outcome)| outcome))
    }

    /// A run as a list shows it.
    pub(crate) fn run(&self, partition: &RunPartition, payload: IndexedPayload, now: Timestamp) -> Run {
        let IndexedPayload { index, payload } = payload;
        let (status, ended) = self.standing(partition, index, now);
        let generation = ended.map_or(partition.run.generation, |(generation, _)| generation);
        let outcome = ended.map(|(_, outcome)| outcome);
        let last_failed = self.attempts.of(index).last().map(|record| &record.failed);
        let location = outcome.and_then(|outcome| outcome.location.clone());
        Run {
            id: RunId { job_run: partition.run.id, payload_index: index },
            payload_index: index,
            generation,
            api_name: payload.api_name,
            parameters: payload.parameters,
            status,
            attempts: outcome.map_or_else(|| last_failed.map_or(0, |it| it.attempt), |it| it.attempts),
            start_time: outcome.map(|it| it.start_time).or_else(|| last_failed.map(|it| it.start_time)),
            end_time: outcome.map(|it| it.end_time),
            result: outcome.and_then(|it| it.result.clone()),
            result_location: location.map(|location| ResultLocation {
                key: location.key,
                size: location.size,
                signed_url: None,
                signed_url_expiration: None,
            }),
            error: outcome.and_then(|it| it.error.clone()),
            failed_attempts: None,
            deliveries: None,
        }
    }

    /// The failed attempts of a payload, the one included with which it has failed for good.
    fn failed_attempts(&self, run: &Run) -> Vec<FailedAttempt> {
        let mut failed: Vec<_> =
            self.attempts.of(run.payload_index).iter().map(|record| record.failed.clone()).collect();
        if let (Some(error), Some(start_time), Some(end_time)) = (&run.error, run.start_time, run.end_time) {
            failed.push(FailedAttempt { attempt: run.attempts, start_time, end_time, error: error.clone() });
        }
        failed.drain(..failed.len().saturating_sub(FAILED_ATTEMPTS_MAX));
        failed
    }
}

/// Adds what only the answer for one run shows.
pub(crate) fn details(run: Run, view: &SegmentView, deliveries: Vec<DeliveryRecord>) -> Run {
    let index = run.payload_index;
    let failed = view.failed_attempts(&run);
    let deliveries = deliveries.into_iter().filter(|record| record.index == index).map(|record| record.attempt);
    Run { failed_attempts: Some(failed), deliveries: Some(deliveries.collect()), ..run }
}

/// Whether a live worker has claimed the payload.
fn is_claimed(partition: &RunPartition, index: u32, now: Timestamp) -> bool {
    let leased = partition.lanes.iter().filter(|lane| lane.is_leased(now));
    let claims = leased.flat_map(|lane| lane.claims.iter().chain(lane.suspects.iter().map(|suspects| &suspects.range)));
    claims.into_iter().any(|range| (range.start..range.end).contains(&index))
}
