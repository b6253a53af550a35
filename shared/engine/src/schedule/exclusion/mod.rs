//! Exclusions: what they match is dropped.
//!
//! Where one of them covers whole hours or days, these are skipped at once, which is all that
//! ordinary schedules need. Where what is left open is rare, or nowhere, `search` takes over.

mod day_class;
mod interval_hits;
mod pieces;
mod plan;
mod search;

pub(super) use search::first_open;

use super::civil::{DAY_SECONDS, date_of};
use super::days::Days;
use super::fields::Fields;
use super::time_of_day::TimesOfDay;

/// A calendar whose matches are dropped.
#[derive(Clone, Debug)]
pub(super) struct Exclusion {
    days: Days,
    times: TimesOfDay,
}

impl Exclusion {
    pub(super) fn new(fields: &Fields) -> Self {
        Self { days: Days::new(fields), times: TimesOfDay::new(fields) }
    }
}

/// When a local second is excluded: the first one after it that the same exclusion does not cover,
/// or that at least might not be covered.
pub(super) fn excluded_until(exclusions: &[Exclusion], local: i64) -> Option<i64> {
    let (day, second) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS));
    let date = date_of(day);
    let of_second = exclusions.iter().filter(|it| it.times.contain(second) && it.days.contain(&date));
    of_second.map(|it| day * DAY_SECONDS + it.times.end_of_run(second)).max()
}
