//! What became of deliveries, by what arrived: each is tried until it was taken, or given up.

use std::collections::{BTreeMap, BTreeSet};

use sundial_engine::sink_delivery::SCHEDULE_TIME;
use sundial_model::Timestamp;
use sundial_model::run::DeliveryStatus;
use sundial_store::{Closing, DeliveryRequest, DueDeliveries, Lane};

use super::{Batch, WorkBook};
use crate::world::SKEW_MAX;

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
    /// How deliveries have ended that are on record, by generation and payload: whether they were taken.
    recorded: BTreeMap<(u32, u32), bool>,
}

impl WorkBook {
    /// A result arrived at the sink, or, without an index, the notification of the end.
    pub(crate) fn arrived(&mut self, generation: u32, index: Option<u32>, reception: Reception) {
        let Arrived { results, ends, .. } = &mut self.arrived;
        match index {
            Some(index) => results.entry((generation, index)).or_default().note(reception),
            None => ends.entry(generation).or_default().note(reception),
        }
    }

    /// Whatever ends is due at once, and no longer when it has arrived.
    pub(super) fn check_deliveries(&self, batch: &Batch, now: Timestamp) -> Result<(), String> {
        let all = |batches: &[DueDeliveries]| -> BTreeSet<(u32, u32)> {
            batches.iter().flat_map(|due| due.indices.iter().map(|index| (due.generation, *index))).collect()
        };
        let (due, tried) = (all(&batch.due), all(&batch.tried));
        let mut ended = batch.outcomes.iter().map(|(generation, outcome)| (*generation, outcome.index));
        if let Some((_, index)) = ended.find(|it| self.delivers == Some(true) && !due.contains(it)) {
            return Err(format!("payload {index} ended, but its delivery is not due"));
        }
        // For a dead sink it may have waited for as long as all attempts take.
        let has_waited = |it: &(u32, u32)| {
            let is_it = |due: &&DueDeliveries| due.generation == it.0 && due.indices.contains(&it.1);
            batch.tried.iter().find(is_it).is_some_and(|due| due.since + SCHEDULE_TIME <= now + SKEW_MAX)
        };
        let may_end = |it: &&(u32, u32)| {
            self.arrived.results.get(it).is_some_and(|sent| sent.may_end() || (sent.tries > 0 && has_waited(it)))
        };
        match tried.difference(&due).find(|it| !may_end(it)) {
            Some((_, index)) => Err(format!("the delivery of payload {index} has ended, but it was not taken")),
            None => Ok(()),
        }
    }

    /// What is requested again had ended, and is due.
    pub(super) fn check_requests(&mut self, batch: &Batch) -> Result<(), String> {
        for DeliveryRequest { generation, indices, round, is_moot } in &batch.requests {
            if *is_moot {
                self.check_moot(*generation, indices)?;
                continue;
            }
            let is_due = batch.due.iter().any(|due| {
                (due.generation, due.round, &due.indices) == (*generation, *round, indices) && due.attempts_made == 0
            });
            if !is_due {
                return Err(format!("{indices:?} are requested again, and not due"));
            }
            for index in indices {
                if self.arrived.recorded.remove(&(*generation, *index)).is_none() {
                    return Err(format!("payload {index} is requested again, but its delivery had not ended"));
                }
                self.arrived.results.remove(&(*generation, *index));
            }
        }
        for record in &batch.deliveries {
            let was_taken = match record.attempt.status {
                DeliveryStatus::Retrying => continue,
                DeliveryStatus::Delivered => true,
                DeliveryStatus::Failed => false,
            };
            if self.arrived.recorded.insert((record.generation, record.index), was_taken).is_some() {
                return Err(format!("the delivery of payload {} has ended twice", record.index));
            }
        }
        Ok(())
    }

    /// What is dropped was given up, and its result replaced.
    fn check_moot(&mut self, generation: u32, indices: &[u32]) -> Result<(), String> {
        for index in indices {
            let is_replaced = self.ended.get(index).is_some_and(|(ended_in, _)| generation < *ended_in);
            if !is_replaced || self.arrived.recorded.remove(&(generation, *index)) != Some(false) {
                return Err(format!("the delivery of payload {index} is dropped, and was not moot"));
            }
        }
        Ok(())
    }

    /// The counters say what is on record.
    pub(super) fn check_delivery_counters(&self) -> Result<(), String> {
        let sum = |count: fn(&Lane) -> i64| self.lanes.values().map(count).sum::<i64>();
        let counted = (sum(|lane| lane.delivered), sum(|lane| lane.deliveries_failed));
        let taken = self.arrived.recorded.values().filter(|was_taken| **was_taken).count() as i64;
        let given_up = self.arrived.recorded.len() as i64 - taken;
        if counted != (taken, given_up) {
            return Err(format!("deliveries are counted as {counted:?}, and recorded as {:?}", (taken, given_up)));
        }
        Ok(())
    }

    /// A notification is pending until it has arrived, or is so old that it is given up.
    pub(super) fn check_notifications(&self, closing: &Closing, now: Timestamp) -> Result<(), String> {
        if closing.notifications.as_ref().is_none_or(|pending| !pending.is_empty()) {
            return Ok(());
        }
        let is_old = closing.detail.end_time.is_some_and(|end| end + SCHEDULE_TIME <= now + SKEW_MAX);
        match self.arrived.ends.get(&closing.generation) {
            None if self.notifies == Some(true) => Err("nobody was notified of the end".to_owned()),
            Some(sent) if !(sent.may_end() || is_old && sent.tries > 0) => {
                Err("the notification has ended, but it was not taken".to_owned())
            }
            _ => Ok(()),
        }
    }
}
