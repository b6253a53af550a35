//! Taking up a lane: what was claimed with it, and what a worker before has left.

use std::collections::BTreeMap;

use sundial_outbound::answer_memory::HeldMemory;
use sundial_store::{Commit, LanePhase, PayloadRange, StoreError, TransactionToken};
use tokio::time::Instant;

use super::claiming::split_ranges;
use super::{Unread, Worker};
use crate::attempt::worker_lost;
use crate::buffer::Ended;
use crate::ready::Task;
use crate::recover;
use crate::suspects::LOSSES_MAX;

impl Worker {
    /// Takes up what the lane has already: what was claimed with it just now, and what its worker
    /// before has left.
    pub(super) async fn take_up(&mut self, claimed: Option<PayloadRange>) -> Result<(), StoreError> {
        if self.lane.phase == LanePhase::Settled {
            return Ok(());
        }
        if let Some(range) = claimed {
            (range.start..range.end).for_each(|index| self.claims.insert(index));
            self.unread.push(Unread::New(range));
        }
        let left = self.lane.claims.iter().copied().filter(|range| Some(*range) != claimed);
        let mut history: BTreeMap<Option<u32>, Vec<PayloadRange>> = BTreeMap::from([(None, left.collect())]);
        for suspects in &self.lane.suspects {
            history.entry(Some(suspects.losses)).or_default().push(suspects.range);
        }
        for (losses, mut ranges) in history {
            // Those of a segment together, as each segment has to be looked at.
            ranges.sort_unstable_by_key(|range| range.start);
            while !ranges.is_empty() {
                let some;
                (some, ranges) = split_ranges(&ranges);
                let tasks = recover::unfinished(&self.context, &some).await?;
                tasks.into_iter().for_each(|task| self.take_up_task(losses, task));
                // It may take longer than a lease lasts.
                if !self.keep_lease().await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take_up_task(&mut self, losses: Option<u32>, task: Task) {
        match losses {
            None => {
                self.claims.insert(task.index());
                self.ready.push(task);
            }
            Some(losses) if losses >= LOSSES_MAX => {
                self.claims.insert(task.index());
                let outcome = worker_lost(&task, self.context.clients.clock.now());
                let memory = HeldMemory::default();
                self.buffer.push_ended(Ended { task, outcome, extension: Vec::new(), memory });
            }
            Some(losses) => self.suspects.push(losses, task),
        }
    }

    /// Renews the lease if it is time to, with the lane as it stands; answers whether there still is
    /// something to take up.
    async fn keep_lease(&mut self) -> Result<bool, StoreError> {
        if self.lease.renewed_at.elapsed() < self.lease.times.renew_every {
            return Ok(true);
        }
        let begun = Instant::now();
        let mut renewed = self.lane.clone();
        renewed.lease_until = Some(self.lease.until(self.context.clients.clock.now()));
        let (store, token) = (&self.context.clients.store, TransactionToken::new());
        match store.commit(&self.context.run, &renewed, None, &Commit::default(), &token).await {
            Ok((lane, _)) => {
                self.lane = lane;
                self.lease.renewed(begun);
            }
            Err(StoreError::Conflict) if self.look().await? => {}
            Err(error) => return Err(error),
        }
        Ok(self.lane.phase != LanePhase::Settled)
    }
}
