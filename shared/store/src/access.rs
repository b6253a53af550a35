//! API keys at the door: stored as hashes, found by what stands in the key itself, compared in
//! constant time. What operators do with them stands in `api_keys.rs`.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use sundial_model::text::KeyName;
use sundial_model::{Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::item::{NewItem, Read};
use crate::table::{Expect, Write};
use crate::{RUN_AGE_MAX, Store, keys};

/// When a key was last used is noted to within this.
const LAST_USE_RESOLUTION: Duration = Duration::from_secs(60 * 60);

/// What an API key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's id, which is no secret.
    pub key_id: String,
    /// The workspace it belongs to.
    pub workspace_id: WorkspaceId,
    record: ApiKeyItem,
    revision: u64,
}

/// A key as it is kept: without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyItem {
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<KeyName>,
    pub(crate) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<Timestamp>,
}

/// `sundial_{workspace}_{key id}_{secret}`: the key says where it is stored.
struct KeyText<'a> {
    workspace_id: WorkspaceId,
    key_id: &'a str,
}

/// Whether this can be the id of a key.
pub(crate) fn is_key_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl<'a> KeyText<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("sundial_")?.split('_');
        let (workspace, key_id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let is_ours = parts.next().is_none() && is_key_id(key_id) && secret.len() == 64;
        let workspace_id = WorkspaceId::from_str(workspace).ok()?;
        is_ours.then_some(Self { workspace_id, key_id })
    }
}

fn hash(api_key: &str) -> String {
    Sha256::digest(api_key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ApiKeyItem {
    pub(crate) fn new(api_key: &str, name: Option<KeyName>, now: Timestamp) -> Self {
        Self { sha256: hash(api_key), name, created_at: now, last_used_at: None, revoked_at: None }
    }

    /// The write of this state. A revoked key stays on record as long as a job run may name it.
    pub(crate) fn put(
        &self,
        workspace_id: WorkspaceId,
        key_id: &str,
        retention: Duration,
        expect: Expect,
    ) -> Result<Write, StoreError> {
        let expires_at = self.revoked_at.map(|revoked_at| revoked_at + RUN_AGE_MAX + retention);
        let item = NewItem::new(keys::api_key(workspace_id, key_id), self)?.expiring(expires_at);
        Ok(Write::Put(item, expect))
    }
}

impl ApiKey {
    /// Whether it is time to note that the key is in use.
    pub fn is_use_news(&self, now: Timestamp) -> bool {
        self.record.last_used_at.is_none_or(|last| now.since(last) >= LAST_USE_RESOLUTION)
    }
}

impl Store {
    /// Whose key this is; `None` when it is none, or was revoked.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn verify_api_key(&self, api_key: &str) -> Result<Option<ApiKey>, StoreError> {
        let Some(KeyText { workspace_id, key_id }) = KeyText::parse(api_key) else { return Ok(None) };
        let stored = self.table.get::<ApiKeyItem>(&keys::api_key(workspace_id, key_id)).await?;
        let Some(Read { value: record, revision }) = stored else { return Ok(None) };
        let is_same = bool::from(record.sha256.as_bytes().ct_eq(hash(api_key).as_bytes()));
        let is_good = is_same && record.revoked_at.is_none();
        Ok(is_good.then(|| ApiKey { key_id: key_id.to_owned(), workspace_id, record, revision }))
    }

    /// Notes that a key was used now. Refused when it was revoked, or its use was noted, since it
    /// was read: a revoked key never comes back by this.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] then, or when the table cannot be written.
    pub async fn note_use(&self, key: &ApiKey, now: Timestamp) -> Result<(), StoreError> {
        let record = ApiKeyItem { last_used_at: Some(now), ..key.record.clone() };
        let expect = Expect::Revision(key.revision);
        self.table.write(vec![record.put(key.workspace_id, &key.key_id, self.retention, expect)?]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_our_form_are_looked_up() {
        let workspace = WorkspaceId::new();
        let (id, secret) = ("0123456789abcdef", "a".repeat(64));
        let good = format!("sundial_{}_{id}_{secret}", workspace.0.simple());
        let parsed = KeyText::parse(&good).expect("a key");
        assert_eq!((parsed.workspace_id, parsed.key_id), (workspace, id));
        for bad in [
            String::new(),
            "sundial_".to_owned(),
            good.to_uppercase(),
            format!("{good}_x"),
            format!("{good}a"),
            good.replace("sundial_", ""),
            good.replace(id, "0123456789abcde#"),
            good.replace(id, &id[1..]),
        ] {
            assert!(KeyText::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_use_is_news_once_an_hour() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let key = |last_used_at| ApiKey {
            key_id: String::new(),
            workspace_id: WorkspaceId::new(),
            record: ApiKeyItem { last_used_at, ..ApiKeyItem::new("", None, Timestamp::EPOCH) },
            revision: 1,
        };
        assert!(key(None).is_use_news(now));
        assert!(!key(Some(now - Duration::from_secs(3_599))).is_use_news(now));
        assert!(key(Some(now - Duration::from_secs(3_600))).is_use_news(now));
        assert!(!key(Some(now + Duration::from_secs(5))).is_use_news(now), "another function's clock is ahead");
    }
}
