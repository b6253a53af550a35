//! What is left open around a shift of the clocks is found from years before, when all else is excluded.

use chrono::{DateTime, Datelike};
use proptest::prelude::*;

use crate::generated::{Question, questions};
use crate::oracle::Oracle;
use crate::specification::{Entry, Field, Item, following};
use crate::tries;

const DAY: i64 = 86_400;
const FIRST_EXCLUDED: i64 = 946_857_600; // 2000-01-03

/// Exclusions of all days from 2000 on but those of a month around the one of a second.
fn all_but_days_around(second: i64) -> Vec<Entry> {
    let date = DateTime::from_timestamp(second, 0).expect("an instant");
    let others = |first: u32, last: u32, open: [u32; 3]| {
        let values = (first..=last).filter(|value| !open.contains(value));
        Field::Items(values.map(Item::Value).collect())
    };
    let (year, month, day) = (date.year().unsigned_abs(), date.month(), date.day());
    vec![
        Entry { year: others(2000, 2100, [year; 3]), ..Entry::empty() },
        Entry { month: others(1, 12, [month; 3]), ..Entry::empty() },
        Entry { day_of_month: others(1, 31, [day - u32::from(day > 1), day, day + 1]), ..Entry::empty() },
    ]
}

/// Exclusions of most minutes, one by one, so that little can be skipped at once.
fn minute_by_minute() -> impl Iterator<Item = Entry> {
    let minutes = (0..60).filter(|minute| ![15, 30].contains(minute));
    minutes.map(|minute| Entry { minute: Field::Items(vec![Item::Value(minute)]), ..Entry::empty() })
}

proptest! {
    #![proptest_config(tries(150))]

    #[test]
    fn few_open_days_are_found_from_years_before_and_from_between_them(
        question in questions(0),
        after in prop_oneof![(0_i64..20 * 365).prop_map(|days| -4 - days), -2_i64..2],
        second in 0..DAY,
        has_more_exclusions: bool,
    ) {
        let Question { mut specification, until: shift, grain, .. } = question;
        if grain == 1 {
            return Ok(());
        }
        specification.exclusions.extend(all_but_days_around(shift));
        if has_more_exclusions {
            specification.exclusions.extend(minute_by_minute());
        }
        (specification.start, specification.end) = (Some(FIRST_EXCLUDED), None);
        let (from, to) = (shift - 4 * DAY, shift + 4 * DAY);
        let after = (shift + after * DAY + second).max(FIRST_EXCLUDED);
        let expected = Oracle::new(&specification, from, to).all(after.max(from), to, grain);
        match specification.compile() {
            Ok(schedule) => {
                prop_assert_eq!(following(&schedule, after, expected.len() + 1), expected);
            }
            Err(_) => prop_assert_eq!(Vec::<i64>::new(), expected),
        }
    }
}
