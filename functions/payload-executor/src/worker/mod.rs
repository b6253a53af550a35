//! The worker: a loop with slots for attempts, which claims, starts, records and renews.
//!
//! This file has the loop; what it does in turn stands beside it: `claiming` payloads, `delivering`
//! results, `recording` what happened, and `ending`: what becomes of the lane.

mod claiming;
mod delivering;
mod ending;
mod recording;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{Lane, LanePhase, PayloadRange, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attempt::Attempted;
use crate::buffer::Buffer;
use crate::context::RunContext;
use crate::delivery::Delivered;
use crate::lease::{Lease, acquire};
use crate::ready::{ReadyQueue, Task};
use crate::recover::leftover;

/// What happened is recorded this long after it did, together with what happens meanwhile.
const RECORD_AFTER: Duration = Duration::from_millis(200);
/// Between two tries to reach the table while it is not available.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Works on a lane until its work is done, deferred, or somebody else's.
pub(crate) async fn work(clients: &Clients, run: JobRunId, lane: u32, end_at: Instant) -> Result<(), StoreError> {
    let Some((partition, lane, lease)) = acquire(clients, run, lane).await? else { return Ok(()) };
    let limit = partition.run.lane_limit(lane.number) as usize;
    let context = RunContext::new(clients, partition.run).await?;
    let left = leftover(&context, &lane.claims).await?;
    let mut ready = ReadyQueue::default();
    left.tasks.into_iter().for_each(|task| ready.push(task));
    let worker = Worker {
        next_delivery_at: (lane.deliveries_pending > 0).then_some(Timestamp::EPOCH),
        hold_until: lane.hold_until,
        context,
        lane,
        lease,
        limit,
        end_at,
        ready,
        unread: Vec::new(),
        unfinished: left.unfinished,
        attempts: JoinSet::new(),
        deliveries: JoinSet::new(),
        delivering: HashSet::new(),
        buffer: Buffer::default(),
        is_exhausted: false,
        finished_recently: 0,
    };
    worker.run().await
}

struct Worker {
    context: Arc<RunContext>,
    lane: Lane,
    lease: Lease,
    /// How many attempts may be under way.
    limit: usize,
    /// When the invocation must be over.
    end_at: Instant,
    ready: ReadyQueue,
    /// Claimed, but not read yet.
    unread: Vec<PayloadRange>,
    /// Claimed and not recorded as finished.
    unfinished: BTreeSet<u32>,
    attempts: JoinSet<Attempted>,
    deliveries: JoinSet<Delivered>,
    /// The batches under way, by due time and lowest index.
    delivering: HashSet<(Timestamp, u32)>,
    /// When the table has a batch that is not under way.
    next_delivery_at: Option<Timestamp>,
    /// The target asked to be left alone until then.
    hold_until: Option<Timestamp>,
    buffer: Buffer,
    /// No payload is left to claim.
    is_exhausted: bool,
    /// Payloads that ended between the last two commits: how fast it goes.
    finished_recently: u32,
}

/// What the worker does next.
enum Step {
    /// Waits for what comes first.
    Wait(Instant),
    /// Goes home.
    Leave,
}

impl Worker {
    async fn run(mut self) -> Result<(), StoreError> {
        loop {
            // Once the lease may be over, what is in flight is somebody else's; leaving this
            // function drops the calls.
            let drop_at = self.lease.drop_at;
            let step = tokio::time::timeout_at(drop_at, self.step()).await;
            let lost = || StoreError::Unavailable("the lease could not be renewed in time".to_owned());
            let step = match step.map_err(|_| lost())? {
                Ok(step) => step,
                Err(StoreError::Conflict) => match tokio::time::timeout_at(drop_at, self.look()).await {
                    // Spread, so that two that met once do not meet again.
                    Ok(Ok(true) | Err(StoreError::Unavailable(_))) => {
                        Step::Wait(Instant::now() + Duration::from_millis(fastrand::u64(0..50)))
                    }
                    Ok(Ok(false)) => {
                        tracing::info!("the lane was taken by another worker");
                        return Ok(());
                    }
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err(lost()),
                },
                Err(StoreError::Unavailable(message)) => {
                    tracing::warn!(message, "the table is not available");
                    Step::Wait(Instant::now() + TRY_AGAIN_AFTER)
                }
                Err(error) => return Err(error),
            };
            match step {
                Step::Leave => return Ok(()),
                Step::Wait(until) => self.wait(until.min(self.lease.drop_at)).await?,
            }
        }
    }

    /// Does everything that can be done now.
    async fn step(&mut self) -> Result<Step, StoreError> {
        if self.lease.seen_at.elapsed() >= self.lease.times.look_every && !self.look().await? {
            return Err(StoreError::Conflict);
        }
        if self.lane.phase == LanePhase::Working {
            self.claim().await?;
            self.read_claimed().await?;
            self.start_attempts();
        }
        self.start_deliveries().await?;
        let is_quiet = self.attempts.is_empty();
        let record_at = self.buffer.oldest().map(|oldest| oldest + RECORD_AFTER);
        if record_at.is_some_and(|at| Instant::now() >= at || is_quiet) {
            self.record().await?;
            // What was recorded may have freed the way for more.
            return Ok(Step::Wait(Instant::now()));
        }
        if self.lease.renewed_at.elapsed() >= self.lease.times.renew_every {
            self.renew().await?;
        }
        if is_quiet && self.buffer.is_empty() {
            self.end_phase().await?;
            if self.deliveries.is_empty()
                && let Some(next_at) = self.idle_until()
            {
                self.leave(next_at).await?;
                return Ok(Step::Leave);
            }
        }
        Ok(Step::Wait(self.wake_up_at(record_at)))
    }

    /// Whether an attempt at this task would end before the invocation does.
    fn has_time_for(&self, task: &Task) -> bool {
        Instant::now() + task.timeout(&self.context.definition.configuration) < self.end_at
    }

    /// When the next attempt may start.
    fn next_attempt_at(&self) -> Option<Timestamp> {
        self.ready.peek().map(|task| task.not_before.max(self.hold_until.unwrap_or(Timestamp::EPOCH)))
    }

    /// When something is to be done that no task of ours will tell of.
    fn wake_up_at(&self, record_at: Option<Instant>) -> Instant {
        let now = self.context.clients.clock.now();
        let in_time = |at: Timestamp| Instant::now() + at.since(now) + Duration::from_millis(1);
        let renew_at = self.lease.renewed_at + self.lease.times.renew_every;
        let look_at = self.lease.seen_at + self.lease.times.look_every;
        let may_start = self.attempts.len() < self.limit
            && self.lane.phase == LanePhase::Working
            && self.ready.peek().is_some_and(|task| self.has_time_for(task));
        let ready_at = self.next_attempt_at().filter(|_| may_start).map(in_time);
        let delivery_at = self.next_delivery_at.filter(|_| self.may_deliver()).map(in_time);
        let times = [Some(renew_at), Some(look_at), ready_at, delivery_at, record_at];
        times.into_iter().flatten().min().unwrap_or(renew_at)
    }

    /// Waits until then, or for the next thing that happens.
    async fn wait(&mut self, until: Instant) -> Result<(), StoreError> {
        let broken = |error| StoreError::Refused(format!("an attempt broke off: {error}"));
        tokio::select! {
            biased;
            Some(attempted) = self.attempts.join_next() => {
                self.note_attempt(attempted.map_err(broken)?);
                // Those that ended at the same time come along.
                while let Some(attempted) = self.attempts.try_join_next() {
                    self.note_attempt(attempted.map_err(broken)?);
                }
            }
            Some(delivered) = self.deliveries.join_next() => self.note_delivery(delivered.map_err(broken)?),
            () = tokio::time::sleep_until(until) => {}
        }
        Ok(())
    }

    fn note_attempt(&mut self, attempted: Attempted) {
        match attempted {
            Attempted::Ended(task, outcome) => self.buffer.push_ended(task, outcome),
            Attempted::Again(task, hold_until) => {
                self.hold_until = self.hold_until.max(hold_until);
                self.buffer.push_again(task);
            }
        }
    }
}
