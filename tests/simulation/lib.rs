//! A simulated world in virtual time: the real job API, evaluator and executor over a table and a
//! bucket that can be slow, refuse, or keep an answer to itself; with a lagging index, a bus that loses and
//! doubles events, clocks that differ, a timer that is late or silent for hours, users who change
//! their minds, and processes that die between any two steps. After each transaction the
//! invariants are checked; at the end the world is healthy again, and everything must come to rest.
//!
//! One seed is one history. `simulate` runs many of them.

mod batch_user;
mod bus;
mod calls;
mod calm;
mod chance;
mod checker;
mod exports;
mod faults;
mod faulty_bucket;
mod faulty_table;
mod freeze;
mod outside;
mod session_user;
mod sessions;
mod terms;
mod timer;
mod user;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sundial_store::Backend;
use sundial_store::table::model::ModelTable;

use sundial_model::fresh_id::simulated::seed_ids;

pub use calm::{CalmWorld, in_calm_world};
use chance::Chance;
use world::World;

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Jobs with schedules and a payload each, which change all the time.
    Schedules,
    /// Job runs of many payloads, some of them difficult.
    Batches,
    /// The same, of payloads that need an auth session.
    Sessions,
}

/// What happened in a history without a violation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Transactions that were checked.
    pub transactions: u64,
    /// Job runs that were recorded, those below included.
    pub runs: u64,
    /// Records of stretches that were missed.
    pub missed: u64,
    /// Runs that did not start because another was active.
    pub skipped: u64,
    /// Runs that ended in favour of the next one.
    pub superseded: u64,
    /// Runs that had waited and were started.
    pub released: u64,
    /// Single runs that were recorded.
    pub single_runs: u64,
    /// Payloads that ended.
    pub ended: u64,
    /// Payloads that runs were extended by.
    pub extended: u64,
    /// Payloads that workers died of.
    pub lost: u64,
    /// Invocations that died.
    pub crashes: u64,
    /// How often the target was signed in to.
    pub logins: u64,
    /// Calls that it refused because of the state that they carried.
    pub refusals: u64,
    /// What happened in all, as a number: the same for the same history.
    pub digest: u64,
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.runs += other.runs;
        self.missed += other.missed;
        self.skipped += other.skipped;
        self.superseded += other.superseded;
        self.released += other.released;
        self.single_runs += other.single_runs;
        self.ended += other.ended;
        self.extended += other.extended;
        self.lost += other.lost;
        self.crashes += other.crashes;
        self.logins += other.logins;
        self.refusals += other.refusals;
        self.digest ^= other.digest;
    }
}

/// An invariant did not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The history.
    pub seed: u64,
    /// Which invariant, and how.
    pub what: String,
    /// What was written last before.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(formatter, "  {line}")?;
        }
        write!(formatter, "seed {}: {}", self.seed, self.what)
    }
}

/// Runs one history over the model of the table.
///
/// # Errors
/// The first violation of an invariant.
pub fn run_on_model(story: Story, seed: u64) -> Result<Statistics, Box<Violation>> {
    let mut chance = Chance::new(seed ^ 0x1a9);
    let is_behind = chance.one_in(2);
    let lag = move || {
        let longest = if is_behind && chance.one_in(20) { 8_000 } else { 300 };
        Duration::from_millis(chance.below(longest))
    };
    in_virtual_time(run(seed, story, Arc::new(ModelTable::new(Box::new(lag))), TROUBLE_TIME))
}

/// Runs one history over a table in DynamoDB, through `backend`. What it awaits must keep virtual
/// time from going on, as a blocking task of the async runtime does. Such a history is short.
///
/// # Errors
/// The first violation of an invariant.
pub fn run_on(story: Story, seed: u64, backend: Arc<dyn Backend>) -> Result<Statistics, Box<Violation>> {
    in_virtual_time(run(seed, story, backend, TROUBLE_TIME / 3))
}

fn in_virtual_time<T>(history: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    #[expect(clippy::expect_used, reason = "a simulation without a runtime has nothing to say")]
    runtime.expect("a runtime").block_on(history)
}

/// Faults last this long, and as long as an outage.
const TROUBLE_TIME: Duration = Duration::from_secs(3 * 60);
/// And after this much longer everything must have come to rest.
const REST_TIME: Duration = Duration::from_secs(60 * 60);

async fn run(
    seed: u64,
    story: Story,
    table: Arc<dyn Backend>,
    trouble: Duration,
) -> Result<Statistics, Box<Violation>> {
    fastrand::seed(seed);
    seed_ids(seed);
    let world = World::new(seed, story, table, trouble);
    world.prepare().await;
    timer::start(&world);
    let user = user::start(&world);
    let is_troubled = tokio::time::sleep(trouble + world.outage());
    tokio::pin!(is_troubled);
    loop {
        tokio::select! {
            biased;
            () = &mut is_troubled => break,
            () = tokio::time::sleep(Duration::from_secs(5)) => world.verdict()?,
        }
    }
    world.end_trouble();
    // What it has begun is done, or dead, before everything is resumed; a pause that arrives later
    // would stay.
    let _ = user.await;
    tokio::time::sleep(faults::LATE_MAX).await;
    user::resume_all(&world).await;
    if story == Story::Sessions {
        session_user::look_after_jobs(&world);
    }
    world.has_recovered();
    let mut rested = Duration::ZERO;
    while let Some(unrest) = world.unrest() {
        if rested >= REST_TIME {
            return Err(world.violation(format!("after {REST_TIME:?} without faults: {unrest}")));
        }
        tokio::time::sleep(Duration::from_secs(15)).await;
        rested += Duration::from_secs(15);
        world.verdict()?;
    }
    exports::check(&world).await.map_err(|what| world.violation(what))?;
    Ok(world.statistics())
}
