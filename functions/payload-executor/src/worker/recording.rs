//! Recording: everything that a worker has to say goes into one draft, and is written as one
//! transaction with its lane.

use std::collections::HashMap;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::{
    Announcement, AttemptRecord, Commit, DueDeliveries, Lane, LanePhase, PayloadRange, PutBack, Queue, StoreError,
    Suspects, TransactionToken,
};
use tokio::time::Instant;

use super::delivering::batch_key;
use super::{TRY_AGAIN_AFTER, Unread, Worker};
use crate::attempt::too_many_payloads;
use crate::buffer::{self, Batch};
use crate::claims::Claims;
use crate::delivery::{DeliveryBatch, Ended, due_with};
use sundial_model::payload::PAYLOADS_MAX;

/// What happened is recorded so much later, together with what happens meanwhile: soon when it is
/// much, or when nothing else will come.
const RECORD_MUCH_AFTER: Duration = Duration::from_millis(200);
const RECORD_AFTER: Duration = Duration::from_secs(1);
const MUCH: usize = 100;
/// A retry that is further off than this is given back to the queue until then.
const DEFER_AFTER: Duration = Duration::from_secs(20);
/// After others were faster at the queue it is left alone for up to so long.
const LEAVE_QUEUE_FOR: u64 = 60;

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
    batch: Batch,
    /// Retries that are given back, and those that are not.
    deferred: Vec<u32>,
    reserved: Option<(Timestamp, u32)>,
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
        for some in indices.chunks(sundial_store::PUT_BACK_MAX) {
            let put_back = PutBack::new(due_at, losses, some, self.commit.put_back.len());
            self.queue.put_back += put_back.count();
            self.commit.put_back.push(put_back);
        }
        indices.iter().for_each(|index| self.claims.give_back(*index));
    }
}

impl Worker {
    /// When what happened is recorded at the latest.
    pub(super) fn record_at(&self) -> Option<Instant> {
        let oldest = self.buffer.oldest()?;
        let is_much = self.buffer.len() >= MUCH;
        Some(oldest + if is_much { RECORD_MUCH_AFTER } else { RECORD_AFTER })
    }

    fn must_record(&self) -> bool {
        let nothing_else_comes = self.is_quiet() && !self.buffer.is_empty();
        self.buffer.is_full() || nothing_else_comes || self.record_at().is_some_and(|at| at <= Instant::now())
    }

    /// Whether there is something to write now.
    pub(super) fn must_write(&mut self) -> bool {
        let must_renew = self.lease.renewed_at.elapsed() >= self.lease.times.renew_every;
        if must_renew || self.must_record() || !self.announced.is_empty() {
            return true;
        }
        if self.lane.phase != LanePhase::Working || self.leaves_queue() {
            return false;
        }
        self.wants_claim() || self.wants_other_slots() || self.must_return() || self.requests_to_reserve().is_some()
    }

    /// Writes all there is to say, as far as it fits.
    pub(super) async fn write_out(&mut self) -> Result<(), StoreError> {
        let now = self.context.clients.clock.now();
        let mut draft = Draft {
            lane: self.lane.clone(),
            queue: self.queue,
            commit: Commit::default(),
            claims: self.claims.clone(),
            unread: Vec::new(),
            needs_queue: false,
            returns_all: false,
            batch: self.buffer.take(),
            deferred: Vec::new(),
            reserved: None,
        };
        let due = self.draft_records(&mut draft, now);
        let drafted = if self.leaves_queue() { Ok(()) } else { self.draft_queue(&mut draft, now).await };
        if let Err(error) = drafted {
            self.buffer.put_back(draft.batch);
            return Err(error);
        }
        self.draft_lane(&mut draft, now);
        let queue = (draft.needs_queue || draft.queue != self.queue).then_some(draft.queue);
        let begun = Instant::now();
        match self.write(&draft.lane, queue.as_ref(), &draft.commit).await {
            Ok((lane, queue)) => {
                self.lease.renewed(begun);
                (self.lane, self.queue) = (lane, queue.unwrap_or(self.queue));
                if queue.is_some() {
                    (self.wrote_queue_at, self.queue_seen_at) = (begun, begun);
                }
                self.absorb(draft, due, now).await;
                Ok(())
            }
            // Whether it was written is not known; saying it again could count it twice.
            Err(StoreError::Unavailable(message)) => Err(StoreError::Refused(message)),
            Err(error) => {
                if queue.is_some() {
                    let pause = Duration::from_millis(fastrand::u64(0..LEAVE_QUEUE_FOR));
                    self.leave_queue_until = Instant::now() + pause;
                }
                self.buffer.put_back(draft.batch);
                self.note_put_backs();
                Err(error)
            }
        }
    }

    /// Writes until it is known that it was written, or the lease has run out.
    async fn write(
        &self,
        lane: &Lane,
        queue: Option<&Queue>,
        commit: &Commit,
    ) -> Result<(Lane, Option<Queue>), StoreError> {
        let token = TransactionToken::new();
        loop {
            match self.context.clients.store.commit(&self.context.run, lane, queue, commit, &token).await {
                Err(StoreError::Unavailable(message)) if Instant::now() + TRY_AGAIN_AFTER < self.lease.drop_at => {
                    tracing::warn!(message, "a commit is tried again");
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                result => return result,
            }
        }
    }

    /// What happened: outcomes, retries and deliveries.
    fn draft_records(&mut self, draft: &mut Draft, now: Timestamp) -> Vec<DueDeliveries> {
        let mut extension = Vec::new();
        for ended in &mut draft.batch.ended {
            let count = u32::try_from(ended.extension.len()).unwrap_or(u32::MAX);
            if draft.queue.total.saturating_add(count) > PAYLOADS_MAX {
                ended.outcome = too_many_payloads(&ended.outcome);
                ended.extension.clear();
            } else if count > 0 {
                let range = PayloadRange { start: draft.queue.total, end: draft.queue.total + count };
                ended.outcome.extension = Some(range);
                draft.queue.total = range.end;
                extension.extend(ended.extension.iter().cloned());
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
        let mut deferred = Vec::new();
        for (task, failed) in &draft.batch.again {
            let record =
                AttemptRecord { index: task.index(), next_attempt_at: task.not_before, failed: failed.clone() };
            draft.commit.attempts.push(record);
            // A suspect that has come through an attempt is none any more.
            draft.claims.insert(task.index());
            if draft.lane.phase == LanePhase::Working && (draft.lane.is_draining || task.not_before > now + DEFER_AFTER)
            {
                deferred.push((task.not_before, task.index()));
            }
        }
        for (due_at, indices) in by_second(deferred) {
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
            lane.delivered += tried.delivered;
            lane.deliveries_failed += tried.failed;
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
    async fn draft_queue(&mut self, draft: &mut Draft, now: Timestamp) -> Result<(), StoreError> {
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
    fn draft_lane(&self, draft: &mut Draft, now: Timestamp) {
        let ended: HashMap<u32, ()> = draft.batch.ended.iter().map(|ended| (ended.outcome.index, ())).collect();
        let again: HashMap<u32, ()> = draft.batch.again.iter().map(|(task, _)| (task.index(), ())).collect();
        let is_gone = |index| ended.contains_key(&index) || again.contains_key(&index);
        let mut suspects = self.suspects.announced(is_gone, draft.returns_all);
        for unread in self.unread.iter().filter(|_| !draft.returns_all).chain(&draft.unread) {
            if let Unread::Known(Some(losses), ranges) = unread {
                let suspect = |range: &PayloadRange| Suspects { range: *range, losses: *losses, in_flight: false };
                suspects.extend(ranges.iter().map(suspect));
            }
        }
        let of_suspects = suspects.iter().map(|suspects| suspects.range.count()).sum::<u32>();
        let lane = &mut draft.lane;
        lane.unfinished = u32::try_from(draft.claims.len()).unwrap_or(u32::MAX) + of_suspects;
        (lane.claims, lane.suspects) = (draft.claims.ranges(), suspects);
        lane.lease_until = Some(self.lease.until(now));
        lane.hold_until = self.hold_until.filter(|until| *until > now);
    }

    /// Goes on from what was recorded.
    async fn absorb(&mut self, draft: Draft, due: Vec<DueDeliveries>, now: Timestamp) {
        self.claims = draft.claims;
        if draft.returns_all {
            self.ready.clear();
            self.unread.clear();
            self.suspects.clear_waiting();
        }
        self.unread.extend(draft.unread);
        if !draft.commit.put_back.is_empty() {
            self.note_put_backs();
        }
        let mut items = HashMap::new();
        for buffer::Ended { task, outcome, memory, .. } in draft.batch.ended {
            self.suspects.forget(outcome.index);
            items.insert(outcome.index, (task.payload.payload, outcome));
            // On record, it is no longer held for its answer.
            drop(memory);
        }
        // Only now may the next attempt start: it has another number than the one on record.
        for (task, _) in draft.batch.again {
            self.suspects.forget(task.index());
            if !draft.deferred.contains(&task.index()) {
                self.ready.push(task);
            }
        }
        self.start_announced();
        if let (Some((start, count)), Some(rate)) = (draft.reserved, self.rate()) {
            self.pacer.add(start, count, rate);
        }
        for tried in draft.batch.tried {
            self.delivering.remove(&batch_key(&tried.done));
            tried.again.iter().for_each(|again| self.note_delivery_at(again.due_at));
        }
        for due in due {
            let items = due.indices.iter().filter_map(|index| items.remove(index)).collect();
            self.deliver_soon(DeliveryBatch { due, items: Some(items) });
        }
        self.opened(draft.commit.opened, now).await;
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
