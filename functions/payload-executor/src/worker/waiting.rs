//! Waiting for the next thing that happens, or is to be done.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_store::{LanePhase, StoreError};
use tokio::time::Instant;

use super::{Worker, writing};
use crate::attempt::{AttemptEnd, Attempted, CarriedState};
use crate::buffer::Ended;

impl Worker {
    /// When something is to be done that no task of ours will tell of.
    pub(super) fn wake_up_at(&self) -> Instant {
        let now = self.context.clients.clock.now();
        let in_time = |at: Timestamp| Instant::now() + at.since(now) + Duration::from_millis(1);
        let renew_at = self.lease.renewed_at + self.lease.times.renew_every;
        let look_at = self.looked_at + self.look_every();
        let may_start = self.lane.phase == LanePhase::Working && !self.lane.is_draining && self.free_slots() > 0;
        let start_at = self.next_start_at().filter(|_| may_start).map(in_time);
        if self.writing.is_some() {
            // The rest comes when it is written.
            return start_at.unwrap_or(self.lease.drop_at).max(Instant::now() + Duration::from_millis(1));
        }
        let put_back_at = self.next_put_back_at.filter(|_| may_start && self.would_claim()).map(in_time);
        let delivery_at = self.next_delivery_at.filter(|_| self.may_deliver()).map(in_time);
        let tell_at = (!self.lane.announce.is_empty()).then_some(self.tell_at);
        let times = [
            Some(renew_at),
            Some(look_at),
            self.record_at(),
            self.return_at(),
            self.time_runs_out_at(),
            self.announce_at(),
            start_at,
            put_back_at,
            delivery_at,
            tell_at,
            self.renew_at().filter(|_| self.lane.phase == LanePhase::Working),
            self.run_ends_at().map(in_time),
        ];
        // A time that has passed without effect must not turn this into a loop without rest.
        let soonest = Instant::now() + Duration::from_millis(1);
        times.into_iter().flatten().min().unwrap_or(renew_at).max(soonest)
    }

    /// Waits until then, or for the next thing that happens.
    pub(super) async fn wait(&mut self, until: Instant) -> Result<(), StoreError> {
        let broken = |error| StoreError::Refused(format!("an attempt broke off: {error}"));
        tokio::select! {
            biased;
            written = writing::written(&mut self.writing) => return self.note_written(written).await,
            Some(attempted) = self.attempts.join_next() => {
                self.note_attempt(attempted.map_err(broken)?);
                // Those that ended at the same time come along.
                while let Some(attempted) = self.attempts.try_join_next() {
                    self.note_attempt(attempted.map_err(broken)?);
                }
            }
            step = self.renewals.ended() => self.note_renewal(step),
            Some(delivered) = self.deliveries.join_next() => self.note_delivery(delivered.map_err(broken)?),
            () = tokio::time::sleep_until(until) => {}
        }
        Ok(())
    }

    fn note_attempt(&mut self, attempted: Attempted) {
        let Attempted { task, end, hold_until, session, memory } = attempted;
        self.in_flight.remove(&task.index());
        self.hold_until = self.hold_until.max(hold_until);
        if let Some(CarriedState { version, is_refused }) = session {
            let has_succeeded = matches!(&end, AttemptEnd::Final(outcome, _) if outcome.has_succeeded());
            self.note_session(version, is_refused, has_succeeded);
        }
        match end {
            AttemptEnd::Refused => self.refused.push(task),
            AttemptEnd::Final(outcome, extension) => {
                self.throughput.add(1);
                self.buffer.push_ended(Ended { task, outcome, extension, memory });
            }
            AttemptEnd::Again(failed) => self.buffer.push_again(task, failed),
        }
    }
}
