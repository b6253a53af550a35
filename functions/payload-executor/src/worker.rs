//! The worker: a loop with slots for attempts, which claims, starts, records and renews.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sundial_model::event::{Event, WorkReady};
use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::{Clients, clock};
use sundial_store::{Commit, DueDeliveries, Lane, LanePhase, StoreError, TransactionToken};
use tokio::task::JoinSet;

use crate::attempt::{self, Attempted};
use crate::buffer::{Batch, Buffer, TriedDeliveries};
use crate::context::RunContext;
use crate::delivery::{self, DeliveryBatch};
use crate::lease::{Lease, acquire};
use crate::ready::{ReadyQueue, Task};
use crate::recover::leftover;

/// What happened is recorded this long after it did, together with what happens meanwhile.
const RECORD_AFTER: Duration = Duration::from_millis(200);
/// So many batches of deliveries are under way at once; further ones wait in the table.
const DELIVERY_BATCHES_MAX: usize = 16;
/// A worker with nothing to do for longer than this goes home; the lane's wake time calls another.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// No more payloads than these are claimed at once.
const CLAIM_MAX: u32 = 500;
/// And no more bytes of them are read at once.
const CLAIM_BYTES_MAX: usize = 4_000_000;
/// Between two tries to write while the table is not available.
const WRITE_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Works on a lane until its work is done, deferred, or somebody else's.
pub(crate) async fn work(clients: &Clients, run: JobRunId, lane: u32, end_at: Instant) -> Result<(), StoreError> {
    let Some((partition, lane, lease)) = acquire(clients, run, lane).await? else { return Ok(()) };
    let limit = partition.run.lane_limit(lane.number) as usize;
    let context = RunContext::new(clients, partition.run).await?;
    let left = leftover(&context, &lane).await?;
    let next_delivery_at = (lane.deliveries_pending > 0).then_some(Timestamp::EPOCH);
    let mut ready = ReadyQueue::default();
    left.tasks.into_iter().for_each(|task| ready.push(task));
    let worker = Worker {
        context,
        lane,
        lease,
        limit,
        end_at,
        ready,
        unfinished: left.unfinished,
        attempts: JoinSet::new(),
        deliveries: JoinSet::new(),
        delivering: HashSet::new(),
        next_delivery_at,
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
    /// Claimed and not recorded as finished.
    unfinished: BTreeSet<u32>,
    attempts: JoinSet<Attempted>,
    deliveries: JoinSet<TriedDeliveries>,
    /// The batches under way, by due time and lowest index.
    delivering: HashSet<(Timestamp, u32)>,
    /// When the table has a batch that is not under way.
    next_delivery_at: Option<Timestamp>,
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
            if Instant::now() >= self.lease.drop_at {
                // Whatever is in flight is somebody else's now; dropping the sets ends the calls.
                return Err(StoreError::Unavailable("the lease could not be renewed in time".to_owned()));
            }
            let step = match self.step().await {
                Ok(step) => step,
                Err(StoreError::Conflict) => match self.look().await {
                    Ok(true) | Err(StoreError::Unavailable(_)) => continue,
                    Ok(false) => {
                        tracing::info!("the lane was taken by another worker");
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                },
                Err(StoreError::Unavailable(message)) => {
                    tracing::warn!(message, "the table is not available");
                    tokio::time::sleep(WRITE_AGAIN_AFTER).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match step {
                Step::Leave => return Ok(()),
                Step::Wait(until) => self.wait(until).await?,
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

    /// Whether attempts may still start, as far as time goes: each must end before the invocation does.
    fn has_time_for(&self, task: &Task) -> bool {
        Instant::now() + task.timeout(&self.context.definition.configuration) < self.end_at
    }

    fn start_attempts(&mut self) {
        let now = clock::now();
        while self.attempts.len() < self.limit {
            let may_start = |task: &Task| task.not_before <= now && self.has_time_for(task);
            if !self.ready.peek().is_some_and(may_start) {
                break;
            }
            let Some(task) = self.ready.pop() else { break };
            self.attempts.spawn(attempt::make(Arc::clone(&self.context), task));
        }
    }

    /// Claims payloads when slots would stay free: those, and as many as end until the next look.
    async fn claim(&mut self) -> Result<(), StoreError> {
        let busy = self.attempts.len() + self.ready.count_due(clock::now());
        let probe = Duration::from_secs(self.context.definition.configuration.request_timeout.get().into());
        if self.is_exhausted || busy >= self.limit || Instant::now() + probe >= self.end_at {
            return Ok(());
        }
        let free = u32::try_from(self.limit - busy).unwrap_or(u32::MAX);
        let count = free.saturating_add(self.finished_recently * 2).min(CLAIM_MAX);
        let begun = Instant::now();
        let mut renewed = self.lane.clone();
        renewed.lease_until = Some(self.lease.until(clock::now()));
        let run = &self.context.run;
        let (lane, queue, range) = self.context.clients.store.claim(run.id, &renewed, count).await?;
        self.is_exhausted = queue.next >= queue.total;
        if range.start == range.end {
            return Ok(());
        }
        self.lane = lane;
        self.lease.renewed(begun);
        self.unfinished.extend(range.start..range.end);
        let mut next = range.start;
        while next < range.end {
            let count = (range.end - next) as usize;
            let store = &self.context.clients.store;
            let payloads = store.payloads_within(&run.parts, next, count, CLAIM_BYTES_MAX).await;
            let Some(last) = payloads.as_ref().ok().and_then(|payloads| payloads.last()).map(|last| last.index) else {
                // The claim stands; whoever takes the lane up next reads them again.
                return Err(payloads.err().unwrap_or(StoreError::Corrupt(format!("no payload {next}"))));
            };
            payloads?.into_iter().for_each(|payload| self.ready.push(Task::new(payload)));
            next = last + 1;
        }
        Ok(())
    }

    /// Starts the deliveries whose time has come, from the table.
    async fn start_deliveries(&mut self) -> Result<(), StoreError> {
        let now = clock::now();
        if self.next_delivery_at.is_none_or(|at| at > now) || self.deliveries.len() >= DELIVERY_BATCHES_MAX {
            return Ok(());
        }
        let store = &self.context.clients.store;
        let looked_at = DELIVERY_BATCHES_MAX + self.delivering.len() + 1;
        let waiting = store.due_deliveries(self.context.run.id, self.lane.number, looked_at).await?;
        self.next_delivery_at = None;
        for due in waiting {
            if self.delivering.contains(&delivery_key(&due)) {
                continue;
            }
            if due.due_at > now || self.deliveries.len() >= DELIVERY_BATCHES_MAX {
                self.next_delivery_at = Some(due.due_at);
                break;
            }
            let batch = delivery::load(&self.context, due).await?;
            self.start_delivery(batch);
        }
        Ok(())
    }

    fn start_delivery(&mut self, batch: DeliveryBatch) {
        self.delivering.insert(delivery_key(&batch.due));
        self.deliveries.spawn(delivery::attempt(Arc::clone(&self.context), batch));
    }

    /// Records what happened, as much as fits, in one transaction with the lane.
    async fn record(&mut self) -> Result<(), StoreError> {
        let batch = self.buffer.take();
        let now = clock::now();
        let ended = batch.ended.iter().map(|(task, outcome)| (&task.payload.payload, outcome));
        let due = delivery::due_with(&self.context, ended, now);
        let mut lane = self.lane_after(&batch, &due, now);
        let commit = batch.commit(due.clone());
        let begun = Instant::now();
        match self.write(&mut lane, &commit, now).await {
            Ok(()) => {}
            Err(error) => {
                self.buffer.put_back(batch);
                return Err(error);
            }
        }
        self.lane = lane;
        self.lease.renewed(begun);
        self.absorb(batch, due);
        Ok(())
    }

    /// Writes until it is known that it was written, or the lease has run out.
    async fn write(&self, lane: &mut Lane, commit: &Commit, now: Timestamp) -> Result<(), StoreError> {
        let token = TransactionToken::new();
        loop {
            match self.context.clients.store.commit(&self.context.run, lane, commit, &token, now).await {
                Ok(written) => {
                    *lane = written;
                    return Ok(());
                }
                Err(StoreError::Unavailable(message)) if Instant::now() + WRITE_AGAIN_AFTER < self.lease.drop_at => {
                    tracing::warn!(message, "a commit is tried again");
                    tokio::time::sleep(WRITE_AGAIN_AFTER).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The lane as it is once the batch is recorded.
    fn lane_after(&self, batch: &Batch, due: &[DueDeliveries], now: Timestamp) -> Lane {
        let mut lane = self.lane.clone();
        lane.lease_until = Some(self.lease.until(now));
        let count = |list: &[DueDeliveries]| list.iter().map(|due| due.indices.len() as u32).sum::<u32>();
        let mut unfinished = self.unfinished.clone();
        for (_, outcome) in &batch.ended {
            unfinished.remove(&outcome.index);
            if outcome.error.is_none() { lane.succeeded += 1 } else { lane.failed += 1 }
        }
        lane.unfinished = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
        lane.claims.retain(|range| unfinished.range(range.start..range.end).next().is_some());
        lane.deliveries_pending += count(due);
        for tried in &batch.tried {
            lane.deliveries_pending = lane.deliveries_pending.saturating_sub(tried.delivered + tried.failed);
            lane.delivered += tried.delivered;
            lane.deliveries_failed += tried.failed;
        }
        lane
    }

    /// Goes on from what was recorded.
    fn absorb(&mut self, batch: Batch, due: Vec<DueDeliveries>) {
        self.finished_recently = u32::try_from(batch.ended.len()).unwrap_or(CLAIM_MAX);
        let mut items = std::collections::HashMap::new();
        for (task, outcome) in batch.ended {
            self.unfinished.remove(&outcome.index);
            items.insert(outcome.index, (task.payload.payload, outcome));
        }
        // Only now may the next attempt start: it has another number than the one on record.
        batch.again.into_iter().for_each(|task| self.ready.push(task));
        for tried in batch.tried {
            self.delivering.remove(&delivery_key(&tried.done));
            tried.again.iter().for_each(|again| self.note_delivery_at(again.due_at));
        }
        for due in due {
            if self.deliveries.len() >= DELIVERY_BATCHES_MAX {
                self.note_delivery_at(due.due_at);
                continue;
            }
            let items = due.indices.iter().filter_map(|index| items.remove(index)).collect();
            self.start_delivery(DeliveryBatch { due, items });
        }
    }

    fn note_delivery_at(&mut self, at: Timestamp) {
        self.next_delivery_at = Some(self.next_delivery_at.map_or(at, |known| known.min(at)));
    }

    /// Renews the lease.
    async fn renew(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut lane = self.lane.clone();
        lane.lease_until = Some(self.lease.until(clock::now()));
        self.lane = self.context.clients.store.put_lane(self.context.run.id, &lane).await?;
        self.lease.renewed(begun);
        Ok(())
    }

    /// Looks whether the lane is still ours, and what others have changed about it: pauses,
    /// resumptions and ends come this way.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let begun = Instant::now();
        let Some(partition) = self.context.clients.store.run_partition(self.context.run.id).await? else {
            return Ok(false);
        };
        let stored = partition.lanes.into_iter().find(|lane| lane.number == self.lane.number);
        let Some(stored) = stored.filter(|lane| lane.owner.as_ref() == Some(&self.lease.owner)) else {
            return Ok(false);
        };
        self.lease.seen_at = begun;
        self.is_exhausted = partition.queue.next >= partition.queue.total;
        if !stored.is_same_revision(&self.lane) {
            self.take_up_unknown_claims(&stored).await?;
            self.lane = stored;
            if self.lane.phase == LanePhase::Settled {
                self.attempts.abort_all();
                self.attempts = JoinSet::new();
                self.buffer.drop_payloads();
                self.ready.clear();
                self.unfinished.clear();
            }
        }
        Ok(true)
    }

    /// A claim whose answer was lost stands in the table all the same.
    async fn take_up_unknown_claims(&mut self, stored: &Lane) -> Result<(), StoreError> {
        let mut unknown = stored.clone();
        unknown.claims.retain(|range| !self.lane.claims.contains(range));
        let left = leftover(&self.context, &unknown).await?;
        self.unfinished.extend(left.unfinished);
        left.tasks.into_iter().for_each(|task| self.ready.push(task));
        Ok(())
    }

    /// Moves the lane on when its work has come to an end or to rest; nothing is in flight.
    async fn end_phase(&mut self) -> Result<(), StoreError> {
        let store = &self.context.clients.store;
        let run = self.context.run.id;
        match self.lane.phase {
            LanePhase::Working if self.is_exhausted && self.unfinished.is_empty() => {
                let partition = store.settle_lane(run, &self.lane, clock::now()).await?;
                let place = usize::try_from(self.lane.number).unwrap_or(usize::MAX);
                self.lane = partition.lanes.get(place).cloned().ok_or(StoreError::Conflict)?;
                if partition.run.status.is_terminal() {
                    tracing::info!(status = ?partition.run.status, "the job run has ended");
                }
            }
            LanePhase::Pausing => self.lane = store.rest_lane(run, &self.lane, clock::now()).await?,
            LanePhase::Working | LanePhase::Paused | LanePhase::Settled => {}
        }
        Ok(())
    }

    /// When there is nothing to do for long: until when, or for good.
    fn idle_until(&self) -> Option<Option<Timestamp>> {
        let now = clock::now();
        let next_attempt = match (self.lane.phase, self.ready.peek()) {
            (LanePhase::Working, Some(task)) => Some(task.not_before),
            // Payloads to claim, or claimed ones that could not be read.
            (LanePhase::Working, None) => Some(now),
            (LanePhase::Pausing | LanePhase::Paused | LanePhase::Settled, _) => None,
        };
        let Some(at) = next_attempt.into_iter().chain(self.next_delivery_at).min() else { return Some(None) };
        let wait = at.since(now);
        // What could be done now is left to a successor only when the time here has run out.
        let has_run_out = Instant::now() + wait + self.needed_time() >= self.end_at;
        (wait > IDLE_MAX || has_run_out).then_some(Some(at.max(now)))
    }

    /// How long the next thing to do may take.
    fn needed_time(&self) -> Duration {
        let configuration = &self.context.definition.configuration;
        match (self.lane.phase, self.ready.peek()) {
            (LanePhase::Working, Some(task)) => task.timeout(configuration),
            (LanePhase::Working, None) => Duration::from_secs(configuration.request_timeout.get().into()),
            (LanePhase::Pausing | LanePhase::Paused | LanePhase::Settled, _) => IDLE_MAX,
        }
    }

    /// Gives the lane back, and sends for a successor when there is work now.
    async fn leave(&mut self, next_at: Option<Timestamp>) -> Result<(), StoreError> {
        let mut lane = self.lane.clone();
        (lane.owner, lane.lease_until, lane.next_at) = (None, None, next_at);
        let run = self.context.run.id;
        self.lane = self.context.clients.store.put_lane(run, &lane).await?;
        if next_at.is_some_and(|at| at <= clock::now()) {
            let event = Event::WorkReady(WorkReady { job_run_id: run, lane: lane.number });
            self.context.clients.bus.put(&[event]).await;
        }
        Ok(())
    }

    /// When something is to be done that no task of ours will tell of.
    fn wake_up_at(&self, record_at: Option<Instant>) -> Instant {
        let now = clock::now();
        let in_time = |at: Timestamp| Instant::now() + at.since(now) + Duration::from_millis(1);
        let renew_at = self.lease.renewed_at + self.lease.times.renew_every;
        let look_at = self.lease.seen_at + self.lease.times.look_every;
        let may_start = self.attempts.len() < self.limit && self.lane.phase == LanePhase::Working;
        let startable = self.ready.peek().filter(|task| may_start && self.has_time_for(task));
        let ready_at = startable.map(|task| in_time(task.not_before));
        let delivery_at = (self.deliveries.len() < DELIVERY_BATCHES_MAX).then_some(self.next_delivery_at).flatten();
        let times =
            [Some(renew_at), Some(look_at), Some(self.lease.drop_at), ready_at, delivery_at.map(in_time), record_at];
        times.into_iter().flatten().min().unwrap_or(renew_at)
    }

    /// Waits until then, or for the next thing that happens.
    async fn wait(&mut self, until: Instant) -> Result<(), StoreError> {
        let broken = |error| StoreError::Refused(format!("an attempt broke off: {error}"));
        tokio::select! {
            biased;
            Some(attempted) = self.attempts.join_next() => {
                self.note(attempted.map_err(broken)?);
                // Those that ended at the same time come along.
                while let Some(attempted) = self.attempts.try_join_next() {
                    self.note(attempted.map_err(broken)?);
                }
            }
            Some(tried) = self.deliveries.join_next() => self.buffer.push_tried(tried.map_err(broken)?),
            () = tokio::time::sleep_until(until.into()) => {}
        }
        Ok(())
    }

    fn note(&mut self, attempted: Attempted) {
        match attempted {
            Attempted::Ended(task, outcome) => self.buffer.push_ended(task, outcome),
            Attempted::Again(task) => self.buffer.push_again(task),
        }
    }
}

fn delivery_key(due: &DueDeliveries) -> (Timestamp, u32) {
    (due.due_at, due.indices.first().copied().unwrap_or(0))
}
