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
        // It is told in several lines: what was read, a caret below, and what is wrong with it.
        let lines = error.to_string();
        let is_quote = |line: &&str| line.is_empty() || *line == "^" || text.contains(*line);
        let message = lines.lines().map(str::trim).filter(|line| !is_quote(line));
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
    let fields: Vec<_> = text.split_ascii_whitespace().collect();
    let day_of_week = fields.last().copied().unwrap_or_default();
    let named = days_of_crontab(day_of_week).map_or_else(|| day_of_week.to_owned(), |days| names_of(&days));
    let write = format!("write \"0 {} {named}\"", fields[..fields.len() - 1].join(" "));
    let is_any = |field: &str| field.starts_with(['*', '?']);
    if is_any(day_of_week) || fields.get(2).is_none_or(|field| is_any(field)) {
        return write;
    }
    write + "; mind that both day fields must match here, and one of them in crontab"
}

/// The days of the week of a numeric field of crontab, from Sunday on; `None` when it is something else.
fn days_of_crontab(field: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
            None if part.contains('/') => (range.parse().ok()?, 6),
            None => (range.parse().ok()?, range.parse().ok()?),
        };
        let step = step.parse().ok().filter(|step| *step > 0)?;
        if last > 7 || first > last {
            return None;
        }
        (first..=last).step_by(step).for_each(|day: usize| days[day % 7] = true);
    }
    Some(days)
}

fn names_of(days: &[bool; 7]) -> String {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    if days.iter().all(|day| *day) {
        return "*".to_owned();
    }
    let set: Vec<_> = (0..7).filter(|day| days[*day]).collect();
    let runs = set.chunk_by(|one, other| one + 1 == *other).map(|run| match run {
        [first, _, .., last] => format!("{}-{}", NAMES[*first], NAMES[*last]),
        few => few.iter().map(|day| NAMES[*day]).collect::<Vec<_>>().join(","),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn members(unit: &impl TimeUnitSpec) -> impl Iterator<Item = u32> {
    unit.range((Bound::<u32>::Unbounded, Bound::Unbounded))
}

fn mask(unit: &impl TimeUnitSpec, first: u32) -> u64 {
    members(unit).fold(0, |mask, member| mask | 1 << (member - first))
}
