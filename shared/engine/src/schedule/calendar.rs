//! A calendar entry as bit masks, and the search for its next match in local time.

use sundial_model::schedule::{Calendar, CalendarUnit, DayOfMonth, Matches, Year};

use super::civil::{DAY_SECONDS, date_of, day_of, day_of_week, month_length};

const FIRST_YEAR: i32 = 1970;
const LAST_YEAR: i32 = 2101;

/// Which values match, a bit for each; all fields must match.
#[derive(Clone, Debug)]
pub(super) struct CompiledCalendar {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days_of_month: u64,
    /// Bit n: the n-th day before the month's last.
    pub(super) days_from_end: u64,
    pub(super) months: u64,
    pub(super) days_of_week: u64,
    pub(super) nth: Option<i8>,
    /// Bit n: the year 1970 + n; all bits when every year matches.
    pub(super) years: YearMask,
}

/// A bit for each year from 1970 on.
pub(super) type YearMask = [u64; 3];
pub(super) const ALL_YEARS: YearMask = [u64::MAX; 3];
pub(super) const ALL_HOURS: u64 = (1 << 24) - 1;
pub(super) const ALL_MINUTES: u64 = (1 << 60) - 1;

impl CompiledCalendar {
    /// An entry: absent second, minute and hour are 0.
    pub(super) fn entry(calendar: &Calendar) -> Self {
        Self::compile(calendar, 1)
    }

    /// An exclusion: absent fields match everything.
    pub(super) fn exclusion(calendar: &Calendar) -> Self {
        Self::compile(calendar, u64::MAX)
    }

    fn compile(calendar: &Calendar, absent_time: u64) -> Self {
        Self {
            seconds: calendar.second.as_ref().map_or(absent_time, mask) & ALL_MINUTES,
            minutes: calendar.minute.as_ref().map_or(absent_time, mask) & ALL_MINUTES,
            hours: calendar.hour.as_ref().map_or(absent_time, mask) & ALL_HOURS,
            days_of_month: calendar.day_of_month.as_ref().map_or(u64::MAX, mask),
            days_from_end: calendar.day_of_month.as_ref().map_or(0, mask_from_end),
            months: calendar.month.as_ref().map_or(u64::MAX, mask),
            days_of_week: calendar.day_of_week.as_ref().map_or(u64::MAX, mask_of_days_of_week),
            nth: calendar.nth.map(sundial_model::schedule::Nth::get),
            years: calendar.year.as_ref().map_or(ALL_YEARS, mask_of_years),
        }
    }

    /// Whether the entry is due at every hour of its days.
    pub(super) fn has_every_hour(&self) -> bool {
        self.hours == ALL_HOURS
    }

    /// Whether anything of this local day matches.
    pub(super) fn matches_day(&self, day: i64) -> bool {
        let (year, month, day_of_month) = date_of(day);
        self.matches_year(year)
            && has_bit(self.months, i64::from(month))
            && has_bit(self.days_in_month(year, month), i64::from(day_of_month))
    }

    /// The first local second from `from` on that matches, if it is at most `last`.
    pub(super) fn first_from(&self, from: i64, last: i64) -> Option<i64> {
        let (day, second) = (from.div_euclid(DAY_SECONDS), from.rem_euclid(DAY_SECONDS));
        let day_found = self.first_day_from(day)?;
        if day_found == day
            && let Some(second) = self.first_second_from(second)
        {
            return Some(day * DAY_SECONDS + second).filter(|local| *local <= last);
        }
        let day_found = if day_found == day { self.first_day_from(day + 1)? } else { day_found };
        let second = self.first_second_from(0)?;
        Some(day_found * DAY_SECONDS + second).filter(|local| *local <= last)
    }

    /// The first matching second of a day from `second` on.
    fn first_second_from(&self, second: i64) -> Option<i64> {
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        if has_bit(self.hours, hour) {
            if has_bit(self.minutes, minute)
                && let Some(second) = first_bit_from(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = first_bit_from(self.minutes, minute + 1) {
                return Some(hour * 3600 + minute * 60 + first_bit_from(self.seconds, 0)?);
            }
        }
        let hour = first_bit_from(self.hours, hour + 1)?;
        Some(hour * 3600 + first_bit_from(self.minutes, 0)? * 60 + first_bit_from(self.seconds, 0)?)
    }

    /// The first matching day from `day` on.
    fn first_day_from(&self, day: i64) -> Option<i64> {
        let (mut year, mut month, mut day_of_month) = date_of(day.max(0));
        while year <= LAST_YEAR {
            if self.matches_year(year) {
                while let Some(found) = first_bit_from(self.months & 0x1ffe, i64::from(month)) {
                    let found = u32::try_from(found).unwrap_or(month);
                    if found != month {
                        (month, day_of_month) = (found, 1);
                    }
                    if let Some(day) = first_bit_from(self.days_in_month(year, month), i64::from(day_of_month)) {
                        return Some(day_of(year, month, 1) + day - 1);
                    }
                    (month, day_of_month) = (month + 1, 1);
                }
            }
            (year, month, day_of_month) = (year + 1, 1, 1);
        }
        None
    }

    fn matches_year(&self, year: i32) -> bool {
        let bit = usize::try_from(year - FIRST_YEAR).unwrap_or(usize::MAX);
        self.years.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The matching days of a month: bit 1 is its first day.
    fn days_in_month(&self, year: i32, month: u32) -> u64 {
        let length = month_length(year, month);
        let first_weekday = day_of_week(day_of(year, month, 1));
        let mut days = 0;
        for day in 1..=length {
            let by_number =
                has_bit(self.days_of_month, i64::from(day)) || has_bit(self.days_from_end, i64::from(length - day));
            let weekday = (first_weekday + day - 1) % 7;
            if by_number && has_bit(self.days_of_week, i64::from(weekday)) && self.matches_nth(day, length) {
                days |= 1 << day;
            }
        }
        days
    }

    fn matches_nth(&self, day: u32, month_length: u32) -> bool {
        let count = |days_before: u32| i8::try_from(days_before / 7 + 1).unwrap_or(i8::MAX);
        match self.nth {
            None => true,
            Some(nth) if nth > 0 => count(day - 1) == nth,
            Some(nth) => count(month_length - day) == -nth,
        }
    }
}

fn has_bit(mask: u64, bit: i64) -> bool {
    mask >> bit & 1 == 1
}

fn first_bit_from(mask: u64, bit: i64) -> Option<i64> {
    let bits = if bit < 64 { mask & (u64::MAX << bit) } else { 0 };
    (bits != 0).then(|| i64::from(bits.trailing_zeros()))
}

fn members<U: CalendarUnit>(matches: &Matches<U>) -> impl Iterator<Item = u32> {
    let ranges = match matches {
        Matches::All => vec![sundial_model::schedule::Range { start: U::MIN, end: U::MAX, step: 1 }],
        Matches::Some { ranges, .. } => ranges.clone(),
    };
    ranges.into_iter().flat_map(|range| (range.start..=range.end).step_by(range.step as usize))
}

fn mask<U: CalendarUnit>(matches: &Matches<U>) -> u64 {
    members(matches).fold(0, |mask, member| mask | 1 << member)
}

/// Day 7 is Sunday once more.
fn mask_of_days_of_week(matches: &Matches<sundial_model::schedule::DayOfWeek>) -> u64 {
    members(matches).fold(0, |mask, member| mask | 1 << (member % 7))
}

fn mask_from_end(matches: &Matches<DayOfMonth>) -> u64 {
    match matches {
        Matches::All => 0,
        Matches::Some { from_end, .. } => from_end.iter().fold(0, |mask, days| mask | 1 << days),
    }
}

fn mask_of_years(matches: &Matches<Year>) -> YearMask {
    match matches {
        Matches::All => ALL_YEARS,
        Matches::Some { .. } => year_mask(members(matches)),
    }
}

/// The mask of some years.
pub(super) fn year_mask(years: impl Iterator<Item = u32>) -> YearMask {
    let mut mask = [0; 3];
    for year in years {
        let bit = (year as usize).saturating_sub(FIRST_YEAR as usize);
        if let Some(word) = mask.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }
    mask
}
