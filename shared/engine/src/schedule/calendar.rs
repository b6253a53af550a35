//! A calendar entry, ready to be searched: its next match in local time.

use super::civil::{DAY_SECONDS, Date, YEAR_TYPES, date_of, first_day_of, shape_of, type_of_year, weekday_of};
use super::days::Days;
use super::fields::{ALL_HOURS, Fields};
use super::time_of_day::TimesOfDay;

const ALL_MONTHS: u16 = (2 << 12) - 2;

/// A calendar entry or cron string.
///
/// Years and months in which no day can match are known in advance, so that a search looks at one
/// month where it begins, and at one more, which has the match.
#[derive(Clone, Debug)]
pub(super) struct CompiledCalendar {
    /// Its years are only those with a match.
    days: Days,
    times: TimesOfDay,
    /// The first of `times`.
    first_time: u32,
    /// For each type of year the months with a match.
    months: [u16; YEAR_TYPES],
    /// Whether it matches on the same weekdays of all weeks: then no dates are needed.
    is_weekly: bool,
    /// The first local second after its last year.
    end: i64,
}

impl CompiledCalendar {
    pub(super) fn new(fields: &Fields) -> Self {
        let (mut days, times) = (Days::new(fields), TimesOfDay::new(fields));
        let is_weekly = days.are_weekly();
        let months = if is_weekly { [ALL_MONTHS; YEAR_TYPES] } else { days.months_by_year_type() };
        days.drop_empty_years(&months);
        let first_time = times.first_from(0).and_then(|second| u32::try_from(second).ok()).unwrap_or(0);
        let end = days.last_year().map_or(0, |year| first_day_of(year + 1, 1)) * DAY_SECONDS;
        Self { days, times, first_time, months, is_weekly, end }
    }

    /// Whether the entry is due at every hour of its days.
    pub(super) fn has_every_hour(&self) -> bool {
        self.times.hours == ALL_HOURS
    }

    /// A local second from which on it matches nothing any more.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The days on which it matches.
    pub(super) fn days(&self) -> &Days {
        &self.days
    }

    /// The times at which it matches on each of its days.
    pub(super) fn times(&self) -> &TimesOfDay {
        &self.times
    }

    /// The first local second from `from` on that matches.
    pub(super) fn first_from(&self, from: i64) -> Option<i64> {
        if from >= self.end {
            return None;
        }
        let (day, second) = (from.div_euclid(DAY_SECONDS), from.rem_euclid(DAY_SECONDS));
        if self.is_weekly {
            return self.first_of_days(self.days.in_weeks_from(weekday_of(day)), day, second);
        }
        let date = date_of(day);
        if self.days.has_month(date.month) && self.days.has_year(date.year) {
            let found = self.first_of_days(self.days.in_month(date.shape) >> date.day, day, second);
            if found.is_some() {
                return found;
            }
        }
        let day = self.first_day_after_month(&date)?;
        Some(day * DAY_SECONDS + i64::from(self.first_time))
    }

    /// The first match from a second of a day on, on one of some days of which bit 0 is that day.
    fn first_of_days(&self, days: u64, day: i64, second: i64) -> Option<i64> {
        if days & 1 == 1
            && let Some(second) = self.times.first_from(second)
        {
            return Some(day * DAY_SECONDS + second);
        }
        let days = days & !1;
        (days != 0).then(|| (day + i64::from(days.trailing_zeros())) * DAY_SECONDS + i64::from(self.first_time))
    }

    fn first_day_after_month(&self, date: &Date) -> Option<i64> {
        let months_left = if self.days.has_year(date.year) {
            self.months[type_of_year(date.year)] & (u16::MAX << 1 << date.month)
        } else {
            0
        };
        let (year, months) = if months_left == 0 {
            let year = self.first_year_after(date.year)?;
            (year, self.months[type_of_year(year)])
        } else {
            (date.year, months_left)
        };
        let month = months.trailing_zeros();
        let days = self.days.in_month(shape_of(type_of_year(year), month));
        Some(first_day_of(year, month) + i64::from(days.trailing_zeros()) - 1)
    }

    fn first_year_after(&self, year: usize) -> Option<usize> {
        let from = year + 1;
        let (index, bit) = (from / 64, from % 64);
        let words = self.days.years().iter().enumerate().skip(index);
        let mut words = words.map(|(at, word)| (at, if at == index { word & (u64::MAX << bit) } else { *word }));
        words.find(|(_, word)| *word != 0).map(|(at, word)| at * 64 + word.trailing_zeros() as usize)
    }
}
