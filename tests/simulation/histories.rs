//! Simulated histories: many over the model of the table, some over the embedded DynamoDB.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod promptness;
mod sinks;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use sundial_devstack::{DevCloud, DevOptions, Mode, ReachableFunctions};
use sundial_runtime::SinkBuckets;
use sundial_simulation::{Statistics, Story, Violation, run_on, run_on_model};
use sundial_store::keys::Key;
use sundial_store::{Answer, Backend, DynamoDb, Item, NewItem, Range, TransactionToken, WakeQuery, Write};
use tokio::runtime::Handle;

const SEEDS_ON_MODEL: u64 = 2_000;
const SEEDS_OF_SESSIONS: u64 = 500;
const SEEDS_ON_DYNAMODB: u64 = 50;
/// So many of these go on side by side.
const AT_ONCE: usize = 4;

#[test]
fn nothing_is_lost_or_doubled_in_two_thousand_histories_of_schedules() {
    let total = on_model(Story::Schedules, SEEDS_ON_MODEL);
    let Statistics { runs, missed, skipped, superseded, released, crashes, .. } = total;
    for count in [runs / 20, missed, skipped, superseded, released, crashes] {
        assert!(count > SEEDS_ON_MODEL / 10, "the histories are full of everything: {total:?}");
    }
}

#[test]
fn nor_in_two_thousand_of_large_and_difficult_job_runs() {
    let total = on_model(Story::Batches, SEEDS_ON_MODEL);
    let Statistics { runs, single_runs, ended, extended, lost, crashes, .. } = total;
    for count in [runs / 5, single_runs / 5, ended / 100, extended / 20, lost * 2, crashes / 5] {
        assert!(count > SEEDS_ON_MODEL / 10, "the histories are full of everything: {total:?}");
    }
}

#[test]
fn nor_in_five_hundred_of_job_runs_that_need_an_auth_session() {
    let total = on_model(Story::Sessions, SEEDS_OF_SESSIONS);
    let Statistics { runs, single_runs, ended, logins, refusals, crashes, .. } = total;
    for count in [runs / 5, single_runs / 5, ended / 100, logins / 10, refusals / 10, crashes / 5] {
        assert!(count > SEEDS_OF_SESSIONS / 10, "the histories are full of everything: {total:?}");
    }
}

/// Runs so many histories of a story, on all cores.
fn on_model(story: Story, seeds: u64) -> Statistics {
    let (next, total) = (AtomicU64::new(0), Mutex::new(Statistics::default()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    match run_on_model(story, seed) {
                        Ok(statistics) => *total.lock().unwrap() += statistics,
                        Err(violation) => panic!("{violation}"),
                    }
                }
            });
        }
    });
    *total.lock().unwrap()
}

#[test]
fn a_seed_is_a_history() {
    for story in [Story::Schedules, Story::Batches, Story::Sessions] {
        for seed in 0..5 {
            assert_eq!(run_on_model(story, seed).unwrap(), run_on_model(story, seed).unwrap(), "{story:?} {seed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_in_fifty_over_the_embedded_dynamodb() {
    let folder = tempfile::tempdir().unwrap();
    let options = DevOptions {
        port: 0,
        data_folder: folder.path().to_owned(),
        mode: Mode::StorageOnly,
        lease: Duration::from_secs(45),
        allowed_cidrs: Vec::new(),
        own_sink_buckets: Vec::new(),
        sink_buckets: SinkBuckets::default(),
        own_target_functions: Vec::new(),
        target_functions: ReachableFunctions::default(),
        external_dynamodb: None,
    };
    let cloud = DevCloud::start(options).await.unwrap();
    let histories = (0..SEEDS_ON_DYNAMODB).map(|seed| history_on_dynamodb(&cloud, seed));
    let mut results = futures::stream::iter(histories).buffer_unordered(AT_ONCE);
    while let Some(result) = results.next().await {
        if let Err(violation) = result {
            panic!("{violation}");
        }
    }
}

/// Each history has a table of its own.
async fn history_on_dynamodb(cloud: &DevCloud, seed: u64) -> Result<Statistics, Box<Violation>> {
    let dynamodb = DynamoDb::new(cloud.dynamodb().clone(), format!("history-{seed}"));
    dynamodb.create_if_missing().await.unwrap();
    let backend = Arc::new(InRealTime { dynamodb, runtime: Handle::current() });
    tokio::task::spawn_blocking(move || run_on(Story::Schedules, seed, backend)).await.unwrap()
}

/// Calls DynamoDB from a runtime whose time is virtual: a blocking task keeps that time from going
/// on while it waits.
struct InRealTime {
    dynamodb: DynamoDb,
    runtime: Handle,
}

impl fmt::Debug for InRealTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dynamodb.fmt(formatter)
    }
}

impl InRealTime {
    fn call<T: Send + 'static>(
        &self,
        act: impl AsyncFnOnce(&DynamoDb) -> Result<T, sundial_store::StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let (dynamodb, runtime) = (self.dynamodb.clone(), self.runtime.clone());
        let called = tokio::task::spawn_blocking(move || runtime.block_on(act(&dynamodb)));
        Box::pin(async move { called.await.unwrap() })
    }
}

impl Backend for InRealTime {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        self.call(async |table| table.get(key).await)
    }
    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        self.call(async move |table| table.get_many(keys, keys_only).await)
    }
    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        self.call(async move |table| table.query(range, limit).await)
    }
    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        self.call(async move |table| table.query_wake(query).await)
    }
    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        self.call(async move |table| table.transact(writes, token).await)
    }
    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        self.call(async move |table| table.put_unseen(items).await)
    }
    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        self.call(async move |table| table.delete_unseen(keys).await)
    }
}
