//! Payloads that a worker had when it died. One of them may be what it died of, so they are carried
//! out alone and announced before, ever fewer at a time the more often a worker died of them: in the
//! end the one that kills workers is found, and the others are not taken for it.

use std::collections::BTreeMap;

use sundial_model::Timestamp;
use sundial_store::{PayloadRange, Suspects};

use crate::ready::Task;

/// A payload that lost so many workers has failed.
pub(crate) const LOSSES_MAX: u32 = 3;

/// So many are carried out at once after so many losses.
const AT_ONCE: [usize; LOSSES_MAX as usize] = [usize::MAX, 10, 1];

/// The suspects of a lane.
#[derive(Default)]
pub(crate) struct SuspectQueue {
    waiting: BTreeMap<u32, Vec<Task>>,
    waiting_bytes: usize,
    /// Announced: about to start, or under way.
    in_flight: BTreeMap<u32, u32>,
}

impl SuspectQueue {
    pub(crate) fn push(&mut self, losses: u32, task: Task) {
        self.waiting_bytes += task.bytes;
        self.waiting.entry(losses).or_default().push(task);
    }

    /// About how many bytes take those that wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether there are none, not even under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Takes out those that may start now, up to `free` of them. They must be announced first.
    pub(crate) fn pick(&mut self, free: usize, mut may_start: impl FnMut(&Task) -> bool) -> Vec<Task> {
        // Those that are least suspect come first, and those of another kind wait for them.
        let losses = self.in_flight.values().min().or_else(|| self.waiting.keys().min()).copied();
        let Some(losses) = losses else { return Vec::new() };
        let most = AT_ONCE.get(losses as usize).copied().unwrap_or(1);
        let count = free.min(most.saturating_sub(self.in_flight.len()));
        let Some(waiting) = self.waiting.get_mut(&losses) else { return Vec::new() };
        // The first one is taken last.
        waiting.sort_by_key(|task| std::cmp::Reverse(task.not_before));
        let mut picked = Vec::new();
        while picked.len() < count && waiting.last().is_some_and(&mut may_start) {
            picked.extend(waiting.pop());
        }
        if waiting.is_empty() {
            self.waiting.remove(&losses);
        }
        let bytes: usize = picked.iter().map(|task| task.bytes).sum();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        self.in_flight.extend(picked.iter().map(|task| (task.index(), losses)));
        picked
    }

    /// Whether an attempt at one is announced or under way.
    pub(crate) fn has_in_flight(&self, index: u32) -> bool {
        self.in_flight.contains_key(&index)
    }

    /// One that was announced does not start now.
    pub(crate) fn wait_again(&mut self, task: Task) {
        let losses = self.in_flight.remove(&task.index()).unwrap_or(0);
        self.push(losses, task);
    }

    /// An attempt has ended, and is on record.
    pub(crate) fn forget(&mut self, index: u32) -> bool {
        self.in_flight.remove(&index).is_some()
    }

    /// When the next one may start; none while others are under way.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let waiting = self.waiting.values().next().filter(|_| self.in_flight.is_empty())?;
        waiting.iter().map(|task| task.not_before).min()
    }

    /// Those that wait, with their losses.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (u32, &Task)> {
        self.waiting.iter().flat_map(|(losses, tasks)| tasks.iter().map(|task| (*losses, task)))
    }

    pub(crate) fn clear_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.in_flight.clear();
    }

    /// As the lane's item tells of them; those are left out whose attempts have ended, and those that
    /// wait if they are given back.
    pub(crate) fn announced(&self, has_ended: impl Fn(u32) -> bool, gives_back: bool) -> Vec<Suspects> {
        let mut suspects = Vec::new();
        for (losses, tasks) in self.waiting.iter().filter(|_| !gives_back) {
            let mut indices: Vec<u32> = tasks.iter().map(Task::index).collect();
            indices.sort_unstable();
            let ranges = PayloadRange::exactly(indices);
            suspects.extend(ranges.into_iter().map(|range| Suspects { range, losses: *losses, in_flight: false }));
        }
        let in_flight = self.in_flight.iter().filter(|(index, _)| !has_ended(**index));
        suspects.extend(in_flight.map(|(index, losses)| {
            let range = PayloadRange { start: *index, end: index + 1 };
            Suspects { range, losses: *losses, in_flight: true }
        }));
        suspects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_model::payload::IndexedPayload;

    fn task(index: u32) -> Task {
        let payload = serde_json::from_value(serde_json::json!({ "apiName": "a" })).expect("a payload");
        Task::new(IndexedPayload { index, payload })
    }

    #[test]
    fn the_more_suspect_the_fewer_at_once_and_the_least_suspect_first() {
        let mut suspects = SuspectQueue::default();
        (0..30).for_each(|index| suspects.push(0, task(index)));
        (30..60).for_each(|index| suspects.push(1, task(index)));
        (60..63).for_each(|index| suspects.push(2, task(index)));
        let mut rounds = Vec::new();
        loop {
            let picked: Vec<u32> = suspects.pick(100, |_| true).iter().map(Task::index).collect();
            if picked.is_empty() {
                break;
            }
            assert!(suspects.pick(0, |_| true).is_empty());
            rounds.push(picked.len());
            picked.into_iter().for_each(|index| assert!(suspects.forget(index)));
        }
        assert_eq!(rounds, [30, 10, 10, 10, 1, 1, 1]);
        assert!(suspects.is_empty());
    }

    #[test]
    fn what_is_announced_is_told_apart_from_what_waits() {
        let mut suspects = SuspectQueue::default();
        (5..8).for_each(|index| suspects.push(0, task(index)));
        let picked = suspects.pick(1, |_| true);
        assert_eq!(picked.iter().map(Task::index).collect::<Vec<_>>(), [7]);
        let range = |start, end| PayloadRange { start, end };
        let waits = Suspects { range: range(5, 7), losses: 0, in_flight: false };
        let starts = Suspects { range: range(7, 8), losses: 0, in_flight: true };
        assert_eq!(suspects.announced(|_| false, false), [waits, starts]);
        assert_eq!(suspects.announced(|index| index == 7, false), [waits]);
        assert_eq!(suspects.announced(|_| false, true), [starts]);
    }
}
