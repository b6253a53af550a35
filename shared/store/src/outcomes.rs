//! What became of payloads: records that are only ever added, in batches per segment, together
//! with the counters of the lane that made them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sundial_model::run::{DeliveryAttempt, FailedAttempt, RunError};
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::{Item, NewItem, as_json, read};
use crate::lane::{Lane, PayloadRange};
use crate::run_partition::{Queue, StoredJobRun};
use crate::table::{Expect, Range, TransactionToken, Write, retry_on_conflict};
use crate::{Store, keys};

/// An item of outcomes is closed when it is this large; DynamoDB takes 400 KB.
const OUTCOMES_BYTES_MAX: usize = 300_000;

/// Where a result is kept that is too large to stand in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeLocation {
    /// The key in the results bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// How a payload ended. Its field names in storage are short: they are paid for a million times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The payload.
    #[serde(rename = "i")]
    pub index: u32,
    /// How many attempts it took.
    #[serde(rename = "a")]
    pub attempts: u32,
    /// When the last attempt began.
    #[serde(rename = "s")]
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(rename = "e")]
    pub end_time: Timestamp,
    /// Why it failed; it succeeded when absent.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// Its attempts ran out, rather than the error being final.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub attempts_ran_out: bool,
    /// Its result, when that is small.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// Where its result is, when that is large.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub location: Option<OutcomeLocation>,
}

impl Outcome {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let result = self.result.as_ref().map_or(0, |result| result.get().len());
        200 + result + json_bytes(&self.error)
    }
}

#[derive(Serialize, Deserialize)]
struct OutcomesItem {
    #[serde(with = "as_json")]
    outcomes: Vec<Outcome>,
}

/// The attempts of a payload that failed while it is not finished, or were before it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// The payload.
    pub index: u32,
    /// How many attempts were made.
    pub attempts: u32,
    /// The next attempt is not made before this.
    pub next_attempt_at: Timestamp,
    /// The last of them.
    #[serde(with = "as_json")]
    pub failed_attempts: Vec<FailedAttempt>,
}

/// Deliveries of one segment that are due at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DueDeliveries {
    /// When.
    pub due_at: Timestamp,
    /// In which generation the payloads ended.
    pub generation: u32,
    /// How many attempts were made before.
    pub attempts_made: u32,
    /// The payloads, in order.
    #[serde(with = "as_json")]
    pub indices: Vec<u32>,
}

impl DueDeliveries {
    fn key(&self, run: JobRunId, lane: u32) -> keys::Key {
        keys::due(run, lane, self.due_at, self.generation, self.indices.first().copied().unwrap_or(0))
    }
}

/// A delivery attempt of a payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The payload.
    pub index: u32,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: DeliveryAttempt,
}

#[derive(Serialize, Deserialize)]
struct DeliveriesItem {
    #[serde(with = "as_json")]
    deliveries: Vec<DeliveryRecord>,
}

/// What a worker has to say since its last commit.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// How payloads ended.
    pub outcomes: Vec<Outcome>,
    /// What failed and is tried again.
    pub attempts: Vec<AttemptRecord>,
    /// Deliveries that have become due.
    pub due: Vec<DueDeliveries>,
    /// Deliveries that are no longer due then.
    pub done: Vec<DueDeliveries>,
    /// Delivery attempts that were made.
    pub deliveries: Vec<DeliveryRecord>,
}

impl Commit {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.attempts.is_empty()
            && self.due.is_empty()
            && self.done.is_empty()
            && self.deliveries.is_empty()
    }
}

impl Store {
    /// Records what a worker has to say, together with its lane, in one transaction that happens
    /// once for each token. `lane` is in the new state; answers with its new revision in it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed: then nothing is recorded.
    pub async fn commit(
        &self,
        run: &StoredJobRun,
        lane: &Lane,
        commit: &Commit,
        token: &TransactionToken,
        now: Timestamp,
    ) -> Result<Lane, StoreError> {
        let expires = |item: NewItem| item.expiring(Some(run.keep_until));
        let mut writes = vec![lane.put(run.id)?];
        for outcomes in batches(&commit.outcomes, |outcome| outcome.index, Outcome::bytes) {
            let key = keys::outcomes(run.id, run.generation, outcomes[0].index);
            // Nothing stands there: a payload ends once in a generation.
            writes.push(Write::Put(expires(NewItem::new(key, &OutcomesItem { outcomes })?), Expect::Nothing));
        }
        for record in &commit.attempts {
            let key = keys::attempts(run.id, run.generation, record.index);
            writes.push(Write::Put(expires(NewItem::new(key, record)?), Expect::Anything));
        }
        for due in &commit.due {
            writes.push(Write::Put(expires(NewItem::new(due.key(run.id, lane.number), due)?), Expect::Anything));
        }
        for done in &commit.done {
            writes.push(Write::Delete(done.key(run.id, lane.number), Expect::Anything));
        }
        for deliveries in batches(&commit.deliveries, |record| record.index, json_bytes) {
            let key = keys::deliveries(run.id, run.generation, deliveries[0].index, now);
            writes.push(Write::Put(expires(NewItem::new(key, &DeliveriesItem { deliveries })?), Expect::Anything));
        }
        self.table.write_once(writes, token).await?;
        Ok(Lane { revision: lane.revision + 1, ..lane.clone() })
    }

    /// Claims up to `count` payloads that no lane has claimed. Answers with the lane and the queue
    /// as they are then, and the range, which is empty when nothing is left.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed.
    pub async fn claim(
        &self,
        run: JobRunId,
        lane: &Lane,
        count: u32,
    ) -> Result<(Lane, Queue, PayloadRange), StoreError> {
        retry_on_conflict(async || {
            let Some(partition) = self.run_partition(run).await? else { return Err(StoreError::Conflict) };
            let queue = partition.queue;
            let range = PayloadRange { start: queue.next, end: queue.total.min(queue.next.saturating_add(count)) };
            let is_ours =
                partition.lanes.iter().any(|stored| stored.number == lane.number && stored.revision == lane.revision);
            if !is_ours {
                // Trying again would not help; the worker must look at its lane first.
                return Ok(None);
            }
            if range.start == range.end {
                return Ok(Some((lane.clone(), queue, range)));
            }
            let mut claimed = lane.clone();
            match claimed.claims.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => claimed.claims.push(range),
            }
            claimed.unfinished += range.end - range.start;
            let advanced = Queue { next: range.end, ..queue };
            self.table.write(vec![claimed.put(run)?, advanced.put(run, queue.expected())?]).await?;
            claimed.revision += 1;
            Ok(Some((claimed, advanced, range)))
        })
        .await?
        .ok_or(StoreError::Conflict)
    }

    /// A lane as it is now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn lane(&self, run: JobRunId, number: u32) -> Result<Option<Lane>, StoreError> {
        Ok(self.table.get(&keys::lane(run, number)).await?.map(Lane::from_read))
    }

    /// Writes a lane alone.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was taken or changed.
    pub async fn put_lane(&self, run: JobRunId, lane: &Lane) -> Result<Lane, StoreError> {
        self.table.write(vec![lane.put(run)?]).await?;
        Ok(Lane { revision: lane.revision + 1, ..lane.clone() })
    }

    /// Writes a lane that a worker takes up, and the run that starts with it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them was changed.
    pub async fn put_lane_and_run(&self, run: &StoredJobRun, lane: &Lane) -> Result<(StoredJobRun, Lane), StoreError> {
        self.table.write(vec![run.put()?, lane.put(run.id)?]).await?;
        let run = StoredJobRun { revision: run.revision + 1, ..run.clone() };
        Ok((run, Lane { revision: lane.revision + 1, ..lane.clone() }))
    }

    /// The outcomes of a segment's payloads, in the order of their batches.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn outcomes(&self, run: &StoredJobRun, segment: u32) -> Result<Vec<Outcome>, StoreError> {
        let items: Vec<OutcomesItem> = self.segment_items(run, segment, keys::OUTCOME_PREFIX).await?;
        Ok(items.into_iter().flat_map(|item| item.outcomes).collect())
    }

    /// The failed attempts of a segment's payloads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn attempts(&self, run: &StoredJobRun, segment: u32) -> Result<Vec<AttemptRecord>, StoreError> {
        self.segment_items(run, segment, keys::ATTEMPT_PREFIX).await
    }

    /// The delivery attempts of a segment's payloads, by time.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deliveries(&self, run: &StoredJobRun, segment: u32) -> Result<Vec<DeliveryRecord>, StoreError> {
        let items: Vec<DeliveriesItem> = self.segment_items(run, segment, keys::DELIVERY_PREFIX).await?;
        let mut records: Vec<_> = items.into_iter().flat_map(|item| item.deliveries).collect();
        records.sort_by_key(|record| record.attempt.time);
        Ok(records)
    }

    async fn segment_items<T: serde::de::DeserializeOwned>(
        &self,
        run: &StoredJobRun,
        segment: u32,
        prefix: &str,
    ) -> Result<Vec<T>, StoreError> {
        let partition = keys::segment(run.id, segment);
        let prefix = format!("{prefix}{:04}#", run.generation);
        let items: Vec<Item> = self.table.query_all(&Range::prefix(&partition, &prefix)).await?;
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

/// How many bytes a value takes as JSON.
pub fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}

/// Parts records, which are sorted first, into batches: one segment each, and small enough for an item.
fn batches<T: Clone>(records: &[T], index: impl Fn(&T) -> u32, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut sorted = records.to_vec();
    sorted.sort_by_key(&index);
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut batch_bytes = 0;
    for record in sorted {
        let segment = keys::segment_of(index(&record));
        let length = bytes(&record);
        match batches.last_mut() {
            Some(batch)
                if keys::segment_of(index(&batch[0])) == segment && batch_bytes + length <= OUTCOMES_BYTES_MAX =>
            {
                batch_bytes += length;
                batch.push(record);
            }
            _ => {
                batch_bytes = length;
                batches.push(vec![record]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_a_segment_and_an_item() {
        let records: Vec<u32> = vec![205, 3, 99, 100, 7];
        assert_eq!(batches(&records, |index| *index, |_| 1), [vec![3, 7, 99], vec![100], vec![205]]);
        assert_eq!(batches(&[1, 2, 3], |index| *index, |_| 200_000).len(), 3);
    }
}
