//! The search where a shift of the clocks may matter: span by span, with the policies applied.

use sundial_model::schedule::Fold;

use super::ANY_SHIFT;
use super::entry::Entry;
use super::spans::Spans;

/// The earliest second from `first` on, which is in the span at `index`, at which the entry occurs.
pub(super) fn next(spans: &Spans, entry: &Entry, index: usize, first: i64) -> Option<i64> {
    let (mut index, mut first) = (index, first);
    loop {
        let (span, following) = (spans.get(index), spans.get(index + 1));
        let one = in_span(spans, entry, index, first).filter(|second| *second < following.start);
        let other = made_up(spans, entry, index, first).filter(|second| *second < following.start);
        if one.is_some() || other.is_some() {
            return one.into_iter().chain(other).min();
        }
        if following.is_after_all() {
            return None;
        }
        index += 1;
        if following.start - first > ANY_SHIFT {
            // Local times do not come again in the spans that follow: what the calendar matches next
            // tells which of them to look at.
            let local = entry.calendar.first_from(first + span.offset)?;
            index = index.max(spans.index_of(local - ANY_SHIFT));
        }
        first = spans.get(index).start;
    }
}

/// What the calendar matches from `first` on, but for the copies that the policy drops.
fn in_span(spans: &Spans, entry: &Entry, index: usize, first: i64) -> Option<i64> {
    let (span, following) = (spans.get(index), spans.get(index + 1));
    // These local times were there before the shift, too.
    let drops_copies = entry.fold == Fold::First && span.shift < 0;
    let first = if drops_copies { first.max(span.settled_at()) } else { first };
    let second = entry.calendar.first_from(first + span.offset)? - span.offset;
    // These local times come again after the shift.
    (entry.fold != Fold::Last || second < following.unsettled_at()).then_some(second)
}

/// What the calendar matches in the gap at the start of a span, as long after midnight as was asked.
fn made_up(spans: &Spans, entry: &Entry, index: usize, first: i64) -> Option<i64> {
    let span = spans.get(index);
    if !entry.makes_up || span.shift <= 0 || first >= span.settled_at() {
        return None;
    }
    let offset_before = span.offset - span.shift;
    let second = entry.calendar.first_from(first + offset_before)? - offset_before;
    (second < span.settled_at()).then_some(second)
}
