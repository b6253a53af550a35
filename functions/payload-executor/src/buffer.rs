//! What a worker has to record, and how much of it fits one transaction.

use sundial_model::payload::Payload;
use sundial_model::run::FailedAttempt;
use sundial_outbound::answer_memory::HeldMemory;
use sundial_store::{Outcome, extension_writes_max, json_bytes, keys};
use tokio::time::Instant;

use crate::delivery_end::TriedDeliveries;
use crate::due_deliveries::BATCH_BYTES;
use crate::ready::Task;

/// A transaction takes 100 writes and 4 MB; some are kept back for the lane and the queue, and what
/// is claimed, given back and opened with it.
const WRITES_MAX: usize = 72;
const BYTES_MAX: usize = 3_000_000;
/// An item of records is closed at this size by the store; a further one is a further write.
const ITEM_BYTES: usize = 300_000;

/// A payload that has ended.
pub(crate) struct Ended {
    pub(crate) task: Task,
    pub(crate) outcome: Outcome,
    /// What its result extends the run by.
    pub(crate) extension: Vec<Payload>,
    /// Given back when it is on record.
    pub(crate) memory: HeldMemory,
}

/// What happened since the last commit.
#[derive(Default)]
pub(crate) struct Buffer {
    ended: Vec<Ended>,
    again: Vec<(Task, FailedAttempt)>,
    tried: Vec<TriedDeliveries>,
    bytes: usize,
    oldest: Option<Instant>,
}

/// As much of a buffer as fits one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) ended: Vec<Ended>,
    pub(crate) again: Vec<(Task, FailedAttempt)>,
    pub(crate) tried: Vec<TriedDeliveries>,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    /// Since when something waits.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// How many payloads wait.
    pub(crate) fn len(&self) -> usize {
        self.ended.len() + self.again.len()
    }

    /// Whether there is more than one transaction should have.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    fn touch(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.oldest.get_or_insert_with(Instant::now);
    }

    pub(crate) fn push_ended(&mut self, ended: Ended) {
        let bytes = ended.outcome.bytes();
        self.ended.push(ended);
        self.touch(bytes);
    }

    pub(crate) fn push_again(&mut self, task: Task, failed: FailedAttempt) {
        self.again.push((task, failed));
        self.touch(0);
    }

    pub(crate) fn push_tried(&mut self, tried: TriedDeliveries) {
        self.tried.push(tried);
        self.touch(0);
    }

    /// Nothing of payloads is recorded any more; deliveries are.
    pub(crate) fn drop_payloads(&mut self) {
        self.ended.clear();
        self.again.clear();
        self.settle();
    }

    fn settle(&mut self) {
        self.bytes = self.ended.iter().map(|ended| ended.outcome.bytes()).sum();
        if self.ended.is_empty() && self.again.is_empty() && self.tried.is_empty() {
            self.oldest = None;
        }
    }

    /// Takes out what fits one transaction.
    pub(crate) fn take(&mut self) -> Batch {
        let mut room = Room { writes: WRITES_MAX, bytes: BYTES_MAX };
        // Those of one segment share an item, so they come together.
        self.ended.sort_by_key(|ended| ended.outcome.index);
        self.again.sort_by_key(|(task, _)| task.index());
        let ended = room.count(&self.ended, |ended| ended.outcome.index, record_bytes, due_bytes, extension);
        let ended: Vec<_> = self.ended.drain(..ended).collect();
        let attempt_bytes = |(_, failed): &(Task, FailedAttempt)| json_bytes(failed);
        let again = room.count(&self.again, |(task, _)| task.index(), attempt_bytes, |_| 0, |_| (0, 0));
        let again: Vec<_> = self.again.drain(..again).collect();
        let mut tried = Vec::new();
        while let Some(next) = self.tried.last() {
            let bytes: usize = next.attempts.iter().map(json_bytes).sum();
            // The batch that goes, those that come, and the items of the records.
            let writes = 2 + next.again.len() + bytes / ITEM_BYTES + 1;
            let is_first = ended.is_empty() && again.is_empty() && tried.is_empty();
            if !room.take(writes, bytes, is_first) {
                break;
            }
            tried.extend(self.tried.pop());
        }
        self.settle();
        Batch { ended, again, tried }
    }

    /// Puts back what could not be recorded.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        if batch.ended.is_empty() && batch.again.is_empty() && batch.tried.is_empty() {
            return;
        }
        self.ended.extend(batch.ended);
        self.again.extend(batch.again);
        self.tried.extend(batch.tried);
        self.touch(0);
        self.settle();
    }
}

fn record_bytes(ended: &Ended) -> usize {
    ended.outcome.bytes()
}

/// How many bytes are to be delivered with an outcome.
fn due_bytes(ended: &Ended) -> usize {
    ended.task.bytes + ended.outcome.delivered_bytes()
}

/// What an outcome extends the run by.
fn extension(ended: &Ended) -> (usize, usize) {
    if ended.extension.is_empty() {
        return (0, 0);
    }
    let bytes: usize = ended.extension.iter().map(json_bytes).sum();
    (extension_writes_max(ended.extension.len(), bytes), bytes)
}

/// What is left of a transaction.
struct Room {
    writes: usize,
    bytes: usize,
}

impl Room {
    /// Takes some of it, if it is there. The first thing always fits.
    fn take(&mut self, writes: usize, bytes: usize, is_first: bool) -> bool {
        let fits = is_first || (writes <= self.writes && bytes <= self.bytes);
        if fits {
            self.writes = self.writes.saturating_sub(writes);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        fits
    }

    /// How many of these records, which are in order, fit: those of a segment share an item, and the
    /// deliveries that are due with them share batches, of so many bytes.
    fn count<T>(
        &mut self,
        records: &[T],
        index: impl Fn(&T) -> u32,
        bytes: impl Fn(&T) -> usize,
        due_bytes: impl Fn(&T) -> usize,
        extension: impl Fn(&T) -> (usize, usize),
    ) -> usize {
        let (mut segment, mut item_bytes, mut batch_bytes, mut count) = (None, 0, 0, 0);
        let is_untouched = self.writes == WRITES_MAX;
        for record in records {
            let this = Some(keys::segment_of(index(record)));
            let (length, due) = (bytes(record), due_bytes(record));
            let is_new_item = segment != this || item_bytes + length > ITEM_BYTES;
            let is_new_batch = segment != this || batch_bytes + due > BATCH_BYTES;
            let (more_writes, more_bytes) = extension(record);
            let writes = more_writes + usize::from(is_new_item) + usize::from(is_new_batch);
            if !self.take(writes, length + more_bytes, is_untouched && count == 0) {
                break;
            }
            item_bytes = if is_new_item { length } else { item_bytes + length };
            batch_bytes = if is_new_batch { due } else { batch_bytes + due };
            (segment, count) = (this, count + 1);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a hundred payloads of one segment fit whose results take so many bytes in the bucket.
    fn fitting(result_bytes: usize) -> usize {
        let records: Vec<u32> = (0..100).collect();
        let mut room = Room { writes: WRITES_MAX, bytes: BYTES_MAX };
        room.count(&records, |index| *index, |_| 200, |_| result_bytes, |_| (0, 0))
    }

    #[test]
    fn results_that_fill_batches_of_deliveries_count_as_writes() {
        assert_eq!(fitting(300), 100);
        // Two to a batch.
        assert_eq!(fitting(BATCH_BYTES / 2 - 1), 100);
        // Each in one of its own, beside the item of the records.
        assert_eq!(fitting(BATCH_BYTES / 2 + 1), WRITES_MAX - 1);
    }

    #[test]
    fn retries_take_an_item_for_each_segment() {
        let records: Vec<u32> = (0..100).map(|number| number * keys::SEGMENT_LENGTH).collect();
        let mut room = Room { writes: WRITES_MAX, bytes: BYTES_MAX };
        assert_eq!(room.count(&records, |index| *index, |_| 200, |_| 0, |_| (0, 0)), WRITES_MAX / 2);
    }
}
