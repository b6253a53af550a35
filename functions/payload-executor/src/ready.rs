//! Payloads that were claimed and wait for a slot, or for their next attempt.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use std::time::Duration;
use sundial_model::Timestamp;
use sundial_model::configuration::{Configuration, RetryPolicy};
use sundial_model::payload::IndexedPayload;
use sundial_model::run::FailedAttempt;

/// A payload with what became of it so far.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) payload: IndexedPayload,
    /// How many attempts were made.
    pub(crate) attempts_made: u32,
    /// The last of them.
    pub(crate) failed_attempts: Vec<FailedAttempt>,
    /// The next attempt is not made before this.
    pub(crate) not_before: Timestamp,
}

impl Task {
    /// A payload that was not tried yet.
    pub(crate) fn new(payload: IndexedPayload) -> Self {
        Self { payload, attempts_made: 0, failed_attempts: Vec::new(), not_before: Timestamp::EPOCH }
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
pub(crate) struct ReadyQueue(BinaryHeap<Reverse<Entry>>);

struct Entry(Task);

impl Entry {
    fn order(&self) -> (Timestamp, u32) {
        (self.0.not_before, self.0.payload.index)
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
        self.0.push(Reverse(Entry(task)));
    }

    /// Takes out the next task.
    pub(crate) fn pop(&mut self) -> Option<Task> {
        self.0.pop().map(|Reverse(Entry(task))| task)
    }

    /// The next task.
    pub(crate) fn peek(&self) -> Option<&Task> {
        self.0.peek().map(|Reverse(Entry(task))| task)
    }

    /// How many could start now.
    pub(crate) fn count_due(&self, now: Timestamp) -> usize {
        self.0.iter().filter(|Reverse(Entry(task))| task.not_before <= now).count()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
