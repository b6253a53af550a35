//! What all parts of a history share.

mod invoking;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sundial_model::lifecycle::Lifecycle;
use sundial_model::{JobRunId, Timestamp, WorkspaceId};
use sundial_outbound::results::model::ModelObjects;
use sundial_store::{Backend, RUN_AGE_MAX, Store, StoreError, Table, TransactionToken, Write};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::calls::{Call, Calls};
use crate::chance::Chance;
use crate::checker::{Caller, Checker, Reception, WorkBook};
use crate::exports::Expected;
use crate::sessions::Sessions;
use crate::{Statistics, Story, Violation};

/// As in `template.yaml`.
const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(900);
const EVALUATORS_MAX: usize = 3;

/// Histories begin around these: an ordinary day, both shifts of the clocks of a time zone, a leap
/// day, the turn of a year.
const BEGINNINGS: [&str; 5] = [
    "2026-05-13T11:56:30Z",
    "2026-03-29T00:57:00Z",
    "2026-10-25T00:57:00Z",
    "2028-02-28T23:57:00Z",
    "2026-12-31T23:57:00Z",
];

/// Clocks differ by up to this much from the true time.
pub(crate) const SKEW_MAX: Duration = Duration::from_millis(400);

/// A history's world.
pub(crate) struct World {
    seed: u64,
    pub(crate) table: Arc<dyn Backend>,
    pub(crate) objects: ModelObjects,
    chance: Mutex<Chance>,
    begun: Instant,
    begun_at: Timestamp,
    is_troubled: AtomicBool,
    /// From when until when nothing of ours is invoked, since the beginning.
    outage: Option<(Duration, Duration)>,
    /// The sink takes nothing all the time that there is trouble.
    has_dead_sink: bool,
    /// How long executors were there, in milliseconds.
    executor_ms: AtomicU64,
    /// Transactions come one after the other, each with its check.
    order: tokio::sync::Mutex<()>,
    checker: Mutex<Checker>,
    evaluators: Semaphore,
    crashes: AtomicU64,
    pub(crate) workspace: WorkspaceId,
    pub(crate) api_key: Mutex<String>,
    pub(crate) story: Story,
    pub(crate) calls: Calls,
    pub(crate) sessions: Sessions,
    /// Invocations of the executor have so long.
    executor_timeout: Duration,
}

impl World {
    pub(crate) fn new(seed: u64, story: Story, table: Arc<dyn Backend>, trouble: Duration) -> Arc<Self> {
        Arc::new(Self::begin(seed, story, table, trouble))
    }

    /// A world without faults.
    pub(crate) fn calm(table: Arc<dyn Backend>, executor_timeout: Duration) -> Arc<Self> {
        let world = Self::begin(1, Story::Batches, table, Duration::ZERO);
        world.end_trouble();
        world.has_recovered();
        Arc::new(Self { outage: None, executor_timeout, ..world })
    }

    fn begin(seed: u64, story: Story, table: Arc<dyn Backend>, trouble: Duration) -> Self {
        let mut chance = Chance::new(seed);
        let begun_at: Timestamp = chance.pick(&BEGINNINGS).parse().unwrap_or(Timestamp::EPOCH);
        let longest = if chance.one_in(3) { Duration::from_secs(3 * 3600) } else { Duration::from_secs(600) };
        let outage = chance.one_in(3).then(|| {
            let from = chance.between(trouble / 4, trouble);
            // So long that job runs become too old.
            let is_endless = story != Story::Schedules && chance.one_in(40);
            let length = chance.between(Duration::from_secs(60), longest);
            (from, from + if is_endless { RUN_AGE_MAX + length } else { length })
        });
        Self {
            seed,
            table,
            objects: ModelObjects::default(),
            begun: Instant::now(),
            story,
            calls: Calls::default(),
            sessions: Sessions::default(),
            executor_timeout: match story {
                Story::Schedules => EXECUTOR_TIMEOUT,
                Story::Batches | Story::Sessions => {
                    *chance.pick(&[EXECUTOR_TIMEOUT, Duration::from_secs(120), Duration::from_secs(75)])
                }
            },
            begun_at: begun_at + chance.between(Duration::ZERO, Duration::from_secs(90)),
            has_dead_sink: chance.one_in(8),
            executor_ms: AtomicU64::new(0),
            is_troubled: AtomicBool::new(true),
            outage,
            order: tokio::sync::Mutex::new(()),
            checker: Mutex::new(Checker::default()),
            evaluators: Semaphore::new(EVALUATORS_MAX),
            crashes: AtomicU64::new(0),
            chance: Mutex::new(chance),
            workspace: WorkspaceId::new(),
            api_key: Mutex::new(String::new()),
        }
    }

    /// Makes the workspace.
    pub(crate) async fn prepare(&self) {
        let store = Store::new(Table::over(Arc::clone(&self.table)), Duration::from_secs(90 * 86_400));
        let created = store.create_api_key(self.workspace, None, self.now()).await;
        #[expect(clippy::expect_used, reason = "a history without a workspace has nothing to say")]
        let created = created.expect("an API key");
        *self.api_key.lock().unwrap_or_else(PoisonError::into_inner) = created.api_key;
    }

    /// The true time.
    pub(crate) fn now(&self) -> Timestamp {
        self.begun_at + self.begun.elapsed()
    }

    pub(crate) fn is_troubled(&self) -> bool {
        self.is_troubled.load(Ordering::Relaxed)
    }

    pub(crate) fn end_trouble(&self) {
        self.is_troubled.store(false, Ordering::Relaxed);
    }

    /// Whatever is late from now on has no excuse.
    pub(crate) fn has_recovered(&self) {
        self.checker().recover(self.now());
    }

    /// Whether the sink takes nothing now.
    pub(crate) fn sink_is_dead(&self) -> bool {
        self.has_dead_sink && self.is_troubled()
    }

    /// How long executors were there, all in all.
    pub(crate) fn executor_time(&self) -> Duration {
        Duration::from_millis(self.executor_ms.load(Ordering::Relaxed))
    }

    /// How long the outage lasts.
    pub(crate) fn outage(&self) -> Duration {
        self.outage.map_or(Duration::ZERO, |(from, until)| until - from)
    }

    pub(crate) fn is_out(&self) -> bool {
        self.outage.is_some_and(|(from, until)| (from..until).contains(&self.begun.elapsed()))
    }

    /// Throws the world's dice.
    pub(crate) fn draw<T>(&self, throw: impl FnOnce(&mut Chance, bool) -> T) -> T {
        throw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner), self.is_troubled())
    }

    fn checker(&self) -> MutexGuard<'_, Checker> {
        self.checker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a transaction and checks what it did.
    pub(crate) async fn transact(
        &self,
        caller: Caller,
        writes: Vec<Write>,
        token: TransactionToken,
    ) -> Result<(), StoreError> {
        let _order = self.order.lock().await;
        let written = self.table.transact(writes.clone(), token.clone()).await;
        if let Err(StoreError::Refused(message) | StoreError::Corrupt(message)) = &written {
            self.object(format!("a transaction of {:?} is none that DynamoDB takes: {message}", caller.role));
        }
        written?;
        self.checker().committed(caller, self.now(), &writes, &token);
        Ok(())
    }

    /// The highest limit of requests that was in force in a run lately.
    pub(crate) fn limit(&self, run: JobRunId, now: Timestamp) -> u32 {
        self.checker().work(run).map_or(0, |work| work.limit(now))
    }

    /// Whether an attempt may start, by what is on record.
    pub(crate) fn check_start(&self, call: &Call, now: Timestamp) -> Result<(), String> {
        self.checker().work_mut(call.run).check_start(call, now)
    }

    /// When a failed attempt was recorded, if it was.
    pub(crate) fn recorded_at(&self, run: JobRunId, generation: u32, index: u32, attempt: u32) -> Option<Timestamp> {
        self.checker().work(run).and_then(|work| work.recorded_at(generation, index, attempt))
    }

    /// The target answers a call by what its run is extended by.
    pub(crate) fn extends(&self, call: &Call, by: &Value) {
        self.checker().work_mut(call.run).answered(call, by);
    }

    /// A result of a run arrived at its sink, or, without an index, the notification of its end.
    pub(crate) fn arrived(&self, run: JobRunId, generation: u32, index: Option<u32>, reception: Reception) {
        self.checker().work_mut(run).arrived(generation, index, reception);
    }

    /// When a run was recorded.
    pub(crate) fn recorded_run_at(&self, run: JobRunId) -> Option<Timestamp> {
        self.checker().work(run).and_then(WorkBook::created_at)
    }

    /// When a run ended, if it has.
    pub(crate) fn ended_at(&self, run: JobRunId) -> Option<Timestamp> {
        self.checker().work(run).and_then(WorkBook::ended_at)
    }

    /// What the exports must say.
    pub(crate) fn expected_exports(&self) -> Vec<Expected> {
        self.checker().expected_exports()
    }

    /// The world was told something about a run.
    pub(crate) fn told(&self, run: JobRunId, generation: u32, what: Lifecycle) {
        self.checker().work_mut(run).told(generation, what);
    }

    /// The world was told that a delivery of a run was given up.
    pub(crate) fn told_exhaustion(&self, run: JobRunId) {
        self.checker().work_mut(run).told_exhaustion();
    }

    /// Something happened that must never happen.
    pub(crate) fn object(&self, what: String) {
        self.checker().object(what);
    }

    /// The first violation, if there was one.
    pub(crate) fn verdict(&self) -> Result<(), Box<Violation>> {
        self.checker().check_stalls(self.now());
        let violation = self.checker().violation().map(str::to_owned);
        violation.map_or(Ok(()), |what| Err(self.violation(what)))
    }

    pub(crate) fn violation(&self, what: String) -> Box<Violation> {
        Box::new(Violation { seed: self.seed, what, trace: self.checker().trace() })
    }

    /// What has not come to rest.
    pub(crate) fn unrest(&self) -> Option<String> {
        self.checker().unrest(self.now())
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let crashes = self.crashes.load(Ordering::Relaxed);
        let (logins, refusals) = self.sessions.counts();
        Statistics { crashes, logins, refusals, ..self.checker().statistics() }
    }
}
