//! Whether a schedule occurs at a second, straight from its definition: no search, no masks, and the
//! time zone asked directly.

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};
use chrono_tz::Tz;

use crate::specification::{Entry, Field, Fold, Item, Policy, Specification};

/// A schedule to be asked about seconds of a range.
pub(crate) struct Oracle<'a> {
    specification: &'a Specification,
    /// The offsets that held before each shift forward near the range.
    offsets_before_gaps: Vec<i64>,
}

impl<'a> Oracle<'a> {
    /// For seconds between `from` and `to`.
    pub(crate) fn new(specification: &'a Specification, from: i64, to: i64) -> Self {
        let zone = specification.timezone;
        let quarter_hours = (from - 2 * 86_400..to + 900).step_by(900);
        let offsets: Vec<_> = quarter_hours.map(|second| offset(zone, second)).collect();
        let gaps = offsets.windows(2).filter(|pair| pair[0] < pair[1]);
        let mut offsets_before_gaps: Vec<_> = gaps.map(|pair| pair[0]).collect();
        offsets_before_gaps.sort_unstable();
        offsets_before_gaps.dedup();
        Self { specification, offsets_before_gaps }
    }

    /// All occurrences after `from` and up to `to` that fall on multiples of `grain` seconds.
    pub(crate) fn all(&self, from: i64, to: i64, grain: i64) -> Vec<i64> {
        let first = (from / grain + 1) * grain;
        (first..=to).step_by(grain as usize).filter(|second| self.occurs(*second)).collect()
    }

    pub(crate) fn occurs(&self, second: i64) -> bool {
        let Specification { intervals, entries, start, end, .. } = self.specification;
        let is_within = start.is_none_or(|start| start <= second) && end.is_none_or(|end| second <= end);
        is_within
            && (intervals.iter().any(|(every, offset)| (second - offset).rem_euclid(*every) == 0)
                || entries.iter().any(|entry| self.is_due(entry, second)))
            && !self.is_excluded(second)
    }

    pub(crate) fn is_excluded(&self, second: i64) -> bool {
        let local = self.local(second);
        self.specification.exclusions.iter().any(|exclusion| matches(exclusion, local, &Field::Star))
    }

    fn is_due(&self, entry: &Entry, second: i64) -> bool {
        let zone = self.specification.timezone;
        let policy = self.specification.policy.unwrap_or(match hours_of(entry) {
            24 => Policy { makes_up: false, fold: Fold::Both },
            _ => Policy { makes_up: true, fold: Fold::First },
        });
        let local = self.local(second);
        let absent_time = Field::Items(vec![Item::Value(0)]);
        if matches(entry, local, &absent_time) {
            let is_kept = match (zone.from_local_datetime(&local), policy.fold) {
                (LocalResult::Ambiguous(first, _), Fold::First) => first.timestamp() == second,
                (LocalResult::Ambiguous(_, last), Fold::Last) => last.timestamp() == second,
                _ => true,
            };
            if is_kept {
                return true;
            }
        }
        policy.makes_up
            && self.offsets_before_gaps.iter().any(|offset| {
                let asked = utc(second) + Duration::seconds(*offset);
                zone.from_local_datetime(&asked) == LocalResult::None && matches(entry, asked, &absent_time)
            })
    }

    fn local(&self, second: i64) -> NaiveDateTime {
        utc(second) + Duration::seconds(offset(self.specification.timezone, second))
    }
}

fn utc(second: i64) -> NaiveDateTime {
    DateTime::from_timestamp(second, 0).expect("an instant").naive_utc()
}

fn offset(zone: Tz, second: i64) -> i64 {
    zone.offset_from_utc_datetime(&utc(second)).fix().local_minus_utc().into()
}

fn hours_of(entry: &Entry) -> usize {
    let absent = Field::Items(vec![Item::Value(0)]);
    (0..24).filter(|hour| has(&entry.hour, *hour, &absent)).count()
}

/// Whether all fields of an entry match a local time.
fn matches(entry: &Entry, local: NaiveDateTime, absent_time: &Field) -> bool {
    let length = length_of_month(local.year(), local.month());
    let from_end = length - local.day();
    let is_day = match &entry.day_of_month {
        Field::Items(items) => items.iter().any(|item| match item {
            Item::FromEnd(days) => *days == from_end,
            item => is_member(item, local.day()),
        }),
        _ => true,
    };
    let weekday = local.weekday().num_days_from_sunday();
    let is_weekday =
        has(&entry.day_of_week, weekday, &Field::Star) || (weekday == 0 && has(&entry.day_of_week, 7, &Field::Star));
    let is_nth = match entry.nth {
        None => true,
        // Counted off, one by one.
        Some(nth) if nth > 0 => (1..=local.day()).rev().step_by(7).count() == usize::from(nth.unsigned_abs()),
        Some(nth) => (local.day()..=length).step_by(7).count() == usize::from(nth.unsigned_abs()),
    };
    has(&entry.second, local.second(), absent_time)
        && has(&entry.minute, local.minute(), absent_time)
        && has(&entry.hour, local.hour(), absent_time)
        && has(&entry.month, local.month(), &Field::Star)
        && has(&entry.year, local.year().unsigned_abs(), &Field::Star)
        && is_day
        && is_weekday
        && is_nth
}

fn has(field: &Field, value: u32, absent: &Field) -> bool {
    match field {
        Field::Absent => has(absent, value, absent),
        Field::Star => true,
        Field::Items(items) => items.iter().any(|item| is_member(item, value)),
    }
}

fn is_member(item: &Item, value: u32) -> bool {
    match *item {
        Item::Value(member) => member == value,
        Item::Range(start, end, step) => start <= value && value <= end && (value - start).is_multiple_of(step),
        Item::FromEnd(_) => false,
    }
}

fn length_of_month(year: i32, month: u32) -> u32 {
    (28..=31).rev().find(|day| NaiveDate::from_ymd_opt(year, month, *day).is_some()).expect("a month has days")
}
