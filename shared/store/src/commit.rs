//! What a worker writes: its lane, with everything that happened since its last commit, in one
//! transaction. Records of payloads are only ever added, in batches per segment, together with the
//! counters of the lane that made them.

use serde::{Deserialize, Serialize};
use sundial_model::payload::Payload;

use crate::Store;
use crate::error::StoreError;
use crate::item::{NewItem, as_json};
use crate::keys;
use crate::lane::Lane;
use crate::outcome::{AttemptRecord, DeliveryRecord, DueDeliveries, Outcome, json_bytes};
use crate::put_backs::PutBack;
use crate::queue::Queue;
use crate::redelivery::DeliveryRequest;
use crate::run_partition::StoredJobRun;
use crate::run_payloads::extension_writes;
use crate::table::{Expect, TransactionToken, Write};

/// An item of records is closed when it is this large; DynamoDB takes 400 KB.
const RECORDS_BYTES_MAX: usize = 300_000;

#[derive(Serialize, Deserialize)]
pub(crate) struct OutcomesItem {
    #[serde(with = "as_json")]
    pub(crate) outcomes: Vec<Outcome>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AttemptsItem {
    #[serde(with = "as_json")]
    pub(crate) attempts: Vec<AttemptRecord>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DeliveriesItem {
    #[serde(with = "as_json")]
    pub(crate) deliveries: Vec<DeliveryRecord>,
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
    /// Which of those that have become due were requested again.
    pub requests: Vec<DeliveryRequest>,
    /// Delivery attempts that were made.
    pub deliveries: Vec<DeliveryRecord>,
    /// What the run is extended by: payloads, and the index of the first of them. The queue counts
    /// them.
    pub extension: Option<(u32, Vec<Payload>)>,
    /// Payloads that are given back to the queue, which counts them.
    pub put_back: Vec<PutBack>,
    /// Payloads that were given back and are claimed now.
    pub taken: Vec<PutBack>,
    /// Lanes that are opened: new ones, or settled ones as they were read and are to be.
    pub opened: Vec<Lane>,
}

impl Store {
    /// Records what a worker has to say, together with its lane and, where it changes, the queue, in
    /// one transaction that happens once for each token. `lane` and `queue` are in the new state;
    /// answers with both as they are to be written next.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the lane was taken or changed, or the queue was changed: then
    /// nothing is recorded.
    pub async fn commit(
        &self,
        run: &StoredJobRun,
        lane: &Lane,
        queue: Option<&Queue>,
        commit: &Commit,
        token: &TransactionToken,
    ) -> Result<(Lane, Option<Queue>), StoreError> {
        let mut writes = vec![lane.put(run.id)?];
        writes.extend(queue.map(|queue| queue.put(run.id)).transpose()?);
        writes.extend(commit.records(run, lane)?);
        for put_back in &commit.put_back {
            writes.push(put_back.put(run, lane)?);
        }
        writes.extend(commit.taken.iter().map(PutBack::take));
        for opened in &commit.opened {
            let expect = if opened.revision == 0 { Expect::Nothing } else { Expect::Revision(opened.revision) };
            writes.push(opened.put_expecting(run.id, expect)?);
        }
        self.write_effect_once(writes, token).await?;
        let queue = queue.map(|queue| Queue { revision: queue.revision + 1, ..*queue });
        Ok((Lane { revision: lane.revision + 1, ..lane.clone() }, queue))
    }

    /// Writes a lane that a worker takes up, the queue if it claims something with it, and the run if
    /// that starts with it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them was changed.
    pub async fn take_lane(
        &self,
        run: &mut StoredJobRun,
        starts: bool,
        lane: &mut Lane,
        queue: Option<&mut Queue>,
    ) -> Result<(), StoreError> {
        let mut writes = vec![lane.put(run.id)?];
        writes.extend(queue.as_ref().map(|queue| queue.put(run.id)).transpose()?);
        writes.extend(starts.then(|| run.put()).transpose()?);
        self.table.write(writes).await?;
        run.revision += u64::from(starts);
        lane.revision += 1;
        if let Some(queue) = queue {
            queue.revision += 1;
        }
        Ok(())
    }
}

impl Commit {
    /// The writes of what happened.
    fn records(&self, run: &StoredJobRun, lane: &Lane) -> Result<Vec<Write>, StoreError> {
        let (id, generation) = (run.id, run.generation);
        let mut writes = Vec::new();
        for outcomes in batches(&self.outcomes, |outcome| outcome.index, Outcome::bytes) {
            let key = keys::outcomes(id, generation, outcomes[0].index);
            // Nothing stands there: a payload ends once in a generation.
            writes.push(record(run, key, &OutcomesItem { outcomes }, Expect::Nothing)?);
        }
        for attempts in batches(&self.attempts, |record| record.index, json_bytes) {
            let key = keys::attempts(id, generation, attempts[0].index, lane.number, lane.revision);
            writes.push(record(run, key, &AttemptsItem { attempts }, Expect::Nothing)?);
        }
        for due in &self.due {
            writes.push(record(run, due.key(id, lane.number), due, Expect::Anything)?);
        }
        for request in &self.requests {
            let lowest = request.indices.first().copied().unwrap_or(0);
            let key = keys::delivery_request(id, request.generation, lowest, request.round);
            // Nothing stands there: a round is requested once.
            writes.push(record(run, key, request, Expect::Nothing)?);
        }
        for done in &self.done {
            writes.push(Write::Delete(done.key(id, lane.number), Expect::Anything));
        }
        for deliveries in batches(&self.deliveries, |record| record.index, json_bytes) {
            let first = &deliveries[0];
            let key = keys::deliveries(id, first.generation, first.index, first.attempt.time);
            writes.push(record(run, key, &DeliveriesItem { deliveries }, Expect::Anything)?);
        }
        if let Some((first, payloads)) = &self.extension {
            writes.extend(extension_writes(id, *first, payloads, run.keep_until)?);
        }
        Ok(writes)
    }
}

fn record(run: &StoredJobRun, key: keys::Key, value: &impl Serialize, expect: Expect) -> Result<Write, StoreError> {
    Ok(Write::Put(NewItem::new(key, value)?.expiring(Some(run.keep_until)), expect))
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
                if keys::segment_of(index(&batch[0])) == segment && batch_bytes + length <= RECORDS_BYTES_MAX =>
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
