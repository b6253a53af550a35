//! The next occurrence with exclusions, which no other crate has: an ordinary one, and the worst that
//! are known.

use std::hint::black_box;

use criterion::Criterion;
use serde_json::{Value, json};
use sundial_model::Timestamp;

use crate::cases::compile;
use crate::next::AFTER;

pub(crate) fn next(criterion: &mut Criterion) {
    let after: Timestamp = AFTER.parse().expect("an instant");
    let mut group = criterion.benchmark_group("next with exclusions");
    for (name, mut schedule) in ordinary().into_iter().chain(worst()) {
        for (place, timezone) in [("", "UTC"), (" in Berlin", "Europe/Berlin"), (" in Casablanca", "Africa/Casablanca")]
        {
            schedule["timezone"] = json!(timezone);
            let schedule = compile(&schedule);
            group.bench_function(format!("{name}{place}"), |it| it.iter(|| schedule.next_nominal(black_box(after))));
        }
    }
    group.finish();
}

fn ordinary() -> Vec<(&'static str, Value)> {
    let weekdays = json!([{ "hour": 9, "dayOfWeek": { "start": "MONDAY", "end": "FRIDAY" } }]);
    let holiday = |n: u32| json!({ "year": 2026 + n / 10, "month": n % 10 + 1, "dayOfMonth": n % 28 + 1 });
    let holidays: Vec<_> = (0..500).map(holiday).collect();
    vec![
        ("25 December", json!({ "calendars": weekdays, "exclusions": [{ "month": 12, "dayOfMonth": 25 }] })),
        ("500 holidays", json!({ "calendars": weekdays, "exclusions": holidays })),
        ("all of a year", json!({ "intervals": [{ "every": "1m" }], "exclusions": [{ "year": 2026 }] })),
    ]
}

/// From 2026 on nothing is open, or nearly nothing.
fn worst() -> Vec<(&'static str, Value)> {
    let from_2026 = |mut exclusions: Vec<Value>| {
        for exclusion in &mut exclusions {
            exclusion["year"] = json!({ "start": 2026, "end": 2100 });
        }
        json!(exclusions)
    };
    let intervals = |every: &[u32]| {
        let intervals = every.iter().map(|every| json!({ "every": format!("{every}s") }));
        json!(intervals.collect::<Vec<_>>())
    };
    let all_but_midnight = vec![
        json!({ "hour": { "start": 1, "end": 23 } }),
        json!({ "minute": { "start": 1, "end": 59 } }),
        json!({ "second": { "start": 1, "end": 59 } }),
    ];
    let seconds: Vec<_> = (0..60).map(|second| json!({ "second": second })).collect();
    let halves = vec![json!({ "hour": { "start": 0, "end": 11 } }), json!({ "hour": { "start": 12, "end": 23 } })];
    let (odd, even) = (json!({ "start": 1, "end": 59, "step": 2 }), json!({ "start": 0, "end": 59, "step": 2 }));
    let chequered = vec![json!({ "minute": odd }), json!({ "second": even })];
    let days = (0..500_u32).map(|n| {
        let (day, hour) = (n % 31 + 1, n % 24);
        json!({ "dayOfMonth": day, "hour": [hour, (hour + 7) % 24], "minute": [n % 60, (n * 7) % 60] })
    });
    let many_kinds_of_days = days.chain([json!({ "second": even })]).skip(1).collect();
    let entries: Vec<_> = (0..500_u32).map(|n| json!({ "hour": n % 24, "minute": n % 60, "second": 0 })).collect();
    vec![
        (
            "86401s, midnight open",
            json!({ "intervals": intervals(&[86_401]), "exclusions": from_2026(all_but_midnight) }),
        ),
        ("7s, seconds one by one", json!({ "intervals": intervals(&[7]), "exclusions": from_2026(seconds) })),
        ("86401s, half days", json!({ "intervals": intervals(&[86_401]), "exclusions": from_2026(halves.clone()) })),
        (
            "odd minutes and 122s, chequered",
            json!({
                "calendars": [{ "hour": "*", "minute": odd }], "intervals": intervals(&[122]),
                "exclusions": from_2026(chequered)
            }),
        ),
        (
            "122s, 500 exclusions",
            json!({ "intervals": intervals(&[122]), "exclusions": from_2026(many_kinds_of_days) }),
        ),
        ("500 entries", json!({ "calendars": entries, "exclusions": from_2026(vec![json!({ "second": even })]) })),
        (
            "100 intervals, half days",
            json!({ "intervals": intervals(&(0..100).map(|n| 3_601 + 2 * n).collect::<Vec<_>>()), "exclusions": from_2026(halves) }),
        ),
        (
            "100 intervals, even seconds",
            json!({
                "intervals": intervals(&(0..100).map(|n| 3_600 + 2 * n).collect::<Vec<_>>()),
                "exclusions": from_2026(vec![json!({ "second": even })])
            }),
        ),
        ("5 coprime intervals, a second a day", coprime(5)),
        ("100 coprime intervals, a second a day", coprime(100)),
    ]
}

/// So many intervals of a day and more whose lengths share nothing, and exclusions that leave a second
/// of each day open: the most that a search can have to do.
pub(crate) fn coprime(count: usize) -> Value {
    let is_prime = |number: &u32| {
        (2..).take_while(|factor| factor * factor <= *number).all(|factor| !number.is_multiple_of(factor))
    };
    let primes = (86_401..).filter(is_prime).take(count);
    let intervals: Vec<_> = primes.map(|every| json!({ "every": format!("{every}s"), "offset": "45296s" })).collect();
    let but = |open: u32, last: u32| json!([{ "start": 0, "end": open - 1 }, { "start": open + 1, "end": last }]);
    json!({
        "intervals": intervals, "startAt": "1970-01-01T00:00:00Z",
        "exclusions": [{ "hour": but(12, 23) }, { "minute": but(34, 59) }, { "second": but(56, 59) }]
    })
}
