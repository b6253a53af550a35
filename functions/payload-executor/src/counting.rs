//! What CloudWatch is told of a worker's progress: what is on record, so that nothing is counted twice.

use std::time::Duration;

use metrics::{counter, histogram};
use sundial_runtime::metrics::{
    ATTEMPTS_RETRIED, DELIVERIES_EXHAUSTED, DELIVERIES_RETRIED, DELIVERIES_SUCCEEDED, PAYLOADS_FAILED,
    PAYLOADS_SUCCEEDED, SLOTS_USED,
};
use tokio::time::Instant;

use crate::buffer::Batch;

/// Counts what was recorded.
pub(crate) fn count_recorded(batch: &Batch) {
    let succeeded = batch.ended.iter().filter(|ended| ended.outcome.has_succeeded()).count();
    counter!(PAYLOADS_SUCCEEDED).increment(succeeded as u64);
    counter!(PAYLOADS_FAILED).increment((batch.ended.len() - succeeded) as u64);
    counter!(ATTEMPTS_RETRIED).increment(batch.again.len() as u64);
    let (delivered, given_up) = batch
        .tried
        .iter()
        .fold((0, 0), |(delivered, given_up), tried| (delivered + tried.delivered, given_up + tried.failed));
    if !batch.tried.is_empty() {
        tracing::info!(batches = batch.tried.len(), delivered, given_up, "deliveries are on record");
    }
    for tried in &batch.tried {
        counter!(DELIVERIES_SUCCEEDED).increment(tried.delivered.into());
        counter!(DELIVERIES_EXHAUSTED).increment(tried.failed.into());
        let made = u64::try_from(tried.attempts.len()).unwrap_or(u64::MAX);
        counter!(DELIVERIES_RETRIED).increment(made.saturating_sub((tried.delivered + tried.failed).into()));
    }
}

/// A line of the log, which there is twice a minute, takes a hundred numbers.
const TELL_SLOTS_EVERY: Duration = Duration::from_secs(2);

/// The most calls that a worker had under way since that was last told.
pub(crate) struct SlotsUsed {
    most: usize,
    told_at: Instant,
}

impl SlotsUsed {
    /// None, since `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { most: 0, told_at: now }
    }

    /// Notes how many there are.
    pub(crate) fn note(&mut self, in_flight: usize) {
        self.most = self.most.max(in_flight);
        if self.told_at.elapsed() >= TELL_SLOTS_EVERY {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if self.most > 0 {
            histogram!(SLOTS_USED).record(self.most as f64);
        }
        (self.most, self.told_at) = (0, Instant::now());
    }
}

impl Drop for SlotsUsed {
    /// However the worker ends.
    fn drop(&mut self) {
        self.tell();
    }
}
