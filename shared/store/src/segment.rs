//! What is on record of a segment: a hundred payloads that share a partition.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use sundial_model::JobRunId;

use crate::commit::{AttemptsItem, DeliveriesItem, OutcomesItem};
use crate::error::StoreError;
use crate::item::{Item, read, text};
use crate::outcome::{AttemptRecord, DeliveryRecord, DueDeliveries, Outcome};
use crate::run_partition::StoredJobRun;
use crate::segment_deliveries::SegmentDeliveries;
use crate::table::Range;
use crate::{Store, keys};

/// How payloads of a segment ended: each in the latest generation in which it did.
#[derive(Clone, Debug, Default)]
pub struct SegmentOutcomes(HashMap<u32, (u32, Outcome)>);

impl SegmentOutcomes {
    /// How a payload ended, and in which generation.
    pub fn get(&self, index: u32) -> Option<(u32, &Outcome)> {
        self.0.get(&index).map(|(generation, outcome)| (*generation, outcome))
    }

    /// Takes out how a payload ended in just this generation.
    pub fn take(&mut self, index: u32, generation: u32) -> Option<Outcome> {
        let is_wanted = self.0.get(&index).is_some_and(|(ended_in, _)| *ended_in == generation);
        is_wanted.then(|| self.0.remove(&index)).flatten().map(|(_, outcome)| outcome)
    }

    /// Whether a payload is to be carried out in this generation of its run: if it had failed before
    /// or has come with it, until it has ended.
    pub fn is_open(&self, index: u32, run: &StoredJobRun) -> bool {
        match self.get(index) {
            None => index >= run.first_new,
            Some((ended_in, outcome)) => ended_in < run.generation && !outcome.has_succeeded(),
        }
    }
}

/// The failed attempts of a segment's payloads in one generation, oldest first.
#[derive(Clone, Debug, Default)]
pub struct SegmentAttempts(HashMap<u32, Vec<AttemptRecord>>);

impl SegmentAttempts {
    /// The failed attempts of a payload, but for a last one that its outcome tells of.
    pub fn of(&self, index: u32) -> &[AttemptRecord] {
        self.0.get(&index).map_or(&[], Vec::as_slice)
    }
}

impl Store {
    /// How a segment's payloads ended, in generations up to and including this one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn outcomes(&self, run: JobRunId, segment: u32, generation: u32) -> Result<SegmentOutcomes, StoreError> {
        let partition = keys::segment(run, segment);
        let mut latest = SegmentOutcomes::default();
        // In the order of generations.
        for item in self.table.query_all(&Range::prefix(&partition, keys::OUTCOME_PREFIX)).await? {
            let ended_in = generation_of(&item, keys::OUTCOME_PREFIX)?;
            if ended_in > generation {
                break;
            }
            let OutcomesItem { outcomes } = read(item)?.value;
            latest.0.extend(outcomes.into_iter().map(|outcome| (outcome.index, (ended_in, outcome))));
        }
        Ok(latest)
    }

    /// The failed attempts of a segment's payloads in one generation.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn attempts(&self, run: JobRunId, segment: u32, generation: u32) -> Result<SegmentAttempts, StoreError> {
        let prefix = format!("{}{generation:04}#", keys::ATTEMPT_PREFIX);
        let items: Vec<AttemptsItem> = self.segment_items(run, segment, &prefix).await?;
        let mut attempts = SegmentAttempts::default();
        for record in items.into_iter().flat_map(|item| item.attempts) {
            attempts.0.entry(record.index).or_default().push(record);
        }
        for records in attempts.0.values_mut() {
            records.sort_by_key(|record| record.failed.attempt);
        }
        Ok(attempts)
    }

    /// The delivery attempts of a segment's payloads, in the order of generations, requests, and times.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deliveries(&self, run: JobRunId, segment: u32) -> Result<Vec<DeliveryRecord>, StoreError> {
        let items: Vec<DeliveriesItem> = self.segment_items(run, segment, keys::DELIVERY_PREFIX).await?;
        let mut records: Vec<_> = items.into_iter().flat_map(|item| item.deliveries).collect();
        records.sort_by_key(|record| (record.generation, record.round, record.attempt.time));
        Ok(records)
    }

    /// Where the deliveries of a segment's payloads stand.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn segment_deliveries(&self, run: JobRunId, segment: u32) -> Result<SegmentDeliveries, StoreError> {
        let partition = keys::segment(run, segment);
        let (mut records, mut requests) = (Vec::new(), Vec::new());
        for item in self.table.query_all(&Range::prefix(&partition, keys::DELIVERIES_PREFIX)).await? {
            if text(&item, "sk")?.starts_with(keys::DELIVERY_REQUEST_PREFIX) {
                requests.push(read(item)?.value);
            } else {
                let DeliveriesItem { deliveries } = read(item)?.value;
                records.extend(deliveries);
            }
        }
        Ok(SegmentDeliveries::new(&records, &requests))
    }

    async fn segment_items<T: DeserializeOwned>(
        &self,
        run: JobRunId,
        segment: u32,
        prefix: &str,
    ) -> Result<Vec<T>, StoreError> {
        let partition = keys::segment(run, segment);
        let items: Vec<Item> = self.table.query_all(&Range::prefix(&partition, prefix)).await?;
        items.into_iter().map(|item| read(item).map(|read| read.value)).collect()
    }

    /// Up to `limit` batches of a lane's deliveries, the first ones due first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn due_deliveries(
        &self,
        run: JobRunId,
        lane: u32,
        limit: usize,
    ) -> Result<Vec<DueDeliveries>, StoreError> {
        let partition = keys::due_partition(run, lane);
        let items = self.table.query(&Range::prefix(&partition, keys::DUE_PREFIX), limit).await?;
        items.into_iter().map(|item| read(item).map(|read| read.value)).collect()
    }
}

/// The generation that stands in a sort key after its prefix.
fn generation_of(item: &Item, prefix: &str) -> Result<u32, StoreError> {
    let sk = text(item, "sk")?;
    let generation = sk.strip_prefix(prefix).and_then(|rest| rest.split('#').next()?.parse().ok());
    generation.ok_or_else(|| StoreError::Corrupt(format!("{sk} names no generation")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_model::Timestamp;
    use sundial_model::run::RunError;

    fn outcome(index: u32, has_failed: bool) -> Outcome {
        let error = RunError { code: "http-500".to_owned(), message: String::new(), status_code: Some(500) };
        Outcome {
            index,
            attempts: 1,
            start_time: Timestamp::EPOCH,
            end_time: Timestamp::EPOCH,
            error: has_failed.then_some(error),
            attempts_ran_out: false,
            result: None,
            location: None,
            extension: None,
        }
    }

    fn run() -> StoredJobRun {
        serde_json::from_value(serde_json::json!({
            "id": "0198c5a0-0000-7000-8000-000000000003", "jobUuid": "0198c5a0-0000-7000-8000-000000000004",
            "jobId": "nightly", "projectId": "0198c5a0-0000-7000-8000-000000000002", "projectName": "shop",
            "workspaceId": "0198c5a0-0000-7000-8000-000000000001", "runType": "MANUAL", "status": "RUNNING",
            "reason": "null", "generation": 1, "createdAt": "2026-01-31T09:00:00.000Z",
            "generationBeganAt": "2026-01-31T09:00:00.000Z", "updatedAt": "2026-01-31T09:00:00.000Z",
            "keepUntil": "2026-01-31T09:00:00.000Z"
        }))
        .expect("a run")
    }

    #[test]
    fn a_later_generation_carries_out_what_had_failed() {
        let outcomes = [(1, outcome(0, false)), (1, outcome(1, true)), (2, outcome(2, true)), (2, outcome(3, false))];
        let outcomes = outcomes.into_iter().map(|(generation, outcome)| (outcome.index, (generation, outcome)));
        let outcomes = SegmentOutcomes(outcomes.collect());
        let open = |generation, first_new| {
            let run = StoredJobRun { generation, first_new, ..run() };
            (0..6).filter(|index| outcomes.is_open(*index, &run)).collect::<Vec<_>>()
        };
        assert_eq!(open(1, 0), [4, 5], "the others have ended");
        assert_eq!(open(2, 5), [1, 5], "4 was canceled in generation 1, and 5 has come since");
        assert_eq!(open(3, 6), [1, 2]);
    }
}
