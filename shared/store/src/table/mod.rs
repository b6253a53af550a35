//! The table: whole items, written on the condition of what stands there.

mod backend;
mod creation;
mod dynamodb;
#[cfg(feature = "model")]
pub mod model;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sundial_model::Timestamp;
use uuid::Uuid;

pub use backend::{Answer, Backend, WakeQuery};
pub use dynamodb::DynamoDb;

use crate::error::StoreError;
use crate::item::{Item, NewItem, Read, read, text};
use crate::keys::Key;

/// The most writes of one transaction: a limit of DynamoDB.
pub(crate) const TRANSACTION_WRITES_MAX: usize = 100;

/// What a write expects to stand at its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever.
    Anything,
    /// Nothing; the key is never used again.
    Nothing,
    /// Nothing; the item begins with this revision. Where a key is used again after a deletion, each
    /// new item has another one, so that nobody who has read the old one takes it for that.
    NothingBefore(u64),
    /// The item at this revision.
    Revision(u64),
}

impl Expect {
    /// The revision of an item that is put on this condition.
    pub(crate) fn next_revision(self) -> u64 {
        match self {
            Self::Anything | Self::Nothing => 1,
            Self::NothingBefore(first) => first,
            Self::Revision(revision) => revision + 1,
        }
    }
}

/// The first revision of an item that is one creation of something under a name: as good as nobody
/// else's.
pub(crate) fn first_revision(creation: Uuid) -> u64 {
    // 52 bits, so that there is room above.
    (creation.as_u64_pair().1 >> 12).max(1)
}

/// One write of a transaction.
#[derive(Clone, Debug)]
pub enum Write {
    /// The whole item; its revision becomes the one after what was expected.
    Put(NewItem, Expect),
    /// No item.
    Delete(Key, Expect),
    /// As it is.
    Check(Key, Expect),
}

impl Write {
    /// The key it is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(item, _) => item.key(),
            Self::Delete(key, _) | Self::Check(key, _) => key,
        }
    }
}

/// Makes a transaction that is sent again, because its answer was lost, happen once: DynamoDB
/// remembers it for ten minutes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransactionToken(pub(crate) String);

impl TransactionToken {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }
}

impl Default for TransactionToken {
    fn default() -> Self {
        Self::new()
    }
}

/// A part of one partition's items, in the order of their sort keys.
#[derive(Clone, Debug)]
pub struct Range {
    /// The partition.
    pub pk: String,
    /// First sort key, included.
    pub from: String,
    /// Last sort key, included.
    pub to: String,
    /// From the last to the first.
    pub backward: bool,
}

impl Range {
    /// All items whose sort keys begin with `prefix`, forward.
    pub(crate) fn prefix(pk: &str, prefix: &str) -> Self {
        Self { pk: pk.to_owned(), from: prefix.to_owned(), to: after_prefix(prefix), backward: false }
    }
}

/// A text that sorts after everything that begins with `prefix`.
pub(crate) fn after_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

/// The table. All reads but those of the index see every write before them.
#[derive(Clone, Debug)]
pub struct Table(Arc<dyn Backend>);

impl Table {
    /// The table `name` of DynamoDB, through `client`.
    pub fn new(client: aws_sdk_dynamodb::Client, name: impl Into<String>) -> Self {
        Self::over(Arc::new(DynamoDb::new(client, name)))
    }

    /// A table over a backend.
    pub fn over(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// Reads an item.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Read<T>>, StoreError> {
        self.0.get(key.clone()).await?.map(read).transpose()
    }

    /// Reads some items, in no order; what is not there is left out.
    pub(crate) async fn get_many<T: DeserializeOwned>(&self, keys: Vec<Key>) -> Result<Vec<Read<T>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.0.get_many(keys, false).await?.into_iter().map(read).collect()
    }

    /// Reads some items, in no order; what is not there is left out, and what cannot be read is logged.
    pub(crate) async fn get_readable<T: DeserializeOwned>(&self, keys: Vec<Key>) -> Result<Vec<Read<T>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.0.get_many(keys, false).await?.into_iter();
        Ok(items
            .filter_map(|item| {
                let leave_out = |error: &StoreError| match error {
                    StoreError::Newer { .. } => tracing::warn!(%error, "an item is left to the newer version"),
                    error => tracing::error!(%error, "an item is left out"),
                };
                read(item).inspect_err(leave_out).ok()
            })
            .collect())
    }

    /// Which of these keys have an item.
    pub(crate) async fn existing(&self, keys: Vec<Key>) -> Result<Vec<Key>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.0.get_many(keys, true).await?;
        items.iter().map(|item| Ok(Key { pk: text(item, "pk")?, sk: text(item, "sk")? })).collect()
    }

    /// Reads up to `limit` items of a range; fewer when they would be over 1 MB, but at least one
    /// when there is one.
    pub(crate) async fn query(&self, range: &Range, limit: usize) -> Result<Vec<Item>, StoreError> {
        self.0.query(range.clone(), Some(limit)).await
    }

    /// Reads all items of a range.
    pub(crate) async fn query_all(&self, range: &Range) -> Result<Vec<Item>, StoreError> {
        self.0.query(range.clone(), None).await
    }

    /// Reads keys from the index of wake times: up to `limit` of those due from `from` until `until`.
    pub(crate) async fn query_wake(
        &self,
        shard: String,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        self.0.query_wake(WakeQuery { shard, from: from.to_string(), until: until.to_string(), limit }).await
    }

    /// Writes all or nothing.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.write_once(writes, &TransactionToken::new()).await
    }

    /// Writes all or nothing, and once for each token.
    pub(crate) async fn write_once(&self, writes: Vec<Write>, token: &TransactionToken) -> Result<(), StoreError> {
        debug_assert!(writes.len() <= TRANSACTION_WRITES_MAX, "a transaction of {} writes", writes.len());
        self.0.transact(writes, token.clone()).await
    }

    /// Writes items that nobody looks at yet, in any order and at half the price of a transaction.
    pub(crate) async fn put_unseen(&self, items: Vec<NewItem>) -> Result<(), StoreError> {
        self.0.put_unseen(items).await
    }

    /// Deletes items that nobody looks at any more.
    pub(crate) async fn delete_unseen(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        self.0.delete_unseen(keys).await
    }
}

/// The tries of something that others may be faster at, each time: there are `Tries::MAX` at most.
#[derive(Debug, Default)]
pub struct Tries(u32);

impl Tries {
    const MAX: u32 = 24;

    /// Waits for the next try, after one that met somebody else's change.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there were enough.
    pub async fn again(&mut self) -> Result<(), StoreError> {
        self.0 += 1;
        if self.0 >= Self::MAX {
            return Err(StoreError::Conflict);
        }
        // Spread, so that two that met once do not meet again.
        let spread = fastrand::u64(0..10 << self.0.min(6));
        tokio::time::sleep(Duration::from_millis(5 + spread)).await;
        Ok(())
    }
}

/// Reads, decides and writes again, when what was read had changed before the write.
pub(crate) async fn retry_on_conflict<T, F: Future<Output = Result<T, StoreError>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let mut tries = Tries::default();
    loop {
        match attempt().await {
            Err(StoreError::Conflict) => tries.again().await?,
            result => return result,
        }
    }
}
