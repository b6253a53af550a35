//! Local time: stretches of constant offset, and what happens where they meet.
//!
//! Within a span between two shifts of the clocks, local time is UTC plus a constant, and the
//! search is that of a calendar. At a shift forward local times are missing: under `shift` they
//! occur in the span after it, counted with the offset before it. At a shift back local times
//! repeat: `first` and `last` drop the copies in the span after or before it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use sundial_model::schedule::{DaylightSaving, Fold, Gap};

use super::calendar::CompiledCalendar;
use super::civil::DAY_SECONDS;

/// A calendar with its policy for the shifts of the clocks.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    calendar: CompiledCalendar,
    gap: Gap,
    fold: Fold,
}

impl Entry {
    /// Where no policy is given, an entry that is due every hour follows elapsed time: both
    /// copies of what is repeated, nothing made up for what is missing.
    pub(super) fn new(calendar: CompiledCalendar, policy: Option<DaylightSaving>) -> Self {
        let DaylightSaving { gap, fold } = match policy {
            Some(policy) => policy,
            None if calendar.has_every_hour() => DaylightSaving { gap: Gap::Skip, fold: Fold::Both },
            None => DaylightSaving::default(),
        };
        Self { calendar, gap, fold }
    }

    /// What it matches.
    pub(super) fn calendar(&self) -> &CompiledCalendar {
        &self.calendar
    }
}

/// A stretch of time with a constant offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Its first second.
    start: i64,
    /// Local time minus UTC, in seconds.
    offset: i64,
}

/// A time zone as its spans, in order; the first one begins before everything.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    spans: Arc<[Span]>,
}

static ZONES: LazyLock<RwLock<HashMap<Tz, Zone>>> = LazyLock::new(RwLock::default);

impl Zone {
    /// Coordinated universal time: one span.
    pub(super) fn utc() -> Self {
        Self { spans: Arc::new([Span { start: i64::MIN, offset: 0 }]) }
    }

    /// An IANA time zone.
    pub(super) fn named(name: &str) -> Option<Self> {
        let tz: Tz = name.parse().ok()?;
        if let Some(zone) = ZONES.read().unwrap_or_else(PoisonError::into_inner).get(&tz) {
            return Some(zone.clone());
        }
        let zone = Self { spans: spans_of(tz).into() };
        ZONES.write().unwrap_or_else(PoisonError::into_inner).insert(tz, zone.clone());
        Some(zone)
    }

    fn span_index(&self, second: i64) -> usize {
        self.spans.partition_point(|span| span.start <= second).saturating_sub(1)
    }

    /// Local time minus UTC at this second.
    pub(super) fn offset_at(&self, second: i64) -> i64 {
        self.spans[self.span_index(second)].offset
    }

    /// The first second after the span that `second` is in.
    pub(super) fn span_end(&self, second: i64) -> i64 {
        self.end_of(self.span_index(second))
    }

    fn end_of(&self, index: usize) -> i64 {
        self.spans.get(index + 1).map_or(i64::MAX, |next| next.start)
    }

    /// The earliest second strictly after `after`, and at most `last`, at which the entry occurs.
    pub(super) fn next(&self, entry: &Entry, after: i64, last: i64) -> Option<i64> {
        let first = after.saturating_add(1);
        let mut index = self.span_index(first);
        while index < self.spans.len() && self.spans[index].start <= last {
            let span = self.spans[index];
            let from = first.max(span.start);
            let until = (self.end_of(index) - 1).min(last);
            let literal = self.next_in_span(entry, index, from, until);
            let made_up = self.next_made_up(entry, index, from, until);
            match (literal, made_up) {
                (None, None) => index = self.span_worth_looking_at(entry, index)?,
                (one, other) => return one.into_iter().chain(other).min(),
            }
        }
        None
    }

    /// What the calendar matches within a span, but for the copies that the fold policy drops.
    fn next_in_span(&self, entry: &Entry, index: usize, from: i64, until: i64) -> Option<i64> {
        let offset = self.spans[index].offset;
        let (mut from, mut until) = (from, until);
        if entry.fold == Fold::First && index > 0 {
            // These local times were there before the shift, too.
            let repeated = self.spans[index - 1].offset - offset;
            if repeated > 0 {
                from = from.max(self.spans[index].start + repeated);
            }
        }
        if entry.fold == Fold::Last
            && let Some(next) = self.spans.get(index + 1)
        {
            // These local times come again after the shift.
            let repeated = offset - next.offset;
            if repeated > 0 {
                until = until.min(next.start - repeated - 1);
            }
        }
        if from > until {
            return None;
        }
        entry.calendar.first_from(from + offset, until + offset).map(|local| local - offset)
    }

    /// What the calendar matches in the gap at the start of a span, as long after midnight as was asked.
    fn next_made_up(&self, entry: &Entry, index: usize, from: i64, until: i64) -> Option<i64> {
        if entry.gap == Gap::Skip || index == 0 {
            return None;
        }
        let offset_before = self.spans[index - 1].offset;
        let gap = self.spans[index].offset - offset_before;
        let until = until.min(self.spans[index].start + gap - 1);
        if gap <= 0 || from > until {
            return None;
        }
        entry.calendar.first_from(from + offset_before, until + offset_before).map(|local| local - offset_before)
    }

    /// After a span without a match: the next one, or a later one that the calendar can match in.
    fn span_worth_looking_at(&self, entry: &Entry, index: usize) -> Option<usize> {
        let next = self.spans.get(index + 1)?;
        // No shift moves local time by more than a day.
        let local = entry.calendar.first_from(next.start + next.offset - 2 * DAY_SECONDS, i64::MAX)?;
        Some(self.span_index(local - 2 * DAY_SECONDS).max(index + 1))
    }
}

/// Finds the shifts of a time zone by looking at each day of the years that schedules may use.
fn spans_of(tz: Tz) -> Vec<Span> {
    let offset_at = |second: i64| {
        let time = DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
        i64::from(tz.offset_from_utc_datetime(&time).fix().local_minus_utc())
    };
    let mut spans = vec![Span { start: i64::MIN, offset: offset_at(0) }];
    let mut offset = offset_at(0);
    for day in 1..=(super::LAST_SECOND / DAY_SECONDS + 1) {
        if offset_at(day * DAY_SECONDS) == offset {
            continue;
        }
        let (mut before, mut after) = ((day - 1) * DAY_SECONDS, day * DAY_SECONDS);
        while after - before > 1 {
            let middle = before.midpoint(after);
            if offset_at(middle) == offset { before = middle } else { after = middle }
        }
        offset = offset_at(day * DAY_SECONDS);
        spans.push(Span { start: after, offset });
    }
    spans
}
