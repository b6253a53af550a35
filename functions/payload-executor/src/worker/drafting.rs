//! The draft: everything that a worker has to say goes into one, with its lane and its queue as they
//! will be then.

use std::collections::HashSet;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::{
    Announcement, AttemptRecord, Commit, DueDeliveries, Lane, LanePhase, PUT_BACK_MAX, PayloadRange, PutBack, Queue,
    StoreError, Suspects,
};

use super::claiming::WAITING_BYTES_MAX;
use super::writing::Says;
use super::{Unread, Worker};
use crate::attempt::too_many_payloads;
use crate::buffer::Batch;
use crate::claims::Claims;
use crate::due_deliveries::{Ended, due_with};

/// A retry that is further off than this is given back to the queue until then, and so is a sooner one
/// when there is no room for what waits here.
const DEFER_AFTER: Duration = Duration::from_secs(20);

/// What is about to be written.
pub(super) struct Draft {
    pub(super) lane: Lane,
    pub(super) queue: Queue,
    pub(super) commit: Commit,
    /// The claims as they will be.
    pub(super) claims: Claims,
    /// What will have been claimed and not read.
    pub(super) unread: Vec<Unread>,
    /// The queue is written, even where it does not change: what is decided relies on it.
    pub(super) needs_queue: bool,
    /// Everything that waits is given back.
    pub(super) returns_all: bool,
    pub(super) batch: Batch,
    /// Retries that are given back, and those that are not.
    pub(super) deferred: Vec<u32>,
    pub(super) reserved: Option<(Timestamp, u32)>,
}

impl Draft {
    /// Lets the lane hold so many slots.
    pub(super) fn set_slots(&mut self, slots: u32) {
        self.queue.set_slots(&mut self.lane, slots);
    }

    /// Claims payloads.
    pub(super) fn claim(&mut self, indices: impl Iterator<Item = u32>) {
        indices.for_each(|index| self.claims.insert(index));
    }

    /// Claims payloads that were given back.
    pub(super) fn take(&mut self, put_back: PutBack) {
        self.queue.put_back = self.queue.put_back.saturating_sub(put_back.count());
        if put_back.losses.is_none() {
            self.claim(put_back.ranges.iter().flat_map(|range| range.start..range.end));
        }
        self.unread.push(Unread::Known(put_back.losses, put_back.ranges.clone()));
        self.commit.taken.push(put_back);
    }

    /// Gives payloads back to the queue.
    pub(super) fn put_back(&mut self, due_at: Timestamp, losses: Option<u32>, indices: &[u32]) {
        for some in indices.chunks(PUT_BACK_MAX) {
            let put_back = PutBack::new(due_at, losses, some, self.commit.put_back.len());
            self.queue.put_back += put_back.count();
            self.commit.put_back.push(put_back);
        }
        indices.iter().for_each(|index| self.claims.give_back(*index));
    }
}

impl Worker {
    /// A draft with what happened, if that is what it says, as far as it fits; and nothing else yet.
    pub(super) fn begin_draft(&mut self, says: Says) -> Draft {
        Draft {
            lane: self.lane.clone(),
            queue: self.queue,
            commit: Commit::default(),
            claims: self.claims.clone(),
            unread: Vec::new(),
            needs_queue: false,
            returns_all: false,
            batch: if says == Says::WhatHappened { self.buffer.take() } else { Batch::default() },
            deferred: Vec::new(),
            reserved: None,
        }
    }

    /// What happened: outcomes, retries and deliveries.
    pub(super) fn draft_records(&mut self, draft: &mut Draft, now: Timestamp) -> Vec<DueDeliveries> {
        let mut extension = Vec::new();
        for ended in &mut draft.batch.ended {
            if !ended.extension.is_empty() {
                let count = u32::try_from(ended.extension.len()).unwrap_or(u32::MAX);
                ended.outcome.extension = draft.queue.extend(count);
                if ended.outcome.extension.is_some() {
                    extension.extend(ended.extension.iter().cloned());
                } else {
                    ended.outcome = too_many_payloads(&ended.outcome);
                    ended.extension.clear();
                }
            }
            if ended.outcome.has_succeeded() {
                draft.lane.succeeded += 1;
            } else {
                draft.lane.failed += 1;
            }
            draft.claims.finish(ended.outcome.index);
            draft.commit.outcomes.push(ended.outcome.clone());
        }
        if !extension.is_empty() {
            draft.commit.extension = Some((self.queue.total, extension));
        }
        let (mut deferred, mut room) = (Vec::new(), WAITING_BYTES_MAX.saturating_sub(self.ready.waiting_bytes()));
        for (task, failed) in &draft.batch.again {
            let record =
                AttemptRecord { index: task.index(), next_attempt_at: task.not_before, failed: failed.clone() };
            draft.commit.attempts.push(record);
            // A suspect that has come through an attempt is none any more.
            draft.claims.insert(task.index());
            let is_far = task.not_before > now + DEFER_AFTER || room < task.bytes;
            if draft.lane.phase == LanePhase::Working && (draft.lane.is_draining || is_far) {
                deferred.push((task.not_before, task.index()));
            } else {
                room = room.saturating_sub(task.bytes);
            }
        }
        // What is soon does not wait for what is far off.
        let (far, soon): (Vec<_>, Vec<_>) = deferred.into_iter().partition(|(at, _)| *at > now + DEFER_AFTER);
        for (due_at, indices) in by_second(soon).into_iter().chain(by_second(far)) {
            draft.put_back(due_at, None, &indices);
            draft.deferred.extend(indices);
        }
        self.draft_deliveries(draft, now)
    }

    fn draft_deliveries(&self, draft: &mut Draft, now: Timestamp) -> Vec<DueDeliveries> {
        let ended = draft.batch.ended.iter().map(|ended| Ended {
            payload: &ended.task.payload.payload,
            payload_bytes: ended.task.bytes,
            outcome: &ended.outcome,
        });
        let due = due_with(&self.context, ended, now);
        let lane = &mut draft.lane;
        lane.deliveries_pending += due.iter().map(|due| due.indices.len() as u32).sum::<u32>();
        for tried in &draft.batch.tried {
            lane.deliveries_pending = lane.deliveries_pending.saturating_sub(tried.delivered + tried.failed);
            lane.delivered += i64::from(tried.delivered);
            lane.deliveries_failed += i64::from(tried.failed);
            if tried.failed > 0 && !lane.announce.contains(&Announcement::DeliveryExhausted) {
                lane.announce.push(Announcement::DeliveryExhausted);
            }
            draft.commit.done.push(tried.done.clone());
            draft.commit.due.extend(tried.again.clone());
            draft.commit.deliveries.extend(tried.attempts.clone());
        }
        draft.commit.due.extend(due.clone());
        due
    }

    /// What changes of the queue.
    pub(super) async fn draft_queue(&mut self, draft: &mut Draft, now: Timestamp) -> Result<(), StoreError> {
        if draft.lane.phase != LanePhase::Working {
            return Ok(());
        }
        if self.must_return() {
            self.draft_return(draft, now);
        } else {
            if self.wants_other_slots() {
                self.draft_slots(draft);
            }
            if self.wants_claim() {
                self.draft_claim(draft).await?;
            }
            if let (Some(count), Some(rate)) = (self.requests_to_reserve(), self.rate()) {
                draft.reserved = Some((draft.queue.reserve_requests(count, rate, now), count));
            }
        }
        self.draft_lanes(draft, now);
        Ok(())
    }

    /// The lane's item as all this makes it.
    pub(super) fn draft_lane(&self, draft: &mut Draft, now: Timestamp) {
        let ended = draft.batch.ended.iter().map(|ended| ended.outcome.index);
        let done: HashSet<u32> = ended.chain(draft.batch.again.iter().map(|(task, _)| task.index())).collect();
        let mut suspects = self.suspects.announced(|index| done.contains(&index), draft.returns_all);
        for unread in self.unread.iter().filter(|_| !draft.returns_all).chain(&draft.unread) {
            if let Unread::Known(Some(losses), ranges) = unread {
                let suspect = |range: &PayloadRange| Suspects { range: *range, losses: *losses, in_flight: false };
                suspects.extend(ranges.iter().map(suspect));
            }
        }
        let of_suspects = suspects.iter().map(|suspects| suspects.range.count()).sum::<u32>();
        let lane = &mut draft.lane;
        let known = u32::try_from(draft.claims.len()).unwrap_or(u32::MAX) + of_suspects;
        let finished = if draft.returns_all { 0 } else { self.unread_finished };
        lane.unfinished = known.saturating_sub(finished);
        (lane.claims, lane.suspects) = (draft.claims.ranges(), suspects);
        lane.lease_until = Some(self.lease.until(now));
        lane.hold_until = self.hold_until.filter(|until| *until > now);
        lane.sink_health = self.sink_health();
    }
}

/// Payloads by when they are due: those within a second together, at the latest of their times.
fn by_second(mut due: Vec<(Timestamp, u32)>) -> Vec<(Timestamp, Vec<u32>)> {
    const GROUPS_MAX: usize = 4;
    due.sort_unstable();
    let span = due.first().zip(due.last()).map_or(Duration::ZERO, |(first, last)| last.0.since(first.0));
    let width = Duration::from_secs(1).max(span / GROUPS_MAX as u32);
    let mut groups: Vec<(Timestamp, Timestamp, Vec<u32>)> = Vec::new();
    for (due_at, index) in due {
        match groups.last_mut() {
            Some((first, last, indices)) if due_at.since(*first) <= width => {
                *last = due_at;
                indices.push(index);
            }
            _ => groups.push((due_at, due_at, vec![index])),
        }
    }
    let sorted = |mut indices: Vec<u32>| {
        indices.sort_unstable();
        indices
    };
    groups.into_iter().map(|(_, last, indices)| (last, sorted(indices))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_given_back_in_few_groups_and_never_early() {
        let at = |milliseconds: i64| Timestamp::from_milliseconds(milliseconds);
        let groups = by_second(vec![(at(100), 7), (at(900), 3), (at(5_000), 1)]);
        assert_eq!(groups, [(at(900), vec![3, 7]), (at(5_000), vec![1])]);
        let spread: Vec<_> = (0..1000).map(|index| (at(i64::from(index) * 1000), index)).collect();
        let groups = by_second(spread);
        assert!(groups.len() <= 5, "{}", groups.len());
        let is_early = |(at, indices): &(Timestamp, Vec<u32>)| {
            indices.iter().any(|index| Timestamp::from_seconds((*index).into()) > *at)
        };
        assert!(!groups.iter().any(is_early));
    }
}
