//! A model of the table in memory, for simulations: conditional writes, transactions that happen
//! once for each token, DynamoDB's limits, and an index that lags.
//!
//! One suite of tests (`table_contract.rs`) runs over it and over the embedded DynamoDB alike, so that the two
//! cannot drift apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::FutureExt as _;
use tokio::time::Instant;

use super::{Answer, Backend, Expect, Range, TRANSACTION_WRITES_MAX, TransactionToken, WakeQuery, Write};
use crate::error::StoreError;
use crate::item::{Item, NewItem, text};
use crate::keys::Key;

/// An item has so many bytes at most: a limit of DynamoDB.
const ITEM_BYTES_MAX: usize = 400 * 1024;
/// And all items of a transaction together so many.
const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A token is remembered this long.
const TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How far the index is behind, asked anew for each write.
pub type Lag = Box<dyn FnMut() -> Duration + Send>;

/// The model. Its time is that of the async runtime, which a simulation drives.
pub struct ModelTable(Mutex<State>);

struct State {
    items: BTreeMap<Key, Item>,
    tokens: HashMap<TransactionToken, Instant>,
    index: Index,
}

/// What the index shows, and what it will show.
struct Index {
    lag: Lag,
    shown: BTreeSet<(WakePlace, Key)>,
    places: HashMap<Key, WakePlace>,
    /// Changes that have not arrived, in the order of their arrival.
    arriving: BTreeMap<(Instant, u64), (Key, Option<WakePlace>)>,
    /// When the last change of a key arrives: changes of one item never overtake each other.
    last_arrivals: HashMap<Key, Instant>,
    changes: u64,
}

/// Shard and time.
type WakePlace = (String, String);

impl fmt::Debug for ModelTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ModelTable")
    }
}

impl ModelTable {
    /// An empty one, whose index is behind by what `lag` says.
    pub fn new(lag: Lag) -> Self {
        let index = Index {
            lag,
            shown: BTreeSet::new(),
            places: HashMap::new(),
            arriving: BTreeMap::new(),
            last_arrivals: HashMap::new(),
            changes: 0,
        };
        Self(Mutex::new(State { items: BTreeMap::new(), tokens: HashMap::new(), index }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<'a, T: Send + 'a>(&self, act: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Answer<'a, T> {
        let result = act(&mut self.state());
        async move { result }.boxed()
    }
}

impl Backend for ModelTable {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        self.answer(|state| Ok(state.items.get(&key).cloned()))
    }

    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        self.answer(|state| {
            let item = |key: &Key| {
                if keys_only { state.items.get(key).map(|_| key_item(key)) } else { state.items.get(key).cloned() }
            };
            let distinct: BTreeSet<_> = keys.iter().collect();
            if distinct.len() < keys.len() {
                return Err(StoreError::Refused("the list of item keys contains duplicates".to_owned()));
            }
            Ok(keys.iter().filter_map(item).collect())
        })
    }

    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        self.answer(|state| {
            let Range { pk, from, to, backward } = range;
            if from.is_empty() || from > to {
                return Err(StoreError::Refused(format!("the range from {from:?} to {to:?} is none")));
            }
            let first = Key { pk: pk.clone(), sk: from };
            let last = Key { pk, sk: to };
            let found = state.items.range(first..=last).map(|(_, item)| item.clone());
            let limit = limit.unwrap_or(usize::MAX);
            Ok(if backward { found.rev().take(limit).collect() } else { found.take(limit).collect() })
        })
    }

    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        self.answer(|state| {
            state.index.arrive(Instant::now());
            let WakeQuery { shard, from, until, limit } = query;
            let lowest = Key { pk: String::new(), sk: String::new() };
            let from = ((shard.clone(), from), lowest);
            let of_shard =
                state.index.shown.range(from..).take_while(|((its_shard, at), _)| *its_shard == shard && *at <= until);
            let item = |((shard, at), key): &(WakePlace, Key)| {
                let mut item = key_item(key);
                item.insert("wakeShard".to_owned(), AttributeValue::S(shard.clone()));
                item.insert("wakeAt".to_owned(), AttributeValue::S(at.clone()));
                item
            };
            Ok(of_shard.take(limit).map(item).collect())
        })
    }

    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        self.answer(|state| state.transact(writes, token))
    }

    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        self.answer(|state| {
            items.into_iter().for_each(|item| state.apply(Write::Put(item, Expect::Anything)));
            Ok(())
        })
    }

    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        self.answer(|state| {
            keys.into_iter().for_each(|key| state.apply(Write::Delete(key, Expect::Anything)));
            Ok(())
        })
    }
}

impl State {
    fn transact(&mut self, writes: Vec<Write>, token: TransactionToken) -> Result<(), StoreError> {
        let now = Instant::now();
        if self.tokens.get(&token).is_some_and(|written| now - *written < TOKEN_LIFETIME) {
            return Ok(());
        }
        let keys: BTreeSet<_> = writes.iter().map(Write::key).collect();
        if keys.len() < writes.len() {
            return Err(StoreError::Refused("two writes of a transaction are about one item".to_owned()));
        }
        if writes.len() > TRANSACTION_WRITES_MAX {
            return Err(StoreError::Refused(format!("a transaction of {} writes", writes.len())));
        }
        if let Some(bytes) = writes.iter().map(bytes_of).find(|bytes| *bytes > ITEM_BYTES_MAX) {
            return Err(StoreError::Refused(format!("an item of {bytes} bytes")));
        }
        let bytes: usize = writes.iter().map(bytes_of).sum();
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(StoreError::Refused(format!("a transaction of {bytes} bytes")));
        }
        if !writes.iter().all(|write| self.is_as_expected(write)) {
            return Err(StoreError::Conflict);
        }
        writes.into_iter().for_each(|write| self.apply(write));
        self.tokens.insert(token, now);
        Ok(())
    }

    fn is_as_expected(&self, write: &Write) -> bool {
        let (Write::Put(_, expect) | Write::Delete(_, expect) | Write::Check(_, expect)) = write;
        let stored = self.items.get(write.key());
        match expect {
            Expect::Anything => true,
            Expect::Nothing | Expect::NothingBefore(_) => stored.is_none(),
            Expect::Revision(revision) => {
                let expected = AttributeValue::N(revision.to_string());
                stored.and_then(|item| item.get("revision")) == Some(&expected)
            }
        }
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Put(item, expect) => {
                let key = item.key().clone();
                let item = item.with_revision(expect.next_revision());
                let place = text(&item, "wakeShard").ok().zip(text(&item, "wakeAt").ok());
                self.index.change(key.clone(), place);
                self.items.insert(key, item);
            }
            Write::Delete(key, _) => {
                self.index.change(key.clone(), None);
                self.items.remove(&key);
            }
            Write::Check(..) => {}
        }
    }
}

impl Index {
    fn change(&mut self, key: Key, place: Option<WakePlace>) {
        if place.is_none() && !self.last_arrivals.contains_key(&key) {
            // It was never there.
            return;
        }
        let arrives = Instant::now() + (self.lag)();
        let arrives = self.last_arrivals.get(&key).map_or(arrives, |last| arrives.max(*last));
        self.changes += 1;
        self.last_arrivals.insert(key.clone(), arrives);
        self.arriving.insert((arrives, self.changes), (key, place));
    }

    fn arrive(&mut self, now: Instant) {
        while let Some(entry) = self.arriving.first_entry().filter(|entry| entry.key().0 <= now) {
            let (key, place) = entry.remove();
            if let Some(before) = self.places.remove(&key) {
                self.shown.remove(&(before, key.clone()));
            }
            if let Some(place) = place {
                self.shown.insert((place.clone(), key.clone()));
                self.places.insert(key, place);
            }
        }
    }
}

fn key_item(key: &Key) -> Item {
    let attribute = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
    HashMap::from([attribute("pk", &key.pk), attribute("sk", &key.sk)])
}

/// About how many bytes of DynamoDB's limits a write takes.
fn bytes_of(write: &Write) -> usize {
    match write {
        Write::Put(item, _) => item.attributes().iter().map(|(name, value)| name.len() + bytes_of_value(value)).sum(),
        Write::Delete(key, _) | Write::Check(key, _) => key.pk.len() + key.sk.len(),
    }
}

fn bytes_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + bytes_of_value(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + bytes_of_value(value)).sum::<usize>()
        }
        _ => 1,
    }
}
