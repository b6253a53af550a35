//! Taking up a lane: what the worker before has claimed and not finished.

use std::collections::{BTreeSet, HashMap, HashSet};

use sundial_store::{AttemptRecord, Lane, StoreError, keys};

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

/// Reads what is left. An attempt without a record is made again under the same number.
pub(crate) async fn leftover(context: &RunContext, lane: &Lane) -> Result<Leftover, StoreError> {
    let mut left = Leftover::default();
    for range in &lane.claims {
        let mut next = range.start;
        while next < range.end {
            let segment = keys::segment_of(next);
            let end = range.end.min((segment + 1) * keys::SEGMENT_LENGTH);
            let store = &context.clients.store;
            let finished: HashSet<u32> =
                store.outcomes(&context.run, segment).await?.into_iter().map(|outcome| outcome.index).collect();
            let records = store.attempts(&context.run, segment).await?;
            let records: HashMap<u32, AttemptRecord> =
                records.into_iter().map(|record| (record.index, record)).collect();
            while next < end {
                let payloads = store.payloads_from(&context.run.parts, next, (end - next) as usize).await?;
                let Some(last) = payloads.last().map(|payload| payload.index) else {
                    return Err(StoreError::Corrupt(format!("job run {} has no payload {next}", context.run.id)));
                };
                for payload in payloads.into_iter().filter(|payload| !finished.contains(&payload.index)) {
                    left.unfinished.insert(payload.index);
                    let mut task = Task::new(payload);
                    if let Some(record) = records.get(&task.payload.index) {
                        task.attempts_made = record.attempts;
                        task.failed_attempts.clone_from(&record.failed_attempts);
                        task.not_before = record.next_attempt_at;
                    }
                    left.tasks.push(task);
                }
                next = last + 1;
            }
        }
    }
    Ok(left)
}
