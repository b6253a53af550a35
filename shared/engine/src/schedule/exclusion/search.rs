//! The search for an occurrence that no exclusion matches, where it may be far away or nowhere.
//!
//! It goes through spans of constant offset, and through each of them by months and days. Neither
//! what occurs nor what is excluded is ever looked at second by second for more than one day of a
//! kind, so that all years up to the last are looked through in a fraction of a millisecond.

use std::ops::Range;

use sundial_model::schedule::Fold;

use super::interval_hits::{DaysOfMonth, IntervalHits, Phases};
use super::pieces::{Piece, Surroundings};
use super::plan::Plan;
use crate::schedule::CompiledSchedule;
use crate::schedule::civil::{DAY_SECONDS, date_of};

/// The earliest second from `first` to `last`, both included, at which a schedule occurs.
///
/// The answer is exact. The time it takes grows with the number of entries times the number of
/// different days that the exclusions make. An interval that might be open, but is not, is looked at
/// on each day of the range, which takes some tenths of a millisecond; hundreds of them, of different
/// lengths and excluded at last each, take a tenth of a second.
pub(in crate::schedule) fn first_open(schedule: &CompiledSchedule, first: i64, last: i64) -> Option<i64> {
    let mut search = Search {
        schedule,
        plan: Plan::new(&schedule.entries, &schedule.exclusions),
        hits: schedule.intervals.iter().map(|interval| IntervalHits::new(*interval)).collect(),
        phases: Phases::default(),
    };
    let mut index = schedule.zone.index_of(first);
    loop {
        let (span, following) = (schedule.zone.span(index), schedule.zone.span(index + 1));
        if span.is_after_all() || span.start > last {
            return None;
        }
        let whole = first.max(span.start)..following.start.min(last + 1);
        let cuts = [span.start, span.settled_at(), following.unsettled_at(), following.start];
        for stretch in cut(&whole, cuts) {
            let mut surroundings = Surroundings::default();
            if stretch.start < span.settled_at() {
                surroundings.gap = span.shift.max(0);
                surroundings.dropped_by = (span.shift < 0).then_some(Fold::First);
            }
            // Both at once would be two shifts back within the time that the first repeats.
            if stretch.start >= following.unsettled_at() {
                surroundings.dropped_by = Some(Fold::Last);
            }
            if let Some(second) = search.in_stretch(&stretch, span.offset, surroundings) {
                return Some(second);
            }
        }
        index += 1;
    }
}

/// The parts of a range between cuts, in order.
fn cut(whole: &Range<i64>, cuts: [i64; 4]) -> impl Iterator<Item = Range<i64>> {
    let mut cuts = cuts.map(|cut| cut.clamp(whole.start, whole.end.max(whole.start)));
    cuts.sort_unstable();
    let [first, second, third, fourth] = cuts;
    [first..second, second..third, third..fourth].into_iter().filter(|part| !part.is_empty())
}

struct Search<'a> {
    schedule: &'a CompiledSchedule,
    plan: Plan<'a>,
    hits: Vec<IntervalHits>,
    phases: Phases,
}

impl Search<'_> {
    /// The first occurrence in a stretch of UTC with the same offset and surroundings.
    fn in_stretch(&mut self, stretch: &Range<i64>, offset: i64, surroundings: Surroundings) -> Option<i64> {
        let (mut local, end) = (stretch.start + offset, stretch.end + offset);
        while local < end {
            let (day, second) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS));
            let whole_days = (end - local) / DAY_SECONDS;
            if second == 0 && whole_days > 0 && surroundings == Surroundings::default() {
                if let Some(day) = self.first_day(day, day + whole_days - 1, offset) {
                    return self.in_piece(day, 0..DAY_SECONDS, offset, surroundings);
                }
                local += whole_days * DAY_SECONDS;
            } else {
                let until = (end - day * DAY_SECONDS).min(DAY_SECONDS);
                if let Some(second) = self.in_piece(day, second..until, offset, surroundings) {
                    return Some(second);
                }
                local = day * DAY_SECONDS + until;
            }
        }
        None
    }

    /// The first of some whole days, both ends included, on which anything occurs.
    fn first_day(&mut self, first: i64, last: i64, offset: i64) -> Option<i64> {
        let mut day = first;
        while day <= last {
            let date = date_of(day);
            let day_zero = day - i64::from(date.day);
            let end = date.shape.length.min(u32::try_from(last - day_zero).unwrap_or(u32::MAX));
            self.plan.prepare(&date);
            let month = self.plan.month(&date);
            let days_with_entries = month.days_with_entries >> date.day << date.day;
            let mut found = Some(days_with_entries.trailing_zeros()).filter(|day| *day <= end);
            for hits in &mut self.hits {
                let to = found.map_or(end, |day| day - 1);
                let days = DaysOfMonth { day_zero: day_zero * DAY_SECONDS - offset, from: date.day, to };
                found = hits.first_day(&self.plan, &mut self.phases, month, days).or(found);
            }
            if let Some(day) = found {
                return Some(day_zero + i64::from(day));
            }
            day = day_zero + i64::from(date.shape.length) + 1;
        }
        None
    }

    fn in_piece(&mut self, day: i64, window: Range<i64>, offset: i64, surroundings: Surroundings) -> Option<i64> {
        let date = date_of(day);
        self.plan.prepare(&date);
        let month = self.plan.month(&date);
        let id = month.classes[date.day as usize]?;
        let class = self.plan.class(id);
        if !class.has_open(&window) {
            return None;
        }
        let piece = Piece::new(day, window, offset, surroundings, class);
        let intervals = self.schedule.intervals.iter().zip(&mut self.hits);
        // What does not occur on the whole day is not sought in a piece of it.
        let intervals = intervals
            .filter_map(|(interval, hits)| hits.meets(class, id, piece.first_of(interval)).then_some(interval));
        let by_interval = intervals.filter_map(|interval| piece.of_interval(interval));
        let entries = self.schedule.entries.iter();
        let has_entries = month.days_with_entries >> date.day & 1 == 1;
        let by_entry = entries.clone().filter(|_| has_entries).filter_map(|entry| piece.of_entry(entry));
        let made_up = entries.filter_map(|entry| piece.made_up_of_entry(entry));
        let second = by_interval.chain(by_entry).chain(made_up).min()?;
        Some(day * DAY_SECONDS + second - offset)
    }
}
