//! The table as one invocation sees it: calls take their time, are refused or lose their answer,
//! and the invocation may die before or after any of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sundial_store::keys::Key;
use sundial_store::{Answer, Backend, Item, NewItem, Range, StoreError, TransactionToken, WakeQuery, Write};
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::checker::Caller;
use crate::world::World;

/// One invocation's way to the table.
pub(crate) struct FaultyTable {
    pub(crate) world: Arc<World>,
    pub(crate) caller: Caller,
    pub(crate) chance: Mutex<Chance>,
    /// Ends the invocation.
    pub(crate) death: Arc<Notify>,
}

impl fmt::Debug for FaultyTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FaultyTable")
    }
}

/// What befalls a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Refused,
    AnswerLost,
    DeathBefore,
    DeathAfter,
}

impl FaultyTable {
    fn draw(&self) -> (Fate, Duration) {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.world.is_troubled() {
            return (Fate::Fine, Duration::from_millis(1 + chance.below(10)));
        }
        let fate = match chance.below(400) {
            0 => Fate::DeathBefore,
            1 | 2 => Fate::DeathAfter,
            3..6 => Fate::Refused,
            6..9 => Fate::AnswerLost,
            _ => Fate::Fine,
        };
        let longest = if chance.one_in(60) { 4_000 } else { 30 };
        (fate, Duration::from_millis(1 + chance.below(longest)))
    }

    async fn call<T>(&self, act: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let (fate, takes) = self.draw();
        let on_the_way = takes / 2;
        tokio::time::sleep(on_the_way).await;
        match fate {
            Fate::DeathBefore => self.die().await,
            Fate::Refused => return Err(StoreError::Unavailable("throttled".to_owned())),
            Fate::Fine | Fate::AnswerLost | Fate::DeathAfter => {}
        }
        let result = act.await;
        tokio::time::sleep(takes - on_the_way).await;
        match fate {
            Fate::DeathAfter => self.die().await,
            Fate::AnswerLost => return Err(StoreError::Unavailable("the answer was lost".to_owned())),
            Fate::Fine | Fate::Refused | Fate::DeathBefore => {}
        }
        result
    }

    async fn die(&self) {
        self.death.notify_one();
        std::future::pending::<()>().await;
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
        if self.draw().0 == Fate::Refused {
            return Box::pin(std::future::ready(Err(StoreError::Unavailable("throttled".to_owned()))));
        }
        self.world.table.query_wake(query)
    }

    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        Box::pin(self.call(async move { self.world.transact(self.caller, writes, token).await }))
    }

    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        Box::pin(self.call(async move { self.world.table.put_unseen(items).await }))
    }

    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        Box::pin(self.call(async move { self.world.table.delete_unseen(keys).await }))
    }
}
