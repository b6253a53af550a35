//! Giving back: a worker that drains, or whose slots were taken, gives what it cannot carry out back
//! to the queue, and its slots as they fall free.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::LanePhase;
use tokio::time::Instant;

use super::drafting::Draft;
use super::{Unread, Worker};

/// Slots that fall free are given back together with those that do so this much later.
const RETURN_AFTER: Duration = Duration::from_millis(700);

impl Worker {
    /// Whether nothing that waits here will be carried out here.
    fn gives_up(&self) -> bool {
        let has_no_slot = self.lane.slots == 0 && self.in_flight.is_empty() && self.queue.free_slots() == 0;
        self.lane.phase == LanePhase::Working && (self.lane.is_draining || has_no_slot)
    }

    fn has_waiting(&self) -> bool {
        !self.ready.is_empty() || !self.unread.is_empty() || self.suspects.waiting().next().is_some()
    }

    fn unused_slots(&self) -> usize {
        (self.lane.slots as usize).saturating_sub(self.in_flight.len())
    }

    /// When slots are given back.
    pub(super) fn return_at(&self) -> Option<Instant> {
        let has_unused = self.lane.is_draining && self.lane.phase == LanePhase::Working && self.unused_slots() > 0;
        has_unused.then(|| self.wrote_queue_at + RETURN_AFTER)
    }

    /// Whether something is to be given back now.
    pub(super) fn must_return(&self) -> bool {
        let in_time = self.return_at().is_some_and(|at| at <= Instant::now());
        self.announced.is_empty() && ((self.gives_up() && self.has_waiting()) || in_time)
    }

    /// Gives back everything that waits, and the slots that are not used.
    pub(super) fn draft_return(&self, draft: &mut Draft, now: Timestamp) {
        let mut plain: Vec<(Timestamp, u32)> =
            self.ready.iter().map(|task| (task.not_before.max(now), task.index())).collect();
        let mut suspects: Vec<(u32, Timestamp, u32)> =
            self.suspects.waiting().map(|(losses, task)| (losses, task.not_before.max(now), task.index())).collect();
        for unread in &self.unread {
            let (losses, ranges) = match unread {
                Unread::New(range) => (None, vec![*range]),
                Unread::Known(losses, ranges) => (*losses, ranges.clone()),
            };
            let indices = ranges.into_iter().flat_map(|range| range.start..range.end);
            match losses {
                None => plain.extend(indices.map(|index| (now, index))),
                Some(losses) => suspects.extend(indices.map(|index| (losses, now, index))),
            }
        }
        // Few batches: what is due at different times waits for the latest of them.
        plain.sort_unstable();
        let is_due = |entry: &&(Timestamp, u32)| entry.0 <= now;
        let due: Vec<u32> = sorted(plain.iter().filter(is_due).map(|(_, index)| *index));
        let later: Vec<u32> = sorted(plain.iter().filter(|entry| !is_due(entry)).map(|(_, index)| *index));
        draft.put_back(now, None, &due);
        if let Some((latest, _)) = plain.last() {
            draft.put_back(*latest, None, &later);
        }
        suspects.sort_unstable();
        for group in suspects.chunk_by(|one, other| one.0 == other.0) {
            let latest = group.iter().map(|(_, at, _)| *at).max().unwrap_or(now);
            draft.put_back(latest, Some(group[0].0), &sorted(group.iter().map(|(_, _, index)| *index)));
        }
        draft.returns_all = true;
        let busy = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        draft.set_slots(draft.lane.slots.min(busy));
    }
}

fn sorted(indices: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut indices: Vec<u32> = indices.collect();
    indices.sort_unstable();
    indices
}
