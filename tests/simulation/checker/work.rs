//! The invariants of carrying out a job run, checked after each transaction: nothing is lost,
//! nothing is done twice, and the counters are right.

mod contents;
mod deliveries;
mod places;
mod rest;
mod starts;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::job_run::JobRunStatus;
use sundial_model::lifecycle::Lifecycle;
use sundial_store::inspection::WorkChange;
use sundial_store::keys::Key;
use sundial_store::{
    Closing, DeliveryRecord, DeliveryRequest, DueDeliveries, Export, Lane, Outcome, PutBack, Queue, StoredJobRun,
};

use super::{Caller, Role};
use crate::Statistics;
use crate::exports::Expected;
use contents::Contents;
use deliveries::Arrived;
pub(crate) use deliveries::Reception;
use starts::FailedAttempt;
pub(super) use words::in_words;

/// What is known of how a job run is carried out.
#[derive(Default)]
pub(crate) struct WorkBook {
    run: Option<StoredJobRun>,
    queue: Option<Queue>,
    lanes: BTreeMap<u32, Lane>,
    put_backs: BTreeMap<String, PutBack>,
    /// How payloads ended last, and in which generation.
    ended: BTreeMap<u32, (u32, bool)>,
    /// Payloads that had not ended when a generation did.
    canceled: BTreeMap<u32, u32>,
    /// The failed attempts on record, by generation and payload.
    attempts: BTreeMap<(u32, u32), Vec<FailedAttempt>>,
    due: BTreeMap<Key, DueDeliveries>,
    /// What the world was told, by generation, and how often.
    told: BTreeMap<(u32, &'static str), u32>,
    was_exhaustion_told: bool,
    was_paused: bool,
    /// Whether its results are delivered, and whether somebody is notified of its end, if that is known.
    delivers: Option<bool>,
    notifies: Option<bool>,
    arrived: Arrived,
    contents: Contents,
    closings: BTreeMap<u32, Closing>,
    /// When a lane was written last without anything to say.
    idle_writes: BTreeMap<u32, VecDeque<Timestamp>>,
    /// The limits of requests, and since when.
    limits: Vec<(Timestamp, u32)>,
    /// Since when it has ended.
    ended_at: Option<Timestamp>,
    /// When something of it was last recorded.
    progress_at: Option<Timestamp>,
}

/// A worker writes its lane so often in a second at most with nothing to say.
const IDLE_WRITES_MAX: usize = 25;

/// What a transaction says of one run.
#[derive(Default)]
struct Batch {
    outcomes: Vec<(u32, Outcome)>,
    lanes: Vec<Lane>,
    writes_queue: bool,
    has_progress: bool,
    due: Vec<DueDeliveries>,
    tried: Vec<DueDeliveries>,
    deliveries: Vec<DeliveryRecord>,
    requests: Vec<DeliveryRequest>,
}

impl Batch {
    fn count(&self, statistics: &mut Statistics) {
        for (_, outcome) in &self.outcomes {
            let is_lost = outcome.error.as_ref().is_some_and(|error| error.code == "worker-lost");
            *statistics += Statistics {
                ended: 1,
                extended: outcome.extension.map_or(0, |range| range.count().into()),
                lost: u64::from(is_lost),
                ..Statistics::default()
            };
        }
    }
}

impl WorkBook {
    /// Checks what a transaction of `caller` has written.
    pub(crate) fn apply(
        &mut self,
        caller: Caller,
        now: Timestamp,
        changes: Vec<WorkChange>,
        statistics: &mut Statistics,
    ) -> Result<(), String> {
        self.check_rest(now, &changes)?;
        let before = (self.run.clone(), self.queue, self.lanes.clone());
        let mut batch = Batch::default();
        for change in changes {
            self.take_in(now, change, &mut batch)?;
        }
        let (run_before, queue_before, lanes_before) = before;
        batch.count(statistics);
        if batch.has_progress || !batch.outcomes.is_empty() {
            self.progress_at = Some(now);
        }
        let has_ended = self.run.as_ref().is_some_and(|run| run.status.is_terminal());
        self.ended_at = self.ended_at.or(Some(now)).filter(|_| has_ended);
        if let Some(queue) =
            self.queue.filter(|queue| self.limits.last().is_none_or(|(_, limit)| *limit != queue.limit))
        {
            self.limits.push((now, queue.limit));
        }
        if !batch.outcomes.is_empty() {
            let is_terminal = run_before.as_ref().is_none_or(|run| run.status.is_terminal());
            if is_terminal {
                return Err("outcomes were recorded of a run that had ended".to_owned());
            }
            self.check_fence(caller, &batch, &lanes_before)?;
        }
        self.check_outcomes(&batch, queue_before)?;
        self.check_requests(&batch)?;
        self.check_deliveries(&batch, now)?;
        self.check_counters()?;
        self.check_slots(queue_before)?;
        self.check_places()
    }

    fn take_in(&mut self, now: Timestamp, change: WorkChange, batch: &mut Batch) -> Result<(), String> {
        match change {
            WorkChange::Run(run) => {
                batch.has_progress = true;
                self.was_paused |= run.status == JobRunStatus::Paused;
                self.run = Some(*run);
            }
            WorkChange::Queue(queue) => {
                self.queue = Some(queue);
                batch.writes_queue = true;
            }
            WorkChange::Lane(lane) => {
                // That a suspect is about to start is all that is written until its worker is lost.
                batch.has_progress |= lane.suspects.iter().any(|suspects| suspects.in_flight);
                batch.lanes.push((*lane).clone());
                self.lanes.insert(lane.number, *lane);
            }
            WorkChange::Outcomes(generation, outcomes) => {
                batch.outcomes.extend(outcomes.into_iter().map(|outcome| (generation, outcome)));
            }
            WorkChange::Attempts(generation, attempts) => {
                for record in attempts {
                    let recorded = self.attempts.entry((generation, record.index)).or_default();
                    if record.failed.attempt as usize != recorded.len() + 1 {
                        let (attempt, before) = (record.failed.attempt, recorded.len());
                        return Err(format!("payload {}: attempt {attempt} follows {before}", record.index));
                    }
                    recorded.push(FailedAttempt {
                        ended_at: record.failed.end_time,
                        next_at: record.next_attempt_at,
                        recorded_at: now,
                    });
                    batch.has_progress = true;
                }
            }
            WorkChange::PutBack(key, put_back) => {
                self.put_backs.insert(key, put_back);
            }
            WorkChange::Taken(key) => {
                self.put_backs.remove(&key).ok_or("payloads were taken that nobody had given back")?;
            }
            WorkChange::Due(key, due) => {
                batch.due.push(due.clone());
                self.due.insert(key, due);
            }
            WorkChange::Tried(key) => {
                batch.tried.extend(self.due.remove(&key));
            }
            WorkChange::Deliveries(deliveries) => batch.deliveries.extend(deliveries),
            WorkChange::Requested(request) => batch.requests.push(request),
            WorkChange::Closing(closing) => {
                self.check_notifications(&closing, now)?;
                self.closings.insert(closing.generation, *closing);
            }
        }
        Ok(())
    }

    /// No worker writes its lane over and over without anything to say.
    fn check_rest(&mut self, now: Timestamp, changes: &[WorkChange]) -> Result<(), String> {
        // Deliveries that are put off at once say nothing either.
        let is_idle = |change: &WorkChange| match change {
            // That suspects are about to start does.
            WorkChange::Lane(lane) => !lane.suspects.iter().any(|suspects| suspects.in_flight),
            WorkChange::Queue(_) | WorkChange::Due(..) | WorkChange::Tried(_) => true,
            _ => false,
        };
        if !changes.iter().all(is_idle) {
            return Ok(());
        }
        for change in changes {
            let WorkChange::Lane(lane) = change else { continue };
            let writes = self.idle_writes.entry(lane.number).or_default();
            writes.push_back(now);
            if writes.len() > IDLE_WRITES_MAX
                && writes.pop_front().is_some_and(|first| first + Duration::from_secs(1) > now)
            {
                return Err(format!("lane {} is written over and over", lane.number));
            }
        }
        Ok(())
    }

    /// Only who has the lane's lease records.
    fn check_fence(&self, caller: Caller, batch: &Batch, before: &BTreeMap<u32, Lane>) -> Result<(), String> {
        if caller.role != Role::Executor {
            return Err(format!("{:?} has recorded outcomes", caller.role));
        }
        let has_lease = |lane: &Lane| {
            lane.owner.is_some() && before.get(&lane.number).is_some_and(|before| before.owner == lane.owner)
        };
        if batch.lanes.iter().any(has_lease) {
            Ok(())
        } else {
            Err("outcomes were recorded without a lease".to_owned())
        }
    }

    /// Each payload ends once in a generation, and extends the run once.
    fn check_outcomes(&mut self, batch: &Batch, queue_before: Option<Queue>) -> Result<(), String> {
        let (Some(run), Some(queue)) = (&self.run, self.queue) else { return Ok(()) };
        let mut total = queue_before.map_or(queue.total, |before| before.total);
        for (generation, outcome) in &batch.outcomes {
            let index = outcome.index;
            if *generation != run.generation {
                return Err(format!("payload {index} ended in generation {generation} of {}", run.generation));
            }
            if !self.is_open(index) || index >= queue.total {
                return Err(format!("payload {index} ended, but was not open in generation {generation}"));
            }
            let recorded = self.attempts.get(&(*generation, index)).map_or(0, Vec::len);
            if outcome.attempts as usize != recorded + 1 {
                return Err(format!("payload {index} ended with attempt {} after {recorded}", outcome.attempts));
            }
            if let Some(extension) = outcome.extension {
                if extension.start != total {
                    return Err(format!("payload {index} extends the run from {} on, not {total}", extension.start));
                }
                total = extension.end;
                self.contents.extend(*generation, outcome, extension);
            }
            self.ended.insert(index, (*generation, outcome.has_succeeded()));
        }
        if total != queue.total {
            return Err(format!("the run has {} payloads, but its records say {total}", queue.total));
        }
        Ok(())
    }

    fn check_counters(&self) -> Result<(), String> {
        let Some(run) = &self.run else { return Ok(()) };
        let sum = |count: fn(&Lane) -> u32| self.lanes.values().map(count).sum::<u32>() as usize;
        let succeeded = self.ended.values().filter(|(_, succeeded)| *succeeded).count();
        let failed = self.ended.values().filter(|(generation, ok)| *generation == run.generation && !ok).count();
        let counted = (sum(|lane| lane.succeeded), sum(|lane| lane.failed));
        if counted != (succeeded, failed) {
            return Err(format!("the counters say {counted:?}, the records {:?}", (succeeded, failed)));
        }
        if let Some(queue) = self.queue.filter(|_| !run.status.is_terminal()) {
            let open = (0..queue.total).filter(|index| self.is_open(*index)).count();
            let canceled = queue.total as usize - succeeded - failed - open;
            if canceled != queue.canceled as usize {
                return Err(format!("{canceled} payloads are never carried out, the queue says {}", queue.canceled));
            }
        }
        let due: usize = self.due.values().map(|due| due.indices.len()).sum();
        let pending = sum(|lane| lane.deliveries_pending);
        if due != pending {
            return Err(format!("{due} deliveries are due, but {pending} are counted"));
        }
        self.check_delivery_counters()
    }

    /// Whether a payload is to be carried out in the generation that goes on.
    fn is_open(&self, index: u32) -> bool {
        let Some(run) = &self.run else { return false };
        match self.ended.get(&index) {
            Some((ended_in, succeeded)) => *ended_in < run.generation && !succeeded,
            None => self.canceled.get(&index).is_none_or(|canceled_in| *canceled_in >= run.generation),
        }
    }

    /// The world was told something about it.
    pub(crate) fn told(&mut self, generation: u32, what: Lifecycle) {
        *self.told.entry((generation, what.detail_type())).or_default() += 1;
    }

    /// The world was told that a delivery of it was given up.
    pub(crate) fn told_exhaustion(&mut self) {
        self.was_exhaustion_told = true;
    }

    /// When the run was recorded.
    pub(crate) fn created_at(&self) -> Option<Timestamp> {
        self.run.as_ref().map(|run| run.created_at)
    }

    /// When the run ended, if it has.
    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// What the export of the newest generation must say.
    pub(crate) fn expected_export(&self) -> Option<Expected> {
        let run = self.run.as_ref()?;
        let Export::Done { key, size } = &self.closings.get(&run.generation)?.export else { return None };
        let ended = self.ended.iter().filter(|(index, _)| !self.is_open(**index));
        let succeeded = ended.clone().filter(|(_, (_, succeeded))| *succeeded).count();
        let failed = ended.count() - succeeded;
        let total = self.queue?.total as usize;
        let counts = [succeeded, failed, total - succeeded - failed];
        Some(Expected { run: run.id, key: key.clone(), size: *size, counts })
    }
}
