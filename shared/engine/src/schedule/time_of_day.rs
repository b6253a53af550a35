//! Which times of a day match, as hours, minutes and seconds that are combined with one another.

use super::fields::{ALL_HOURS, ALL_MINUTES, Fields};

/// The times of a calendar entry or an exclusion.
#[derive(Clone, Debug)]
pub(super) struct TimesOfDay {
    pub(super) hours: u64,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
}

impl TimesOfDay {
    pub(super) fn new(fields: &Fields) -> Self {
        Self { hours: fields.hours, minutes: fields.minutes, seconds: fields.seconds }
    }

    /// Whether they are all there are.
    pub(super) fn are_all(&self) -> bool {
        self.hours == ALL_HOURS && self.minutes == ALL_MINUTES && self.seconds == ALL_MINUTES
    }

    /// Whether a second of the day is one of them.
    pub(super) fn contain(&self, second: i64) -> bool {
        let (hour, minute, second) = clock(second);
        self.hours >> hour & self.minutes >> minute & self.seconds >> second & 1 == 1
    }

    /// The first of them from a second of the day on.
    pub(super) fn first_from(&self, second: i64) -> Option<i64> {
        let (hour, minute, second) = clock(second);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = first_bit_from(self.seconds, second)
            {
                return Some(second_of(hour, minute, second));
            }
            if let Some(minute) = first_bit_from(self.minutes, minute + 1) {
                return Some(second_of(hour, minute, self.seconds.trailing_zeros()));
            }
        }
        let hour = first_bit_from(self.hours, hour + 1)?;
        Some(second_of(hour, self.minutes.trailing_zeros(), self.seconds.trailing_zeros()))
    }

    /// The first second, from one of them on, that is not: found in whole hours or minutes where these
    /// all match, and otherwise a second that may be one again.
    pub(super) fn end_of_run(&self, second: i64) -> i64 {
        let (hour, minute, second) = clock(second);
        let second = second + (self.seconds >> second).trailing_ones();
        if second < 60 || self.seconds != ALL_MINUTES {
            return second_of(hour, minute, second);
        }
        let minute = minute + (self.minutes >> minute).trailing_ones();
        if minute < 60 || self.minutes != ALL_MINUTES {
            return second_of(hour, minute, 0);
        }
        second_of(hour + (self.hours >> hour).trailing_ones(), 0, 0)
    }
}

/// Hour, minute and second of a second of the day.
fn clock(second: i64) -> (u32, u32, u32) {
    // Far below 2^32; in 32 bits the divisions are cheap.
    let second = second as u32;
    (second / 3600, second / 60 % 60, second % 60)
}

fn second_of(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}

fn first_bit_from(mask: u64, bit: u32) -> Option<u32> {
    let bits = mask >> bit;
    (bits != 0).then(|| bit + bits.trailing_zeros())
}
