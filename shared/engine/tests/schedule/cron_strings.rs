//! Cron strings mean what the iterator of the `cron` crate gives.

use std::str::FromStr;

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::InvalidFields;
use sundial_model::schedule::Schedule;

use crate::specification::following;
use crate::tries;

const COUNT: usize = 12;

fn check(text: &str, after: i64) -> Result<(), TestCaseError> {
    let Ok(theirs) = cron::Schedule::from_str(text) else { return Ok(()) };
    let time = DateTime::from_timestamp(after, 0).expect("an instant");
    let expected: Vec<_> = theirs.after(&time).take(COUNT).map(|time| time.timestamp()).collect();
    let ours: Schedule = InvalidFields::read(json!({ "cron": [text] })).expect("a schedule");
    match CompiledSchedule::compile(ours.specification()) {
        Ok(ours) => prop_assert_eq!(following(&ours, after, COUNT), expected, "{}", text),
        Err(errors) => prop_assert!(expected.is_empty(), "{}: {:?}", text, errors),
    }
    Ok(())
}

/// A field whose values are from `first` to `last`.
fn field(first: u32, last: u32, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = first..=last;
    let pair = (value.clone(), value.clone()).prop_map(|(one, other)| (one.min(other), one.max(other)));
    let named =
        if names.is_empty() { Just("*".to_owned()).boxed() } else { select(names).prop_map(str::to_owned).boxed() };
    let item = prop_oneof![
        3 => value.clone().prop_map(|value| value.to_string()),
        1 => pair.clone().prop_map(|(start, end)| format!("{start}-{end}")),
        1 => (pair, 1..9_u32).prop_map(|((start, end), step)| format!("{start}-{end}/{step}")),
        1 => (value, 1..9_u32).prop_map(|(start, step)| format!("{start}/{step}")),
        1 => (1..20_u32).prop_map(|step| format!("*/{step}")),
        1 => named,
    ];
    prop_oneof![2 => Just("*".to_owned()), 3 => prop::collection::vec(item, 1..4).prop_map(|items| items.join(","))]
}

fn strings() -> impl Strategy<Value = String> {
    let days = field(1, 7, &["Mon", "SUN", "Thu-Sat", "Monday", "sat"]);
    let months = field(1, 12, &["Jan", "FEB", "Mar-May", "December"]);
    let years = prop_oneof![3 => Just(String::new()), 1 => field(1970, 2100, &[])];
    (field(0, 59, &[]), field(0, 59, &[]), field(0, 23, &[]), field(1, 31, &["?"]), months, days, years).prop_map(
        |(second, minute, hour, day, month, weekday, year)| {
            format!("{second} {minute} {hour} {day} {month} {weekday} {year}").trim_end().to_owned()
        },
    )
}

proptest! {
    #![proptest_config(tries(400))]

    #[test]
    fn cron_strings_mean_what_the_cron_crate_says(text in strings(), after in 0_i64..4_133_000_000) {
        check(&text, after)?;
    }
}

#[test]
fn shorthands_and_month_ends_mean_what_the_cron_crate_says() {
    let texts =
        ["@yearly", "@monthly", "@weekly", "@daily", "@hourly", "0 0 0 31 * ?", "0 0 0 29 2 Mon", "59 59 23 31 12 ? *"];
    for text in texts {
        for after in [0, 68_169_600, 951_782_399, 1_709_164_799, 4_107_542_399, 4_133_980_798] {
            check(text, after).expect("the same occurrences");
        }
    }
}
