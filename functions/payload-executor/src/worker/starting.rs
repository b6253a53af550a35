//! Starting attempts: as many as there are slots, in time, and no more per second than allowed.

use std::sync::Arc;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::number::WholeNumber;
use tokio::time::Instant;
use tracing::Instrument;

use super::Worker;
use crate::attempt;
use crate::ready::Task;
use crate::session_state::RunSession;

/// Suspects are announced this often at most, while others of them are under way.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(200);

impl Worker {
    /// When further suspects may be announced while others are under way.
    pub(super) fn announce_at(&self) -> Option<Instant> {
        let waits = self.suspects.waiting().next().is_some() && !self.is_quiet();
        waits.then(|| self.lease.renewed_at + ANNOUNCE_EVERY).filter(|at| *at > Instant::now())
    }

    /// The longest that an attempt may take: most of an invocation, should that be shorter than what
    /// its job allows.
    fn attempt_time_max(&self) -> Duration {
        (self.end_at - self.begun).mul_f64(0.95)
    }

    /// Whether an attempt at this ends before the invocation.
    fn has_time_for(&self, task: &Task) -> bool {
        Instant::now() + self.attempt_time(task) <= self.end_at
    }

    fn attempt_time(&self, task: &Task) -> Duration {
        task.timeout(&self.context.definition.configuration).min(self.attempt_time_max())
    }

    /// When the invocation's time is no longer enough for an attempt.
    fn attempts_end_at(&self) -> Instant {
        let usual = u64::from(self.context.definition.configuration.request_timeout.get());
        let next = self.ready.peek().map(|task| self.attempt_time(task)).unwrap_or_default();
        let longest = Duration::from_secs(usual).min(self.attempt_time_max()).max(next);
        self.end_at.checked_sub(longest).unwrap_or(self.begun)
    }

    /// When the worker begins to drain; none once it has.
    pub(super) fn time_runs_out_at(&self) -> Option<Instant> {
        let is_working = self.lane.phase == sundial_store::LanePhase::Working && !self.lane.is_draining;
        is_working.then(|| self.attempts_end_at())
    }

    /// Notices that the time is over in which attempts may start: from now on, others do.
    pub(super) fn notice_time(&mut self) {
        if self.time_runs_out_at().is_some_and(|at| at <= Instant::now()) {
            self.lane.is_draining = true;
        }
    }

    /// Whether the lane was seen so recently that it cannot have been paused or ended long ago.
    fn is_sure(&self) -> bool {
        self.lease.seen_at.elapsed() < self.lease.times.look_every
    }

    /// Fills the free slots.
    pub(super) fn start_attempts(&mut self) {
        let now = self.context.clients.clock.now();
        if !self.is_sure() || self.is_held() || self.lane.is_draining {
            return;
        }
        if !self.suspects.is_empty() {
            // They are carried out without others that start beside them, and announced before.
            let is_time = self.is_quiet() || self.lease.renewed_at.elapsed() >= ANNOUNCE_EVERY;
            if is_time && self.announced.is_empty() && self.writing.is_none() {
                let (free, is_paced) = (self.free_slots(), self.rate().is_some());
                let mut suspects = std::mem::take(&mut self.suspects);
                self.announced = suspects.pick(free, |task| {
                    task.not_before <= now && self.has_time_for(task) && (!is_paced || self.pacer.take(now))
                });
                self.suspects = suspects;
                // One that has no time here must get it elsewhere.
                let is_late = |(_, task): (u32, &Task)| task.not_before <= now && !self.has_time_for(task);
                self.lane.is_draining |= self.suspects.waiting().any(is_late);
            }
            return;
        }
        self.ready.advance(now);
        while self.free_slots() > 0
            && let Some(task) = self.ready.peek()
        {
            if !self.has_time_for(task) {
                self.lane.is_draining = true;
                break;
            }
            if self.rate().is_some() && !self.pacer.take(now) {
                break;
            }
            let Some(task) = self.ready.pop() else { break };
            self.start(task);
        }
    }

    /// Starts suspects, now that it is announced; unless the run was paused meanwhile, or may have been
    /// because that took long, or the target has asked to be left alone, or there are fewer slots now.
    pub(super) fn start_announced(&mut self) {
        let is_working = self.lane.phase == sundial_store::LanePhase::Working;
        let may_start = is_working && self.is_sure() && !self.is_held();
        for task in std::mem::take(&mut self.announced) {
            if may_start && self.free_slots() > 0 {
                self.start(task);
            } else {
                self.suspects.wait_again(task);
            }
        }
    }

    fn start(&mut self, task: Task) {
        let timeout = self.attempt_time(&task);
        self.in_flight.insert(task.index());
        self.slots_used.note(self.in_flight.len());
        let state = self.context.session.as_ref().and_then(RunSession::current);
        self.attempts.spawn(attempt::make(Arc::clone(&self.context), task, state, timeout).in_current_span());
    }

    /// How many requests may start per second in the whole run, if that is limited.
    pub(super) fn rate(&self) -> Option<u32> {
        self.context.definition.configuration.max_requests_per_second.map(WholeNumber::get)
    }

    /// How many requests to reserve now: about those of a second, shared with the other workers.
    pub(super) fn requests_to_reserve(&mut self) -> Option<u32> {
        let rate = self.rate()?;
        let now = self.context.clients.clock.now();
        let suspects = self.suspects.waiting().map(|(_, task)| task).filter(|task| task.not_before <= now).count();
        let ready = if self.suspects.is_empty() { self.ready.startable() } else { suspects };
        let share = (rate as usize / self.workers()).max(1);
        let left = self.pacer.left(now);
        let wanted = ready.min(share).saturating_sub(left);
        let may_start = !self.lane.is_draining && !self.is_held() && self.free_slots() > 0;
        let is_wanted = wanted > 0 && left <= share / 2 && may_start;
        is_wanted.then(|| u32::try_from(wanted).unwrap_or(u32::MAX))
    }

    /// When the next attempt may start.
    pub(super) fn next_start_at(&self) -> Option<Timestamp> {
        if self.lacks_state() {
            // When there is one, that ends the wait.
            return None;
        }
        // Those that wait for others under way start when these have ended.
        let suspect_at = self.suspects.next_at();
        let ready_at = self.ready.next_at().filter(|_| self.suspects.is_empty());
        let task_at = suspect_at.or(ready_at)?;
        let paced_at = self.rate().and_then(|_| self.pacer.next_at()).unwrap_or(Timestamp::EPOCH);
        Some(task_at.max(paced_at).max(self.hold_until.unwrap_or(Timestamp::EPOCH)))
    }
}
