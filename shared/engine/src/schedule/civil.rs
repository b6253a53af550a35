//! Dates as numbers: days since the Unix epoch, and the year, month and day they fall on
//! (proleptic Gregorian calendar).
//!
//! Years come in fourteen types, by their length and the weekday they begin on, and months in 28
//! shapes. What is found out about one year or month holds for all of its kind.

use chrono::{Datelike, NaiveDate};

pub(super) const DAY_SECONDS: i64 = 86_400;

/// Where local time is behind UTC, the epoch is still in 1969.
pub(super) const FIRST_YEAR: i32 = 1969;
/// Where local time is ahead of UTC, the last second is already in 2101.
const LAST_YEAR: i32 = 2101;
pub(super) const YEARS: usize = (LAST_YEAR - FIRST_YEAR + 1) as usize;
pub(super) const YEAR_TYPES: usize = 14;

/// A bit for each year from `FIRST_YEAR` on.
pub(super) type YearMask = [u64; 3];

/// A date, and its month.
#[derive(Clone, Copy, Debug)]
pub(super) struct Date {
    /// Counted from `FIRST_YEAR`.
    pub(super) year: usize,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) shape: MonthShape,
}

/// All that decides which days of a month match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MonthShape {
    /// The weekday of its first day; 0 is Sunday.
    pub(super) first_weekday: u32,
    pub(super) length: u32,
}

#[derive(Clone, Copy)]
struct Year {
    first_day: i32,
    kind: u8,
}

static YEAR_TABLE: [Year; YEARS] = year_table();

/// For each type, the years of that type.
static YEARS_OF_TYPE: [YearMask; YEAR_TYPES] = years_of_type();

/// Days of a common year before each month.
const DAYS_BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// The date of a day since the epoch.
pub(super) fn date_of(day: i64) -> Date {
    let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).unwrap_or_default();
    let (year, month, day_of_month) = (date.year(), date.month(), date.day());
    let first_weekday = weekday_of(day + 1 - i64::from(day_of_month));
    let shape = MonthShape { first_weekday, length: month_length(is_leap(year), month) };
    Date { year: usize::try_from(year - FIRST_YEAR).unwrap_or(YEARS), month, day: day_of_month, shape }
}

/// The weekday of a day since the epoch; 0 is Sunday.
pub(super) fn weekday_of(day: i64) -> u32 {
    // The epoch was a Thursday.
    (day + 4).rem_euclid(7) as u32
}

/// The type of a year that is counted from `FIRST_YEAR`.
pub(super) fn type_of_year(year: usize) -> usize {
    YEAR_TABLE.get(year).map_or(0, |year| usize::from(year.kind))
}

/// All years of a type.
pub(super) fn years_of(year_type: usize) -> YearMask {
    YEARS_OF_TYPE[year_type]
}

/// The first day of a month, in days since the epoch.
pub(super) fn first_day_of(year: usize, month: u32) -> i64 {
    // There is no need of the years after the last.
    let Some(Year { first_day, kind }) = YEAR_TABLE.get(year) else { return i64::from(i32::MAX) };
    i64::from(*first_day) + i64::from(days_before(usize::from(*kind) >= 7, month))
}

/// What a month is like in years of a type.
pub(super) fn shape_of(year_type: usize, month: u32) -> MonthShape {
    let is_leap = year_type >= 7;
    let first_weekday = (year_type as u32 % 7 + days_before(is_leap, month)) % 7;
    MonthShape { first_weekday, length: month_length(is_leap, month) }
}

fn days_before(is_leap: bool, month: u32) -> u32 {
    DAYS_BEFORE[(month as usize - 1) % 12] + u32::from(is_leap && month > 2)
}

fn month_length(is_leap: bool, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap),
        // The long months are odd up to July and even from August on.
        _ => 30 | (month ^ (month >> 3)),
    }
}

const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn year_table() -> [Year; YEARS] {
    let mut table = [Year { first_day: 0, kind: 0 }; YEARS];
    // 1969 was a common year, and began on a Wednesday.
    let (mut index, mut first_day, mut weekday) = (0, -365, 3);
    while index < YEARS {
        let is_leap = is_leap(FIRST_YEAR + index as i32);
        table[index] = Year { first_day, kind: weekday + 7 * is_leap as u8 };
        first_day += 365 + is_leap as i32;
        weekday = (weekday + 1 + is_leap as u8) % 7;
        index += 1;
    }
    table
}

const fn years_of_type() -> [YearMask; YEAR_TYPES] {
    let (table, mut years, mut index) = (year_table(), [[0; 3]; YEAR_TYPES], 0);
    while index < YEARS {
        years[table[index].kind as usize][index / 64] |= 1 << (index % 64);
        index += 1;
    }
    years
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_agree_with_the_calendar() {
        let mut day = -365;
        for year in 0..YEARS {
            for month in 1..=12 {
                let shape = shape_of(type_of_year(year), month);
                assert_eq!(first_day_of(year, month), day, "{year} {month}");
                for day_of_month in 1..=shape.length {
                    let date = date_of(day);
                    assert_eq!((date.year, date.month, date.day), (year, month, day_of_month));
                    assert_eq!((date.shape.first_weekday, date.shape.length), (shape.first_weekday, shape.length));
                    day += 1;
                }
            }
        }
    }
}
