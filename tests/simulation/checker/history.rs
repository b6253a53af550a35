//! Which occurrences of a job are on record, and how.

use std::collections::BTreeMap;

use sundial_engine::schedule::CompiledSchedule;
use sundial_model::Timestamp;
use sundial_model::job_run::{Reason, ReasonType};
use sundial_store::StoredJobRun;

/// The records of a job's occurrences.
#[derive(Default)]
pub(crate) struct History {
    /// Occurrences with a record of their own; the flag says whether a backfill made it.
    single: BTreeMap<Timestamp, bool>,
    /// Stretches that were missed: from → to.
    missed: BTreeMap<Timestamp, Timestamp>,
}

impl History {
    /// Notes a new record of an occurrence.
    pub(crate) fn record(&mut self, run: &StoredJobRun, is_backfill: bool) -> Result<(), String> {
        let Some(time) = run.scheduled_time else { return Ok(()) };
        match self.single.insert(time, is_backfill) {
            None => Ok(()),
            Some(_) => Err(format!("the occurrence {time} has two records")),
        }
    }

    /// Notes that a stretch was missed, or more of one.
    pub(crate) fn miss(&mut self, run: &StoredJobRun, schedule: &CompiledSchedule) -> Result<(), String> {
        let reason = run.reason.as_ref().filter(|reason| reason.reason_type == ReasonType::Missed);
        let (from, to, count) = reason.and_then(stretch).ok_or("a missed stretch has no details")?;
        if self.missed.get(&from).is_some_and(|before| *before > to) {
            return Err(format!("the missed stretch from {from} has become shorter"));
        }
        let mut missed = 0;
        for time in occurrences(schedule, from, to) {
            let is_evaluators = self.single.get(&time) == Some(&false);
            missed += u64::from(!is_evaluators);
        }
        if missed != count {
            return Err(format!("the missed stretch from {from} to {to} says {count}, but it is {missed}"));
        }
        let overlaps = |(begin, end): (&Timestamp, &Timestamp)| *begin != from && *begin <= to && *end >= from;
        if let Some((begin, end)) = self.missed.iter().find(|stretch| overlaps(*stretch)) {
            return Err(format!("the missed stretch from {from} to {to} overlaps that from {begin} to {end}"));
        }
        self.missed.insert(from, to);
        Ok(())
    }

    /// The first occurrence from `from` on, before `until`, that is not accounted for.
    pub(crate) fn gap(&self, schedule: &CompiledSchedule, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let before = Timestamp::from_milliseconds(until.milliseconds() - 1);
        occurrences(schedule, from, before).find(|time| !self.has(*time))
    }

    fn has(&self, time: Timestamp) -> bool {
        let stretch = self.missed.range(..=time).next_back();
        self.single.contains_key(&time) || stretch.is_some_and(|(_, to)| *to >= time)
    }
}

/// The occurrences from `from` to `to`, both included.
fn occurrences(schedule: &CompiledSchedule, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let before = Timestamp::from_milliseconds(from.milliseconds() - 1);
    std::iter::successors(schedule.next_nominal(before), |time| schedule.next_nominal(*time))
        .take_while(move |time| *time <= to)
}

fn stretch(reason: &Reason) -> Option<(Timestamp, Timestamp, u64)> {
    let details = reason.details.as_ref()?;
    let time = |name: &str| details[name].as_str()?.parse().ok();
    Some((time("from")?, time("to")?, details["count"].as_u64()?))
}
