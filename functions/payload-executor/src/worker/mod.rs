//! The worker: a loop with slots for attempts, which claims, starts, records and renews.
//!
//! This file has the loop; what it does in turn stands beside it: `taking_up` a lane, `claiming` payloads, `starting`
//! attempts, `renewing` the state that they carry, `drafting` and `writing` what happened, `returning` what it has no
//! time for, `opening` lanes for others, `delivering` results, `redelivering` what was given up, `looking` at what
//! others have changed, `telling` the world, `waiting` for the next thing, and `ending`: what becomes of the lane.

mod claiming;
mod delivering;
mod drafting;
mod ending;
mod looking;
mod opening;
mod redelivering;
mod renewing;
mod returning;
mod starting;
mod taking_up;
mod telling;
mod waiting;
mod writing;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{Lane, LanePhase, PayloadRange, Queue, RunPartition, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attempt::Attempted;
use crate::buffer::Buffer;
use crate::claims::Claims;
use crate::context::RunContext;
use crate::counting::SlotsUsed;
use crate::delivery::{Delivered, SharedHealth};
use crate::lease::{Acquired, Lease, acquire};
use crate::payload_reader::PayloadReader;
use crate::ready::{ReadyQueue, Task};
use crate::suspects::SuspectQueue;
use crate::throughput::{Pacer, Throughput};
use renewing::Renewals;
use writing::{Says, Writing};

/// Between two tries to reach the table while it is not available.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Works on a lane until its work is done, deferred, or somebody else's.
pub(crate) async fn work(clients: &Clients, run: JobRunId, lane: u32, end_at: Instant) -> Result<(), StoreError> {
    let begun = Instant::now();
    let Some(acquired) = acquire(clients, run, lane).await? else { return Ok(()) };
    let Acquired { partition, lane, lease, claimed } = acquired;
    let context = RunContext::new(clients, partition.run.clone()).await?;
    let sink_health = SharedHealth::new(lane.sink_health.unwrap_or_default());
    let mut worker = Worker {
        next_delivery_at: (lane.deliveries_pending > 0).then_some(Timestamp::EPOCH),
        next_put_back_at: (partition.queue.put_back > 0).then_some(Timestamp::EPOCH),
        hold_until: partition.lanes.iter().filter_map(|lane| lane.hold_until).max(),
        queue: partition.queue,
        seen: partition,
        context,
        lane,
        lease,
        begun,
        end_at,
        ready: ReadyQueue::default(),
        suspects: SuspectQueue::default(),
        announced: Vec::new(),
        unread: Vec::new(),
        unread_finished: 0,
        reader: PayloadReader::default(),
        claims: Claims::default(),
        in_flight: HashSet::new(),
        attempts: JoinSet::new(),
        slots_used: SlotsUsed::new(begun),
        deliveries: JoinSet::new(),
        closings: JoinSet::new(),
        renewals: Renewals::new(begun),
        refused: Vec::new(),
        delivering: HashMap::new(),
        sink_health,
        deliveries_wait: false,
        buffer: Buffer::default(),
        writing: None,
        throughput: Throughput::new(),
        pacer: Pacer::default(),
        wrote_queue_at: begun,
        looked_at: begun,
        leave_queue_until: begun,
        tell_at: begun,
    };
    worker.take_up(claimed);
    worker.run().await
}

/// Payloads that were claimed and not read yet.
enum Unread {
    /// They were never claimed before.
    New(PayloadRange),
    /// They have a history; if they are suspect, so many workers were lost to them.
    Known(Option<u32>, Vec<PayloadRange>),
}

struct Worker {
    context: Arc<RunContext>,
    lane: Lane,
    /// The queue as it was last seen or written.
    queue: Queue,
    /// The run and all its lanes as they were last seen.
    seen: RunPartition,
    lease: Lease,
    /// When the invocation began.
    begun: Instant,
    /// When it must be over.
    end_at: Instant,
    ready: ReadyQueue,
    suspects: SuspectQueue,
    /// Suspects that start as soon as that is announced.
    announced: Vec<Task>,
    unread: Vec<Unread>,
    /// How many of what was claimed and not read are known to be finished, though not which.
    unread_finished: u32,
    reader: PayloadReader,
    /// Claimed and not recorded as finished, suspects aside.
    claims: Claims,
    /// Attempts under way.
    in_flight: HashSet<u32>,
    attempts: JoinSet<Attempted>,
    slots_used: SlotsUsed,
    deliveries: JoinSet<Delivered>,
    /// What follows the end of the run, when it ended with us.
    closings: JoinSet<()>,
    /// What is done so that attempts carry a state that the target accepts.
    renewals: Renewals,
    /// What was refused because of the state that it carried, and does not wait for its turn again yet.
    refused: Vec<Task>,
    /// The batches of deliveries under way, by due time and lowest index, with their bytes.
    delivering: HashMap<(Timestamp, u32), usize>,
    /// What is known of the sink.
    sink_health: SharedHealth,
    /// Deliveries are due, and wait for a dead sink.
    deliveries_wait: bool,
    /// When the table has a batch that is not under way.
    next_delivery_at: Option<Timestamp>,
    /// When the queue has payloads that were given back.
    next_put_back_at: Option<Timestamp>,
    /// The target asked to be left alone until then.
    hold_until: Option<Timestamp>,
    buffer: Buffer,
    /// What is being written. Attempts start and end meanwhile.
    writing: Option<Writing>,
    throughput: Throughput,
    pacer: Pacer,
    /// When the queue was last written.
    wrote_queue_at: Instant,
    /// When the run and all its lanes were last looked at.
    looked_at: Instant,
    /// Others were faster at the queue: what happened is recorded without it until then.
    leave_queue_until: Instant,
    /// When the world is told again what it could not be told.
    tell_at: Instant,
}

/// What the worker does next.
enum Step {
    /// Waits for what comes first.
    Wait(Instant),
    /// Goes on.
    Go,
    /// Goes home.
    Leave,
}

impl Worker {
    async fn run(mut self) -> Result<(), StoreError> {
        let mut wait_until = None;
        loop {
            // Once the lease may be over, what is in flight is somebody else's; leaving this
            // function drops the calls.
            let drop_at = self.lease.drop_at;
            let lost = || StoreError::Unavailable("the lease could not be renewed in time".to_owned());
            if Instant::now() >= drop_at {
                return Err(lost());
            }
            let turn = async {
                match wait_until.take() {
                    Some(until) => self.wait(until).await.map(|()| Step::Go),
                    None => self.step().await,
                }
            };
            let turn = tokio::time::timeout_at(drop_at, turn).await;
            let step = match turn.map_err(|_| lost())? {
                Ok(step) => step,
                Err(StoreError::Conflict) => match tokio::time::timeout_at(drop_at, self.look()).await {
                    // Spread, so that two that met once do not meet again.
                    Ok(Ok(true) | Err(StoreError::Unavailable(_) | StoreError::Throttled(_))) => {
                        Step::Wait(Instant::now() + Duration::from_millis(fastrand::u64(0..50)))
                    }
                    Ok(Ok(false)) => {
                        tracing::info!("the lane was taken by another worker");
                        return Ok(());
                    }
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err(lost()),
                },
                Err(StoreError::Unavailable(message) | StoreError::Throttled(message)) => {
                    tracing::warn!(error = message, "the table is not available");
                    Step::Wait(Instant::now() + TRY_AGAIN_AFTER)
                }
                Err(error) => return Err(error),
            };
            match step {
                Step::Leave => break,
                Step::Wait(until) => wait_until = Some(until.min(self.lease.drop_at)),
                Step::Go => {}
            }
        }
        // The lane is given back; what follows the run's end has a lease of its own, and so has what is done
        // for the auth session.
        while self.closings.join_next().await.is_some() {}
        self.renewals.finish().await;
        Ok(())
    }

    /// Does everything that can be done now.
    async fn step(&mut self) -> Result<Step, StoreError> {
        if self.writing.is_none() && self.looked_at.elapsed() >= self.look_every() && !self.look().await? {
            return Err(StoreError::Conflict);
        }
        if self.writing.is_none() {
            self.take_back_refused();
            self.end_in_time().await?;
        }
        let mut reads_on = false;
        if self.lane.phase == LanePhase::Working && self.seen.run.waits_for_session() {
            // It was resumed before it had started, while we told of its pause: its session comes first.
            self.lane.is_draining = true;
        }
        if self.lane.phase == LanePhase::Working {
            self.renew_session();
            self.notice_time();
            reads_on = self.read_claimed().await?;
            self.start_attempts();
        }
        if self.writing.is_some() {
            return Ok(Step::Wait(if reads_on { Instant::now() } else { self.wake_up_at() }));
        }
        self.start_deliveries().await?;
        self.tell().await;
        if self.must_write() {
            self.write_out(Says::WhatHappened).await?;
            return Ok(Step::Wait(if reads_on { Instant::now() } else { self.wake_up_at() }));
        }
        let is_idle = self.is_quiet() && self.buffer.is_empty();
        if is_idle {
            self.end_phase().await?;
        }
        if self.may_redeliver() {
            self.write_out(Says::WhatIsDueAgain).await?;
        } else if is_idle
            && self.deliveries.is_empty()
            && let Some(next_at) = self.idle_until()
        {
            self.leave(next_at).await?;
            return Ok(Step::Leave);
        }
        Ok(Step::Wait(if reads_on { Instant::now() } else { self.wake_up_at() }))
    }

    /// Whether no attempt is under way.
    fn is_quiet(&self) -> bool {
        self.attempts.is_empty() && self.announced.is_empty()
    }

    /// How many more attempts may be under way.
    fn free_slots(&self) -> usize {
        // Slots that are too many are given up before they are used again.
        let slots = self.lane.slots.saturating_sub(self.queue.excess_slots()) as usize;
        slots.saturating_sub(self.in_flight.len() + self.announced.len())
    }

    /// Whether no attempt starts for the moment: the target wants rest, or a state that is not there.
    fn is_held(&self) -> bool {
        self.wants_rest() || self.lacks_state()
    }

    /// Whether the target wants to be left alone.
    fn wants_rest(&self) -> bool {
        self.hold_until.is_some_and(|until| until > self.context.clients.clock.now())
    }
}
