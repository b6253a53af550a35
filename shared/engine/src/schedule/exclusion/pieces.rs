//! Pieces of days: the first occurrence within some seconds of one local day.
//!
//! Days are in pieces where a search begins or ends, and where the clocks are shifted.

use sundial_model::schedule::Fold;

use super::day_class::{DayClass, Window};
use crate::schedule::civil::{DAY_SECONDS, Date, date_of};
use crate::schedule::interval::CompiledInterval;
use crate::schedule::zone::Entry;

/// What is special about a stretch of time near a shift of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// The clocks were put forward by so much just before, and what was missed is made up for.
    pub(super) gap: i64,
    /// Its local times are copies, which entries of this policy drop.
    pub(super) dropped_by: Option<Fold>,
}

/// Some seconds of a local day.
pub(super) struct Piece<'a> {
    day: i64,
    window: Window,
    /// Local time minus UTC.
    offset: i64,
    /// Local times that are copies are dropped by entries of this policy.
    dropped_by: Option<Fold>,
    class: &'a DayClass,
    date: Date,
    /// The days that its seconds were missing from by the clocks before the shift, if there was one
    /// forward, and by how much local times of those days are put forward.
    missing: Vec<(Date, i64)>,
}

impl<'a> Piece<'a> {
    pub(super) fn new(day: i64, window: Window, offset: i64, near: Surroundings, class: &'a DayClass) -> Self {
        let asked = |second: i64| (day * DAY_SECONDS - near.gap + second).div_euclid(DAY_SECONDS);
        let days = asked(window.start)..=asked(window.end - 1);
        let shifted = |asked: i64| (date_of(asked), near.gap + (asked - day) * DAY_SECONDS);
        let missing = if near.gap > 0 { days.map(shifted).collect() } else { Vec::new() };
        Self { day, window, offset, dropped_by: near.dropped_by, class, date: date_of(day), missing }
    }

    /// When in the day an interval first occurs.
    pub(super) fn first_of(&self, interval: &CompiledInterval) -> i64 {
        interval.from(self.day * DAY_SECONDS - self.offset)
    }

    /// The first second of the day, within the piece, at which an interval occurs and is open.
    pub(super) fn of_interval(&self, interval: &CompiledInterval) -> Option<i64> {
        self.class.first_open_of_every(self.first_of(interval), interval.every, &self.window)
    }

    /// The same for what an entry matches.
    pub(super) fn of_entry(&self, entry: &Entry) -> Option<i64> {
        if self.dropped_by == Some(entry.fold) || !entry.calendar.days().contain(&self.date) {
            return None;
        }
        self.class.first_open_of(entry.calendar.times(), &self.window)
    }

    /// The same for what an entry matches in the gap before, as long after midnight as was asked.
    pub(super) fn made_up_of_entry(&self, entry: &Entry) -> Option<i64> {
        if !entry.makes_up {
            return None;
        }
        let (days, times) = (entry.calendar.days(), entry.calendar.times());
        let mut missing = self.missing.iter().filter(|(date, _)| days.contain(date));
        missing.find_map(|(_, shift)| self.class.first_open_of_shifted(times, *shift, &self.window))
    }
}
