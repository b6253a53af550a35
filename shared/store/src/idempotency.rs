//! Idempotency keys: a call that is sent twice has its effect once.
//!
//! A call with a key **claims** it first, in an item of its own: with what body, and until when it is under
//! way. The transaction that has the call's effect also puts that item with the call's answer, and expects the
//! claim. So effect and answer are on record together or not at all, wherever the call is cut off. A claim runs
//! out, and whoever takes the key over writes its item: a call that was only slow then has no effect any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sundial_model::fresh_id::fresh_id;
use sundial_model::{Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json};
use crate::keys::Key;
use crate::table::{Expect, TransactionToken, Write, first_revision, retry_on_conflict};
use crate::{Store, keys};

/// How long a key is remembered.
pub const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A call is under way no longer than this: API Gateway gives up then, and the function before.
pub const CLAIM_LIFETIME: Duration = Duration::from_secs(30);

/// A call that came with a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyedCall<'a> {
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// What it calls, down to the names of things.
    pub path: &'a str,
    /// The key, as its sender has made it up.
    pub key: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

impl KeyedCall<'_> {
    fn item_key(&self) -> Key {
        // As JSON, so that no two of them are written alike.
        let text = serde_json::json!([self.path, self.key]).to_string();
        keys::idempotency(self.workspace_id, &sha256(text.as_bytes()))
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyItem {
    body_sha256: String,
    /// Until when the call is under way; none when it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_until: Option<Timestamp>,
    /// What it was answered, or what it has come to so far.
    #[serde(with = "as_json")]
    answer: Option<Value>,
    keep_until: Timestamp,
}

impl KeyItem {
    fn put(&self, key: &Key, expect: Expect) -> Result<Write, StoreError> {
        // The table drops it some time after that; until then its time is looked at.
        Ok(Write::Put(NewItem::new(key.clone(), self)?.expiring(Some(self.keep_until)), expect))
    }
}

/// A key that a call has claimed. Copies are the same claim.
#[derive(Clone, Debug)]
pub struct Claim(Arc<Mutex<State>>);

#[derive(Clone, Debug)]
struct State {
    key: Key,
    item: KeyItem,
    revision: u64,
}

/// What a claim comes to.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// The call is to be carried out.
    Now(Claim),
    /// It was carried out, and answered with this.
    Before(Value),
    /// It is under way.
    UnderWay,
    /// The key came with another body.
    OtherBody,
}

/// A claim, and the answer that is put with the effect of its call.
#[derive(Clone, Debug)]
pub(crate) struct Fulfilment {
    claim: Claim,
    answer: Value,
    is_whole: bool,
}

impl Claim {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the effect of its call is on record, as a whole.
    pub fn is_fulfilled(&self) -> bool {
        self.state().item.claimed_until.is_none()
    }

    /// What its call has come to, in this try or in one before that was cut off.
    pub fn progress(&self) -> Option<Value> {
        self.state().item.answer.clone()
    }

    /// The write of what is to stand there next, and that.
    fn next(&self, change: impl FnOnce(&mut KeyItem)) -> Result<(Write, State), StoreError> {
        let State { key, mut item, revision } = self.state().clone();
        change(&mut item);
        let write = item.put(&key, Expect::Revision(revision))?;
        Ok((write, State { key, item, revision: revision + 1 }))
    }
}

impl Store {
    /// Claims the key of a call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn claim_key(&self, call: &KeyedCall<'_>, now: Timestamp) -> Result<Claimed, StoreError> {
        let key = call.item_key();
        let new = KeyItem {
            body_sha256: sha256(call.body),
            claimed_until: Some(now + CLAIM_LIFETIME),
            answer: None,
            keep_until: now + KEY_LIFETIME,
        };
        retry_on_conflict(async || {
            let (item, expect) = match self.table.get::<KeyItem>(&key).await? {
                None => (new.clone(), Expect::NothingBefore(first_revision(fresh_id()))),
                Some(Read { value: stored, revision }) => {
                    let is_over = stored.keep_until <= now;
                    let was_cut_off = stored.claimed_until.is_some_and(|until| until <= now);
                    // Of one that was cut off before it had any effect, nothing is left.
                    let is_free = is_over || (was_cut_off && stored.answer.is_none());
                    match stored {
                        _ if is_free => (new.clone(), Expect::Revision(revision)),
                        KeyItem { body_sha256, .. } if body_sha256 != new.body_sha256 => return Ok(Claimed::OtherBody),
                        KeyItem { claimed_until: None, answer, .. } => {
                            return Ok(Claimed::Before(answer.unwrap_or_default()));
                        }
                        stored if was_cut_off => {
                            (KeyItem { claimed_until: new.claimed_until, ..stored }, Expect::Revision(revision))
                        }
                        _ => return Ok(Claimed::UnderWay),
                    }
                }
            };
            self.table.write(vec![item.put(&key, expect)?]).await?;
            let state = State { key: key.clone(), item, revision: expect.next_revision() };
            Ok(Claimed::Now(Claim(Arc::new(Mutex::new(state)))))
        })
        .await
    }

    /// A store whose next effect is that of the call: what it writes, it writes together with the answer.
    /// Where there are several transactions, all but the last are not the `whole`.
    #[must_use]
    pub fn fulfilling(&self, claim: &Claim, answer: Value, is_whole: bool) -> Self {
        let fulfilment = Fulfilment { claim: claim.clone(), answer, is_whole };
        Self { fulfilment: Some(Box::new(fulfilment)), ..self.clone() }
    }

    /// The store for writes that are not the effect of a call.
    pub(crate) fn beside(&self) -> Self {
        Self { fulfilment: None, ..self.clone() }
    }

    /// The same store, whose answer says that so many of something were requested.
    pub(crate) fn counting(&self, requested: u32) -> Self {
        let mut counting = self.clone();
        if let Some(fulfilment) = &mut counting.fulfilment {
            fulfilment.answer["requested"] = requested.into();
        }
        counting
    }

    /// Writes the effect of a call, all or nothing, together with its answer.
    pub(crate) async fn write_effect(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.write_effect_once(writes, &TransactionToken::new()).await
    }

    /// The same, once for each token.
    pub(crate) async fn write_effect_once(
        &self,
        mut writes: Vec<Write>,
        token: &TransactionToken,
    ) -> Result<(), StoreError> {
        let Some(Fulfilment { claim, answer, is_whole }) = self.fulfilment.as_deref() else {
            return self.table.write_once(writes, token).await;
        };
        let (write, next) = claim.next(|item| {
            item.answer = Some(answer.clone());
            item.claimed_until = item.claimed_until.filter(|_| !is_whole);
        })?;
        writes.push(write);
        match self.table.write_once(writes, token).await {
            Ok(()) => *claim.state() = next,
            // Deciding again helps only as long as the key is still claimed.
            Err(StoreError::Conflict) if !self.is_claimed(claim).await? => return Err(StoreError::ClaimLost),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn is_claimed(&self, claim: &Claim) -> Result<bool, StoreError> {
        let State { key, revision, .. } = claim.state().clone();
        Ok(self.table.get::<KeyItem>(&key).await?.is_some_and(|stored| stored.revision == revision))
    }

    /// Notes the answer of a call that had no effect, or the rest of one that had.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the claim has run out and somebody else has the key.
    pub async fn note_answer(&self, claim: &Claim, answer: Value) -> Result<(), StoreError> {
        let (write, next) = claim.next(|item| (item.answer, item.claimed_until) = (Some(answer), None))?;
        self.table.write(vec![write]).await?;
        *claim.state() = next;
        Ok(())
    }

    /// Gives the key of a call back that has failed: another try may use it at once, and goes on where this
    /// one had come to.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the call had its effect after all, or somebody else has the key.
    pub async fn release_key(&self, claim: &Claim, now: Timestamp) -> Result<(), StoreError> {
        if claim.is_fulfilled() {
            return Ok(());
        }
        let State { key, item, revision } = claim.state().clone();
        let write = match item.answer {
            None => Write::Delete(key, Expect::Revision(revision)),
            Some(_) => claim.next(|item| item.claimed_until = Some(now))?.0,
        };
        self.table.write(vec![write]).await
    }
}
