//! The queue of a job run: which of its payloads no lane has claimed, and how many of its slots no
//! lane holds. Every change of who may work on what goes through this one item, so that two lanes
//! never take the same.

use serde::{Deserialize, Serialize};
use sundial_model::payload::PAYLOADS_MAX;
use sundial_model::{JobRunId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, Read};
use crate::keys;
use crate::lane::{Lane, PayloadRange};
use crate::table::{Expect, Write};

/// What of a job run no lane has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// How many payloads there are.
    pub total: u32,
    /// The first payload that no lane has claimed in this generation.
    pub next: u32,
    /// How many payloads lanes have given back, to be claimed again.
    #[serde(default)]
    pub put_back: u32,
    /// How many payloads were unfinished when an earlier generation ended.
    #[serde(default)]
    pub canceled: u32,
    /// How many requests may be under way at once: the limit in force.
    pub limit: u32,
    /// How many of them the lanes hold as slots; more than the limit after it was lowered, until
    /// they have noticed.
    #[serde(default)]
    pub slots_held: u32,
    /// Payloads from this index on are never carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runs: Option<u32>,
    /// Under a limit of requests per second: when the next request may start that is not
    /// reserved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_request_at: Option<Timestamp>,
    /// When the item may go.
    pub keep_until: Timestamp,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl Queue {
    /// The queue of a new job run.
    pub(crate) fn new(total: u32, limit: u32, max_runs: Option<u32>, keep_until: Timestamp) -> Self {
        Self {
            total,
            next: 0,
            put_back: 0,
            canceled: 0,
            limit,
            slots_held: 0,
            max_runs,
            next_request_at: None,
            keep_until,
            revision: 1,
        }
    }

    pub(crate) fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    /// The index after the last payload that is carried out.
    pub fn end(&self) -> u32 {
        self.max_runs.map_or(self.total, |max| max.min(self.total))
    }

    /// How many payloads no lane has claimed; in a later generation some of them have nothing to do.
    pub fn unclaimed(&self) -> u32 {
        self.end().saturating_sub(self.next) + self.put_back
    }

    /// Adds payloads that a result extends the run by; none when it would have too many.
    pub fn extend(&mut self, count: u32) -> Option<PayloadRange> {
        let end = self.total.checked_add(count).filter(|end| *end <= PAYLOADS_MAX)?;
        let range = PayloadRange { start: self.total, end };
        self.total = end;
        Some(range)
    }

    /// Whether every payload is finished or claimed.
    pub fn is_exhausted(&self) -> bool {
        self.unclaimed() == 0
    }

    /// How many slots no lane holds.
    pub fn free_slots(&self) -> u32 {
        self.limit.saturating_sub(self.slots_held)
    }

    /// How many slots the lanes must give up because the limit was lowered.
    pub fn excess_slots(&self) -> u32 {
        self.slots_held.saturating_sub(self.limit)
    }

    /// Takes up to `count` payloads that were never claimed.
    pub fn claim(&mut self, count: u32) -> PayloadRange {
        let range = PayloadRange { start: self.next, end: self.end().min(self.next.saturating_add(count)) };
        self.next = range.end.max(self.next);
        PayloadRange { start: range.start.min(range.end), ..range }
    }

    /// Lets a lane hold so many slots from now on.
    pub fn set_slots(&mut self, lane: &mut Lane, slots: u32) {
        self.slots_held = self.slots_held.saturating_sub(lane.slots) + slots;
        lane.slots = slots;
    }

    /// Reserves the next `count` requests at `per_second` of them. Answers with when the first of
    /// them may start.
    pub fn reserve_requests(&mut self, count: u32, per_second: u32, now: Timestamp) -> Timestamp {
        let start = self.next_request_at.map_or(now, |at| at.max(now));
        let length = std::time::Duration::from_millis(u64::from(count) * 1000 / u64::from(per_second.max(1)));
        self.next_request_at = Some(start + length.max(std::time::Duration::from_millis(1)));
        start
    }

    /// Whether this is what was read, or was written by us since.
    pub fn is_same_revision(&self, other: &Self) -> bool {
        self.revision == other.revision
    }

    pub(crate) fn put(&self, run: JobRunId) -> Result<Write, StoreError> {
        self.put_expecting(run, Expect::Revision(self.revision))
    }

    pub(crate) fn put_expecting(&self, run: JobRunId, expect: Expect) -> Result<Write, StoreError> {
        Ok(Write::Put(NewItem::new(keys::queue(run), self)?.expiring(Some(self.keep_until)), expect))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(total: u32, max_runs: Option<u32>) -> Queue {
        Queue::new(total, 150, max_runs, Timestamp::EPOCH)
    }

    #[test]
    fn claims_follow_each_other_until_nothing_is_left() {
        let mut queue = queue(10, None);
        assert_eq!(queue.claim(7), PayloadRange { start: 0, end: 7 });
        assert_eq!(queue.claim(7), PayloadRange { start: 7, end: 10 });
        assert_eq!(queue.claim(7), PayloadRange { start: 10, end: 10 });
        assert!(queue.is_exhausted());
    }

    #[test]
    fn what_is_over_the_most_runs_is_never_claimed() {
        let mut queue = queue(10, Some(4));
        assert_eq!(queue.unclaimed(), 4);
        assert_eq!(queue.claim(100), PayloadRange { start: 0, end: 4 });
        assert!(queue.is_exhausted());
    }

    #[test]
    fn a_run_is_extended_up_to_the_most_payloads_and_not_beyond() {
        let mut queue = queue(PAYLOADS_MAX - 10, None);
        assert_eq!(queue.extend(11), None);
        assert_eq!(queue.total, PAYLOADS_MAX - 10, "nothing of it joined");
        assert_eq!(queue.extend(10), Some(PayloadRange { start: PAYLOADS_MAX - 10, end: PAYLOADS_MAX }));
        assert_eq!((queue.extend(1), queue.extend(u32::MAX)), (None, None));
    }

    #[test]
    fn slots_are_held_by_one_lane_each() {
        let mut queue = queue(10, None);
        let (mut one, mut other) =
            (Lane::new(0, Timestamp::EPOCH, Timestamp::EPOCH), Lane::new(1, Timestamp::EPOCH, Timestamp::EPOCH));
        queue.set_slots(&mut one, 100);
        queue.set_slots(&mut other, 50);
        assert_eq!((queue.free_slots(), queue.excess_slots()), (0, 0));
        queue.limit = 120;
        assert_eq!(queue.excess_slots(), 30);
        queue.set_slots(&mut one, 10);
        assert_eq!((queue.slots_held, queue.free_slots()), (60, 60));
    }

    #[test]
    fn requests_are_reserved_one_after_the_other() {
        let (mut queue, now) = (queue(10, None), Timestamp::from_seconds(100));
        assert_eq!(queue.reserve_requests(20, 10, now), now);
        assert_eq!(queue.reserve_requests(10, 10, now), Timestamp::from_seconds(102));
        assert_eq!(queue.reserve_requests(1, 10, Timestamp::from_seconds(200)), Timestamp::from_seconds(200));
    }
}
