//! What becomes of the lane: changes by others, its work's end, and a worker's way home.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::event::WorkReady;
use sundial_store::{Lane, LanePhase, PayloadRange, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Worker;
use crate::recover::leftover;

/// A worker with nothing to do for longer than this goes home; the lane's wake time calls another.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// A lane that should have work, and where none was found, is looked at again after this long.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// What deliveries alone need of an invocation's time.
const DELIVERY_TIME: Duration = Duration::from_secs(60);

impl Worker {
    /// Looks whether the lane is still ours, and what others have changed about it: pauses,
    /// resumptions and ends come this way.
    pub(super) async fn look(&mut self) -> Result<bool, StoreError> {
        let begun = Instant::now();
        let Some(partition) = self.context.clients.store.run_partition(self.context.run.id).await? else {
            return Ok(false);
        };
        // A target that asked one lane for time asked all of them.
        let held = partition.lanes.iter().filter_map(|lane| lane.hold_until).max();
        self.hold_until = self.hold_until.max(held);
        let stored = partition.lanes.into_iter().find(|lane| lane.number == self.lane.number);
        let Some(stored) = stored.filter(|lane| lane.owner.as_ref() == Some(&self.lease.owner)) else {
            return Ok(false);
        };
        self.is_exhausted = partition.queue.next >= partition.queue.total;
        if !stored.is_same_revision(&self.lane) {
            self.take_up_unknown_claims(&stored).await?;
            self.lane = stored;
            if self.lane.phase == LanePhase::Settled {
                self.drop_payloads();
            }
        }
        self.lease.seen_at = begun;
        Ok(true)
    }

    /// The run was ended: what is in flight is dropped, nothing of payloads is recorded any more.
    fn drop_payloads(&mut self) {
        self.attempts = JoinSet::new();
        self.buffer.drop_payloads();
        self.ready.clear();
        self.unread.clear();
        self.unfinished.clear();
    }

    /// A claim whose answer was lost stands in the table all the same.
    async fn take_up_unknown_claims(&mut self, stored: &Lane) -> Result<(), StoreError> {
        let is_known = |range: &PayloadRange| self.lane.claims.contains(range);
        let unknown: Vec<_> = stored.claims.iter().copied().filter(|range| !is_known(range)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let left = leftover(&self.context, &unknown).await?;
        for task in left.tasks {
            // Ranges grow: the beginning of one may be ours already.
            if self.unfinished.insert(task.payload.index) {
                self.ready.push(task);
            }
        }
        Ok(())
    }

    /// Moves the lane on when its work has come to an end or to rest; nothing is in flight.
    pub(super) async fn end_phase(&mut self) -> Result<(), StoreError> {
        let store = &self.context.clients.store;
        let run = self.context.run.id;
        match self.lane.phase {
            LanePhase::Working if self.is_exhausted && self.unfinished.is_empty() => {
                let (partition, work) = store.settle_lane(run, &self.lane, self.context.clients.clock.now()).await?;
                self.context.clients.bus.hand_over(work).await;
                let place = usize::try_from(self.lane.number).unwrap_or(usize::MAX);
                self.lane = partition.lanes.get(place).cloned().ok_or(StoreError::Conflict)?;
                if partition.run.status.is_terminal() {
                    tracing::info!(status = ?partition.run.status, "the job run has ended");
                }
            }
            LanePhase::Pausing => {
                self.lane = store.rest_lane(run, &self.lane, self.context.clients.clock.now()).await?;
            }
            LanePhase::Working | LanePhase::Paused | LanePhase::Settled => {}
        }
        Ok(())
    }

    /// When there is nothing to do for long: until when, or for good.
    pub(super) fn idle_until(&self) -> Option<Option<Timestamp>> {
        let now = self.context.clients.clock.now();
        let work_at = (self.lane.phase == LanePhase::Working).then(|| self.next_work_at());
        let Some(at) = work_at.into_iter().chain(self.next_delivery_at).min() else {
            // Deliveries that are pending without our knowing of a time are looked for again.
            return Some((self.lane.deliveries_pending > 0).then_some(now + LOOK_AGAIN_AFTER));
        };
        let wait = at.since(now);
        // What could be done now is left to a successor only when the time here has run out.
        let has_run_out = Instant::now() + wait + self.needed_time() >= self.end_at;
        (wait > IDLE_MAX || has_run_out).then_some(Some(at.max(now)))
    }

    /// How long the next thing to do may take.
    pub(super) fn needed_time(&self) -> Duration {
        let configuration = &self.context.definition.configuration;
        match (self.lane.phase, self.ready.peek()) {
            (LanePhase::Working, Some(task)) if !self.may_claim_more() => task.timeout(configuration),
            (LanePhase::Working, _) => Duration::from_secs(configuration.request_timeout.get().into()),
            (LanePhase::Pausing | LanePhase::Paused | LanePhase::Settled, _) => DELIVERY_TIME,
        }
    }

    /// Gives the lane back, and sends for a successor when there is work now.
    pub(super) async fn leave(&mut self, next_at: Option<Timestamp>) -> Result<(), StoreError> {
        let mut lane = self.lane.clone();
        (lane.owner, lane.lease_until, lane.next_at) = (None, None, next_at);
        lane.hold_until = self.hold_until.filter(|until| *until > self.context.clients.clock.now());
        let run = self.context.run.id;
        self.lane = self.context.clients.store.put_lane(run, &lane).await?;
        if next_at.is_some_and(|at| at <= self.context.clients.clock.now()) {
            let work = WorkReady { job_run_id: run, lane: lane.number };
            self.context.clients.bus.hand_over(vec![work]).await;
        }
        Ok(())
    }
}
