//! Plans of what is due, in minutes.

use super::*;
use serde_json::{Value, json};
use sundial_model::InvalidFields;
use sundial_model::schedule::Schedule;

/// The minute of the schedule "every minute" that begins after so many minutes.
fn minute(minutes: u64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("an instant") + Duration::from_secs(60 * minutes)
}

fn minutes(time: Timestamp) -> u64 {
    time.since(minute(0)).as_secs() / 60
}

/// What was recorded by each plan, what was missed in the end, and which minute is next.
type Plans = (Vec<Vec<u64>>, Option<(u64, u64, u64)>, u64);

/// Plans again and again for "every minute", whose minute 0 is `late`, as long as something is due.
fn plans(catch_up: &Value, late: Duration, at_once: usize) -> Plans {
    let schedule: Schedule = InvalidFields::read(json!({
        "intervals": [{ "every": "1m" }], "startAt": "2026-01-01T00:00:00Z", "catchUp": catch_up
    }))
    .expect("a schedule");
    let compiled = CompiledSchedule::compile(schedule.specification()).expect("a schedule");
    let catch_up = schedule.specification().catch_up;
    let occurrences = Occurrences { schedule: &compiled, job: JobUuid::new(), catch_up };
    let now = minute(0) + late;
    let mut next = Occurrence { nominal: minute(0), effective: minute(0) };
    let (mut recorded, mut missed, mut catching_up) = (Vec::new(), None, None);
    while next.effective <= now {
        let plan = occurrences.plan(next, catching_up, now, at_once);
        recorded.push(plan.due.iter().map(|(occurrence, _)| minutes(occurrence.nominal)).collect());
        missed = plan.missed.or(missed);
        next = plan.next.expect("the schedule has no end");
        assert_eq!(plan.last_nominal + Duration::from_secs(60), next.nominal, "nothing is left out");
        catching_up = plan.catching_up;
    }
    assert_eq!(catching_up, None, "an outage is over when nothing is due");
    let missed = missed.map(|Missed { from, to, count }| (minutes(from), minutes(to), count));
    (recorded, missed, minutes(next.nominal))
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_late_occurrence_is_just_late() {
    let policies = [json!({}), json!({ "policy": "none" }), json!({ "policy": "all", "limit": 1 })];
    for catch_up in policies {
        assert_eq!(plans(&catch_up, Duration::ZERO, 9), (vec![vec![0]], None, 1));
        assert_eq!(plans(&catch_up, LOOK_AHEAD, 9), (vec![vec![0, 1, 2]], None, 3));
    }
}

#[test]
fn more_than_fits_is_recorded_by_several_plans() {
    assert_eq!(plans(&json!({}), LOOK_AHEAD, 2), (vec![vec![0, 1], vec![2]], None, 3));
}

#[test]
fn latest_runs_the_newest_and_nothing_else() {
    assert_eq!(plans(&json!({}), HOUR, 9), (vec![vec![60]], Some((0, 59, 60)), 61));
}

#[test]
fn none_runs_only_what_is_just_late() {
    assert_eq!(plans(&json!({ "policy": "none" }), HOUR, 9), (vec![vec![58, 59, 60]], Some((0, 57, 58)), 61));
}

#[test]
fn all_runs_the_oldest_up_to_the_limit() {
    let (recorded, missed, next) = plans(&json!({ "policy": "all", "limit": 10 }), HOUR, 4);
    assert_eq!(recorded.concat(), (0..10).collect::<Vec<_>>());
    assert!(recorded.iter().all(|some| some.len() <= 4));
    assert_eq!((missed, next), (Some((10, 60, 51)), 61));
}

#[test]
fn nothing_is_made_up_that_is_older_than_the_window() {
    let window = |policy| json!({ "policy": policy, "window": "10m" });
    let (recorded, missed, _) = plans(&window("all"), HOUR, 100);
    assert_eq!((recorded.concat(), missed), ((50..=60).collect(), Some((0, 49, 50))));
    // Every minute: the newest one is within any window.
    assert_eq!(plans(&window("latest"), HOUR, 9).0, [[60]]);
}

#[test]
fn a_long_outage_is_counted_in_several_steps_and_is_one_stretch() {
    let (recorded, missed, next) = plans(&json!({}), Duration::from_secs(60 * 50_000), 9);
    assert_eq!(recorded, [vec![], vec![], vec![50_000]]);
    assert_eq!((missed, next), (Some((0, 49_999, 50_000)), 50_001));
}

#[test]
fn what_is_made_up_waits_its_turn_and_the_latest_is_as_any_other() {
    let schedule: Schedule = InvalidFields::read(json!({ "intervals": [{ "every": "1m" }] })).expect("a schedule");
    let compiled = CompiledSchedule::compile(schedule.specification()).expect("a schedule");
    let first = Occurrence { nominal: minute(0), effective: minute(0) };
    for (policy, origin) in [(CatchUpPolicy::All, Origin::MadeUp), (CatchUpPolicy::Latest, Origin::Present)] {
        let catch_up = CatchUp { policy, ..CatchUp::default() };
        let occurrences = Occurrences { schedule: &compiled, job: JobUuid::new(), catch_up };
        let plan = occurrences.plan(first, None, minute(60), 100);
        assert!(plan.due.iter().all(|(_, planned)| *planned == origin), "{policy:?}: {plan:?}");
    }
}
