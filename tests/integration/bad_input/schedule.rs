//! Schedules of jobs.

use serde_json::{Value, json};

use super::{Bad, job, with};

fn schedule(value: Value) -> Value {
    with("schedule", value)
}

pub(super) fn kinds() -> Vec<Bad> {
    vec![
        job("an empty schedule", &schedule(json!({})), &["/schedule"]),
        job(
            "31 February",
            &schedule(json!({ "calendars": [{ "month": "FEBRUARY", "dayOfMonth": 31 }] })),
            &["/schedule/calendars/0"],
        ),
        job(
            "a short interval",
            &schedule(json!({ "intervals": [{ "every": "0.5s" }] })),
            &["/schedule/intervals/0/every"],
        ),
        job(
            "an offset beyond its interval",
            &schedule(json!({ "intervals": [{ "every": "1m", "offset": "2m" }] })),
            &["/schedule/intervals/0/offset"],
        ),
        job(
            "an hour of no day",
            &schedule(json!({ "calendars": [{}, { "hour": 24 }] })),
            &["/schedule/calendars/1/hour"],
        ),
        job(
            "a range that runs backwards",
            &schedule(json!({ "calendars": [{ "minute": { "start": 9, "end": 5 } }] })),
            &["/schedule/calendars/0/minute/end"],
        ),
        job("a cron string of five fields", &schedule(json!({ "cron": ["0 9 * * *"] })), &["/schedule/cron/0"]),
        job("no cron string", &schedule(json!({ "cron": ["every day"] })), &["/schedule/cron/0"]),
        job(
            "a time zone of Mars",
            &schedule(json!({ "calendars": [{}], "timezone": "Mars/Olympus" })),
            &["/schedule/timezone"],
        ),
        job(
            "an end before the start",
            &schedule(json!({ "calendars": [{}], "startAt": "2027-01-02T00:00:00Z", "endAt": "2027-01-01T00:00:00Z" })),
            &["/schedule/startAt"],
        ),
        job(
            "a schedule that no item holds",
            &schedule(json!({ "calendars": vec![json!({ "comment": "x".repeat(200), "hour": [1, 2, 3] }); 500] })),
            &[""],
        ),
    ]
}
