//! Taking up a lane: what was claimed with it, and what its worker before has left.

use std::collections::{BTreeMap, HashSet};

use sundial_outbound::answer_memory::HeldMemory;
use sundial_store::{LanePhase, PayloadRange};

use super::{Unread, Worker};
use crate::attempt::worker_lost;
use crate::buffer::Ended;
use crate::ready::Task;
use crate::suspects::LOSSES_MAX;

impl Worker {
    /// Takes up what the lane has already: what was claimed with it just now, and what its worker
    /// before has left. All of it is read as there is room for it.
    pub(super) fn take_up(&mut self, claimed: Option<PayloadRange>) {
        if self.lane.phase == LanePhase::Settled {
            return;
        }
        let left = self.lane.claims.iter().copied().filter(|range| Some(*range) != claimed);
        let mut history: BTreeMap<Option<u32>, Vec<PayloadRange>> = BTreeMap::from([(None, left.collect())]);
        for suspects in &self.lane.suspects {
            history.entry(Some(suspects.losses)).or_default().push(suspects.range);
        }
        let plain = self.lane.claims.iter().flat_map(|range| range.start..range.end);
        plain.for_each(|index| self.claims.insert(index));
        let known = history.values().flatten().chain(&claimed).map(PayloadRange::count).sum::<u32>();
        self.unread_finished = known.saturating_sub(self.lane.unfinished);
        self.unread.extend(claimed.map(Unread::New));
        // What is most suspect is read last, and what was claimed anew after all of it.
        for (losses, mut ranges) in history.into_iter().rev().filter(|(_, ranges)| !ranges.is_empty()) {
            // Those of a segment together, as each segment has to be looked at.
            ranges.sort_unstable_by_key(|range| range.start);
            self.unread.push(Unread::Known(losses, ranges));
        }
    }

    /// Takes up payloads with a history: those of `ranges` that are to be carried out are `tasks`.
    pub(super) fn take_up_tasks(&mut self, losses: Option<u32>, ranges: &[PayloadRange], tasks: Vec<Task>) {
        let known = ranges.iter().map(PayloadRange::count).sum::<u32>();
        let finished = known.saturating_sub(u32::try_from(tasks.len()).unwrap_or(u32::MAX));
        self.unread_finished = self.unread_finished.saturating_sub(finished);
        if losses.is_none() && finished > 0 {
            let open: HashSet<u32> = tasks.iter().map(Task::index).collect();
            let all = ranges.iter().flat_map(|range| range.start..range.end);
            all.filter(|index| !open.contains(index)).for_each(|index| self.claims.finish(index));
        }
        tasks.into_iter().for_each(|task| self.take_up_task(losses, task));
    }

    fn take_up_task(&mut self, losses: Option<u32>, task: Task) {
        match losses {
            None => self.ready.push(task),
            Some(losses) if losses >= LOSSES_MAX => {
                self.claims.insert(task.index());
                let outcome = worker_lost(&task, self.context.clients.clock.now());
                let memory = HeldMemory::default();
                self.buffer.push_ended(Ended { task, outcome, extension: Vec::new(), memory });
            }
            Some(losses) => self.suspects.push(losses, task),
        }
    }
}
