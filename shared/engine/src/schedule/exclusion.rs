//! Exclusions: what they match is dropped, by whole days and hours where that is possible.

use super::calendar::{ALL_HOURS, ALL_MINUTES, CompiledCalendar};
use super::zone::Zone;

const HOUR_SECONDS: i64 = 3600;

/// When `second` is excluded: a second up to which, included, everything is.
pub(super) fn excluded_until(exclusions: &[CompiledCalendar], zone: &Zone, second: i64) -> Option<i64> {
    let local = second + zone.offset_at(second);
    let matching = exclusions.iter().filter(|exclusion| exclusion.matches(local));
    matching
        .map(|exclusion| second + excluded_stretch(exclusion, local))
        .map(|until| until.min(zone.span_end(second) - 1).max(second))
        .max()
}

/// How many more seconds after `local` the exclusion covers without a gap, at least.
fn excluded_stretch(exclusion: &CompiledCalendar, local: i64) -> i64 {
    let every_second = exclusion.seconds == ALL_MINUTES && exclusion.minutes == ALL_MINUTES;
    if !every_second {
        0
    } else if exclusion.hours == ALL_HOURS {
        super::civil::DAY_SECONDS - 1 - local.rem_euclid(super::civil::DAY_SECONDS)
    } else {
        HOUR_SECONDS - 1 - local.rem_euclid(HOUR_SECONDS)
    }
}
