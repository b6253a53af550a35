//! A time zone as its spans of constant offset, found once and kept.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::schedule::LAST_SECOND;
use crate::schedule::civil::DAY_SECONDS;

/// A stretch of time with a constant offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) struct Span {
    /// Its first second.
    pub(in crate::schedule) start: i64,
    /// Local time minus UTC, in seconds.
    pub(in crate::schedule) offset: i64,
    /// By how much the clocks are put forward at its start; back when it is negative.
    pub(in crate::schedule) shift: i64,
}

impl Span {
    const BEFORE_ALL: Self = Self { start: i64::MIN / 2, offset: 0, shift: 0 };
    const AFTER_ALL: Self = Self { start: i64::MAX / 2, offset: 0, shift: 0 };

    /// Whether it stands for the end of time.
    pub(in crate::schedule) fn is_after_all(&self) -> bool {
        self.start >= Self::AFTER_ALL.start
    }

    /// The first second of the span that the shift at its start does not concern: where local times
    /// were missing their substitutes are over, and where they are repeated so are these.
    pub(in crate::schedule) fn settled_at(&self) -> i64 {
        self.start + self.shift.abs()
    }

    /// The first second of the span before this one that the shift between them concerns: from
    /// there on local times are repeated.
    pub(in crate::schedule) fn unsettled_at(&self) -> i64 {
        self.start + self.shift.min(0)
    }
}

/// The spans of a time zone, in order. The first begins before everything, and after the last
/// stands one that begins after everything.
#[derive(Debug)]
pub(in crate::schedule) struct Spans {
    spans: Vec<Span>,
    /// For each stretch of `BUCKET_SECONDS` from the epoch on the span that it begins in.
    buckets: Vec<u16>,
}

/// About seven weeks: seldom is there more than one shift.
const BUCKET_SECONDS: i64 = 1 << 22;

impl Spans {
    fn of(tz: Tz) -> Self {
        let spans = find_spans(tz);
        let ends = LAST_SECOND / BUCKET_SECONDS + 1;
        let bucket = |number| spans.partition_point(|span| span.start <= number * BUCKET_SECONDS) - 1;
        let buckets = (0..=ends).map(|number| u16::try_from(bucket(number)).unwrap_or(0)).collect();
        Self { spans, buckets }
    }

    /// The span at a place in their order; one after everything where there is none.
    pub(in crate::schedule) fn get(&self, index: usize) -> &Span {
        self.spans.get(index).unwrap_or(&Span::AFTER_ALL)
    }

    /// The place of the span that a second is in.
    pub(in crate::schedule) fn index_of(&self, second: i64) -> usize {
        let bucket = usize::try_from(second / BUCKET_SECONDS).unwrap_or(0).min(self.buckets.len() - 1);
        let mut index = usize::from(self.buckets[bucket]);
        while self.get(index + 1).start <= second {
            index += 1;
        }
        index
    }
}

/// A time zone. Its spans are kept for good, so that it is cheap to pass around.
#[derive(Clone, Copy, Debug)]
pub(in crate::schedule) struct Zone(Option<&'static Spans>);

static ZONES: LazyLock<RwLock<HashMap<Tz, Zone>>> = LazyLock::new(RwLock::default);

impl Zone {
    /// Coordinated universal time.
    pub(in crate::schedule) const UTC: Self = Self(None);

    /// An IANA time zone.
    pub(in crate::schedule) fn named(name: &str) -> Option<Self> {
        let tz: Tz = name.parse().ok()?;
        if let Some(zone) = ZONES.read().unwrap_or_else(PoisonError::into_inner).get(&tz) {
            return Some(*zone);
        }
        let spans = Spans::of(tz);
        let mut zones = ZONES.write().unwrap_or_else(PoisonError::into_inner);
        // There are some hundreds of time zones, and each is leaked at most once.
        Some(*zones.entry(tz).or_insert_with(|| {
            let is_utc = spans.spans.iter().all(|span| span.offset == 0);
            if is_utc { Self::UTC } else { Self(Some(Box::leak(Box::new(spans)))) }
        }))
    }

    /// The spans, unless it is UTC throughout.
    pub(in crate::schedule) fn spans(&self) -> Option<&'static Spans> {
        self.0
    }

    /// The place of the span that a second is in.
    pub(in crate::schedule) fn index_of(&self, second: i64) -> usize {
        self.0.map_or(0, |spans| spans.index_of(second))
    }

    /// The span at a place in their order; one after everything where there is none.
    pub(in crate::schedule) fn span(&self, index: usize) -> Span {
        match self.0 {
            Some(spans) => *spans.get(index),
            None if index == 0 => Span::BEFORE_ALL,
            None => Span::AFTER_ALL,
        }
    }
}

/// Finds the shifts of a time zone by looking at each day of the years that schedules may use. None is
/// shifted twice within a day.
fn find_spans(tz: Tz) -> Vec<Span> {
    let offset_at = |second: i64| {
        let time = DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
        i64::from(tz.offset_from_utc_datetime(&time).fix().local_minus_utc())
    };
    let mut offset = offset_at(0);
    let mut spans = vec![Span { offset, ..Span::BEFORE_ALL }];
    for day in 1..=(LAST_SECOND / DAY_SECONDS + 1) {
        let offset_then = offset_at(day * DAY_SECONDS);
        if offset_then == offset {
            continue;
        }
        let (mut before, mut after) = ((day - 1) * DAY_SECONDS, day * DAY_SECONDS);
        while after - before > 1 {
            let middle = before.midpoint(after);
            if offset_at(middle) == offset { before = middle } else { after = middle }
        }
        spans.push(Span { start: after, offset: offset_then, shift: offset_then - offset });
        offset = offset_then;
    }
    spans
}
