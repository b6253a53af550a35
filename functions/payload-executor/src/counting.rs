//! What CloudWatch is told of a worker's progress: what is on record, so that nothing is counted twice.

use metrics::{counter, histogram};
use sundial_runtime::metrics::{
    ATTEMPTS_RETRIED, DELIVERIES_EXHAUSTED, DELIVERIES_RETRIED, DELIVERIES_SUCCEEDED, PAYLOADS_FAILED,
    PAYLOADS_SUCCEEDED, SLOTS_USED,
};

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

/// Tells how many calls a worker has under way.
pub(crate) fn count_slots_used(in_flight: usize) {
    histogram!(SLOTS_USED).record(in_flight as f64);
}
