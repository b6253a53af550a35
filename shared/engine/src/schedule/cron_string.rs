//! Cron strings: read by the `cron` crate, evaluated by us.

use std::ops::Bound;
use std::str::FromStr;

use cron::TimeUnitSpec;

use super::fields::{ALL_YEARS, Fields, year_mask};

/// Reads a cron string: seconds first, six fields, and a year as an optional seventh.
pub(super) fn read(text: &str) -> Result<Fields, String> {
    if text.len() > 1000 {
        return Err("must be at most 1000 bytes".to_owned());
    }
    if text.split_ascii_whitespace().count() == 5 {
        return Err(format!("has five fields, but the first of six is the second; write \"0 {text}\""));
    }
    let schedule = cron::Schedule::from_str(text).map_err(|error| format!("is not a cron string: {error}"))?;
    Ok(Fields {
        seconds: mask(schedule.seconds(), 0),
        minutes: mask(schedule.minutes(), 0),
        hours: mask(schedule.hours(), 0),
        days_of_month: mask(schedule.days_of_month(), 0),
        days_from_end: 0,
        months: mask(schedule.months(), 0),
        // That crate counts the days of the week from 1, Sunday.
        days_of_week: mask(schedule.days_of_week(), 1),
        nth: None,
        years: if schedule.years().is_all() { ALL_YEARS } else { year_mask(members(schedule.years())) },
    })
}

fn members(unit: &impl TimeUnitSpec) -> impl Iterator<Item = u32> {
    unit.range((Bound::<u32>::Unbounded, Bound::Unbounded))
}

fn mask(unit: &impl TimeUnitSpec, first: u32) -> u64 {
    members(unit).fold(0, |mask, member| mask | 1 << (member - first))
}
