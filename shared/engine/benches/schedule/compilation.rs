//! Compilation, and how soon a schedule that never fires is refused.

use std::hint::black_box;
use std::str::FromStr;

use criterion::Criterion;
use serde_json::{Value, json};
use sundial_engine::schedule::CompiledSchedule;

use crate::cases::{all, croner_parser, read};
use crate::exclusions::coprime;

pub(crate) fn compile(criterion: &mut Criterion) {
    for case in all() {
        let (calendar, string) = (read(&case.schedule), read(&json!({ "cron": [case.cron] })));
        let cron = case.cron;
        let mut group = criterion.benchmark_group(format!("compile: {}", case.name));
        group.bench_function("sundial", |it| {
            it.iter(|| CompiledSchedule::compile(black_box(calendar.specification())));
        });
        group.bench_function("sundial, cron string", |it| {
            it.iter(|| CompiledSchedule::compile(black_box(string.specification())));
        });
        group.bench_function("cron", |it| it.iter(|| cron::Schedule::from_str(black_box(cron))));
        let parser = croner_parser();
        group.bench_function("croner", |it| it.iter(|| parser.parse(black_box(cron))));
        if let Some(cron) = case.without_seconds() {
            group.bench_function("saffron", |it| it.iter(|| saffron::Cron::from_str(black_box(cron))));
        }
        group.finish();
    }
}

pub(crate) fn refuse(criterion: &mut Criterion) {
    let halves = json!([{ "hour": { "start": 0, "end": 11 } }, { "hour": { "start": 12, "end": 23 } }]);
    let seconds: Vec<_> = (0..60).map(|second| json!({ "second": second })).collect();
    let date = |n: u32| json!({ "year": 2000 + n % 101, "month": n % 12 + 1, "dayOfMonth": n % 28 + 1 });
    let dates: Vec<_> = (0..498).map(date).chain(halves.as_array().into_iter().flatten().cloned()).collect();
    let excluded = |every: &str, exclusions: &Value| json!({ "intervals": [{ "every": every }], "exclusions": exclusions, "timezone": "Africa/Casablanca" });
    let mut never_open = coprime(100);
    never_open["startAt"] = json!("1970-01-02T00:00:00Z");
    let cases = [
        ("100 coprime intervals, a second a day", never_open),
        ("31 February", json!({ "calendars": [{ "month": 2, "dayOfMonth": 31 }] })),
        ("1s, half days", excluded("1s", &halves)),
        ("86401s, half days", excluded("86401s", &halves)),
        ("7s, seconds one by one", excluded("7s", &json!(seconds))),
        ("1s, half days and 498 dates", excluded("1s", &json!(dates))),
    ];
    let mut group = criterion.benchmark_group("refuse");
    for (name, schedule) in cases {
        let schedule = read(&schedule);
        assert!(CompiledSchedule::compile(schedule.specification()).is_err(), "{name}");
        group.bench_function(name, |it| {
            it.iter(|| CompiledSchedule::compile(black_box(schedule.specification())).is_err());
        });
    }
    group.finish();
}
