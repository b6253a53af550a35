//! Opening lanes: for payloads that this worker has no slots for, and for a successor when its time
//! runs out.

use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_store::{LANE_SLOTS_MAX, LANES_MAX, LOST_EVENT_AFTER, Lane, LanePhase, PutBack};

use super::Worker;
use super::drafting::Draft;

/// So many lanes are opened at once.
const OPENED_AT_ONCE: u32 = 5;

impl Worker {
    /// Opens lanes for what nobody has a slot for.
    pub(super) fn draft_lanes(&self, draft: &mut Draft, now: Timestamp) {
        let due = draft.commit.put_back.iter().filter(|put_back| put_back.due_at <= now);
        let due_put_backs = due.map(PutBack::count).sum::<u32>()
            + if self.next_put_back_at.is_some_and(|at| at <= now) { self.queue.put_back } else { 0 };
        let fresh = draft.queue.end().saturating_sub(draft.queue.next);
        let waiting = fresh + due_put_backs.min(draft.queue.put_back);
        // What this worker has room for itself needs nobody else.
        let waiting = waiting.saturating_sub(self.own_room(draft));
        let wanted = waiting.min(draft.queue.free_slots()).div_ceil(LANE_SLOTS_MAX);
        let others = || self.seen.lanes.iter().filter(|lane| lane.number != self.lane.number);
        let is_on_its_way = |lane: &&Lane| lane.phase == LanePhase::Working && !lane.is_leased(now) && lane.slots == 0;
        let on_their_way = u32::try_from(others().filter(is_on_its_way).count()).unwrap_or(u32::MAX);
        let has_room = |lane: &&Lane| {
            let is_working = lane.phase == LanePhase::Working && lane.is_leased(now) && !lane.is_draining;
            is_working && lane.slots < LANE_SLOTS_MAX
        };
        let with_room = u32::try_from(others().filter(has_room).count()).unwrap_or(u32::MAX);
        let count = wanted.saturating_sub(on_their_way + with_room).min(OPENED_AT_ONCE);
        let mut settled = others().filter(|lane| lane.phase == LanePhase::Settled && !lane.is_leased(now));
        let mut next_number = self.seen.lanes.iter().map(|lane| lane.number + 1).max().unwrap_or(0);
        for _ in 0..count {
            let lane = settled.next();
            let number = lane.map_or(next_number, |lane| lane.number);
            if lane.is_none() {
                next_number += 1;
            }
            if number >= LANES_MAX {
                break;
            }
            draft.needs_queue = true;
            draft.commit.opened.push(Lane::opened(lane, number, now + LOST_EVENT_AFTER, self.context.run.keep_until));
        }
    }

    /// How many more payloads this worker could carry out at once.
    fn own_room(&self, draft: &Draft) -> u32 {
        if draft.lane.is_draining || !self.suspects.is_empty() || self.is_held() {
            return 0;
        }
        let slots = self.slots_max().min(draft.lane.slots + draft.queue.free_slots());
        let unread = draft.unread.len() + self.unread.len();
        let busy = self.in_flight.len() + self.ready.len();
        // What was just claimed is not counted exactly, and need not be.
        if unread > 0 { 0 } else { slots.saturating_sub(u32::try_from(busy).unwrap_or(u32::MAX)) }
    }

    /// Sends for workers for the lanes that were opened.
    pub(super) async fn opened(&mut self, lanes: Vec<Lane>, now: Timestamp) {
        if lanes.is_empty() {
            return;
        }
        let run = self.context.id();
        let work = lanes.iter().map(|lane| WorkReady::lane(run, lane.number)).collect();
        for mut lane in lanes {
            lane.next_at = Some(now + LOST_EVENT_AFTER);
            match self.seen.lanes.iter_mut().find(|seen| seen.number == lane.number) {
                Some(seen) => *seen = lane,
                None => self.seen.lanes.push(lane),
            }
        }
        self.context.clients.bus.hand_over(work).await;
    }
}
