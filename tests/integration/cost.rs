//! What a tick costs: calls of AWS, counted where they are made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::json;
use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_runtime::bus::{BusError, EventSink};
use sundial_runtime::{Clock, EventBus, clock};
use sundial_store::keys::Key;
use sundial_store::{
    Answer, Backend, DynamoDb, Item, NewItem, RETENTION_DEFAULT, Range, Store, Table, TransactionToken, WakeQuery,
    Write,
};

use crate::harness::{Cloud, Target, payloads};

/// Counts the calls that go through it, by operation.
#[derive(Debug)]
struct Counting<T> {
    inner: T,
    calls: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl<T> Counting<T> {
    fn count(&self, operation: &'static str) -> &T {
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        &self.inner
    }
}

impl Backend for Counting<DynamoDb> {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        self.count("GetItem").get(key)
    }
    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        self.count("BatchGetItem").get_many(keys, keys_only)
    }
    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        self.count("Query").query(range, limit)
    }
    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        self.count("Query of the index").query_wake(query)
    }
    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        self.count("TransactWriteItems").transact(writes, token)
    }
    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        self.count("BatchWriteItem").put_unseen(items)
    }
    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        self.count("BatchWriteItem").delete_unseen(keys)
    }
}

/// Takes events, and tells nobody.
impl EventSink for Counting<()> {
    fn put_events<'a>(&'a self, _: &'a [Event]) -> BoxFuture<'a, Result<(), BusError>> {
        self.count("PutEvents");
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn a_hundred_jobs_of_the_same_second_cost_a_transaction_each_and_little_else() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    // Due in half a day, so that nobody but the evaluator below finds them due.
    let due = Timestamp::from_seconds(clock::now().seconds() + 43_200);
    let schedule = json!({ "intervals": [{ "every": "1d", "offset": format!("{}s", due.seconds() % 86_400) }] });
    for number in 0..100 {
        let id = format!("job-{number}");
        cloud.api.create_job(json!({ "id": id, "payload": payloads("a", 1), "schedule": schedule })).await;
    }
    let calls = Arc::<Mutex<BTreeMap<_, _>>>::default();
    let dynamodb = DynamoDb::new(cloud.dev.dynamodb().clone(), &cloud.dev.description().table_name);
    let table = Table::over(Arc::new(Counting { inner: dynamodb, calls: Arc::clone(&calls) }));
    let mut clients = cloud.dev.clients().clone();
    clients.store = Store::new(table, RETENTION_DEFAULT);
    clients.bus = EventBus::to(Arc::new(Counting { inner: (), calls: Arc::clone(&calls) }));
    let begun_at = due + Duration::from_secs(1);
    clients.clock = Clock::simulated(tokio::time::Instant::now(), begun_at);
    let mut context = Context::default();
    context.deadline = u64::try_from((begun_at + Duration::from_secs(60)).milliseconds()).unwrap();
    let tick = serde_json::from_str(include_str!("../events/eventbridge-tick.json")).unwrap();
    sundial_schedule_evaluator::handle(&clients, LambdaEvent::new(tick, context)).await.unwrap();
    let mut calls = calls.lock().unwrap().clone();
    // Ten in a call; on a slow machine some do not wait for more.
    let hand_overs = calls.remove("PutEvents").unwrap();
    assert!((10..50).contains(&hand_overs), "{hand_overs}");
    let expected = [
        // The jobs, and their project.
        ("BatchGetItem", 2),
        ("Query of the index", 16),
        ("TransactWriteItems", 100),
    ];
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), expected);
}
