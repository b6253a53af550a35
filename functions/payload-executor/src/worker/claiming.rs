//! Claiming payloads, and reading them.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::{LANE_SLOTS_MAX, LanePhase, PayloadRange, StoreError};
use tokio::time::Instant;

use super::drafting::Draft;
use super::{Unread, Worker};
use crate::ready::Task;
use crate::recover::{self, Recovered};

/// No more payloads than these are claimed at once.
const CLAIM_MAX: usize = 5_000;
/// No more payloads than these are held: the lane's item has to hold their ranges, and its next
/// worker has to read them.
const UNFINISHED_MAX: usize = 10_000;
/// Payloads are read ahead up to so many bytes, of those that can start and of suspects each.
const READY_BYTES_MAX: usize = 4_000_000;
/// Payloads that wait for their next attempt may take so many bytes here.
pub(super) const WAITING_BYTES_MAX: usize = 32_000_000;
/// It reads for so long at most without looking at anything else.
const READ_FOR: Duration = Duration::from_secs(1);
/// Payloads are claimed before the last ones are started, and for so long ahead.
const CLAIM_BEFORE: Duration = Duration::from_millis(300);
const CLAIM_AHEAD: Duration = Duration::from_secs(2);
/// They are claimed this often at most, unless slots are idle.
const CLAIM_EVERY: Duration = Duration::from_millis(100);
/// So many batches that were given back are claimed at once.
const PUT_BACKS_MAX: usize = 4;

impl Worker {
    /// Whether attempts may start in this lane at all.
    pub(super) fn may_work(&self) -> bool {
        self.lane.phase == LanePhase::Working && !self.lane.is_draining && self.suspects.is_empty() && !self.is_held()
    }

    /// Whether the queue has payloads that could be claimed now.
    fn has_claimable(&self) -> bool {
        let is_due = self.next_put_back_at.is_some_and(|at| at <= self.context.clients.clock.now());
        self.queue.next < self.queue.end() || (self.queue.put_back > 0 && is_due)
    }

    /// Whether slots would stay free without another claim.
    pub(super) fn wants_claim(&self) -> bool {
        self.has_claimable() && self.would_claim()
    }

    /// Whether it would claim, if there were something.
    pub(super) fn would_claim(&self) -> bool {
        let has_room = self.unread.is_empty() && self.claims.len() < UNFINISHED_MAX;
        let has_idle_slots = self.ready.startable() < self.free_slots();
        let is_time = has_idle_slots || self.wrote_queue_at.elapsed() >= CLAIM_EVERY;
        self.may_work() && has_room && is_time && self.ready.startable() < self.needed_within(CLAIM_BEFORE)
    }

    /// How many payloads are started within this time. Towards the end of the run others get their
    /// share.
    fn needed_within(&self, time: Duration) -> usize {
        let workers = self.workers();
        let share = if workers > 1 { self.queue.unclaimed() as usize / (2 * workers) } else { usize::MAX };
        self.free_slots() + self.throughput.within(time).min(share)
    }

    /// Whether the lane should hold slots that no other one does, or hold fewer of them.
    pub(super) fn wants_other_slots(&self) -> bool {
        let busy = self.in_flight.len() + self.announced.len();
        let gives_up = self.queue.excess_slots() > 0 && self.lane.slots as usize > busy;
        let waits = !self.suspects.is_empty() || !self.unread.is_empty();
        let has_use = self.ready.startable() > self.free_slots() || self.has_claimable() || waits;
        let is_working = self.lane.phase == LanePhase::Working && !self.lane.is_draining;
        gives_up || (is_working && has_use && self.queue.free_slots() > 0 && self.lane.slots < self.slots_max())
    }

    pub(super) fn slots_max(&self) -> u32 {
        LANE_SLOTS_MAX.min(self.queue.limit)
    }

    /// Adds slots to the draft, or takes those from it that are too many.
    pub(super) fn draft_slots(&self, draft: &mut Draft) {
        let busy = u32::try_from(self.in_flight.len() + self.announced.len()).unwrap_or(u32::MAX);
        let excess = draft.queue.excess_slots();
        let slots = if excess > 0 {
            draft.lane.slots.saturating_sub(excess).max(busy.min(draft.lane.slots))
        } else {
            self.slots_max().min(draft.lane.slots + draft.queue.free_slots()).max(draft.lane.slots)
        };
        draft.set_slots(slots);
    }

    /// Adds a claim to the draft.
    pub(super) async fn draft_claim(&mut self, draft: &mut Draft) -> Result<(), StoreError> {
        let added = (draft.lane.slots as usize).saturating_sub(self.lane.slots as usize);
        let needed = self.needed_within(CLAIM_AHEAD) + added;
        let room = UNFINISHED_MAX.saturating_sub(self.claims.len());
        let count = needed.saturating_sub(self.ready.startable()).clamp(1, CLAIM_MAX).min(room);
        if self.next_put_back_at.is_some_and(|at| at <= self.context.clients.clock.now()) && draft.queue.put_back > 0 {
            self.draft_put_backs(draft, room).await?;
            if !draft.commit.taken.is_empty() {
                return Ok(());
            }
        }
        if draft.queue.next >= draft.queue.end() {
            return Ok(());
        }
        if self.context.run.generation > 1 {
            let (start, end) = (draft.queue.next, draft.queue.end());
            let stretch = recover::open_from(&self.context, start, end, count).await?;
            draft.queue.claim(stretch.end - start);
            let ranges = PayloadRange::exactly(stretch.indices.iter().copied());
            draft.claim(stretch.indices.into_iter());
            draft.unread.push(Unread::Known(None, ranges));
            return Ok(());
        }
        let range = draft.queue.claim(u32::try_from(count).unwrap_or(u32::MAX));
        draft.claim(range.start..range.end);
        draft.unread.push(Unread::New(range));
        Ok(())
    }

    async fn draft_put_backs(&mut self, draft: &mut Draft, room: usize) -> Result<(), StoreError> {
        let now = self.context.clients.clock.now();
        let waiting = self.context.clients.store.put_backs(&self.context.run, PUT_BACKS_MAX + 1).await?;
        self.next_put_back_at = None;
        let (mut room, mut taken) = (room, Vec::new());
        for put_back in waiting {
            let count = put_back.count() as usize;
            if put_back.due_at > now || count > room || taken.len() >= PUT_BACKS_MAX {
                self.next_put_back_at = Some(put_back.due_at);
                break;
            }
            room -= count;
            taken.push(put_back);
        }
        // What comes last is read first: the least suspect.
        taken.sort_by_key(|put_back| std::cmp::Reverse(put_back.losses));
        taken.into_iter().for_each(|put_back| draft.take(put_back));
        Ok(())
    }

    /// Reads what was claimed, as it is needed; what could not be read is read at the next step. Answers
    /// whether there is more to read now.
    pub(super) async fn read_claimed(&mut self) -> Result<bool, StoreError> {
        let (begun, read_for) = (Instant::now(), READ_FOR.min(self.lease.times.look_every / 2));
        let wanted = self.needed_within(CLAIM_AHEAD).max(2 * self.lane.slots as usize);
        while let Some(unread) = self.unread.last() {
            self.ready.advance(self.context.clients.clock.now());
            let has_enough = self.ready.startable() >= wanted || self.ready.startable_bytes() >= READY_BYTES_MAX;
            let has_no_room = self.ready.waiting_bytes() >= WAITING_BYTES_MAX;
            if has_enough || has_no_room || self.suspects.waiting_bytes() >= READY_BYTES_MAX {
                break;
            }
            // What has a history changes the claims, of which the write that is under way has a copy.
            if matches!(unread, Unread::Known(..)) && (self.writing.is_some() || self.lane.is_draining) {
                break;
            }
            if begun.elapsed() >= read_for {
                return Ok(true);
            }
            match unread {
                Unread::New(range) => {
                    let range = *range;
                    let payloads = self.reader.read(&self.context, range).await?;
                    let next = payloads.last().map_or(range.end, |last| last.index + 1);
                    payloads.into_iter().for_each(|payload| self.ready.push(Task::new(payload)));
                    self.unread.pop();
                    if next < range.end {
                        self.unread.push(Unread::New(PayloadRange { start: next, end: range.end }));
                    }
                }
                Unread::Known(losses, ranges) => {
                    let losses = *losses;
                    let Recovered { tasks, read, rest } =
                        recover::unfinished(&self.context, ranges, begun + read_for).await?;
                    self.unread.pop();
                    self.take_up_tasks(losses, &read, tasks);
                    if !rest.is_empty() {
                        self.unread.push(Unread::Known(losses, rest));
                    }
                }
            }
        }
        Ok(false)
    }

    /// How many workers share the run, this one included.
    pub(super) fn workers(&self) -> usize {
        let now = self.context.clients.clock.now();
        let is_working = |lane: &&sundial_store::Lane| lane.phase == LanePhase::Working && !lane.is_draining;
        let others = self.seen.lanes.iter().filter(is_working).filter(|lane| lane.number != self.lane.number);
        1 + others.filter(|lane| lane.is_leased(now)).count()
    }

    /// Whether the queue is left alone for a while, because others were faster at it.
    pub(super) fn leaves_queue(&self) -> bool {
        Instant::now() < self.leave_queue_until
    }

    /// Notes that others may have given payloads back or taken them: when the next ones are due is
    /// to be looked up.
    pub(super) fn note_put_backs(&mut self) {
        self.next_put_back_at = (self.queue.put_back > 0).then_some(Timestamp::EPOCH);
    }

    /// Notes that payloads were given back until then.
    pub(super) fn note_put_back_at(&mut self, at: Timestamp) {
        self.next_put_back_at = Some(self.next_put_back_at.map_or(at, |known| known.min(at)));
    }
}
