//! Recording what happened: in batches, each one transaction with the lane.

use std::collections::{BTreeSet, HashMap};

use sundial_model::Timestamp;
use sundial_store::{Commit, DueDeliveries, Lane, PayloadRange, StoreError, TransactionToken};
use tokio::time::Instant;

use super::delivering::batch_key;
use super::{TRY_AGAIN_AFTER, Worker};
use crate::buffer::Batch;
use crate::delivery::{DeliveryBatch, due_with};

/// Gaps of finished payloads up to this length are left in a claim.
const CLAIM_GAP_MAX: u32 = 100;

/// Ranges over all unfinished payloads: what the lane's next worker has to read.
fn cover(unfinished: &BTreeSet<u32>) -> Vec<PayloadRange> {
    let mut ranges: Vec<PayloadRange> = Vec::new();
    for index in unfinished.iter().copied() {
        match ranges.last_mut() {
            Some(last) if index - last.end < CLAIM_GAP_MAX => last.end = index + 1,
            _ => ranges.push(PayloadRange { start: index, end: index + 1 }),
        }
    }
    ranges
}

impl Worker {
    /// Records as much as fits.
    pub(super) async fn record(&mut self) -> Result<(), StoreError> {
        let batch = self.buffer.take();
        let now = self.context.clients.clock.now();
        let ended = batch.ended.iter().map(|(task, outcome)| (&task.payload.payload, outcome));
        let due = due_with(&self.context, ended, now);
        let commit = batch.commit(due.clone());
        let begun = Instant::now();
        match self.write(&self.lane_after(&batch, &due, now), &commit, now).await {
            Ok(lane) => {
                self.lane = lane;
                self.lease.renewed(begun);
                self.absorb(batch, due);
                Ok(())
            }
            // Whether it was written is not known; saying it again could count it twice.
            Err(StoreError::Unavailable(message)) => Err(StoreError::Refused(message)),
            Err(error) => {
                self.buffer.put_back(batch);
                Err(error)
            }
        }
    }

    /// Writes until it is known that it was written, or the lease has run out.
    async fn write(&self, lane: &Lane, commit: &Commit, now: Timestamp) -> Result<Lane, StoreError> {
        let token = TransactionToken::new();
        loop {
            match self.context.clients.store.commit(&self.context.run, lane, commit, &token, now).await {
                Err(StoreError::Unavailable(message)) if Instant::now() + TRY_AGAIN_AFTER < self.lease.drop_at => {
                    tracing::warn!(message, "a commit is tried again");
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                result => return result,
            }
        }
    }

    /// The lane as it is once the batch is recorded.
    fn lane_after(&self, batch: &Batch, due: &[DueDeliveries], now: Timestamp) -> Lane {
        let mut lane = self.lane.clone();
        lane.lease_until = Some(self.lease.until(now));
        lane.hold_until = self.hold_until.filter(|until| *until > now);
        let mut unfinished = self.unfinished.clone();
        for (_, outcome) in &batch.ended {
            unfinished.remove(&outcome.index);
            if outcome.error.is_none() {
                lane.succeeded += 1;
            } else {
                lane.failed += 1;
            }
        }
        lane.unfinished = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
        lane.claims = cover(&unfinished);
        lane.deliveries_pending += due.iter().map(|due| due.indices.len() as u32).sum::<u32>();
        for tried in &batch.tried {
            lane.deliveries_pending = lane.deliveries_pending.saturating_sub(tried.delivered + tried.failed);
            lane.delivered += tried.delivered;
            lane.deliveries_failed += tried.failed;
        }
        lane
    }

    /// Goes on from what was recorded.
    fn absorb(&mut self, batch: Batch, due: Vec<DueDeliveries>) {
        self.finished_recently = u32::try_from(batch.ended.len()).unwrap_or(u32::MAX).min(1000);
        let mut items = HashMap::new();
        for (task, outcome) in batch.ended {
            self.unfinished.remove(&outcome.index);
            items.insert(outcome.index, (task.payload.payload, outcome));
        }
        // Only now may the next attempt start: it has another number than the one on record.
        batch.again.into_iter().for_each(|task| self.ready.push(task));
        for tried in batch.tried {
            self.delivering.remove(&batch_key(&tried.done));
            tried.again.iter().for_each(|again| self.note_delivery_at(again.due_at));
        }
        for due in due {
            let items = due.indices.iter().filter_map(|index| items.remove(index)).collect();
            self.deliver_soon(DeliveryBatch { due, items: Some(items) });
        }
    }

    /// Renews the lease.
    pub(super) async fn renew(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut lane = self.lane.clone();
        lane.lease_until = Some(self.lease.until(self.context.clients.clock.now()));
        self.lane = self.context.clients.store.put_lane(self.context.run.id, &lane).await?;
        self.lease.renewed(begun);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_shrink_to_what_is_unfinished() {
        let range = |start, end| PayloadRange { start, end };
        assert_eq!(cover(&BTreeSet::new()), []);
        let unfinished = BTreeSet::from([5, 6, 50, 100_000]);
        assert_eq!(cover(&unfinished), [range(5, 51), range(100_000, 100_001)]);
    }
}
