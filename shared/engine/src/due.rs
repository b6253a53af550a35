//! What happens to the occurrences of a job that are due.

use std::time::Duration;

use sundial_model::schedule::{CatchUp, CatchUpPolicy, Overlap};
use sundial_model::{JobUuid, Timestamp};

use crate::schedule::{CompiledSchedule, Occurrence};

/// How far the evaluator looks ahead, and how late an occurrence may be without being an outage:
/// the timer fires somewhere within each minute, so two ticks are at most two minutes apart.
pub const LOOK_AHEAD: Duration = Duration::from_secs(130);

/// One plan counts so many missed occurrences at most.
const MISSED_AT_ONCE_MAX: u32 = 20_000;

/// A stretch of occurrences that nobody was there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The first nominal time.
    pub from: Timestamp,
    /// The last nominal time.
    pub to: Timestamp,
    /// How many there were.
    pub count: u64,
}

/// What to record for a job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuePlan {
    /// The occurrence to record.
    pub occurrence: Option<Occurrence>,
    /// What came before it and is not made up.
    pub missed: Option<Missed>,
    /// When the job is due next.
    pub next: Option<Occurrence>,
}

/// Plans for a job whose occurrence `due` has come, as seen at `now`.
///
/// An occurrence that is late by no more than [`LOOK_AHEAD`] is just late. Older ones are the
/// matter of the catch-up policy.
pub fn plan(schedule: &CompiledSchedule, job: JobUuid, catch_up: CatchUp, due: Occurrence, now: Timestamp) -> DuePlan {
    let mut missed: Option<Missed> = None;
    let mut miss = |occurrence: Occurrence| {
        let from = missed.map_or(occurrence.nominal, |missed| missed.from);
        let count = missed.map_or(0, |missed| missed.count) + 1;
        missed = Some(Missed { from, to: occurrence.nominal, count });
    };
    let mut current = due;
    let mut steps = 0;
    while now.since(current.effective) > LOOK_AHEAD {
        steps += 1;
        let following = schedule.next_occurrence(job, current.nominal);
        let is_latest = following.is_none_or(|following| following.effective > now);
        let is_made_up = is_latest
            && catch_up.policy != CatchUpPolicy::None
            && now.since(current.nominal) <= catch_up.window.as_duration();
        if is_made_up {
            return DuePlan { occurrence: Some(current), missed, next: following };
        }
        miss(current);
        match following {
            // The rest is planned when this is on record: the next one is due at once.
            Some(_) if steps >= MISSED_AT_ONCE_MAX => return DuePlan { occurrence: None, missed, next: following },
            Some(following) if following.effective <= now => current = following,
            next => return DuePlan { occurrence: None, missed, next },
        }
    }
    DuePlan { occurrence: Some(current), missed, next: schedule.next_occurrence(job, current.nominal) }
}

/// What becomes of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlapDecision {
    /// A job run starts.
    Start,
    /// A CANCELED record is left.
    Skip,
}

/// Decides on an occurrence while `active_runs` job runs of its job are active.
pub fn decide_overlap(overlap: Overlap, active_runs: usize) -> OverlapDecision {
    match overlap {
        _ if active_runs == 0 => OverlapDecision::Start,
        Overlap::Allow if active_runs < ACTIVE_RUNS_MAX => OverlapDecision::Start,
        _ => OverlapDecision::Skip,
    }
}

/// The most job runs of one job that may be active at once under `allow`.
pub const ACTIVE_RUNS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sundial_model::InvalidFields;
    use sundial_model::schedule::Schedule;

    fn check(catch_up: Value, late: Duration, run: Option<u64>, missed: Option<(u64, u64, u64)>, next: u64) {
        let schedule: Schedule = InvalidFields::read(json!({
            "intervals": [{ "every": "1m" }], "startAt": "2026-01-01T00:00:00Z", "catchUp": catch_up
        }))
        .expect("a schedule");
        let compiled = CompiledSchedule::compile(schedule.specification()).expect("a schedule");
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let minute = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let due = Occurrence { nominal: minute(0), effective: minute(0) };
        let plan = plan(&compiled, JobUuid::new(), schedule.specification().catch_up, due, start + late);
        assert_eq!(plan.occurrence.map(|occurrence| occurrence.nominal), run.map(minute));
        assert_eq!(plan.missed, missed.map(|(from, to, count)| Missed { from: minute(from), to: minute(to), count }));
        assert_eq!(plan.next.map(|occurrence| occurrence.nominal), Some(minute(next)));
    }

    #[test]
    fn a_late_occurrence_is_just_late() {
        check(json!({}), Duration::ZERO, Some(0), None, 1);
        check(json!({ "policy": "none" }), Duration::from_secs(130), Some(0), None, 1);
    }

    #[test]
    fn after_an_outage_the_rest_is_one_stretch() {
        check(json!({}), Duration::from_secs(3600), Some(58), Some((0, 57, 58)), 59);
        check(json!({ "policy": "none" }), Duration::from_secs(3600), Some(58), Some((0, 57, 58)), 59);
    }

    #[test]
    fn a_long_outage_is_planned_in_several_steps() {
        let missed = Some((0, 19_999, 20_000));
        check(json!({}), Duration::from_secs(60 * 30_000), None, missed, 20_000);
    }

    #[test]
    fn active_runs_decide_by_the_overlap_policy() {
        assert_eq!(decide_overlap(Overlap::Skip, 0), OverlapDecision::Start);
        assert_eq!(decide_overlap(Overlap::Skip, 1), OverlapDecision::Skip);
        assert_eq!(decide_overlap(Overlap::Allow, 7), OverlapDecision::Start);
        assert_eq!(decide_overlap(Overlap::Allow, ACTIVE_RUNS_MAX), OverlapDecision::Skip);
    }
}
