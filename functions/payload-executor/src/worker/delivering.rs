//! Delivering results, beside the payloads: from hand when there is room, from the table otherwise. What is
//! due for a dead sink stays in the table, but for single probes.

use std::sync::Arc;
use std::time::Duration;

use sundial_engine::sink_health::{SinkAdmission, SinkHealth};
use sundial_model::Timestamp;
use sundial_store::{DueDeliveries, StoreError};
use tokio::time::Instant;
use tracing::Instrument;

use super::Worker;
use crate::delivery::{self, Delivered, DeliveryBatch, Extent};

/// So many batches are under way at once, and so many bytes in them; further ones wait in the table.
const BATCHES_MAX: usize = 16;
const BYTES_MAX: usize = 16_000_000;
/// What a batch needs, at least, of the invocation's time.
const BATCH_TIME: Duration = Duration::from_secs(60);
/// A batch that could not be read is read again after this long.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What tells a batch from others that are under way.
pub(super) fn batch_key(due: &DueDeliveries) -> (Timestamp, u32) {
    (due.due_at, due.indices.first().copied().unwrap_or(0))
}

impl Worker {
    /// Whether another batch may start. Payloads never wait for it: whoever has no time for them has
    /// given them back.
    pub(super) fn may_deliver(&self) -> bool {
        let bytes: usize = self.delivering.values().sum();
        let has_room = self.deliveries.len() < BATCHES_MAX && bytes < BYTES_MAX;
        has_room && Instant::now() + BATCH_TIME < self.end_at
    }

    /// Starts the batches whose time has come, from the table.
    pub(super) async fn start_deliveries(&mut self) -> Result<(), StoreError> {
        let now = self.context.clients.clock.now();
        if self.next_delivery_at.is_none_or(|at| at > now) || !self.may_deliver() {
            return Ok(());
        }
        let store = &self.context.clients.store;
        let looked_at = BATCHES_MAX + self.delivering.len() + 1;
        let waiting = store.due_deliveries(self.context.id(), self.lane.number, looked_at).await?;
        (self.next_delivery_at, self.deliveries_wait) = (None, false);
        for due in waiting {
            if self.delivering.contains_key(&batch_key(&due)) {
                continue;
            }
            if due.due_at > now || !self.may_deliver() {
                self.note_delivery_at(due.due_at);
                break;
            }
            let admission = self.sink_health.lock().admits(due.since, now);
            let extent = match admission {
                SinkAdmission::Open => Extent::All,
                SinkAdmission::Last => Extent::Last,
                SinkAdmission::Probe if self.delivering.is_empty() => Extent::Probe,
                // What follows is decided when that one has ended.
                SinkAdmission::Probe => {
                    self.deliveries_wait = true;
                    continue;
                }
                SinkAdmission::Wait(until) => {
                    self.deliveries_wait = true;
                    self.note_delivery_at(until);
                    continue;
                }
            };
            self.start_delivery(DeliveryBatch { due, items: None, extent });
        }
        Ok(())
    }

    /// What the lane's item says of the sink: nothing, if that is good.
    pub(super) fn sink_health(&self) -> Option<SinkHealth> {
        let health = *self.sink_health.lock();
        (!health.is_good()).then_some(health)
    }

    /// Starts a batch that has just become due, or leaves it to be found in the table.
    pub(super) fn deliver_soon(&mut self, batch: DeliveryBatch) {
        let probe_at = self.sink_health.lock().probe_at();
        if self.may_deliver() && probe_at.is_none() {
            self.start_delivery(batch);
        } else {
            // For a dead sink nothing is looked for before the next probe.
            self.note_delivery_at(probe_at.map_or(batch.due.due_at, |at| at.max(batch.due.due_at)));
        }
    }

    fn start_delivery(&mut self, batch: DeliveryBatch) {
        self.delivering.insert(batch_key(&batch.due), batch.due.bytes);
        let health = self.sink_health.clone();
        let delivered = delivery::attempt(Arc::clone(&self.context), batch, health, self.end_at);
        self.deliveries.spawn(delivered.in_current_span());
    }

    /// Notes that the table has a batch for this time.
    pub(super) fn note_delivery_at(&mut self, at: Timestamp) {
        self.next_delivery_at = Some(self.next_delivery_at.map_or(at, |known| known.min(at)));
    }

    pub(super) fn note_delivery(&mut self, delivered: Delivered) {
        match delivered {
            Delivered::Tried(tried) => self.buffer.push_tried(tried),
            Delivered::Unread(due) => {
                self.delivering.remove(&batch_key(&due));
                self.note_delivery_at(self.context.clients.clock.now() + READ_AGAIN_AFTER);
            }
        }
    }
}
