//! What the table is asked to do: the few operations of DynamoDB that everything is made of.

use std::fmt::Debug;

use futures::future::BoxFuture;

use super::{Range, TransactionToken, Write};
use crate::error::StoreError;
use crate::item::{Item, NewItem};
use crate::keys::Key;

/// One query of the index of wake times.
#[derive(Clone, Debug)]
pub struct WakeQuery {
    /// The partition of the index.
    pub shard: String,
    /// The first wake time that is asked for.
    pub from: String,
    /// The last one.
    pub until: String,
    /// So many items at most.
    pub limit: usize,
}

/// What a call gives, as soon as it is there.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// DynamoDB, or the model of it that simulations use. One suite of tests runs over both.
pub trait Backend: Debug + Send + Sync {
    /// The item of a key, as it is now.
    fn get(&self, key: Key) -> Answer<'_, Option<Item>>;
    /// The items of some keys, as they are now, in no order; of those that are not there, nothing.
    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>>;
    /// The items of a range, up to `limit`: fewer when they would be over 1 MB, but at least one
    /// when there is one. Without a limit, all of them.
    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>>;
    /// Keys and wake times from the lagging index, the earliest first.
    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>>;
    /// Writes all or nothing, and once for each token.
    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()>;
    /// Writes items that nobody looks at yet.
    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()>;
    /// Deletes items that nobody looks at any more.
    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()>;
}
