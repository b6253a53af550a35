//! What became of deliveries, by what arrived: each is tried until it was taken, or given up.

use std::collections::{BTreeMap, BTreeSet};

use sundial_store::{Closing, DueDeliveries};

use super::{Batch, WorkBook};

/// So often is a delivery tried before it is given up.
const TRIES_MAX: u32 = 8;

/// How something that is sent was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// It was taken.
    Taken,
    /// It is never wanted again.
    Unwanted,
    /// It did not come through.
    Failed,
}

/// What arrived of something that is sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    tries: u32,
    is_settled: bool,
}

impl Sent {
    fn note(&mut self, reception: Reception) {
        self.tries += 1;
        self.is_settled |= reception != Reception::Failed;
    }

    fn may_end(self) -> bool {
        self.is_settled || self.tries >= TRIES_MAX
    }
}

/// What arrived of a run.
#[derive(Default)]
pub(super) struct Arrived {
    /// Results, by generation and payload.
    results: BTreeMap<(u32, u32), Sent>,
    /// That a generation has ended.
    ends: BTreeMap<u32, Sent>,
}

impl WorkBook {
    /// A result arrived at the sink, or, without an index, the notification of the end.
    pub(crate) fn arrived(&mut self, generation: u32, index: Option<u32>, reception: Reception) {
        let Arrived { results, ends } = &mut self.arrived;
        match index {
            Some(index) => results.entry((generation, index)).or_default().note(reception),
            None => ends.entry(generation).or_default().note(reception),
        }
    }

    /// Whatever ends is due at once, and no longer when it has arrived.
    pub(super) fn check_deliveries(&self, batch: &Batch) -> Result<(), String> {
        let all = |batches: &[DueDeliveries]| -> BTreeSet<(u32, u32)> {
            batches.iter().flat_map(|due| due.indices.iter().map(|index| (due.generation, *index))).collect()
        };
        let (due, tried) = (all(&batch.due), all(&batch.tried));
        let mut ended = batch.outcomes.iter().map(|(generation, outcome)| (*generation, outcome.index));
        if let Some((_, index)) = ended.find(|it| self.delivers == Some(true) && !due.contains(it)) {
            return Err(format!("payload {index} ended, but its delivery is not due"));
        }
        let may_end = |it: &&(u32, u32)| self.arrived.results.get(it).is_some_and(|sent| sent.may_end());
        match tried.difference(&due).find(|it| !may_end(it)) {
            Some((_, index)) => Err(format!("the delivery of payload {index} has ended, but it was not taken")),
            None => Ok(()),
        }
    }

    /// A notification is pending until it has arrived.
    pub(super) fn check_notifications(&self, closing: &Closing) -> Result<(), String> {
        if closing.notifications.as_ref().is_none_or(|pending| !pending.is_empty()) {
            return Ok(());
        }
        match self.arrived.ends.get(&closing.generation) {
            None if self.notifies == Some(true) => Err("nobody was notified of the end".to_owned()),
            Some(sent) if !sent.may_end() => Err("the notification has ended, but it was not taken".to_owned()),
            _ => Ok(()),
        }
    }
}
