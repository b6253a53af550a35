//! The vectors, and what they do not say.

use serde_json::{Value, json};
use sundial_model::schedule::Schedule;
use sundial_model::{InvalidFields, JobUuid, Timestamp};

use super::CompiledSchedule;

fn compile(schedule: Value) -> Result<CompiledSchedule, InvalidFields> {
    let schedule: Schedule = InvalidFields::read(schedule)?;
    CompiledSchedule::compile(schedule.specification())
}

/// The next up to `count` nominal times after `after`.
fn next(schedule: &CompiledSchedule, after: &str, count: usize) -> Vec<String> {
    let after: Timestamp = after.parse().expect("an instant");
    let following = |time: &Timestamp| schedule.next_nominal(*time);
    let times = std::iter::successors(schedule.next_nominal(after), following);
    times.take(count).map(|time| time.to_string().replace(".000Z", "Z")).collect()
}

/// The same by the search that otherwise only long excluded stretches lead to.
fn next_by_days(schedule: &CompiledSchedule, after: &str, count: usize) -> Vec<String> {
    let after: Timestamp = after.parse().expect("an instant");
    let following = |time: &Timestamp| {
        let second = super::exclusion::first_open(schedule, time.seconds() + 1, schedule.bounds.1);
        second.map(Timestamp::from_seconds)
    };
    let times = std::iter::successors(following(&after), following);
    times.take(count).map(|time| time.to_string().replace(".000Z", "Z")).collect()
}

fn check_vectors(text: &str, prepare: impl Fn(&Value) -> Value) {
    let vectors: Vec<Value> = serde_json::from_str(text).expect("vectors");
    assert!(!vectors.is_empty());
    for vector in &vectors {
        let after = vector["after"].as_str().expect("an instant");
        let expected: Vec<_> = vector["expected"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match compile(prepare(vector)) {
            Ok(schedule) => {
                assert_eq!(next(&schedule, after, 5), expected, "{}", vector["name"]);
                assert_eq!(next_by_days(&schedule, after, 5), expected, "{} by days", vector["name"]);
            }
            Err(errors) => assert!(vector["expected"].is_null(), "{}: {errors:?}", vector["name"]),
        }
    }
}

#[test]
fn the_vectors_with_literal_matching_hold() {
    check_vectors(include_str!("../../vectors/schedules.json"), |vector| {
        let mut schedule = vector["schedule"].clone();
        if let Some(timezone) = vector.get("timezone").filter(|timezone| !timezone.is_null()) {
            schedule["timezone"] = timezone.clone();
            schedule["dst"] = json!({ "gap": "skip", "fold": "both" });
        }
        schedule
    });
}

#[test]
fn the_vectors_of_daylight_saving_hold() {
    check_vectors(include_str!("../../vectors/dst.json"), |vector| vector["schedule"].clone());
}

#[test]
fn what_can_never_fire_is_refused() {
    for (pointer, never) in [
        ("", json!({})),
        ("/calendars/0", json!({ "calendars": [{ "month": "FEBRUARY", "dayOfMonth": 31 }] })),
        ("/cron/0", json!({ "cron": ["0 0 0 30 2 *"] })),
        (
            "/calendars/0",
            json!({ "calendars": [{ "dayOfMonth": 7, "month": "MAY", "dayOfWeek": "MONDAY", "nth": 5 }] }),
        ),
        ("/exclusions", json!({ "calendars": [{}], "exclusions": [{ "hour": 0 }] })),
        ("/exclusions", json!({ "intervals": [{ "every": "1s" }], "exclusions": [{}] })),
        (
            "/exclusions",
            json!({ "intervals": [{ "every": "1s" }], "exclusions": [
            { "second": { "start": 0, "end": 29 } }, { "second": { "start": 30, "end": 59 } }
        ] }),
        ),
        (
            "/exclusions",
            json!({ "intervals": [{ "every": "1s" }], "exclusions": [
            { "hour": { "start": 0, "end": 11 } }, { "hour": { "start": 12, "end": 23 } }
        ] }),
        ),
        (
            "/exclusions",
            json!({ "calendars": [{ "second": "*", "minute": "*", "hour": "*" }], "exclusions": [
            { "second": { "start": 0, "end": 59, "step": 2 } }, { "second": { "start": 1, "end": 59, "step": 2 } }
        ] }),
        ),
        (
            "/exclusions",
            json!({ "intervals": [{ "every": "2s" }], "exclusions": [{ "second": { "start": 0, "end": 59, "step": 2 } }] }),
        ),
        (
            "/exclusions",
            json!({ "intervals": [{ "every": "86401s" }], "startAt": "1970-01-02T00:00:00Z", "exclusions": [
            { "hour": { "start": 1, "end": 23 } }, { "minute": { "start": 1, "end": 59 } },
            { "second": { "start": 1, "end": 59 } }
        ] }),
        ),
        ("/calendars/0", json!({ "calendars": [{ "dayOfMonth": "L-30", "month": "FEBRUARY" }] })),
        ("/startAt", json!({ "calendars": [{ "year": 2030 }], "startAt": "2031-01-01T00:00:00Z" })),
    ] {
        let errors = compile(never.clone()).expect_err("never");
        assert_eq!(errors.0[0].pointer, pointer, "{never}");
    }
    let past =
        [json!({ "calendars": [{ "year": 2001 }] }), json!({ "calendars": [{}], "endAt": "1960-01-01T00:00:00Z" })];
    for past in past {
        let schedule = compile(past.clone()).unwrap_or_else(|errors| panic!("{past} is no never: {errors:?}"));
        assert_eq!(next(&schedule, "2026-01-01T00:00:00Z", 1), [""; 0]);
    }
    assert!(compile(json!({ "calendars": [{ "hour": 9 }], "startAt": "1960-01-01T00:00:00Z" })).is_ok());
    let february = json!([{ "month": "FEBRUARY", "dayOfMonth": 30 }]);
    assert!(compile(json!({ "calendars": february, "endAt": "1960-01-01T00:00:00Z" })).is_err());
}

#[test]
fn what_cannot_be_read_is_named() {
    let errors = compile(json!({ "timezone": "Mars/Olympus", "cron": ["0 0 9 * * Mon-Fri", "0 9 * * *", "x"] }))
        .expect_err("three faults");
    let pointers: Vec<_> = errors.0.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/timezone", "/cron/1", "/cron/2"]);
    assert!(errors.0[1].message.contains("\"0 0 9 * * *\""), "{}", errors.0[1].message);
    assert!(!errors.0[2].message.contains('\n'), "{}", errors.0[2].message);
    for (crontab, advice) in [
        ("0 9 * * 1", "write \"0 0 9 * * Mon\""),
        ("*/5 9-17 * * 1-5", "write \"0 */5 9-17 * * Mon-Fri\""),
        ("0 9 * * 0,7", "write \"0 0 9 * * Sun\""),
        ("0 9 * * 5-7", "write \"0 0 9 * * Sun,Fri,Sat\""),
        ("0 9 * * 0-7", "write \"0 0 9 * * *\""),
        ("0 9 * * */2", "write \"0 0 9 * * Sun,Tue,Thu,Sat\""),
        ("0 9 * * mon-fri", "write \"0 0 9 * * mon-fri\""),
        ("0 9 13 * 5", "write \"0 0 9 13 * Fri\"; mind"),
    ] {
        let errors = compile(json!({ "cron": [crontab] })).expect_err("five fields");
        assert!(errors.0[0].message.contains(advice), "{crontab}: {}", errors.0[0].message);
        let written = advice.split('"').nth(1).expect("what to write");
        assert!(compile(json!({ "cron": [written] })).is_ok(), "{written}");
    }
}

#[test]
fn cron_strings_and_extensions_mean_what_they_say() {
    let schedule = compile(json!({ "cron": ["0 30 9 * * Mon-Fri"] })).expect("a schedule");
    assert_eq!(next(&schedule, "2026-03-06T09:30:00Z", 2), ["2026-03-09T09:30:00Z", "2026-03-10T09:30:00Z"]);
    let schedule = compile(json!({ "calendars": [{ "dayOfMonth": ["L", "L-1"] }] })).expect("a schedule");
    assert_eq!(next(&schedule, "2028-02-01T00:00:00Z", 2), ["2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z"]);
    let schedule = compile(json!({ "calendars": [{ "dayOfWeek": "FRIDAY", "nth": -1 }] })).expect("a schedule");
    assert_eq!(next(&schedule, "2026-05-01T00:00:00Z", 2), ["2026-05-29T00:00:00Z", "2026-06-26T00:00:00Z"]);
}

#[test]
fn exclusions_drop_whole_days() {
    let schedule = compile(json!({
        "intervals": [{ "every": "1s" }], "timezone": "Europe/Berlin",
        "exclusions": [{ "month": "DECEMBER", "dayOfMonth": 25 }]
    }))
    .expect("a schedule");
    assert_eq!(next(&schedule, "2026-12-24T22:59:58Z", 2), ["2026-12-24T22:59:59Z", "2026-12-25T23:00:00Z"]);
}

#[test]
fn local_times_of_the_year_before_the_epoch_occur() {
    let schedule =
        compile(json!({ "calendars": [{ "hour": 20 }], "timezone": "America/Los_Angeles" })).expect("a schedule");
    assert_eq!(next(&schedule, "1970-01-01T00:00:00Z", 2), ["1970-01-01T04:00:00Z", "1970-01-02T04:00:00Z"]);
    let schedule = compile(json!({ "calendars": [{ "hour": 1 }], "timezone": "Asia/Tokyo" })).expect("a schedule");
    assert_eq!(next(&schedule, "2100-12-30T16:00:00Z", 2), ["2100-12-31T16:00:00Z"]);
}

#[test]
fn jitter_is_stable_bounded_and_keeps_the_order() {
    let schedule = compile(json!({ "intervals": [{ "every": "10s" }], "jitter": "1h" })).expect("a schedule");
    let job = JobUuid::new();
    let mut after = Timestamp::from_seconds(1_000);
    let mut previous = after;
    for _ in 0..100 {
        let occurrence = schedule.next_occurrence(job, after).expect("an occurrence");
        assert_eq!(schedule.next_occurrence(job, after), Some(occurrence));
        assert!(
            occurrence.effective >= occurrence.nominal && occurrence.effective.since(occurrence.nominal).as_secs() < 10
        );
        assert!(occurrence.effective > previous);
        (after, previous) = (occurrence.nominal, occurrence.effective);
    }
}
