//! What must hold of an attempt that starts, by what is on record.

use std::time::Duration;

use sundial_model::Timestamp;

use super::WorkBook;
use crate::calls::Call;
use crate::world::SKEW_MAX;

/// A change of the limit applies within this time.
const APPLIED_WITHIN: Duration = Duration::from_secs(10);

/// No attempt starts so long after the time of a run is over.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// A failed attempt on record.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedAttempt {
    /// When it ended, by its worker's clock.
    pub(super) ended_at: Timestamp,
    /// When the next one is due.
    pub(super) next_at: Timestamp,
    /// When that was recorded.
    pub(super) recorded_at: Timestamp,
}

impl WorkBook {
    /// Whether this attempt may start now: it is the next one of a payload that is to be carried out, and
    /// its payload's terms allow it.
    pub(crate) fn check_start(&mut self, call: &Call, now: Timestamp) -> Result<(), String> {
        let Call { generation, index, attempt, ref terms, .. } = *call;
        self.delivers = self.delivers.or(terms.delivers);
        self.notifies = self.notifies.or(terms.notifies);
        let before = self.attempts.get(&(generation, index)).map_or(&[][..], Vec::as_slice);
        if before.len() + 1 != attempt as usize {
            return Err(format!("attempt {attempt} starts with {} of those before on record", before.len()));
        }
        let is_current = self.run.as_ref().is_some_and(|run| run.generation == generation);
        if is_current && !self.is_open(index) {
            return Err("an attempt starts at a payload that is not to be carried out".to_owned());
        }
        if self.queue.and_then(|queue| queue.max_runs).is_some_and(|max| index >= max) {
            return Err("an attempt starts at a payload beyond the most runs".to_owned());
        }
        if terms.attempts.is_some_and(|most| u64::from(attempt) > most) {
            return Err(format!("attempt {attempt} starts, of {:?}", terms.attempts));
        }
        self.contents.check(call)?;
        if is_current && self.is_over(terms.lasts, now) {
            return Err("an attempt starts long after the time of its run is over".to_owned());
        }
        // One worker's clock said when it ended, and another's that the next one may start.
        let waits_until = before.last().zip(terms.wait).map(|(last, wait)| last.ended_at + wait);
        match waits_until.filter(|until| now + SKEW_MAX * 2 < *until) {
            Some(until) => Err(format!("attempt {attempt} starts before {until}")),
            None => Ok(()),
        }
    }

    /// Whether the run has long taken as long as it may.
    fn is_over(&self, lasts: Option<Duration>, now: Timestamp) -> bool {
        let Some((run, lasts)) = self.run.as_ref().zip(lasts) else { return false };
        let began = if run.generation > 1 { Some(run.generation_began_at) } else { run.start_time };
        began.is_some_and(|began| began + lasts + SKEW_MAX * 2 + ENDED_WITHIN < now)
    }

    /// When a failed attempt was recorded, if it was.
    pub(crate) fn recorded_at(&self, generation: u32, index: u32, attempt: u32) -> Option<Timestamp> {
        let recorded = self.attempts.get(&(generation, index))?;
        recorded.get((attempt as usize).checked_sub(1)?).map(|attempt| attempt.recorded_at)
    }

    /// The highest limit that was in force lately: a lower one applies within ten seconds.
    pub(crate) fn limit(&self, now: Timestamp) -> u32 {
        let until = |place: usize| self.limits.get(place + 1).map(|(at, _)| *at);
        let lately = self
            .limits
            .iter()
            .enumerate()
            .filter(|(place, _)| until(*place).is_none_or(|at| at + APPLIED_WITHIN > now));
        lately.map(|(_, (_, limit))| *limit).max().unwrap_or(0)
    }
}
