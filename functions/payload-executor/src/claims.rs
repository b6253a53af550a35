//! Which payloads a worker has claimed and not finished, and how its lane's item says so.

use std::collections::BTreeSet;

use sundial_store::PayloadRange;

/// Gaps of finished payloads up to this length are left in a claim.
const GAP_MAX: u32 = 100;

/// The claimed payloads of a lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    unfinished: BTreeSet<u32>,
    /// Known to be finished, and still between payloads that are not.
    finished: BTreeSet<u32>,
}

impl Claims {
    pub(crate) fn len(&self) -> usize {
        self.unfinished.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// Claims a payload.
    pub(crate) fn insert(&mut self, index: u32) {
        self.unfinished.insert(index);
    }

    /// It is finished.
    pub(crate) fn finish(&mut self, index: u32) {
        self.unfinished.remove(&index);
        self.finished.insert(index);
    }

    /// It is not ours any more.
    pub(crate) fn give_back(&mut self, index: u32) {
        self.unfinished.remove(&index);
    }

    pub(crate) fn clear(&mut self) {
        self.unfinished.clear();
        self.finished.clear();
    }

    /// Ranges over all unfinished payloads, and beside them over none but finished ones: what the
    /// lane's next worker has to read.
    pub(crate) fn ranges(&mut self) -> Vec<PayloadRange> {
        let mut ranges: Vec<PayloadRange> = Vec::new();
        let mut kept = BTreeSet::new();
        for index in self.unfinished.iter().copied() {
            match ranges.last_mut() {
                Some(last) if self.is_bridge(last.end, index) => {
                    kept.extend(last.end..index);
                    last.end = index + 1;
                }
                _ => ranges.push(PayloadRange { start: index, end: index + 1 }),
            }
        }
        // A gap that could not be bridged never will be.
        self.finished = kept;
        ranges
    }

    fn is_bridge(&self, from: u32, to: u32) -> bool {
        to - from < GAP_MAX && (from..to).all(|index| self.finished.contains(&index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(indices: impl IntoIterator<Item = u32>) -> Claims {
        let mut claims = Claims::default();
        indices.into_iter().for_each(|index| claims.insert(index));
        claims
    }

    #[test]
    fn claims_shrink_to_what_is_unfinished() {
        let range = |start, end| PayloadRange { start, end };
        let mut held = claims((0..300).chain([1000]));
        assert_eq!(held.ranges(), [range(0, 300), range(1000, 1001)]);
        (10..20).chain(100..250).for_each(|index| held.finish(index));
        assert_eq!(held.ranges(), [range(0, 100), range(250, 300), range(1000, 1001)]);
        (20..30).for_each(|index| held.finish(index));
        assert_eq!(held.ranges()[0], range(0, 100), "the gap has grown, and is known");
    }

    #[test]
    fn what_was_given_back_is_in_no_claim() {
        let range = |start, end| PayloadRange { start, end };
        let mut held = claims(0..5);
        held.finish(1);
        held.give_back(3);
        assert_eq!(held.ranges(), [range(0, 3), range(4, 5)]);
        // Neighbours that were never ours are none of ours.
        let mut scattered = claims([1, 3]);
        assert_eq!(scattered.ranges(), [range(1, 2), range(3, 4)]);
    }
}
