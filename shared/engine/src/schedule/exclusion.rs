//! Exclusions: what they match is dropped. A search skips what they cover together without a gap,
//! by whole hours and days where it can.

use std::collections::HashMap;

use super::calendar::{ALL_HOURS, ALL_MINUTES, CompiledCalendar};
use super::civil::DAY_SECONDS;
use super::zone::Zone;

/// One search's view of the exclusions. Most days are excluded by the same ones, so what those
/// cover together is found out once.
pub(super) struct Exclusions<'a> {
    exclusions: &'a [CompiledCalendar],
    zone: &'a Zone,
    /// Which exclusions match a day → whether they cover all of it.
    whole_days: HashMap<Vec<usize>, bool>,
}

impl<'a> Exclusions<'a> {
    pub(super) fn new(exclusions: &'a [CompiledCalendar], zone: &'a Zone) -> Self {
        Self { exclusions, zone, whole_days: HashMap::new() }
    }

    /// When `second` is excluded: a second up to which, included, everything is.
    pub(super) fn excluded_until(&mut self, second: i64) -> Option<i64> {
        if self.exclusions.is_empty() {
            return None;
        }
        let offset = self.zone.offset_at(second);
        let local = second + offset;
        let (day, time) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS));
        let numbered = self.exclusions.iter().enumerate();
        let (numbers, of_day): (Vec<_>, Vec<_>) = numbered.filter(|(_, it)| it.matches_day(day)).unzip();
        let covers_day = || first_open_from(&of_day, 0) == DAY_SECONDS;
        let is_whole = *self.whole_days.entry(numbers).or_insert_with(covers_day);
        let first_open = if is_whole { DAY_SECONDS } else { first_open_from(&of_day, time) };
        if first_open == time {
            return None;
        }
        let until = day * DAY_SECONDS + first_open - 1 - offset;
        // A shift of the clocks ends what can be said in local time.
        Some(until.min(self.zone.span_end(second) - 1))
    }
}

/// The first second of a day, from `time` on, that no exclusion covers; the day's length if there is none.
fn first_open_from(of_day: &[&CompiledCalendar], time: i64) -> i64 {
    let whole = of_day.iter().filter(|it| it.minutes == ALL_MINUTES && it.seconds == ALL_MINUTES);
    let whole_hours = whole.fold(0, |hours, it| hours | it.hours);
    if whole_hours == ALL_HOURS {
        return DAY_SECONDS;
    }
    let mut time = time;
    while time < DAY_SECONDS {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        if whole_hours >> hour & 1 == 1 {
            time = (hour + 1) * 3600;
            continue;
        }
        let of_minute = of_day.iter().filter(|it| it.hours >> hour & 1 == 1 && it.minutes >> minute & 1 == 1);
        let covered = of_minute.fold(0, |seconds, it| seconds | it.seconds);
        let open = (!covered & ALL_MINUTES) >> second;
        if open != 0 {
            return time + i64::from(open.trailing_zeros());
        }
        time += 60 - second;
    }
    DAY_SECONDS
}
