//! The table as one invocation sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sundial_store::keys::Key;
use sundial_store::{Answer, Backend, Item, NewItem, Range, StoreError, TransactionToken, WakeQuery, Write};

use crate::checker::Caller;
use crate::faults::Faults;
use crate::world::World;

/// Who waits for an answer gives up after this long, but what it has asked for may still happen.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);

/// One invocation's way to the table.
pub(crate) struct FaultyTable {
    pub(crate) world: Arc<World>,
    pub(crate) caller: Caller,
    pub(crate) faults: Faults,
}

impl fmt::Debug for FaultyTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FaultyTable")
    }
}

impl FaultyTable {
    async fn call<T>(&self, act: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.faults.call(StoreError::Unavailable, act).await
    }
}

impl Backend for FaultyTable {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        Box::pin(self.call(async { self.world.table.get(key).await }))
    }

    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        Box::pin(self.call(async move { self.world.table.get_many(keys, keys_only).await }))
    }

    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        Box::pin(self.call(async move { self.world.table.query(range, limit).await }))
    }

    /// The sixteen shards of the index are asked at once, so that one of them takes the time for all;
    /// each may fail.
    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        if query.shard.ends_with("00") {
            return Box::pin(self.call(async move { self.world.table.query_wake(query).await }));
        }
        if self.faults.is_next_refused() {
            return Box::pin(std::future::ready(Err(StoreError::Throttled("a query".to_owned()))));
        }
        self.world.table.query_wake(query)
    }

    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        let (world, caller) = (Arc::clone(&self.world), self.caller);
        if let Some(after) = self.faults.arrives_late() {
            return Box::pin(async move {
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // Nobody waits for the answer any more.
                    let _ = world.transact(caller, writes, token).await;
                });
                tokio::time::sleep(after.min(GIVEN_UP_AFTER)).await;
                Err(StoreError::Unavailable("the answer was lost".to_owned()))
            });
        }
        Box::pin(self.call(async move { world.transact(caller, writes, token).await }))
    }

    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        Box::pin(self.call(async move { self.world.table.put_unseen(items).await }))
    }

    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        Box::pin(self.call(async move { self.world.table.delete_unseen(keys).await }))
    }
}
