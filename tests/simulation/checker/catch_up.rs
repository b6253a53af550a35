//! What becomes of occurrences that nobody was there for, as the design says it, looked at once more.
//!
//! The checker does not know at what instant an evaluator decided, only when its transaction was
//! written: what is decided by an age is checked with a tolerance.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::job_run::ReasonType;
use sundial_model::schedule::{CatchUp, CatchUpPolicy};
use sundial_store::{StoredJob, StoredJobRun};

use super::JobChanges;

/// What is late by no more than this is just late.
const JUST_LATE: Duration = Duration::from_secs(130);
/// From a decision to its transaction, with the difference of clocks.
const TOLERANCE: Duration = Duration::from_secs(15);

/// Where a job's newest outage stands.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outage {
    made_up: u32,
}

/// Whether the next occurrence of a job is so late, at `now`, that nobody was there; `None` when that
/// depends on the instant of the decision.
pub(crate) fn is_outage(had: &StoredJob, now: Timestamp) -> Option<bool> {
    let late = had.next.map_or(Duration::ZERO, |next| now.since(next.effective));
    if had.catching_up.is_some() || late > JUST_LATE + TOLERANCE {
        Some(true)
    } else if late + TOLERANCE < JUST_LATE {
        Some(false)
    } else {
        None
    }
}

impl Outage {
    /// Checks what an evaluator recorded: `next` is the job's next occurrence after it.
    pub(crate) fn check(
        &mut self,
        had: &StoredJob,
        now: Timestamp,
        changes: &JobChanges,
        next: Option<Timestamp>,
    ) -> Result<(), String> {
        let Some(schedule) = &had.definition.schedule else { return Ok(()) };
        let CatchUp { policy, window, limit } = schedule.specification().catch_up;
        let window = window.as_duration();
        let is_missed =
            |run: &&StoredJobRun| run.reason.as_ref().is_some_and(|reason| reason.reason_type == ReasonType::Missed);
        let (new_stretches, single): (Vec<_>, Vec<_>) = changes.new_runs.iter().partition(|run| is_missed(run));
        let has_missed = !new_stretches.is_empty() || changes.changed_runs.iter().any(|run| is_missed(&run));
        let in_outage = is_outage(had, now);
        if in_outage == Some(false) && has_missed {
            return Err("something was missed although nobody was late".to_owned());
        }
        if had.catching_up.is_none() {
            *self = Self::default();
        } else if !new_stretches.is_empty() && had.catching_up.is_some_and(|outage| outage.missed.is_some()) {
            return Err("an outage has two records of what was missed".to_owned());
        }
        self.made_up += u32::try_from(single.len()).unwrap_or(u32::MAX);
        if in_outage != Some(true) {
            return Ok(());
        }
        let age = |run: &StoredJobRun| now.since(run.scheduled_time.unwrap_or(now));
        // The window reaches back from when somebody was there again.
        let found_at = had.catching_up.map_or(now, |outage| outage.found_at);
        let age_then = |run: &StoredJobRun| found_at.since(run.scheduled_time.unwrap_or(found_at));
        match policy {
            CatchUpPolicy::Latest => {
                let is_latest =
                    |run: &StoredJobRun| next.is_none_or(|next| run.effective_time.is_some_and(|it| it < next));
                if single.len() > 1 || !single.iter().all(|run| is_latest(run)) {
                    return Err(format!("{} runs are made up under `latest`", single.len()));
                }
            }
            CatchUpPolicy::All if self.made_up > limit.get() => {
                return Err(format!("{} runs are made up, over the limit {}", self.made_up, limit.get()));
            }
            CatchUpPolicy::All => self.check_stretch(changes, found_at, window, limit.get())?,
            CatchUpPolicy::None => {
                if let Some(run) = single.iter().find(|run| age(run) > JUST_LATE + TOLERANCE + JITTER_MAX) {
                    return Err(format!("{:?} is made up under `none`", run.scheduled_time));
                }
            }
        }
        match single.iter().find(|run| age_then(run) > window + TOLERANCE) {
            Some(run) => Err(format!("{:?} is made up, older than {window:?}", run.scheduled_time)),
            None => Ok(()),
        }
    }

    /// Under `all`, what is missed is too old, or over the limit.
    fn check_stretch(
        self,
        changes: &JobChanges,
        found_at: Timestamp,
        window: Duration,
        limit: u32,
    ) -> Result<(), String> {
        let stretches = changes.new_runs.iter().chain(&changes.changed_runs);
        let missed = stretches.filter_map(|run| run.reason.as_ref()).filter(|it| it.reason_type == ReasonType::Missed);
        for details in missed.filter_map(|reason| reason.details.as_ref()) {
            let to: Option<Timestamp> = details["to"].as_str().and_then(|text| text.parse().ok());
            let is_young = to.is_some_and(|to| found_at.since(to) + TOLERANCE < window);
            if is_young && self.made_up < limit {
                return Err(format!("{to:?} was missed under `all`, with {} made up of {limit}", self.made_up));
            }
        }
        Ok(())
    }
}

/// No schedule of a history has more jitter.
const JITTER_MAX: Duration = Duration::from_secs(40);
