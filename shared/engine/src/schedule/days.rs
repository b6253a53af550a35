//! Which days match: all that an entry says but the time of day.

use super::civil::{Date, MonthShape, YEAR_TYPES, YearMask, shape_of, years_of};
use super::fields::{ALL_YEARS, Fields};

/// The days of a calendar entry or an exclusion.
///
/// The days of a month are bits 1 to 31 of a word. Days that are counted from the end are kept
/// mirrored, the last day in the highest bit, so that one shift brings them to their places.
#[derive(Clone, Debug)]
pub(super) struct Days {
    years: YearMask,
    of_month: u64,
    from_end: u64,
    /// Those that are the n-th of their weekday, whichever that is.
    nth: u64,
    nth_from_end: u64,
    /// The week six times over, from a Sunday in bit 0.
    weeks: u64,
    months: u64,
}

const WEEK: u64 = 0x7f;
const SIX_WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28 | 1 << 35;

impl Days {
    pub(super) fn new(fields: &Fields) -> Self {
        let window = |nth: u32| WEEK << (7 * (nth - 1));
        let (nth, nth_from_end) = match fields.nth {
            None => (u64::MAX, 0),
            Some(nth) if nth > 0 => (window(nth.unsigned_abs().into()) << 1, 0),
            Some(nth) => (0, window(nth.unsigned_abs().into()).reverse_bits()),
        };
        Self {
            years: fields.years,
            of_month: fields.days_of_month,
            from_end: fields.days_from_end.reverse_bits(),
            nth,
            nth_from_end,
            weeks: (fields.days_of_week & WEEK) * SIX_WEEKS,
            months: fields.months,
        }
    }

    /// Whether the date is one of them.
    pub(super) fn contain(&self, date: &Date) -> bool {
        self.has_month(date.month) && self.in_month(date.shape) >> date.day & 1 == 1 && self.has_year(date.year)
    }

    /// Whether they have days in a year, counted from `FIRST_YEAR`, as far as the years are concerned.
    pub(super) fn has_year(&self, year: usize) -> bool {
        self.years.get(year / 64).is_some_and(|word| word >> (year % 64) & 1 == 1)
    }

    /// Whether they have days in a month, as far as the months are concerned.
    pub(super) fn has_month(&self, month: u32) -> bool {
        self.months >> month & 1 == 1
    }

    /// Whether nothing but the weekday decides, and some weekday does.
    pub(super) fn are_weekly(&self) -> bool {
        let has_all = |mask, all| mask & all == all;
        let all_days = all_days(31);
        self.weeks != 0
            && self.have_every_year()
            && has_all(self.months, (2 << 12) - 2)
            && has_all(self.of_month, all_days)
            && has_all(self.nth, all_days)
    }

    /// Those of six weeks from some weekday on, bit 0 the first; 0 is Sunday.
    pub(super) fn in_weeks_from(&self, weekday: u32) -> u64 {
        self.weeks >> weekday
    }

    /// Whether they do not differ between years of the same type.
    pub(super) fn have_every_year(&self) -> bool {
        self.years == ALL_YEARS
    }

    /// The last year in which they have any.
    pub(super) fn last_year(&self) -> Option<usize> {
        let last = |(at, word): (usize, &u64)| at * 64 + 63 - word.leading_zeros() as usize;
        self.years.iter().enumerate().filter(|(_, word)| **word != 0).map(last).next_back()
    }

    /// Their years.
    pub(super) fn years(&self) -> &YearMask {
        &self.years
    }

    /// Those of a month of this shape, bit 1 its first day.
    pub(super) fn in_month(&self, shape: MonthShape) -> u64 {
        let to_place = 63 - shape.length;
        let by_number = self.of_month | self.from_end >> to_place;
        let by_nth = self.nth | self.nth_from_end >> to_place;
        let by_week = self.weeks >> shape.first_weekday << 1;
        by_number & by_nth & by_week & all_days(shape.length)
    }

    /// For each type of year the months that have any of them, bit 1 for January.
    pub(super) fn months_by_year_type(&self) -> [u16; YEAR_TYPES] {
        // A bit for each weekday that the month may begin with, for each length.
        let mut begins = [0_u8; 4];
        for (length, begins) in (28..).zip(&mut begins) {
            for first_weekday in 0..7 {
                let days = self.in_month(MonthShape { first_weekday, length });
                *begins |= u8::from(days != 0) << first_weekday;
            }
        }
        let mut result = [0; YEAR_TYPES];
        for (year_type, months) in result.iter_mut().enumerate() {
            for month in 1..=12 {
                let shape = shape_of(year_type, month);
                let has_days = begins[shape.length as usize - 28] >> shape.first_weekday & 1 == 1;
                *months |= u16::from(has_days && self.has_month(month)) << month;
            }
        }
        result
    }

    /// Leaves out the years in which no month has any.
    pub(super) fn drop_empty_years(&mut self, months_by_year_type: &[u16; YEAR_TYPES]) {
        let mut occupied = [0; 3];
        for (year_type, _) in months_by_year_type.iter().enumerate().filter(|(_, months)| **months != 0) {
            for (word, years) in occupied.iter_mut().zip(years_of(year_type)) {
                *word |= years;
            }
        }
        for (word, occupied) in self.years.iter_mut().zip(occupied) {
            *word &= occupied;
        }
    }
}

/// All days of a month.
pub(super) fn all_days(length: u32) -> u64 {
    (2 << length) - 2
}
