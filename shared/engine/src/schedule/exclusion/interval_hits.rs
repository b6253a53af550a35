//! Whether an interval meets an open second on a day: a question of the class of the day and of when
//! the interval first occurs on it.

use std::collections::HashMap;

use super::day_class::{DayClass, WHOLE_DAY};
use super::plan::{Month, Plan};
use crate::schedule::civil::DAY_SECONDS;
use crate::schedule::interval::CompiledInterval;

/// An interval that occurs no more often than this on a day is asked each time.
const TIMES_A_DAY_FEW: i64 = 8;

/// Days of a month, both included.
#[derive(Clone, Copy)]
pub(super) struct DaysOfMonth {
    /// When day 0 of the month, the one before its first, begins in UTC.
    pub(super) day_zero: i64,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// Whether any second that is `phase` plus a multiple of `divisor` is open on days of a class.
///
/// An interval never leaves the seconds that are congruent modulo what its length and that of the
/// day have in common, and there are few such divisors, so intervals share these answers.
#[derive(Default)]
pub(super) struct Phases(HashMap<(usize, i64, i64), bool>);

/// The answers that were found, for one interval.
pub(super) struct IntervalHits {
    interval: CompiledInterval,
    /// The greatest common divisor of its length and the day's.
    divisor: i64,
    /// The phase it is in, which is the same until local time is shifted.
    phase: i64,
    /// For each class whether it might meet any second in this phase.
    may_meet: Vec<Option<bool>>,
    /// For each class, and each second of its first occurrence.
    answers: Vec<Vec<Option<bool>>>,
}

impl IntervalHits {
    pub(super) fn new(interval: CompiledInterval) -> Self {
        let (mut divisor, mut rest) = (interval.every, DAY_SECONDS);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self { interval, divisor, phase: 0, may_meet: Vec::new(), answers: Vec::new() }
    }

    /// The first of some days of a month on which the interval meets an open second.
    pub(super) fn first_day(
        &mut self,
        plan: &Plan<'_>,
        phases: &mut Phases,
        month: &Month,
        days: DaysOfMonth,
    ) -> Option<u32> {
        if month.open_classes.is_empty() {
            return None;
        }
        let every = self.interval.every;
        let mut first = self.interval.from(days.day_zero + i64::from(days.from) * DAY_SECONDS);
        if first % self.divisor != self.phase {
            self.phase = first % self.divisor;
            self.may_meet.clear();
        }
        if !month.open_classes.iter().any(|class| self.may_meet(plan, *class, phases)) {
            return None;
        }
        let earlier_each_day = DAY_SECONDS % every;
        for day in days.from..=days.to {
            if let Some(class) = month.classes[day as usize]
                && self.meets(plan.class(class), class, first)
            {
                return Some(day);
            }
            first -= earlier_each_day;
            if first < 0 {
                first += every;
            }
        }
        None
    }

    fn may_meet(&mut self, plan: &Plan<'_>, class: usize, phases: &mut Phases) -> bool {
        if self.may_meet.len() <= class {
            self.may_meet.resize(class + 1, None);
        }
        let (phase, divisor) = (self.phase, self.divisor);
        let find = || plan.class(class).first_open_of_every(phase, divisor, &WHOLE_DAY).is_some();
        *self.may_meet[class].get_or_insert_with(|| *phases.0.entry((class, divisor, phase)).or_insert_with(find))
    }

    /// Whether it meets an open second of a day of a class on which it first occurs at this second.
    pub(super) fn meets(&mut self, class: &DayClass, id: usize, first: i64) -> bool {
        let every = self.interval.every;
        let answer = || class.first_open_of_every(first, every, &WHOLE_DAY).is_some();
        if first >= DAY_SECONDS {
            return false;
        }
        if every * TIMES_A_DAY_FEW >= DAY_SECONDS {
            return answer();
        }
        if self.answers.len() <= id {
            self.answers.resize(id + 1, Vec::new());
        }
        let answers = &mut self.answers[id];
        answers.resize(every as usize, None);
        *answers[first as usize].get_or_insert_with(answer)
    }
}
