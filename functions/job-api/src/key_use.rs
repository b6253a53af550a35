//! When a key was last used: noted beside the call that uses it, never at its expense.
//!
//! A key's use is noted at most once an hour, in one conditional write, which is under way while
//! the call is carried out. Should the write be slower than the call, the answer waits for it only
//! [`PATIENCE`], because a function may not go on after its answer; should it fail, the next hour's
//! does. And each process tries once an hour and key, so that a table in distress is left alone.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use sundial_model::Timestamp;
use sundial_runtime::Clients;
use sundial_store::ApiKey;

/// So long an answer waits for the note of its key's use, once an hour.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two tries of this process.
const TRY_EVERY: Duration = Duration::from_secs(60 * 60);

/// When this process last tried to note the use of a key, by the key's id.
#[derive(Clone, Default)]
pub(crate) struct KeyUses(Arc<Mutex<HashMap<String, Timestamp>>>);

impl KeyUses {
    /// Whether the use is to be noted, by this call and no other of this process.
    fn is_turn(&self, key: &ApiKey, now: Timestamp) -> bool {
        if !key.is_use_news(now) {
            return false;
        }
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_turn = tries.get(&key.key_id).is_none_or(|last| now.since(*last) >= TRY_EVERY);
        if is_turn {
            tries.insert(key.key_id.clone(), now);
        }
        is_turn
    }

    /// Carries out a call, and notes beside it that its key is in use.
    pub(crate) async fn note_beside<T>(&self, clients: &Clients, key: &ApiKey, call: impl Future<Output = T>) -> T {
        let now = clients.clock.now();
        if !self.is_turn(key, now) {
            return call.await;
        }
        let noting = pin!(async {
            if let Err(error) = clients.store.note_use(key, now).await {
                tracing::debug!(%error, key_id = key.key_id, "the use of a key was not noted");
            }
        });
        match select(pin!(call), noting).await {
            Either::Left((answer, noting)) => {
                // It may be cut off: then it is written or not, and either is fine.
                let _ = tokio::time::timeout(PATIENCE, noting).await;
                answer
            }
            Either::Right(((), call)) => call.await,
        }
    }
}
