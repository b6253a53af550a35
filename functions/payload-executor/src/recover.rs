//! Payloads with a history: what a worker before has claimed and not finished, what was given back
//! to the queue, and what a later generation has to do.

use std::collections::BTreeMap;

use sundial_store::{PayloadRange, StoreError, keys};

use crate::context::RunContext;
use crate::ready::Task;

/// The payloads of these ranges that are to be carried out, each segment read once. An attempt
/// without a record is made again under the same number.
pub(crate) async fn unfinished(context: &RunContext, ranges: &[PayloadRange]) -> Result<Vec<Task>, StoreError> {
    let (store, run, generation) = (&context.clients.store, context.id(), context.run.generation);
    let mut tasks = Vec::new();
    for (segment, ranges) in by_segment(ranges) {
        let outcomes = store.outcomes(run, segment, generation).await?;
        let attempts = store.attempts(run, segment, generation).await?;
        for range in ranges {
            if !(range.start..range.end).any(|index| outcomes.is_open(index, &context.run)) {
                continue;
            }
            let count = range.count() as usize;
            let payloads = store.run_payloads_within(&context.snapshot, range.start, count, usize::MAX).await?;
            for payload in payloads.into_iter().filter(|payload| outcomes.is_open(payload.index, &context.run)) {
                let mut task = Task::new(payload);
                if let Some(last) = attempts.of(task.index()).last() {
                    (task.attempts_made, task.not_before) = (last.failed.attempt, last.next_attempt_at);
                }
                tasks.push(task);
            }
        }
    }
    Ok(tasks)
}

/// A stretch of a later generation's payloads.
pub(crate) struct OpenStretch {
    /// The index after its last one.
    pub(crate) end: u32,
    /// Those of them that are to be carried out.
    pub(crate) indices: Vec<u32>,
}

/// No more segments are read at once.
const SEGMENTS_MAX: u32 = 20;

/// What a later generation has to do from `start` on: about `count` payloads.
pub(crate) async fn open_from(
    context: &RunContext,
    start: u32,
    run_end: u32,
    count: usize,
) -> Result<OpenStretch, StoreError> {
    let (store, run, generation) = (&context.clients.store, context.id(), context.run.generation);
    let mut stretch = OpenStretch { end: start, indices: Vec::new() };
    for _ in 0..SEGMENTS_MAX {
        if stretch.end >= run_end || stretch.indices.len() >= count {
            break;
        }
        let segment = keys::segment_of(stretch.end);
        let segment_end = ((segment + 1) * keys::SEGMENT_LENGTH).min(run_end);
        let outcomes = store.outcomes(run, segment, generation).await?;
        stretch.indices.extend((stretch.end..segment_end).filter(|index| outcomes.is_open(*index, &context.run)));
        stretch.end = segment_end;
    }
    Ok(stretch)
}

/// Ranges, cut where segments meet.
fn by_segment(ranges: &[PayloadRange]) -> BTreeMap<u32, Vec<PayloadRange>> {
    let mut segments: BTreeMap<u32, Vec<PayloadRange>> = BTreeMap::new();
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            let segment = keys::segment_of(start);
            let end = range.end.min((segment + 1) * keys::SEGMENT_LENGTH);
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
