//! Payloads with a history: what a worker before has claimed and not finished, what was given back
//! to the queue, and what a later generation has to do.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use sundial_engine::auth_session::SESSION_INVALID;
use sundial_store::{PayloadRange, StoreError, keys};
use tokio::time::Instant;

use crate::context::RunContext;
use crate::ready::Task;

/// So many segments are read side by side: each may have a hundred large payloads and results.
const READ_AT_ONCE: usize = 3;
/// No more is read at once than so many payloads, or about so many bytes of them.
const COUNT_MAX: usize = 800;
const BYTES_MAX: usize = 4_000_000;
/// So many payloads that are not needed are read along with two that are.
const GAP_MAX: u32 = 16;

/// What was read of payloads with a history.
pub(crate) struct Recovered {
    /// Those that are to be carried out.
    pub(crate) tasks: Vec<Task>,
    /// What was read.
    pub(crate) read: Vec<PayloadRange>,
    /// What is left to be read.
    pub(crate) rest: Vec<PayloadRange>,
}

/// The payloads of these ranges that are to be carried out, as many as are read at once and until then, each
/// segment read once. An attempt without a record is made again under the same number.
pub(crate) async fn unfinished(
    context: &RunContext,
    ranges: &[PayloadRange],
    until: Instant,
) -> Result<Recovered, StoreError> {
    let segments: Vec<_> = by_segment(ranges).into_iter().collect();
    let reads = segments.clone().into_iter().map(|(segment, ranges)| of_segment(context, segment, ranges));
    let mut reads = std::pin::pin!(futures::stream::iter(reads).buffered(READ_AT_ONCE));
    let (mut tasks, mut bytes, mut segments_read) = (Vec::new(), 0, 0);
    while tasks.len() < COUNT_MAX
        && bytes < BYTES_MAX
        // Something is read in any case.
        && (segments_read == 0 || Instant::now() < until)
        && let Some(more) = reads.try_next().await?
    {
        bytes += more.iter().map(|task| task.bytes).sum::<usize>();
        tasks.extend(more);
        segments_read += 1;
    }
    let ranges_of = |segments: &[(u32, Vec<PayloadRange>)]| segments.iter().flat_map(|it| it.1.clone()).collect();
    let (read, rest) = segments.split_at(segments_read);
    Ok(Recovered { tasks, read: ranges_of(read), rest: ranges_of(rest) })
}

async fn of_segment(context: &RunContext, segment: u32, ranges: Vec<PayloadRange>) -> Result<Vec<Task>, StoreError> {
    let (store, run) = (&context.clients.store, &context.run);
    let (outcomes, attempts) = futures::future::try_join(
        store.outcomes(run.id, segment, run.generation),
        store.attempts(run.id, segment, run.generation),
    )
    .await?;
    let open = ranges.into_iter().flat_map(|range| range.start..range.end);
    let open: BTreeSet<u32> = open.filter(|index| outcomes.is_open(*index, run)).collect();
    let mut tasks = Vec::new();
    for stretch in stretches(&open) {
        let count = stretch.count() as usize;
        let payloads = store.run_payloads_within(&context.snapshot, stretch.start, count, usize::MAX).await?;
        for payload in payloads.into_iter().filter(|payload| open.contains(&payload.index)) {
            let mut task = Task::new(payload);
            if let Some(last) = attempts.of(task.index()).last() {
                (task.attempts_made, task.not_before) = (last.failed.attempt, last.next_attempt_at);
                // Its first refusal was before that.
                task.refused_under = (last.failed.error.code == SESSION_INVALID).then_some(0);
            }
            tasks.push(task);
        }
    }
    Ok(tasks)
}

/// What is read to have these payloads, which are in order: what lies between near ones comes along, because a
/// call for each of them takes longer.
fn stretches(indices: &BTreeSet<u32>) -> Vec<PayloadRange> {
    let mut stretches: Vec<PayloadRange> = Vec::new();
    for index in indices {
        match stretches.last_mut() {
            Some(last) if index - last.end <= GAP_MAX => last.end = index + 1,
            _ => stretches.push(PayloadRange { start: *index, end: index + 1 }),
        }
    }
    stretches
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
    let first = keys::segment_of(start);
    let segments = (first..first.saturating_add(SEGMENTS_MAX)).take_while(|it| it * keys::SEGMENT_LENGTH < run_end);
    let read = |segment| async move { store.outcomes(run, segment, generation).await.map(|it| (segment, it)) };
    let mut outcomes = std::pin::pin!(futures::stream::iter(segments).map(read).buffered(READ_AT_ONCE));
    while let Some((segment, outcomes)) = outcomes.try_next().await? {
        let segment_end = ((segment + 1) * keys::SEGMENT_LENGTH).min(run_end);
        stretch.indices.extend((stretch.end..segment_end).filter(|index| outcomes.is_open(*index, &context.run)));
        stretch.end = segment_end;
        if stretch.indices.len() >= count {
            break;
        }
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

    #[test]
    fn near_payloads_are_read_together_and_far_ones_are_not() {
        let read = |indices: &[u32]| stretches(&indices.iter().copied().collect());
        let range = |start, end| PayloadRange { start, end };
        assert_eq!(read(&[]), []);
        assert_eq!(read(&[3, 4, 5 + GAP_MAX, 80]), [range(3, 6 + GAP_MAX), range(80, 81)]);
        assert_eq!(read(&[3, 5 + GAP_MAX]), [range(3, 4), range(5 + GAP_MAX, 6 + GAP_MAX)]);
    }
}
