//! What becomes due with payloads that have ended, or is due again: batches, each small enough to be in memory
//! beside others.

use sundial_model::Timestamp;
use sundial_model::payload::Payload;
use sundial_store::{DueDeliveries, Outcome, keys};

use crate::context::RunContext;

/// A payload that has ended, with how.
pub(crate) struct Ended<'a> {
    pub(crate) payload: &'a Payload,
    pub(crate) payload_bytes: usize,
    pub(crate) outcome: &'a Outcome,
}

impl Ended<'_> {
    /// About how many bytes it takes to deliver it.
    pub(crate) fn bytes(&self) -> usize {
        self.payload_bytes + self.outcome.delivered_bytes()
    }
}

/// A batch of deliveries is closed when it has so many bytes: a few batches are in memory at once.
pub(crate) const BATCH_BYTES: usize = 2_000_000;

/// The deliveries that become due with these outcomes, which are in the order of their indices:
/// batches of one segment each.
pub(crate) fn due_with<'a>(
    context: &RunContext,
    ended: impl Iterator<Item = Ended<'a>>,
    now: Timestamp,
) -> Vec<DueDeliveries> {
    let Some(sink) = &context.definition.sink else { return Vec::new() };
    let wanted = ended.filter(|ended| sink.wants(&ended.payload.api_name, ended.outcome.has_succeeded()));
    let generation = context.run.generation;
    in_batches(wanted.map(|ended| Due { index: ended.outcome.index, generation, round: 0, bytes: ended.bytes() }), now)
}

/// A delivery that becomes due.
pub(crate) struct Due {
    pub(crate) index: u32,
    /// In which generation the payload ended.
    pub(crate) generation: u32,
    /// How often it was requested again.
    pub(crate) round: u32,
    /// About how many bytes it takes.
    pub(crate) bytes: usize,
}

/// Batches of one segment each, in the order of their indices, which is that of the deliveries.
pub(crate) fn in_batches(deliveries: impl IntoIterator<Item = Due>, now: Timestamp) -> Vec<DueDeliveries> {
    let mut batches: Vec<DueDeliveries> = Vec::new();
    for Due { index, generation, round, bytes } in deliveries {
        match batches.last_mut() {
            Some(batch)
                if keys::segment_of(batch.indices[0]) == keys::segment_of(index)
                    && (batch.generation, batch.round) == (generation, round)
                    && batch.bytes + bytes <= BATCH_BYTES =>
            {
                batch.indices.push(index);
                batch.bytes += bytes;
            }
            _ => batches.push(DueDeliveries {
                due_at: now,
                since: now,
                generation,
                round,
                attempts_made: 0,
                bytes,
                indices: vec![index],
            }),
        }
    }
    batches
}
