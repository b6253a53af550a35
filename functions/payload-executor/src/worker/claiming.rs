//! Claiming payloads, reading them, and starting attempts at them.

use std::sync::Arc;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::{PayloadRange, StoreError};
use tokio::time::Instant;

use super::Worker;
use crate::attempt;
use crate::ready::Task;

/// No more payloads than these are claimed at once.
const CLAIM_MAX: u32 = 500;
/// No more payloads than these are held, those that wait for a retry included: a lane's item has
/// to hold their ranges, and its next worker has to read them.
const UNFINISHED_MAX: usize = 5_000;
/// No more bytes of payloads than these are read at once.
const READ_BYTES_MAX: usize = 4_000_000;

impl Worker {
    /// Claims payloads when slots would stay free: those, and as many as end until the next look.
    pub(super) async fn claim(&mut self) -> Result<(), StoreError> {
        let busy = self.attempts.len() + self.ready.count_due(self.context.clients.clock.now());
        let timeout = Duration::from_secs(self.context.definition.configuration.request_timeout.get().into());
        let is_held = self.hold_until.is_some_and(|until| until > self.context.clients.clock.now());
        let has_no_use = self.is_exhausted || busy >= self.limit || !self.unread.is_empty() || is_held;
        if has_no_use || self.unfinished.len() >= UNFINISHED_MAX || Instant::now() + timeout >= self.end_at {
            return Ok(());
        }
        let free = u32::try_from(self.limit - busy).unwrap_or(u32::MAX);
        let count = free.saturating_add(self.finished_recently * 2).min(CLAIM_MAX);
        let begun = Instant::now();
        let mut renewed = self.lane.clone();
        renewed.lease_until = Some(self.lease.until(self.context.clients.clock.now()));
        let claimed = self.context.clients.store.claim(self.context.run.id, &renewed, count).await?;
        let (lane, queue, range) = claimed;
        self.is_exhausted = queue.next >= queue.total;
        if range.start < range.end {
            self.lane = lane;
            self.lease.renewed(begun);
            self.unfinished.extend(range.start..range.end);
            self.unread.push(range);
        }
        Ok(())
    }

    /// Reads what was claimed; what could not be read is read at the next step.
    pub(super) async fn read_claimed(&mut self) -> Result<(), StoreError> {
        while let Some(range) = self.unread.last().copied() {
            let count = (range.end - range.start) as usize;
            let (store, parts) = (&self.context.clients.store, &self.context.run.parts);
            let payloads = store.payloads_within(parts, range.start, count, READ_BYTES_MAX).await?;
            let Some(last) = payloads.last().map(|payload| payload.index) else {
                let message = format!("job run {} has no payload {}", self.context.run.id, range.start);
                return Err(StoreError::Corrupt(message));
            };
            payloads.into_iter().for_each(|payload| self.ready.push(Task::new(payload)));
            self.unread.pop();
            if last + 1 < range.end {
                self.unread.push(PayloadRange { start: last + 1, end: range.end });
            }
        }
        Ok(())
    }

    /// Fills the free slots.
    pub(super) fn start_attempts(&mut self) {
        let now = self.context.clients.clock.now();
        // A lane that was seen too long ago may have been paused or ended meanwhile.
        if self.lease.seen_at.elapsed() >= self.lease.times.look_every || self.hold_until > Some(now) {
            return;
        }
        while self.attempts.len() < self.limit {
            let may_start = |task: &Task| task.not_before <= now && self.has_time_for(task);
            if !self.ready.peek().is_some_and(may_start) {
                break;
            }
            let Some(task) = self.ready.pop() else { break };
            self.attempts.spawn(attempt::make(Arc::clone(&self.context), task));
        }
    }

    /// When the next thing to do with payloads is due; none when there is nothing.
    pub(super) fn next_work_at(&self) -> Timestamp {
        let soon = self.context.clients.clock.now().max(self.hold_until.unwrap_or(Timestamp::EPOCH));
        // Without a task there are claimed payloads to read.
        let next_attempt_at = self.next_attempt_at().unwrap_or(soon);
        if self.may_claim_more() { next_attempt_at.min(soon) } else { next_attempt_at }
    }

    /// Whether there are payloads that this lane could still claim.
    pub(super) fn may_claim_more(&self) -> bool {
        !self.is_exhausted && self.unfinished.len() < UNFINISHED_MAX
    }
}
