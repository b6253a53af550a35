//! Exclusions: exact, however long what they exclude is.

use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::schedule::Schedule;
use sundial_model::{InvalidFields, Timestamp};

use crate::oracle::Oracle;
use crate::specification::{Entry, Field, Item, Specification, following};
use crate::tries;

const DAY: i64 = 86_400;

fn compile(schedule: Value) -> Result<CompiledSchedule, InvalidFields> {
    let schedule: Schedule = InvalidFields::read(schedule)?;
    CompiledSchedule::compile(schedule.specification())
}

fn check(schedule: &Value, after: &str, expected: Option<&str>) {
    let after: Timestamp = after.parse().expect("an instant");
    let next = compile(schedule.clone()).expect("a schedule").next_nominal(after);
    assert_eq!(next.map(|time| time.to_string().replace(".000Z", "Z")).as_deref(), expected, "{schedule}");
}

/// Exclusions that leave open one second of the day.
fn all_but(hour: u32, minute: u32, second: u32) -> Vec<Value> {
    let others = |value: u32, last: u32| {
        let before = (value > 0).then(|| json!({ "start": 0, "end": value - 1 }));
        let after = (value < last).then(|| json!({ "start": value + 1, "end": last }));
        before.into_iter().chain(after).collect::<Vec<_>>()
    };
    vec![
        json!({ "hour": others(hour, 23) }),
        json!({ "minute": others(minute, 59) }),
        json!({ "second": others(second, 59) }),
    ]
}

#[test]
fn one_open_second_a_day_is_found_however_rarely_it_is_met() {
    let schedule =
        |every: &str, exclusions: Vec<Value>| json!({ "intervals": [{ "every": every }], "exclusions": exclusions });
    // 86401 n is at midnight for n = 0, and then for n = 86400, which is after the end of all schedules.
    check(&schedule("86401s", all_but(0, 0, 0)), "2026-01-01T00:00:00Z", None);
    // At 12:34:56 for n = 45296.
    check(&schedule("86401s", all_but(12, 34, 56)), "1970-01-01T00:00:00Z", Some("2094-01-06T12:34:56Z"));
    check(&schedule("86401s", all_but(12, 34, 56)), "2094-01-06T12:34:55Z", Some("2094-01-06T12:34:56Z"));
    check(&schedule("86401s", all_but(12, 34, 56)), "2094-01-06T12:34:56Z", None);
    // Seven seconds meet it on each seventh day.
    check(&schedule("7s", all_but(23, 59, 59)), "2026-01-01T00:00:00Z", Some("2026-01-06T23:59:59Z"));
    check(&schedule("7s", all_but(23, 59, 59)), "2026-01-06T23:59:59Z", Some("2026-01-13T23:59:59Z"));
}

#[test]
fn a_schedule_is_refused_only_if_every_last_second_is_excluded() {
    let seconds = |seconds: std::ops::Range<u32>| seconds.map(|second| json!({ "second": second })).collect::<Vec<_>>();
    for every in ["1s", "7s", "86401s", "1w"] {
        let schedule = |exclusions| json!({ "intervals": [{ "every": every }], "exclusions": exclusions });
        assert!(compile(schedule(seconds(0..60))).is_err(), "{every}");
    }
    let schedule = |exclusions: Vec<Value>| json!({ "intervals": [{ "every": "1s" }], "exclusions": exclusions });
    check(&schedule(seconds(0..59)), "2026-01-01T00:00:00Z", Some("2026-01-01T00:00:59Z"));
    // All years but the last, and there all but its last second.
    let mut all_but_the_last = vec![json!({ "year": { "start": 2000, "end": 2099 } })];
    let last = [
        json!({ "month": { "start": 1, "end": 11 } }),
        json!({ "dayOfMonth": { "start": 1, "end": 30 } }),
        json!({ "hour": { "start": 0, "end": 22 } }),
        json!({ "minute": { "start": 0, "end": 58 } }),
        json!({ "second": { "start": 0, "end": 58 } }),
    ];
    for mut exclusion in last {
        exclusion["year"] = json!(2100);
        all_but_the_last.push(exclusion);
    }
    check(&schedule(all_but_the_last.clone()), "1999-12-31T23:59:59Z", Some("2100-12-31T23:59:59Z"));
    let calendar =
        json!({ "calendars": [{ "hour": "*", "minute": "*", "second": "*" }], "exclusions": all_but_the_last });
    check(&calendar, "2026-05-05T05:05:05Z", Some("2100-12-31T23:59:59Z"));
}

#[test]
fn what_is_excluded_around_a_shift_of_the_clocks_is_told_by_local_time() {
    // Only the repeated hour is open: 25 October 2026, from 02:00 to 03:00 twice.
    let open_hour = |month: u32, day: u32, hour: u32| {
        let before = (hour > 0).then(|| json!({ "start": 0, "end": hour - 1 }));
        let hours: Vec<_> = before.into_iter().chain([json!({ "start": hour + 1, "end": 23 })]).collect();
        json!([
            { "month": { "start": 1, "end": month - 1 } }, { "month": (month + 1..=12).collect::<Vec<_>>() },
            { "dayOfMonth": (1..=31).filter(|other| *other != day).collect::<Vec<_>>() },
            { "hour": hours },
            { "year": (2000..=2100).filter(|year| *year != 2026).collect::<Vec<_>>() }
        ])
    };
    let schedule = |minute: u32, exclusions: Value, dst: Value| {
        json!({
            "calendars": [{ "hour": 2, "minute": minute }], "exclusions": exclusions,
            "timezone": "Europe/Berlin", "dst": dst
        })
    };
    let last = json!({ "gap": "shift", "fold": "last" });
    check(&schedule(30, open_hour(10, 25, 2), last), "2000-01-01T00:00:00Z", Some("2026-10-25T01:30:00Z"));
    let first = json!({ "gap": "shift", "fold": "first" });
    check(&schedule(30, open_hour(10, 25, 2), first.clone()), "2000-01-01T00:00:00Z", Some("2026-10-25T00:30:00Z"));
    // 02:30 is missing on 29 March 2026. What is made up for it happens at 03:30, and is tested as that.
    check(&schedule(30, open_hour(3, 29, 3), first.clone()), "2000-01-01T00:00:00Z", Some("2026-03-29T01:30:00Z"));
    let exclusions = json!([{ "year": { "start": 2000, "end": 2100 } , "hour": 2 }]);
    check(&schedule(30, exclusions, first.clone()), "2026-01-01T00:00:00Z", Some("2026-03-29T01:30:00Z"));
    // Second copies that the policy drops do not occur either when the search is already among the first
    // ones, and has met minute after minute that is excluded by itself.
    let mut one_by_one: Vec<_> = (0..60).filter(|it| *it != 30).map(|minute| json!({ "minute": minute })).collect();
    one_by_one.push(json!({ "second": { "start": 0, "end": 58 } }));
    let mut dense = schedule(30, json!(one_by_one), first.clone());
    dense["calendars"] = json!([{ "hour": 2, "minute": "*", "second": "*" }]);
    check(&dense, "2026-10-25T00:30:58Z", Some("2026-10-25T00:30:59Z"));
    check(&dense, "2026-10-25T00:30:59Z", Some("2026-10-26T01:30:59Z"));
    dense["dst"] = json!({ "gap": "shift", "fold": "both" });
    check(&dense, "2026-10-25T00:30:59Z", Some("2026-10-25T01:30:59Z"));
    // A day without an hour ends when it ends, and so do its hours.
    let day = json!({
        "intervals": [{ "every": "15m" }], "timezone": "Europe/Berlin",
        "exclusions": [{ "month": 3, "dayOfMonth": 29 }, { "hour": { "start": 0, "end": 4 } }]
    });
    check(&day, "2026-03-28T22:45:00Z", Some("2026-03-30T03:00:00Z"));
    let hours = json!({
        "intervals": [{ "every": "15m" }], "timezone": "Europe/Berlin",
        "exclusions": [{ "hour": { "start": 0, "end": 4 } }]
    });
    check(&hours, "2026-03-28T22:45:00Z", Some("2026-03-29T03:00:00Z"));
    check(&hours, "2026-10-24T21:45:00Z", Some("2026-10-25T04:00:00Z"));
    let skip = json!({ "gap": "skip", "fold": "both" });
    let mut refused = schedule(30, open_hour(3, 29, 3), skip);
    refused["startAt"] = json!("2000-01-01T00:00:00Z");
    assert!(compile(refused).is_err());
}

/// Exclusions that together leave little open.
fn wide_exclusions() -> impl Strategy<Value = Vec<Entry>> {
    let wide = |first: u32, last: u32| {
        let ends = (first..=last, first..=last).prop_map(move |(one, other)| {
            let (start, end) = (one.min(other), one.max(other));
            // Mostly the outside of a range.
            let before = (start > first).then(|| Item::Range(first, start - 1, 1));
            let after = (end < last).then(|| Item::Range(end + 1, last, 1));
            Field::Items(before.into_iter().chain(after).chain([Item::Value(first)]).collect())
        });
        prop_oneof![3 => Just(Field::Absent), 2 => ends]
    };
    let fields = (wide(0, 59), wide(0, 59), wide(0, 23), wide(1, 31), wide(1, 12), wide(0, 6), wide(2020, 2026));
    let exclusion = fields.prop_map(|(second, minute, hour, day_of_month, month, day_of_week, year)| Entry {
        second,
        minute,
        hour,
        day_of_month,
        month,
        day_of_week,
        year,
        ..Entry::empty()
    });
    prop::collection::vec(exclusion, 1..7)
}

fn zones() -> impl Strategy<Value = Tz> {
    select(vec![Tz::UTC, Tz::Europe__Berlin, Tz::Australia__Lord_Howe, Tz::Africa__Casablanca, Tz::America__New_York])
}

proptest! {
    #![proptest_config(tries(60))]

    #[test]
    fn long_excluded_stretches_end_where_trying_everything_says(
        every in prop_oneof![3_000_i64..200_000, select(vec![3_600_i64, 5_400, 43_200, 86_400, 86_401, 604_800])],
        exclusions in wide_exclusions(),
        timezone in zones(),
        start in 1_577_836_800_i64..1_700_000_000,
        days in 1_i64..1_200,
    ) {
        let end = start + (days * DAY).min(every * 8_000);
        let specification = Specification {
            intervals: vec![(every, every / 3)],
            entries: Vec::new(),
            exclusions,
            timezone,
            policy: None,
            start: Some(start),
            end: Some(end),
        };
        let oracle = Oracle::new(&specification, start, start);
        let first = start + (every / 3 - start).rem_euclid(every);
        let expected: Vec<_> =
            (first..=end).step_by(every as usize).filter(|second| !oracle.is_excluded(*second)).take(20).collect();
        match specification.compile() {
            Ok(schedule) => prop_assert_eq!(following(&schedule, start - 1, 20), expected),
            Err(_) => prop_assert_eq!(Vec::<i64>::new(), expected),
        }
    }

    #[test]
    fn excluded_calendars_occur_where_trying_everything_says(
        hours in (0_u32..24, 0_u32..24),
        weekday in 0_u32..8,
        exclusions in wide_exclusions(),
        timezone in zones(),
        start in 1_577_836_800_i64..1_700_000_000,
    ) {
        let entry = Entry {
            hour: Field::Items(vec![Item::Value(hours.0), Item::Value(hours.1)]),
            minute: Field::Items(vec![Item::Value(30)]),
            day_of_week: if weekday < 7 { Field::Items(vec![Item::Value(weekday)]) } else { Field::Absent },
            ..Entry::empty()
        };
        let end = start + 150 * DAY;
        let specification = Specification {
            intervals: Vec::new(),
            entries: vec![entry],
            exclusions,
            timezone,
            policy: None,
            start: Some(start),
            end: Some(end),
        };
        let expected = Oracle::new(&specification, start, end).all(start - 1, end, 1_800);
        match specification.compile() {
            Ok(schedule) => prop_assert_eq!(following(&schedule, start - 1, expected.len() + 1), expected),
            Err(_) => prop_assert_eq!(Vec::<i64>::new(), expected),
        }
    }
}
