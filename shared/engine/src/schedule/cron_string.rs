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
        return Err(format!("has five fields, but the first of six is the second; {}", advice(text)));
    }
    let schedule = cron::Schedule::from_str(text).map_err(|error| {
        // It is told in several lines, with a caret below.
        let lines = error.to_string();
        let message = lines.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "^");
        format!("is not a cron string: {}", message.collect::<Vec<_>>().join(" "))
    })?;
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

/// What to write instead of a string of crontab, which counts the days of the week from 0, Sunday, and
/// lets one of the two day fields match.
fn advice(text: &str) -> String {
    const NAMES: [&str; 8] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let fields: Vec<_> = text.split_ascii_whitespace().collect();
    let day_of_week = fields.last().copied().unwrap_or_default();
    let mut named = String::new();
    let mut before = None;
    for character in day_of_week.chars() {
        let day = character.to_digit(10).filter(|_| before != Some('/'));
        match day.and_then(|day| NAMES.get(day as usize)) {
            Some(name) => named += name,
            None => named.push(character),
        }
        before = Some(character);
    }
    let write = format!("write \"0 {} {named}\"", fields[..fields.len() - 1].join(" "));
    let is_any = |field: &str| matches!(field, "*" | "?");
    if is_any(day_of_week) || fields.get(2).is_none_or(|field| is_any(field)) {
        return write;
    }
    write + "; mind that both day fields must match here, and one of them in crontab"
}

fn members(unit: &impl TimeUnitSpec) -> impl Iterator<Item = u32> {
    unit.range((Bound::<u32>::Unbounded, Bound::Unbounded))
}

fn mask(unit: &impl TimeUnitSpec, first: u32) -> u64 {
    members(unit).fold(0, |mask, member| mask | 1 << (member - first))
}
