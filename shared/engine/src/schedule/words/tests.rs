//! Sentences, beside what they are about.

use serde_json::{Value, json};
use sundial_model::InvalidFields;
use sundial_model::schedule::Schedule;

use super::super::CompiledSchedule;

fn check(schedule: Value, expected: &str) {
    let schedule: Schedule = InvalidFields::read(schedule).expect("a schedule");
    let compiled = CompiledSchedule::compile(schedule.specification()).expect("a schedule");
    assert_eq!(compiled.in_words(schedule.specification()), expected);
}

#[test]
fn schedules_are_told_in_words() {
    check(
        json!({
            "calendars": [{ "hour": 9, "dayOfWeek": { "start": "MONDAY", "end": "FRIDAY" } }],
            "timezone": "Europe/Berlin", "exclusions": [{ "month": "DECEMBER", "dayOfMonth": 25 }]
        }),
        "at 09:00 on Monday to Friday, Europe/Berlin, except 25 December",
    );
    check(json!({ "intervals": [{ "every": "1h", "offset": "5m" }] }), "every 1h and 5m past");
    check(
        json!({ "intervals": [{ "every": "1w" }], "jitter": "30s" }),
        "every 7d, counted from Thursday, 1 January 1970, 00:00 UTC, so on Thursdays, each up to 30s later",
    );
    check(json!({ "cron": ["0 */15 9-17 * * *"] }), "at minutes 0, 15, 30 and 45 of hours 9 to 17, UTC");
    check(json!({ "calendars": [{ "minute": "*", "hour": "*" }] }), "every minute of every hour, UTC");
    check(
        json!({ "calendars": [{ "dayOfMonth": ["L", 1], "month": ["MAY", "JUNE"], "year": 2030 }, { "hour": [6, 18] }] }),
        "at 00:00 on day 1 and the last day of the month in May and June in 2030; and at 06:00, 18:00, UTC",
    );
    check(
        json!({ "calendars": [{ "dayOfWeek": "FRIDAY", "nth": -1, "hour": 17, "minute": 30, "second": 15 }] }),
        "at 17:30:15 on the last Friday of the month, UTC",
    );
    check(
        json!({ "calendars": [{}], "exclusions": [{ "dayOfWeek": ["SATURDAY", "SUNDAY"] }], "startAt": "2026-01-01T00:00:00Z" }),
        "at 00:00, UTC, except on Saturday and Sunday, from 2026-01-01T00:00:00.000Z",
    );
    check(
        json!({ "calendars": [{}], "exclusions": [{ "dayOfMonth": [25, "L"], "month": "DECEMBER" }, { "second": 30 }] }),
        "at 00:00, UTC, except on day 25 and the last day of the month in December and except at second 30 of every minute of every hour",
    );
    check(json!({ "cron": ["30 * 9 * * *"] }), "at second 30 of every minute of hour 9, UTC");
    check(
        json!({ "intervals": [{ "every": "12h" }], "calendars": [{ "hour": 9 }], "timezone": "Europe/Berlin" }),
        "every 12h (UTC); and at 09:00, Europe/Berlin",
    );
    check(
        json!({ "intervals": [{ "every": "1w", "offset": "1d" }] }),
        "every 7d and 1d past, counted from Thursday, 1 January 1970, 00:00 UTC, so on Fridays",
    );
    check(
        json!({ "calendars": [{ "dayOfWeek": ["MONDAY", "TUESDAY"], "nth": 1, "dayOfMonth": { "start": 1, "end": 3 } }] }),
        "at 00:00 on the first Monday and the first Tuesday of the month when that is days 1 to 3 of the month, UTC",
    );
    check(
        json!({ "calendars": [{ "hour": 2 }], "timezone": "Europe/Berlin", "dst": { "gap": "skip", "fold": "both" } }),
        "at 02:00, Europe/Berlin, not when local time leaves it out and both times when it repeats itself",
    );
}
