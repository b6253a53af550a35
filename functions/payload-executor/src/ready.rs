//! Payloads that were claimed and wait for a slot, or for their next attempt.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::configuration::{Configuration, RetryPolicy};
use sundial_model::payload::IndexedPayload;
use sundial_store::json_bytes;

/// A payload with what became of it so far.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) payload: IndexedPayload,
    /// How many attempts were made.
    pub(crate) attempts_made: u32,
    /// The next attempt is not made before this.
    pub(crate) not_before: Timestamp,
    /// About how many bytes the payload takes.
    pub(crate) bytes: usize,
}

impl Task {
    /// A payload that was not tried yet.
    pub(crate) fn new(payload: IndexedPayload) -> Self {
        let bytes = json_bytes(&payload.payload);
        Self { payload, attempts_made: 0, not_before: Timestamp::EPOCH, bytes }
    }

    pub(crate) fn index(&self) -> u32 {
        self.payload.index
    }

    /// The policy for its retries: its own over the job's.
    pub(crate) fn retry_policy(&self, configuration: &Configuration) -> RetryPolicy {
        let own = self.payload.payload.retry.as_ref();
        own.map_or_else(|| configuration.retry.clone(), |own| own.over(&configuration.retry))
    }

    /// How long an attempt may take.
    pub(crate) fn timeout(&self, configuration: &Configuration) -> Duration {
        let own = self.payload.payload.request_timeout;
        Duration::from_secs(own.unwrap_or(configuration.request_timeout).get().into())
    }
}

/// In the order of the times before which they must not start.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    heap: BinaryHeap<Reverse<Entry>>,
    bytes: usize,
}

struct Entry(Task);

impl Entry {
    fn order(&self) -> (Timestamp, u32) {
        (self.0.not_before, self.0.index())
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl ReadyQueue {
    pub(crate) fn push(&mut self, task: Task) {
        self.bytes += task.bytes;
        self.heap.push(Reverse(Entry(task)));
    }

    /// Takes out the next task.
    pub(crate) fn pop(&mut self) -> Option<Task> {
        let Reverse(Entry(task)) = self.heap.pop()?;
        self.bytes = self.bytes.saturating_sub(task.bytes);
        Some(task)
    }

    /// The next task.
    pub(crate) fn peek(&self) -> Option<&Task> {
        self.heap.peek().map(|Reverse(Entry(task))| task)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// About how many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.heap.iter().map(|Reverse(Entry(task))| task)
    }

    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.bytes = 0;
    }
}
