//! Generated schedules, and instants at which to ask them.

use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::select;

use crate::specification::{Entry, Field, Fold, Item, Policy, Specification};

/// Seconds around which local time is peculiar, with the time zone.
const SHIFTS: [(Tz, i64); 15] = [
    (Tz::Europe__Berlin, 1_774_746_000),
    (Tz::Europe__Berlin, 1_792_890_000),
    (Tz::America__New_York, 1_710_054_000),
    (Tz::America__New_York, 1_730_613_600),
    // Half an hour.
    (Tz::Australia__Lord_Howe, 1_712_415_600),
    (Tz::Australia__Lord_Howe, 1_728_142_200),
    // Without 30 December.
    (Tz::Pacific__Apia, 1_325_239_200),
    // Around Ramadan.
    (Tz::Africa__Casablanca, 1_740_276_000),
    (Tz::Africa__Casablanca, 1_743_904_800),
    // At midnight, forward and back.
    (Tz::America__Sao_Paulo, 1_541_300_400),
    (Tz::America__Sao_Paulo, 1_518_919_200),
    (Tz::America__Havana, 1_741_496_400),
    (Tz::Asia__Beirut, 1_711_749_600),
    (Tz::UTC, 1_709_164_800),
    (Tz::Asia__Kathmandu, 1_800_000_000),
];

/// What to ask: a schedule whose occurrences are multiples of `grain` seconds, and from when to when.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) specification: Specification,
    pub(crate) after: i64,
    pub(crate) until: i64,
    pub(crate) grain: i64,
}

/// Questions about so many multiples of their grain, among which there is a shift of the clocks.
pub(crate) fn questions(steps: i64) -> impl Strategy<Value = Question> {
    let grains = select(vec![1, 60, 900]);
    (select(SHIFTS.to_vec()), grains).prop_flat_map(move |((timezone, shift), grain)| {
        let year = 1970 + u32::try_from(shift / 31_556_952).expect("a year");
        let around = 0..=steps * grain;
        (specifications(timezone, grain, year), around, bounds(shift)).prop_map(
            move |(specification, before, (start, end))| {
                let after = shift - before;
                let specification = Specification { start, end, ..specification };
                Question { specification, after, until: after + steps * grain, grain }
            },
        )
    })
}

fn bounds(around: i64) -> impl Strategy<Value = (Option<i64>, Option<i64>)> {
    prop_oneof![
        4 => Just((None, None)),
        1 => (-9_000_i64..9_000).prop_map(move |start| (Some(around + start), None)),
        1 => (0_i64..90_000).prop_map(move |end| (None, Some(around + end))),
    ]
}

pub(crate) fn specifications(timezone: Tz, grain: i64, year: u32) -> impl Strategy<Value = Specification> {
    let lists = (
        prop::collection::vec(intervals(grain), 0..3),
        prop::collection::vec(entries(grain, year, true), 1..4),
        prop::collection::vec(entries(1, year, false), 0..4),
    );
    (lists, policies()).prop_map(move |((intervals, entries, exclusions), policy)| Specification {
        intervals,
        entries,
        exclusions,
        timezone,
        policy,
        start: None,
        end: None,
    })
}

fn policies() -> impl Strategy<Value = Option<Policy>> {
    let folds = select(vec![Fold::First, Fold::Last, Fold::Both]);
    prop::option::weighted(0.7, (any::<bool>(), folds).prop_map(|(makes_up, fold)| Policy { makes_up, fold }))
}

fn intervals(grain: i64) -> impl Strategy<Value = (i64, i64)> {
    let every = prop_oneof![1_i64..100, 100_i64..3_000].prop_map(move |count| count * grain);
    (every, any::<prop::sample::Index>())
        .prop_map(move |(every, offset)| (every, offset.index((every / grain) as usize) as i64 * grain))
}

/// Entries whose times are multiples of a grain, and, where they are exclusions, any times.
fn entries(grain: i64, year: u32, may_be_cron: bool) -> impl Strategy<Value = Entry> {
    let minute = if grain == 900 { 15 } else { 1 };
    // Exclusions are mostly of whole minutes and hours, and often of days.
    let (star_second, star_minute, star_hour) = if may_be_cron { (2, 2, 1) } else { (12, 6, 3) };
    let second = if grain == 1 { field(0, 60, 1, star_second).boxed() } else { Just(Field::Absent).boxed() };
    let times = (second, field(0, 60 / minute, minute, star_minute), field(0, 24, 1, star_hour));
    let days = (field(1, 31, 1, 5), field(1, 12, 1, 5), field(0, 7, 1, 5), field(year - 1, 3, 1, 8));
    let extensions = (
        prop::option::weighted(0.2, prop_oneof![1_i8..=5, -5_i8..=-1]),
        prop::option::weighted(0.15, select(vec![0_u32, 0, 1, 3, 30])),
        any::<bool>(),
        prop::bool::weighted(if may_be_cron { 0.3 } else { 0.0 }),
    );
    (times, days, extensions).prop_map(|((second, minute, hour), days, (nth, from_end, ends_on_sunday, is_cron))| {
        let (mut day_of_month, month, mut day_of_week, year) = days;
        if let (Some(days), false) = (from_end, is_cron) {
            day_of_month = match day_of_month {
                Field::Items(items) => Field::Items([items, vec![Item::FromEnd(days)]].concat()),
                _ => Field::Items(vec![Item::FromEnd(days)]),
            };
        }
        if let Field::Items(items) = &mut day_of_week
            && ends_on_sunday
            && !is_cron
        {
            for item in items {
                if let Item::Range(start, end, _) = item
                    && *start > 0
                {
                    *end = 7;
                }
            }
        }
        let nth = nth.filter(|_| !is_cron && !matches!(day_of_week, Field::Absent));
        Entry { second, minute, hour, day_of_month, month, day_of_week, year, nth, is_cron }
    })
}

/// A field of `count` values from `first` on, by `unit`; the greater `star`, the more often all match.
fn field(first: u32, count: u32, unit: u32, star: u32) -> impl Strategy<Value = Field> {
    let value = move |number: u32| first + number * unit;
    let one = (0..count).prop_map(move |number| Item::Value(value(number)));
    let range = (0..count, 0..count, 1..count.min(6))
        .prop_map(move |(one, other, step)| Item::Range(value(one.min(other)), value(one.max(other)), step * unit));
    let items = prop::collection::vec(prop_oneof![one, range], 1..3).prop_map(Field::Items);
    let all = if unit == 1 { Field::Star } else { Field::Items(vec![Item::Range(first, value(count - 1), unit)]) };
    prop_oneof![star => Just(Field::Absent), star => Just(all), 4 => items]
}
