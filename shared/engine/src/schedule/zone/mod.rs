//! Local time: stretches of constant offset, and what happens where they meet.
//!
//! Within a span between two shifts of the clocks, local time is UTC plus a constant, and the
//! search is that of a calendar. At a shift forward local times are missing: under `shift` they
//! occur in the span after it, counted with the offset before it. At a shift back local times
//! repeat: `first` and `last` drop the copies in the span after or before it.
//!
//! Nearly every search begins and ends far from a shift. Here is that path; `near_shift` has the
//! other.

mod entry;
mod near_shift;
mod spans;

pub(super) use entry::Entry;
pub(super) use spans::Zone;

use super::civil::DAY_SECONDS;

/// Longer than any shift, and than the difference between any two offsets of a time zone.
const ANY_SHIFT: i64 = 2 * DAY_SECONDS;

impl Zone {
    /// The earliest second strictly after `after` at which the entry occurs.
    pub(super) fn next(&self, entry: &Entry, after: i64) -> Option<i64> {
        let first = after + 1;
        let Some(spans) = self.spans() else { return entry.calendar.first_from(first) };
        let index = spans.index_of(first);
        let (span, following) = (spans.get(index), spans.get(index + 1));
        if first >= span.settled_at() {
            // From the next span on, local time is later than all that is looked through here.
            let is_once = following.start - first > ANY_SHIFT;
            match entry.calendar.first_from(first + span.offset) {
                Some(local) if local - span.offset < following.unsettled_at() => return Some(local - span.offset),
                Some(local) if is_once => {
                    let index = spans.index_of(local - span.offset);
                    let (span, following) = (spans.get(index), spans.get(index + 1));
                    let second = local - span.offset;
                    if span.settled_at() <= second && second < following.unsettled_at() {
                        return Some(second);
                    }
                }
                None if is_once => return None,
                _ => {}
            }
        }
        near_shift::next(spans, entry, index, first)
    }
}
