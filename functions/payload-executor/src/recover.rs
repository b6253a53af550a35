//! Taking up a lane: what the worker before has claimed and not finished.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sundial_store::{AttemptRecord, PayloadRange, StoreError, keys};

use crate::context::RunContext;
use crate::ready::Task;

/// What is left of a lane's claims.
#[derive(Default)]
pub(crate) struct Leftover {
    /// Every payload that is claimed and not finished.
    pub(crate) unfinished: BTreeSet<u32>,
    /// The same, ready to go on.
    pub(crate) tasks: Vec<Task>,
}

/// Reads what is left, each segment once. An attempt without a record is made again under the same number.
pub(crate) async fn leftover(context: &RunContext, claims: &[PayloadRange]) -> Result<Leftover, StoreError> {
    let mut left = Leftover::default();
    for (segment, ranges) in by_segment(claims) {
        let store = &context.clients.store;
        let outcomes = store.outcomes(&context.run, segment).await?;
        let finished: HashSet<u32> = outcomes.into_iter().map(|outcome| outcome.index).collect();
        let records = store.attempts(&context.run, segment).await?;
        let mut records: HashMap<u32, AttemptRecord> =
            records.into_iter().map(|record| (record.index, record)).collect();
        for range in ranges {
            let count = (range.end - range.start) as usize;
            let payloads = store.payloads_within(&context.run.parts, range.start, count, usize::MAX).await?;
            for payload in payloads.into_iter().filter(|payload| !finished.contains(&payload.index)) {
                left.unfinished.insert(payload.index);
                let mut task = Task::new(payload);
                if let Some(record) = records.remove(&task.payload.index) {
                    task.attempts_made = record.attempts;
                    task.failed_attempts = record.failed_attempts;
                    task.not_before = record.next_attempt_at;
                }
                left.tasks.push(task);
            }
        }
    }
    Ok(left)
}

/// The claims, cut where segments meet.
fn by_segment(claims: &[PayloadRange]) -> BTreeMap<u32, Vec<PayloadRange>> {
    let mut segments: BTreeMap<u32, Vec<PayloadRange>> = BTreeMap::new();
    for claim in claims {
        let mut start = claim.start;
        while start < claim.end {
            let segment = keys::segment_of(start);
            let end = claim.end.min((segment + 1) * keys::SEGMENT_LENGTH);
            segments.entry(segment).or_default().push(PayloadRange { start, end });
            start = end;
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_cut_where_segments_meet() {
        let range = |start, end| PayloadRange { start, end };
        let segments = by_segment(&[range(90, 210), range(250, 260)]);
        let expected =
            [(0, vec![range(90, 100)]), (1, vec![range(100, 200)]), (2, vec![range(200, 210), range(250, 260)])];
        assert_eq!(segments.into_iter().collect::<Vec<_>>(), expected);
    }
}
