//! Dates as numbers: days since the Unix epoch, and the year, month and day they fall on
//! (proleptic Gregorian calendar).

use chrono::{Datelike, NaiveDate};

pub(super) const DAY_SECONDS: i64 = 86_400;

/// Days since the epoch of a date that exists.
pub(super) fn day_of(year: i32, month: u32, day: u32) -> i64 {
    NaiveDate::from_ymd_opt(year, month, day).map_or(0, |date| i64::from(date.to_epoch_days()))
}

/// Year, month and day of a day since the epoch.
pub(super) fn date_of(day: i64) -> (i32, u32, u32) {
    let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).unwrap_or_default();
    (date.year(), date.month(), date.day())
}

/// How many days a month has.
pub(super) fn month_length(year: i32, month: u32) -> u32 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// 0 is Sunday.
pub(super) fn day_of_week(day: i64) -> u32 {
    // The epoch was a Thursday.
    u32::try_from((day + 4).rem_euclid(7)).unwrap_or(0)
}
