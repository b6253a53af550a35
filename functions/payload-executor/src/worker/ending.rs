//! What becomes of the lane: its work's end, and a worker's way home.

use std::sync::Arc;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_store::{Commit, LanePhase, Settled, StoreError, TransactionToken};
use tokio::time::Instant;
use tracing::Instrument;

use super::Worker;
use crate::{WAIT_MAX, closing};

/// A lane that should have work, and where none was found, is looked at again after this long.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// What a batch of deliveries alone needs of an invocation's time.
const DELIVERY_TIME: Duration = Duration::from_secs(60);

impl Worker {
    /// Whether nothing of payloads is left to this lane.
    fn has_finished(&self) -> bool {
        self.claims.is_empty() && self.suspects.is_empty() && self.unread.is_empty() && self.ready.is_empty()
    }

    /// Moves the lane on when its work has come to an end or to rest; nothing is in flight.
    pub(super) async fn end_phase(&mut self) -> Result<(), StoreError> {
        let now = self.context.clients.clock.now();
        let store = self.context.clients.store.clone();
        match self.lane.phase {
            LanePhase::Working if self.has_finished() => {
                let due_at = self.queue_due_at().unwrap_or(now);
                let settled = store.settle_lane(self.context.id(), &self.lane, due_at, now).await?;
                let Some(Settled { partition, work }) = settled else {
                    // There is more to do, and nobody else to do it.
                    return if self.look().await? { Ok(()) } else { Err(StoreError::Conflict) };
                };
                self.take_over(partition);
                self.hand_over(work).await;
            }
            LanePhase::Pausing => {
                let partition = store.rest_lane(self.context.id(), &self.lane, now).await?;
                self.take_over(partition);
            }
            LanePhase::Working | LanePhase::Paused | LanePhase::Settled => {}
        }
        Ok(())
    }

    fn take_over(&mut self, partition: sundial_store::RunPartition) {
        if let Some(lane) = partition.lane(self.lane.number) {
            self.lane = lane.clone();
        }
        self.queue = partition.queue;
        self.seen = partition;
    }

    /// Sends for workers; what follows the end of this run is done here, if there is time.
    async fn hand_over(&mut self, work: Vec<WorkReady>) {
        let mut elsewhere = Vec::new();
        let has_time = Instant::now() + DELIVERY_TIME < self.end_at;
        for ready in work {
            match ready {
                WorkReady::Closing { job_run_id, closing: generation }
                    if has_time && job_run_id == self.context.id() =>
                {
                    tracing::info!(status = ?self.seen.run.status, "the job run has ended");
                    let (context, end_at) = (Arc::clone(&self.context), self.end_at);
                    let closed = async move {
                        if let Err(error) = closing::work_in(&context, generation, end_at).await {
                            tracing::warn!(%error, "what follows the end of the run is done later");
                        }
                    };
                    self.closings.spawn(closed.in_current_span());
                }
                _ => elsewhere.push(ready),
            }
        }
        self.context.clients.bus.hand_over(elsewhere).await;
    }

    /// When the queue has something for whoever is there; none when nothing is left in it.
    fn queue_due_at(&self) -> Option<Timestamp> {
        let soonest = self.context.clients.clock.now().max(self.hold_until.unwrap_or(Timestamp::EPOCH));
        if self.queue.next < self.queue.end() {
            return Some(soonest);
        }
        (self.queue.put_back > 0).then(|| self.next_put_back_at.unwrap_or(soonest).max(soonest))
    }

    /// When the run's time is over, if it goes on until then.
    pub(super) fn run_ends_at(&self) -> Option<Timestamp> {
        self.seen.run.wake_at().filter(|_| self.lane.phase == LanePhase::Working)
    }

    /// Ends the run if its time is over.
    pub(super) async fn end_in_time(&mut self) -> Result<(), StoreError> {
        let now = self.context.clients.clock.now();
        if self.run_ends_at().is_none_or(|at| at > now) {
            return Ok(());
        }
        let (_, work) = self.context.clients.store.end_if_over(self.context.id(), now).await?;
        self.hand_over(work).await;
        if self.look().await? { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Whether the worker is still there at a time, which is soon; and if it is now, whether it can act.
    fn stays_until(&self, at: Timestamp) -> bool {
        let wait = at.since(self.context.clients.clock.now());
        wait <= WAIT_MAX && Instant::now() + wait < self.end_at && (!wait.is_zero() || self.may_act())
    }

    /// Whether there is time for the next thing to do.
    pub(super) fn may_act(&self) -> bool {
        !self.lane.is_draining && Instant::now() + self.needed_time() < self.end_at
    }

    /// When there is nothing to do for long: until when, or for good. Who has no time left waits as well,
    /// and sends for a successor then.
    pub(super) fn idle_until(&self) -> Option<Option<Timestamp>> {
        if self.run_ends_at().is_some_and(|at| self.stays_until(at)) {
            return None;
        }
        let now = self.context.clients.clock.now();
        let next_at = || self.next_start_at().into_iter().chain(self.queue_due_at()).min().unwrap_or(now);
        let work_at = (self.lane.phase == LanePhase::Working).then(next_at);
        let tell_at = (!self.lane.announce.is_empty()).then_some(now);
        let redeliver_at = self.lane.redelivery.is_some().then_some(now);
        let times = work_at.into_iter().chain(self.next_delivery_at).chain(redeliver_at).chain(tell_at);
        let Some(at) = times.min() else {
            // Deliveries that are pending without our knowing of a time are looked for again.
            return Some((self.lane.deliveries_pending > 0).then_some(now + LOOK_AGAIN_AFTER));
        };
        (!self.stays_until(at)).then_some(Some(at.max(now)))
    }

    /// How long the next thing to do may take.
    pub(super) fn needed_time(&self) -> Duration {
        match self.lane.phase {
            LanePhase::Working => self.time_runs_out_at().map_or(Duration::ZERO, |at| self.end_at - at),
            LanePhase::Pausing | LanePhase::Paused | LanePhase::Settled => DELIVERY_TIME,
        }
    }

    /// Gives the lane back with its slots, and sends for a successor when there is work now.
    pub(super) async fn leave(&mut self, next_at: Option<Timestamp>) -> Result<(), StoreError> {
        let now = self.context.clients.clock.now();
        let (mut lane, mut queue) = (self.lane.clone(), self.queue);
        lane.hold_until = self.hold_until.filter(|until| *until > now);
        lane.sink_health = self.sink_health();
        lane.release(next_at);
        queue.set_slots(&mut lane, 0);
        // That it is looked at in time was decided on what is in the queue.
        let queue = (lane.phase == LanePhase::Working || queue != self.queue).then_some(queue);
        let (store, token) = (&self.context.clients.store, TransactionToken::new());
        store.commit(&self.context.run, &lane, queue.as_ref(), &Commit::default(), &token).await?;
        if next_at.is_some_and(|at| at <= now) {
            self.context.clients.bus.hand_over(vec![WorkReady::lane(self.context.id(), lane.number)]).await;
        }
        Ok(())
    }
}
