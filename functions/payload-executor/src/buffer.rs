//! What a worker has to record, and how much of it fits one transaction.

use sundial_store::{AttemptRecord, Commit, DeliveryRecord, DueDeliveries, Outcome, json_bytes, keys};
use tokio::time::Instant;

use crate::ready::Task;

/// A transaction takes 100 writes and 4 MB; some are kept back for what is not counted here.
const WRITES_MAX: usize = 80;
const BYTES_MAX: usize = 3_000_000;
/// An item of outcomes is closed at this size by the store; a further one is a further write.
const ITEM_BYTES: usize = 300_000;

/// A batch of deliveries that was tried.
pub(crate) struct TriedDeliveries {
    /// The batch as it stood.
    pub(crate) done: DueDeliveries,
    /// What was tried.
    pub(crate) attempts: Vec<DeliveryRecord>,
    /// What is tried again.
    pub(crate) again: Vec<DueDeliveries>,
    /// How many were taken by the sink.
    pub(crate) delivered: u32,
    /// How many were given up.
    pub(crate) failed: u32,
}

/// What happened since the last commit.
#[derive(Default)]
pub(crate) struct Buffer {
    ended: Vec<(Task, Outcome)>,
    again: Vec<Task>,
    tried: Vec<TriedDeliveries>,
    oldest: Option<Instant>,
}

/// As much of a buffer as fits one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) ended: Vec<(Task, Outcome)>,
    pub(crate) again: Vec<Task>,
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

    fn touch(&mut self) {
        self.oldest.get_or_insert_with(Instant::now);
    }

    pub(crate) fn push_ended(&mut self, task: Task, outcome: Outcome) {
        self.ended.push((task, outcome));
        self.touch();
    }

    pub(crate) fn push_again(&mut self, task: Task) {
        self.again.push(task);
        self.touch();
    }

    pub(crate) fn push_tried(&mut self, tried: TriedDeliveries) {
        self.tried.push(tried);
        self.touch();
    }

    /// Nothing of payloads is recorded any more; deliveries are.
    pub(crate) fn drop_payloads(&mut self) {
        self.ended.clear();
        self.again.clear();
        self.settle_oldest();
    }

    fn settle_oldest(&mut self) {
        if self.ended.is_empty() && self.again.is_empty() && self.tried.is_empty() {
            self.oldest = None;
        }
    }

    /// Takes out what fits one transaction.
    pub(crate) fn take(&mut self) -> Batch {
        let (mut batch, mut room) = (Batch::default(), Room { writes: WRITES_MAX, bytes: BYTES_MAX });
        // Those of one segment share an item, so they come together.
        self.ended.sort_by_key(|(_, outcome)| outcome.index);
        let (mut segment, mut segment_bytes, mut count) = (None, 0, 0);
        for (task, outcome) in &self.ended {
            let this = Some(keys::segment_of(outcome.index));
            let length = outcome.bytes();
            let is_new_item = segment != this || segment_bytes + length > ITEM_BYTES;
            // The item of outcomes and that of their deliveries; the payload's failed attempts.
            let writes = if is_new_item { 2 } else { 0 } + usize::from(!task.failed_attempts.is_empty());
            if !room.take(writes, length + record_bytes(task), count == 0) {
                break;
            }
            segment_bytes = if is_new_item { length } else { segment_bytes + length };
            (segment, count) = (this, count + 1);
        }
        batch.ended = self.ended.drain(..count).collect();
        let mut fits = |task: &Task| room.take(1, record_bytes(task), false);
        let attempts = self.again.iter().take_while(|task| fits(task)).count();
        batch.again = self.again.drain(..attempts).collect();
        while let Some(tried) = self.tried.last() {
            let bytes: usize = tried.attempts.iter().map(json_bytes).sum();
            // The batch that goes, those that come, and the items of the records.
            let writes = 2 + tried.again.len() + bytes / ITEM_BYTES + 1;
            if !room.take(writes, bytes, batch.is_empty()) {
                break;
            }
            batch.tried.extend(self.tried.pop());
        }
        self.settle_oldest();
        batch
    }

    /// Puts back what could not be recorded.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        self.ended.extend(batch.ended);
        self.again.extend(batch.again);
        self.tried.extend(batch.tried);
        if !(self.ended.is_empty() && self.again.is_empty() && self.tried.is_empty()) {
            self.touch();
        }
    }
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
}

fn record_bytes(task: &Task) -> usize {
    json_bytes(&task.failed_attempts)
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.again.is_empty() && self.tried.is_empty()
    }

    /// What the store is to record; `due` are the deliveries that come with the outcomes.
    pub(crate) fn commit(&self, due: Vec<DueDeliveries>) -> Commit {
        let again = self.again.iter().map(crate::attempt::Attempted::record);
        // What failed on its last attempt keeps its record, too: one run's answer shows it.
        let last = self.ended.iter().filter(|(task, _)| !task.failed_attempts.is_empty());
        let attempts: Vec<AttemptRecord> =
            again.chain(last.map(|(task, _)| crate::attempt::Attempted::record(task))).collect();
        Commit {
            outcomes: self.ended.iter().map(|(_, outcome)| outcome.clone()).collect(),
            attempts,
            due: due.into_iter().chain(self.tried.iter().flat_map(|tried| tried.again.clone())).collect(),
            done: self.tried.iter().map(|tried| tried.done.clone()).collect(),
            deliveries: self.tried.iter().flat_map(|tried| tried.attempts.clone()).collect(),
        }
    }
}
