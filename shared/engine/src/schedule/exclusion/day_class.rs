//! Days that the same exclusions match: which of their seconds are left open.

use std::ops::Range;

use crate::schedule::civil::DAY_SECONDS;
use crate::schedule::fields::ALL_MINUTES;
use crate::schedule::time_of_day::TimesOfDay;

const MINUTES: usize = 1440;

/// The open seconds of a day, a word for each minute.
pub(super) struct DayClass {
    open: Vec<u64>,
}

/// Seconds of a day.
pub(super) type Window = Range<i64>;

pub(super) const WHOLE_DAY: Window = 0..DAY_SECONDS;

impl DayClass {
    /// What these exclusions together leave open.
    pub(super) fn new<'a>(excluded: impl Iterator<Item = &'a TimesOfDay>) -> Self {
        let mut open = vec![ALL_MINUTES; MINUTES];
        for times in excluded {
            for minute in minutes_of(times, &WHOLE_DAY) {
                open[minute] &= !times.seconds;
            }
        }
        Self { open }
    }

    /// Whether a second of the day is open.
    pub(super) fn is_open(&self, second: i64) -> bool {
        let second = second as usize;
        self.open[second / 60] >> (second % 60) & 1 == 1
    }

    /// Whether any second is.
    pub(super) fn has_open(&self, window: &Window) -> bool {
        self.first_open(window).is_some()
    }

    /// The first open second.
    fn first_open(&self, window: &Window) -> Option<i64> {
        self.first_of(minutes_in(window), ALL_MINUTES, window)
    }

    /// The first open second that is one of these times.
    pub(super) fn first_open_of(&self, times: &TimesOfDay, window: &Window) -> Option<i64> {
        self.first_of(minutes_of(times, window), times.seconds, window)
    }

    /// The first open second that is one of these times, these being put forward by `shift`.
    pub(super) fn first_open_of_shifted(&self, times: &TimesOfDay, shift: i64, window: &Window) -> Option<i64> {
        let asked = (window.start - shift).max(0)..(window.end - shift).min(DAY_SECONDS);
        if shift % 60 == 0 {
            let minutes = minutes_of(times, &asked).filter_map(|minute| minute.checked_add_signed(shift as isize / 60));
            return self.first_of(minutes.filter(|minute| *minute < MINUTES), times.seconds, window);
        }
        // Monrovia, 1972.
        asked
            .map(|second| (second, second + shift))
            .find_map(|(asked, second)| (times.contain(asked) && self.is_open(second)).then_some(second))
    }

    /// The first open second that is `first` or any number of times `every` later.
    pub(super) fn first_open_of_every(&self, first: i64, every: i64, window: &Window) -> Option<i64> {
        if first < every && 60 % every == 0 {
            // The same seconds of each minute.
            let seconds = (first..60).step_by(every as usize).fold(0, |seconds, second| seconds | 1 << second);
            return self.first_of(minutes_in(window), seconds, window);
        }
        let mut second = first;
        if second < window.start {
            second += (window.start - second + every - 1) / every * every;
        }
        while second < window.end {
            if self.is_open(second) {
                return Some(second);
            }
            second += every;
        }
        None
    }

    fn first_of(&self, minutes: impl Iterator<Item = usize>, seconds: u64, window: &Window) -> Option<i64> {
        for minute in minutes {
            let start = minute as i64 * 60;
            let mut open = self.open[minute] & seconds;
            if open == 0 || start + 60 <= window.start || start >= window.end {
                continue;
            }
            if start < window.start {
                open &= u64::MAX << (window.start - start);
            }
            if open != 0 {
                let second = start + i64::from(open.trailing_zeros());
                return Some(second).filter(|second| *second < window.end);
            }
        }
        None
    }
}

fn minutes_in(window: &Window) -> Range<usize> {
    window.start as usize / 60..(window.end as usize).div_ceil(60)
}

/// The minutes of the day in which the times are, in order, of the hours that a window touches.
fn minutes_of(times: &TimesOfDay, window: &Window) -> impl Iterator<Item = usize> {
    let (first, end) = ((window.start / 3600) as usize, (window.end as usize).div_ceil(3600));
    let hours = bits(times.hours).filter(move |hour| (first..end).contains(hour));
    hours.flat_map(|hour| bits(times.minutes).map(move |minute| hour * 60 + minute))
}

/// The bits that are set, from the lowest on.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        bit
    })
}
