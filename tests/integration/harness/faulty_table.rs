//! A table some of whose transactions fail: what a test wants to happen between two writes.

use std::fmt;

use futures::future::pending;
use sundial_store::keys::Key;
use sundial_store::{Answer, Backend, DynamoDb, Item, NewItem, Range, StoreError, TransactionToken, WakeQuery, Write};

/// How a transaction fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is not written, because there are too many, and that is said.
    Refused,
    /// It is not written, because the table cannot be reached.
    Unavailable,
    /// It is not written, because somebody else was faster.
    Conflict,
    /// It is not written, and there is no answer.
    NoAnswer,
    /// It is written, and there is no answer.
    AnswerLost,
}

/// Says whether and how a transaction fails.
pub(crate) type Faults = Box<dyn Fn(&[Write]) -> Option<Fault> + Send + Sync>;

/// The table.
pub(crate) struct FaultyTable {
    pub(crate) inner: DynamoDb,
    pub(crate) faults: Faults,
}

impl fmt::Debug for FaultyTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FaultyTable")
    }
}

impl Backend for FaultyTable {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        self.inner.get(key)
    }
    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        self.inner.get_many(keys, keys_only)
    }
    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        self.inner.query(range, limit)
    }
    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        self.inner.query_wake(query)
    }
    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        match (self.faults)(&writes) {
            None => self.inner.transact(writes, token),
            Some(Fault::Refused) => Box::pin(async { Err(StoreError::Throttled("a transaction".to_owned())) }),
            Some(Fault::Unavailable) => Box::pin(async { Err(StoreError::Unavailable("a transaction".to_owned())) }),
            Some(Fault::Conflict) => Box::pin(async { Err(StoreError::Conflict) }),
            Some(Fault::AnswerLost) => Box::pin(async {
                self.inner.transact(writes, token).await?;
                pending().await
            }),
            Some(Fault::NoAnswer) => Box::pin(pending()),
        }
    }
    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        self.inner.put_unseen(items)
    }
    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        self.inner.delete_unseen(keys)
    }
}
