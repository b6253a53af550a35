//! The next occurrence, and a thousand in a row.

use std::hint::black_box;
use std::iter::successors;

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Berlin;
use criterion::Criterion;
use serde_json::json;
use sundial_model::Timestamp;

use crate::cases::{all, compile};

/// The instant after which the next occurrence is sought: a Friday.
pub(crate) const AFTER: &str = "2026-03-06T10:17:23Z";

pub(crate) fn one(criterion: &mut Criterion) {
    let after: Timestamp = AFTER.parse().expect("an instant");
    let time: DateTime<Utc> = after.into();
    let local = time.with_timezone(&Berlin);
    for case in all() {
        let name = case.name;
        let (utc, berlin) = (case.sundial("UTC"), case.sundial("Europe/Berlin"));
        let (cron, croner, saffron) = (case.cron(), case.croner(), case.saffron());
        // What is compared is the same.
        let expected = utc.next_nominal(after).map(DateTime::<Utc>::from);
        assert_eq!(cron.after(&time).next(), expected, "{name}");
        assert_eq!(croner.find_next_occurrence(&time, false).ok(), expected, "{name}");
        assert_eq!(saffron.as_ref().map_or(expected, |it| it.next_after(time)), expected, "{name}");

        let mut group = criterion.benchmark_group(format!("next: {name}"));
        group.bench_function("sundial", |it| it.iter(|| utc.next_nominal(black_box(after))));
        group.bench_function("cron", |it| it.iter(|| cron.after(black_box(&time)).next()));
        group.bench_function("croner", |it| it.iter(|| croner.find_next_occurrence(black_box(&time), false)));
        if let Some(saffron) = &saffron {
            group.bench_function("saffron", |it| it.iter(|| saffron.next_after(black_box(time))));
        }
        group.bench_function("sundial in Berlin", |it| it.iter(|| berlin.next_nominal(black_box(after))));
        group.bench_function("cron in Berlin", |it| it.iter(|| cron.after(black_box(&local)).next()));
        group.bench_function("croner in Berlin", |it| {
            it.iter(|| croner.find_next_occurrence(black_box(&local), false));
        });
        group.finish();
    }
}

/// Times that a shift of the clocks removes each year: the longest search without exclusions.
pub(crate) fn only_in_gaps(criterion: &mut Criterion) {
    let after: Timestamp = AFTER.parse().expect("an instant");
    let schedule = compile(&json!({
        "calendars": [{ "month": 3, "dayOfWeek": 0, "nth": -1, "hour": 2, "minute": 30 }],
        "timezone": "Europe/Berlin", "dst": { "gap": "skip" }
    }));
    criterion.bench_function("next: only in gaps/sundial in Berlin", |it| {
        it.iter(|| schedule.next_nominal(black_box(after)));
    });
}

pub(crate) fn a_thousand(criterion: &mut Criterion) {
    const COUNT: usize = 1000;
    let after: Timestamp = AFTER.parse().expect("an instant");
    let time: DateTime<Utc> = after.into();
    let local = time.with_timezone(&Berlin);
    for case in all().into_iter().take(2) {
        let (utc, berlin) = (case.sundial("UTC"), case.sundial("Europe/Berlin"));
        let (cron, croner, saffron) = (case.cron(), case.croner(), case.saffron());
        let mut group = criterion.benchmark_group(format!("1000 in a row: {}", case.name));
        group.bench_function("sundial", |it| {
            it.iter(|| successors(Some(black_box(after)), |time| utc.next_nominal(*time)).nth(COUNT));
        });
        group.bench_function("cron", |it| it.iter(|| cron.after(black_box(&time)).nth(COUNT - 1)));
        group.bench_function("croner", |it| it.iter(|| croner.iter_after(black_box(time)).nth(COUNT - 1)));
        if let Some(saffron) = &saffron {
            group.bench_function("saffron", |it| {
                it.iter(|| saffron.clone().iter_after(black_box(time)).nth(COUNT - 1));
            });
        }
        group.bench_function("sundial in Berlin", |it| {
            it.iter(|| successors(Some(black_box(after)), |time| berlin.next_nominal(*time)).nth(COUNT));
        });
        group.bench_function("cron in Berlin", |it| it.iter(|| cron.after(black_box(&local)).nth(COUNT - 1)));
        group.bench_function("croner in Berlin", |it| {
            it.iter(|| croner.iter_after(black_box(local)).nth(COUNT - 1));
        });
        group.finish();
    }
}
