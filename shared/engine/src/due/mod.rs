//! What happens to the occurrences of a job that are due.
//!
//! The timer fires somewhere within each minute, so two ticks are at most two minutes apart. What
//! is late by no more than that is just late. Where an occurrence is later, nobody was there: an
//! **outage**, and the job's catch-up policy says which of its occurrences run after all.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::schedule::{CatchUp, CatchUpPolicy};
use sundial_model::{JobUuid, Timestamp};

use crate::overlap::Origin;
use crate::schedule::{CompiledSchedule, Occurrence};

/// How far the evaluator looks ahead, and how late an occurrence may be without being an outage.
pub const LOOK_AHEAD: Duration = Duration::from_secs(130);

/// What is due later than this is seen by the timer's next tick in time; before that the evaluator has to be told of it.
pub const NEXT_TICK_AFTER: Duration = Duration::from_secs(75);

/// One plan looks at so many occurrences at most.
const LOOKED_AT_MAX: u32 = 20_000;

/// Occurrences that are not run, because nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The first nominal time.
    pub from: Timestamp,
    /// The last nominal time.
    pub to: Timestamp,
    /// How many there are.
    pub count: u64,
}

/// An outage whose occurrences are not all accounted for yet: there are too many for one
/// transaction, or for one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatchingUp {
    /// When somebody was there again: the window reaches back from here.
    pub found_at: Timestamp,
    /// What is not run, so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// How many run after all, so far.
    pub made_up: u32,
}

/// What to record for a job now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePlan {
    /// The occurrences to record, oldest first.
    pub due: Vec<(Occurrence, Origin)>,
    /// All that this outage has missed so far, if that is more than before.
    pub missed: Option<Missed>,
    /// When the job is due next; that may be in the past.
    pub next: Option<Occurrence>,
    /// The outage, unless all of it is accounted for.
    pub catching_up: Option<CatchingUp>,
    /// The last nominal time that this plan accounts for.
    pub last_nominal: Timestamp,
}

/// The occurrences of one job.
#[derive(Clone, Copy, Debug)]
pub struct Occurrences<'a> {
    /// Its schedule.
    pub schedule: &'a CompiledSchedule,
    /// The job, for its jitter.
    pub job: JobUuid,
    /// Its catch-up policy.
    pub catch_up: CatchUp,
}

impl Occurrences<'_> {
    /// Plans for the occurrence `first`, which has come at `now`, and those after it: up to
    /// `at_once` of them. `catching_up` is what the plan before has left of an outage.
    pub fn plan(self, first: Occurrence, catching_up: Option<CatchingUp>, now: Timestamp, at_once: usize) -> DuePlan {
        let is_outage = now.since(first.effective) > LOOK_AHEAD;
        let outage = catching_up.or(is_outage.then_some(CatchingUp { found_at: now, missed: None, made_up: 0 }));
        match outage {
            Some(outage) => self.plan_outage(first, outage, now, at_once),
            None => self.plan_present(first, now, at_once),
        }
    }

    fn following(self, occurrence: Occurrence) -> Option<Occurrence> {
        self.schedule.next_occurrence(self.job, occurrence.nominal)
    }

    /// All that is due runs, as far as the overlap policy lets it.
    fn plan_present(self, first: Occurrence, now: Timestamp, at_once: usize) -> DuePlan {
        let (mut due, mut last, mut next) = (vec![(first, Origin::Present)], first, self.following(first));
        while let Some(following) = next.filter(|next| next.effective <= now && due.len() < at_once) {
            due.push((following, Origin::Present));
            (last, next) = (following, self.following(following));
        }
        DuePlan { due, missed: None, next, catching_up: None, last_nominal: last.nominal }
    }

    fn plan_outage(self, first: Occurrence, mut outage: CatchingUp, now: Timestamp, at_once: usize) -> DuePlan {
        let missed_before = outage.missed;
        let (mut due, mut last, mut next) = (Vec::new(), first, Some(first));
        let mut looked_at = 0;
        while let Some(occurrence) = next.filter(|next| next.effective <= outage.found_at) {
            if due.len() >= at_once || looked_at >= LOOKED_AT_MAX {
                break;
            }
            looked_at += 1;
            let following = self.following(occurrence);
            match self.made_up(outage, occurrence, following, now) {
                Some(origin) => {
                    due.push((occurrence, origin));
                    outage.made_up += 1;
                }
                None => outage.miss(occurrence.nominal),
            }
            (last, next) = (occurrence, following);
        }
        let is_over = next.is_none_or(|next| next.effective > outage.found_at);
        DuePlan {
            due,
            missed: outage.missed.filter(|_| outage.missed != missed_before),
            next,
            catching_up: (!is_over).then_some(outage),
            last_nominal: last.nominal,
        }
    }

    /// Whether an occurrence of the outage runs after all.
    fn made_up(
        self,
        outage: CatchingUp,
        occurrence: Occurrence,
        following: Option<Occurrence>,
        now: Timestamp,
    ) -> Option<Origin> {
        let is_within = outage.found_at.since(occurrence.nominal) <= self.catch_up.window.as_duration();
        let is_latest = following.is_none_or(|following| following.effective > outage.found_at);
        let is_just_late = now.since(occurrence.effective) <= LOOK_AHEAD;
        match self.catch_up.policy {
            CatchUpPolicy::Latest => (is_within && is_latest).then_some(Origin::Present),
            CatchUpPolicy::All => (is_within && outage.made_up < self.catch_up.limit.get()).then_some(Origin::MadeUp),
            // What would have run without an outage.
            CatchUpPolicy::None => is_just_late.then_some(Origin::Present),
        }
    }
}

impl CatchingUp {
    fn miss(&mut self, nominal: Timestamp) {
        let Missed { from, count, .. } = self.missed.unwrap_or(Missed { from: nominal, to: nominal, count: 0 });
        self.missed = Some(Missed { from, to: nominal, count: count + 1 });
    }
}

#[cfg(test)]
mod tests;
