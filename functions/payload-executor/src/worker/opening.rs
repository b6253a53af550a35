//! Opening lanes: for payloads that this worker has no slots for, and for a successor when its time
//! runs out.

use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_store::{LANE_SLOTS_MAX, LANES_MAX, LOST_EVENT_AFTER, Lane, LanePhase, PutBack, Queue};

use super::Worker;
use super::drafting::Draft;

/// So many lanes are opened at once.
const OPENED_AT_ONCE: u32 = 5;

impl Worker {
    /// Opens lanes for what nobody has a slot for.
    pub(super) fn draft_lanes(&self, draft: &mut Draft, now: Timestamp) {
        let due = draft.commit.put_back.iter().filter(|put_back| put_back.due_at <= now);
        let given_back = due.map(PutBack::count).sum::<u32>();
        let unread = draft.unread.len() + self.unread.len();
        let count = self.lanes_wanted(&draft.lane, &draft.queue, given_back, unread > 0, now);
        let mut settled = self.settled(now);
        let mut next_number = self.next_number();
        for _ in 0..count {
            let lane = settled.next();
            let number = lane.map_or(next_number, |lane| lane.number);
            if lane.is_none() {
                next_number += 1;
            }
            draft.needs_queue = true;
            draft.commit.opened.push(Lane::opened(lane, number, now + LOST_EVENT_AFTER, self.context.run.keep_until));
        }
    }

    /// Whether there are lanes to be opened.
    pub(super) fn wants_lanes(&self) -> bool {
        let now = self.context.clients.clock.now();
        self.lanes_wanted(&self.lane, &self.queue, 0, !self.unread.is_empty(), now) > 0
    }

    /// How many lanes to open: for what is due in the queue and no slots are there for, but those that
    /// no lane holds.
    fn lanes_wanted(&self, lane: &Lane, queue: &Queue, given_back: u32, is_reading: bool, now: Timestamp) -> u32 {
        // While the target is to be left alone, nobody else could do more: two lanes would open each other in
        // turns.
        // While a state is made, too, but who has no time left to wait for it gives its place to somebody else.
        if self.wants_rest() || (self.lacks_state() && !lane.is_draining) {
            return 0;
        }
        // A time that is not known is none that has come.
        let is_due = self.next_put_back_at.is_some_and(|at| at > Timestamp::EPOCH && at <= now);
        let put_backs = (given_back + if is_due { self.queue.put_back } else { 0 }).min(queue.put_back);
        let fresh = queue.end().saturating_sub(queue.next);
        // What this worker has room for itself needs nobody else.
        let waiting = (fresh + put_backs).saturating_sub(self.own_room(lane, queue, is_reading));
        let wanted = waiting.min(queue.free_slots()).div_ceil(LANE_SLOTS_MAX);
        let is_coming = |lane: &&Lane| {
            let is_free = lane.phase == LanePhase::Working && !lane.is_leased(now) && lane.slots == 0;
            is_free && lane.next_at.is_some_and(|at| at <= now + LOST_EVENT_AFTER)
        };
        let has_room = |lane: &&Lane| {
            let is_working = lane.phase == LanePhase::Working && lane.is_leased(now) && !lane.is_draining;
            is_working && lane.slots < LANE_SLOTS_MAX
        };
        let others = self.others().filter(|lane| is_coming(lane) || has_room(lane)).count();
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let free_numbers = LANES_MAX.saturating_sub(self.next_number());
        let possible = free_numbers.saturating_add(u32::try_from(self.settled(now).count()).unwrap_or(u32::MAX));
        wanted.saturating_sub(others).min(OPENED_AT_ONCE).min(possible)
    }

    fn others(&self) -> impl Iterator<Item = &Lane> {
        self.seen.lanes.iter().filter(|lane| lane.number != self.lane.number)
    }

    fn settled(&self, now: Timestamp) -> impl Iterator<Item = &Lane> {
        self.others().filter(move |lane| lane.phase == LanePhase::Settled && !lane.is_leased(now))
    }

    fn next_number(&self) -> u32 {
        self.seen.lanes.iter().map(|lane| lane.number + 1).max().unwrap_or(0)
    }

    /// How many more payloads this worker could carry out at once.
    fn own_room(&self, lane: &Lane, queue: &Queue, is_reading: bool) -> u32 {
        if lane.is_draining || !self.suspects.is_empty() || is_reading {
            return 0;
        }
        let slots = self.slots_max().min(lane.slots + queue.free_slots());
        let busy = self.in_flight.len() + self.ready.startable();
        slots.saturating_sub(u32::try_from(busy).unwrap_or(u32::MAX))
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
