//! An embedded cloud in the test's process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use sundial_devstack::{DevCloud, DevOptions, Mode, ReachableFunctions, loopback_ranges};
use sundial_runtime::{Clients, Clock, SinkBuckets, clock};
use sundial_store::{DynamoDb, RETENTION_DEFAULT, Store, Table, Write};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::external_table::ExternalTable;
use super::faulty_table::{Faults, FaultyTable};
use super::{Api, Items, PATIENCE, items};

/// An embedded cloud in this process; its DynamoDB may be an external one.
pub(crate) struct Cloud {
    pub(crate) dev: DevCloud,
    pub(crate) api: Api,
    folder: TempDir,
    _table: Option<ExternalTable>,
}

impl Cloud {
    /// Lets an evaluator come by whose clock is ahead: for it, nobody was there all that time.
    pub(crate) async fn evaluate_after(&self, outage: Duration) {
        self.try_to_evaluate_after(outage).await.unwrap();
    }

    /// The same, and what the evaluator has to complain of.
    pub(crate) async fn try_to_evaluate_after(&self, outage: Duration) -> Result<(), lambda_runtime::Error> {
        let mut clients = self.dev.clients().clone();
        clients.clock = Clock::simulated(Instant::now().into(), clock::now() + outage);
        let mut context = Context::default();
        context.deadline = u64::try_from((clients.clock.now() + Duration::from_secs(8)).milliseconds()).unwrap();
        let tick = serde_json::from_str(include_str!("../../events/eventbridge-tick.json")).unwrap();
        sundial_schedule_evaluator::handle(&clients, LambdaEvent::new(tick, context)).await
    }

    pub(crate) async fn start() -> Self {
        Self::start_in(Mode::Whole).await
    }

    /// Just DynamoDB, S3 and a bus.
    pub(crate) async fn start_storage_only() -> Self {
        Self::start_in(Mode::StorageOnly).await
    }

    async fn start_in(mode: Mode) -> Self {
        Self::start_as(|options| options.mode = mode).await
    }

    /// The same, and its DynamoDB is the embedded one in any case.
    pub(crate) async fn start_embedded_storage_only() -> Self {
        Self::start_over(None, |options| options.mode = Mode::StorageOnly).await
    }

    async fn start_as(change: impl FnOnce(&mut DevOptions)) -> Self {
        Self::start_over(ExternalTable::new(), change).await
    }

    async fn start_over(table: Option<ExternalTable>, change: impl FnOnce(&mut DevOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Self::options(&folder);
        options.external_dynamodb = table.as_ref().map(|table| table.dynamodb().clone());
        change(&mut options);
        let dev = DevCloud::start(options).await.unwrap();
        let api = Api::new(dev.description());
        Self { dev, api, folder, _table: table }
    }

    fn options(folder: &TempDir) -> DevOptions {
        DevOptions {
            port: 0,
            data_folder: folder.path().to_owned(),
            mode: Mode::Whole,
            lease: Duration::from_secs(4),
            allowed_cidrs: loopback_ranges(),
            own_sink_buckets: vec!["own-sink".parse().unwrap()],
            sink_buckets: SinkBuckets::default(),
            own_target_functions: Vec::new(),
            target_functions: ReachableFunctions::default(),
            external_dynamodb: None,
        }
    }

    /// One that calls public addresses only, as in AWS.
    pub(crate) async fn start_for_the_public() -> Self {
        Self::start_as(|options| options.allowed_cidrs = Vec::new()).await
    }

    /// One whose workspace may have these functions as targets, which are invoked there.
    pub(crate) async fn start_invoking(lambda_url: &str, functions: &[&str]) -> Self {
        Self::start_as(|options| {
            options.own_target_functions = functions.iter().map(|arn| arn.parse().unwrap()).collect();
            lambda_url.clone_into(&mut options.target_functions.url);
        })
        .await
    }

    /// Clients of a function some of whose transactions fail.
    pub(crate) fn faulty_clients(&self, faults: Faults) -> Clients {
        let inner = DynamoDb::new(self.dev.dynamodb().clone(), &self.dev.description().table_name);
        let table = Table::over(Arc::new(FaultyTable { inner, faults }));
        Clients { store: Store::new(table, RETENTION_DEFAULT), ..self.dev.clients().clone() }
    }

    /// Clients of a function during whose call something happens: before that of its transactions of a kind that
    /// has this number, from 0. The test needs a runtime of several threads.
    pub(crate) fn interrupted_clients<F: Future<Output = ()>>(
        &self,
        is_it: fn(&[Write]) -> bool,
        number: usize,
        happen: impl Fn(Api) -> F + Send + Sync + 'static,
    ) -> Clients {
        let (api, seen) = (self.api.clone(), AtomicUsize::new(0));
        self.faulty_clients(Box::new(move |writes| {
            if is_it(writes) && seen.fetch_add(1, Ordering::SeqCst) == number {
                tokio::task::block_in_place(|| Handle::current().block_on(happen(api.clone())));
            }
            None
        }))
    }

    /// All that stands in the table.
    pub(crate) async fn items(&self) -> Items {
        items(self.dev.dynamodb(), &self.dev.description().table_name).await
    }

    /// All that stands in the table when nothing goes on any more.
    pub(crate) async fn items_at_rest(&self) -> Items {
        let begun = Instant::now();
        let mut before = self.items().await;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.items().await;
            if now == before {
                return now;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not come to rest");
            before = now;
        }
    }

    /// Where all of it is kept.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What was told on the bus that no function takes, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
