//! Looking at what others have changed: pauses, resumptions and ends come this way, another limit,
//! and slots that have fallen free.

use std::time::Duration;

use sundial_store::{LanePhase, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Worker;

/// A worker that waits for slots of others looks this often.
const LOOK_FOR_SLOTS_EVERY: Duration = Duration::from_secs(1);

impl Worker {
    /// How often to look: also who writes lane and queue all the time, because only the other lanes tell
    /// that the target asked them for time.
    pub(super) fn look_every(&self) -> Duration {
        let now = self.context.clients.clock.now();
        let others = self.seen.lanes.iter().filter(|lane| lane.number != self.lane.number && lane.slots > 0);
        let may_fall_free = others.into_iter().any(|lane| lane.is_draining || !lane.is_leased(now));
        let waits = self.lane.phase == LanePhase::Working
            && !self.lane.is_draining
            && self.lane.slots < self.slots_max()
            && may_fall_free;
        let usual = self.lease.times.look_every;
        if waits { usual.min(LOOK_FOR_SLOTS_EVERY) } else { usual }
    }

    /// Looks whether the lane is still ours, and takes over what others have changed.
    pub(super) async fn look(&mut self) -> Result<bool, StoreError> {
        let begun = Instant::now();
        self.slots_used.note(self.in_flight.len());
        let Some(seen) = self.context.clients.store.run_partition(self.context.id()).await? else {
            return Ok(false);
        };
        if seen.run.generation != self.context.run.generation {
            return Ok(false);
        }
        // A target that asked one lane for time asked all of them.
        let held = seen.lanes.iter().filter_map(|lane| lane.hold_until).max();
        self.hold_until = self.hold_until.max(held);
        let stored = seen.lane(self.lane.number).filter(|lane| lane.owner.as_ref() == Some(&self.lease.owner));
        let Some(stored) = stored.cloned() else { return Ok(false) };
        if !stored.is_same_revision(&self.lane) {
            let (is_draining, now) = (self.lane.is_draining, self.context.clients.clock.now());
            let is_redelivery = stored.redelivery.is_some() && stored.redelivery != self.lane.redelivery;
            if is_redelivery || stored.deliveries_pending > self.lane.deliveries_pending {
                // A user wants something once more.
                self.sink_health.lock().probe_now(now);
                self.note_delivery_at(now);
            }
            if stored.phase == LanePhase::Working && self.lane.phase != LanePhase::Working {
                self.renewals.begin_anew();
                if let Some(session) = &self.context.session {
                    session.read_again(&self.context.clients.store).await?;
                }
            }
            self.lane = stored;
            self.lane.is_draining = is_draining;
            if self.lane.phase == LanePhase::Settled {
                self.drop_payloads();
            }
        }
        let is_changed = !seen.queue.is_same_revision(&self.queue);
        self.queue = seen.queue;
        if is_changed {
            self.note_put_backs();
        }
        self.seen = seen;
        (self.lease.seen_at, self.looked_at) = (begun, begun);
        let store = &self.context.clients.store;
        self.context.signing.refresh(store).await;
        if let Some(session) = self.context.session.as_ref().filter(|_| self.lane.phase == LanePhase::Working) {
            session.refresh(store).await;
        }
        Ok(true)
    }

    /// The run was ended: what is in flight is dropped, nothing of payloads is recorded any more.
    fn drop_payloads(&mut self) {
        self.attempts = JoinSet::new();
        self.in_flight.clear();
        self.announced.clear();
        self.refused.clear();
        self.buffer.drop_payloads();
        self.ready.clear();
        self.suspects.clear();
        self.unread.clear();
        self.unread_finished = 0;
        self.claims.clear();
    }
}
