//! Payloads that were claimed and wait for a slot, or for their next attempt.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
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
    /// The newest version of the auth session's state under which the target has refused an attempt.
    pub(crate) refused_under: Option<u32>,
}

impl Task {
    /// A payload that was not tried yet.
    pub(crate) fn new(payload: IndexedPayload) -> Self {
        let bytes = json_bytes(&payload.payload);
        Self { payload, attempts_made: 0, not_before: Timestamp::EPOCH, bytes, refused_under: None }
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

/// Tasks that can start, and tasks that wait for their time.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    startable: VecDeque<Task>,
    /// In the order of the times before which they must not start.
    waiting: BinaryHeap<Reverse<Entry>>,
    startable_bytes: usize,
    waiting_bytes: usize,
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
        if task.not_before == Timestamp::EPOCH {
            self.startable_bytes += task.bytes;
            self.startable.push_back(task);
        } else {
            self.waiting_bytes += task.bytes;
            self.waiting.push(Reverse(Entry(task)));
        }
    }

    /// Puts one before all others that can start: it has had its turn, and nothing came of it.
    pub(crate) fn push_first(&mut self, task: Task) {
        self.startable_bytes += task.bytes;
        self.startable.push_front(task);
    }

    /// Lets those start whose time has come, before those that were not tried yet.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while self.waiting.peek().is_some_and(|Reverse(Entry(task))| task.not_before <= now) {
            let Some(Reverse(Entry(task))) = self.waiting.pop() else { break };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(task.bytes);
            self.startable_bytes += task.bytes;
            self.startable.push_front(task);
        }
    }

    /// Takes out the next task that can start.
    pub(crate) fn pop(&mut self) -> Option<Task> {
        let task = self.startable.pop_front()?;
        self.startable_bytes = self.startable_bytes.saturating_sub(task.bytes);
        Some(task)
    }

    /// The next task that can start.
    pub(crate) fn peek(&self) -> Option<&Task> {
        self.startable.front()
    }

    /// When the next task may start.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let waiting = || self.waiting.peek().map(|Reverse(Entry(task))| task.not_before);
        if self.startable.is_empty() { waiting() } else { Some(Timestamp::EPOCH) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.startable.is_empty() && self.waiting.is_empty()
    }

    /// How many can start.
    pub(crate) fn startable(&self) -> usize {
        self.startable.len()
    }

    /// About how many bytes take those that can start.
    pub(crate) fn startable_bytes(&self) -> usize {
        self.startable_bytes
    }

    /// About how many bytes take those that wait for their time.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.startable.iter().chain(self.waiting.iter().map(|Reverse(Entry(task))| task))
    }

    pub(crate) fn clear(&mut self) {
        self.startable.clear();
        self.waiting.clear();
        (self.startable_bytes, self.waiting_bytes) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(index: u32, seconds: i64) -> Task {
        let payload = serde_json::from_value(serde_json::json!({ "apiName": "a" })).expect("a payload");
        Task { not_before: Timestamp::from_seconds(seconds), ..Task::new(IndexedPayload { index, payload }) }
    }

    #[test]
    fn what_waits_for_its_time_is_not_in_the_way_of_what_can_start() {
        let mut ready = ReadyQueue::default();
        [task(1, 20), task(2, 0), task(3, 10)].into_iter().for_each(|task| ready.push(task));
        assert_eq!((ready.startable(), ready.pop().map(|task| task.index())), (1, Some(2)));
        assert_eq!((ready.peek().is_none(), ready.next_at()), (true, Some(Timestamp::from_seconds(10))));
        ready.advance(Timestamp::from_seconds(15));
        assert_eq!((ready.pop().map(|task| task.index()), ready.is_empty()), (Some(3), false));
        ready.advance(Timestamp::from_seconds(20));
        assert_eq!((ready.pop().map(|task| task.index()), ready.is_empty()), (Some(1), true));
    }

    #[test]
    fn what_was_refused_comes_before_what_had_no_turn_yet() {
        let mut ready = ReadyQueue::default();
        [task(1, 0), task(2, 0)].into_iter().for_each(|task| ready.push(task));
        let first = ready.pop().expect("a task");
        ready.push(task(3, 0));
        ready.push_first(first);
        let order: Vec<_> = std::iter::from_fn(|| ready.pop()).map(|task| task.index()).collect();
        assert_eq!((order, ready.startable_bytes()), (vec![1, 2, 3], 0));
    }
}
