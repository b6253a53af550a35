//! What a calendar entry or a cron string says, as a bit mask for each of its fields.

use sundial_model::schedule::{Calendar, CalendarUnit, DayOfMonth, DayOfWeek, Matches, Nth, Range, Year};

use super::civil::{FIRST_YEAR, YearMask};

pub(super) const ALL_YEARS: YearMask = [u64::MAX; 3];
pub(super) const ALL_HOURS: u64 = (1 << 24) - 1;
pub(super) const ALL_MINUTES: u64 = (1 << 60) - 1;

/// Which values match, a bit for each; all fields must match.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days_of_month: u64,
    /// Bit n: the n-th day before the month's last.
    pub(super) days_from_end: u64,
    pub(super) months: u64,
    pub(super) days_of_week: u64,
    pub(super) nth: Option<i8>,
    pub(super) years: YearMask,
}

impl Fields {
    /// An entry: absent second, minute and hour are 0.
    pub(super) fn of_entry(calendar: &Calendar) -> Self {
        Self::read(calendar, 1)
    }

    /// An exclusion: absent fields match everything.
    pub(super) fn of_exclusion(calendar: &Calendar) -> Self {
        Self::read(calendar, u64::MAX)
    }

    fn read(calendar: &Calendar, absent_time: u64) -> Self {
        Self {
            seconds: calendar.second.as_ref().map_or(absent_time, mask) & ALL_MINUTES,
            minutes: calendar.minute.as_ref().map_or(absent_time, mask) & ALL_MINUTES,
            hours: calendar.hour.as_ref().map_or(absent_time, mask) & ALL_HOURS,
            days_of_month: calendar.day_of_month.as_ref().map_or(u64::MAX, mask),
            days_from_end: calendar.day_of_month.as_ref().map_or(0, mask_from_end),
            months: calendar.month.as_ref().map_or(u64::MAX, mask),
            days_of_week: calendar.day_of_week.as_ref().map_or(u64::MAX, mask_of_days_of_week),
            nth: calendar.nth.map(Nth::get),
            years: calendar.year.as_ref().map_or(ALL_YEARS, mask_of_years),
        }
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

fn members(ranges: &[Range]) -> impl Iterator<Item = u32> {
    ranges.iter().flat_map(|range| (range.start..=range.end).step_by(range.step as usize))
}

fn mask<U: CalendarUnit>(matches: &Matches<U>) -> u64 {
    match matches {
        Matches::All => u64::MAX,
        Matches::Some { ranges, .. } => members(ranges).fold(0, |mask, member| mask | 1 << member),
    }
}

/// Day 7 is Sunday once more.
fn mask_of_days_of_week(matches: &Matches<DayOfWeek>) -> u64 {
    let mask = mask(matches);
    mask | mask >> 7 & 1
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
        Matches::Some { ranges, .. } => year_mask(members(ranges)),
    }
}
