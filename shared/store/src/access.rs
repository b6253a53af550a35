//! API keys: stored as hashes, found by what stands in the key itself, compared in constant time.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use sundial_model::{Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::item::NewItem;
use crate::table::{Expect, Write};
use crate::{Store, keys};

/// What an API key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's id, which is no secret.
    pub key_id: String,
    /// The workspace it belongs to.
    pub workspace_id: WorkspaceId,
}

/// An API key that was just made: the only time that it is shown.
#[derive(Clone)]
pub struct CreatedApiKey {
    /// The key's id, which is no secret.
    pub key_id: String,
    /// The key itself.
    pub api_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyItem {
    sha256: String,
    created_at: Timestamp,
}

/// `sundial_{workspace}_{key id}_{secret}`: the key says where it is stored.
struct KeyText<'a> {
    workspace_id: WorkspaceId,
    key_id: &'a str,
}

impl<'a> KeyText<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("sundial_")?.split('_');
        let (workspace, key_id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_ours = parts.next().is_none() && key_id.len() == 16 && is_hex(key_id) && secret.len() == 64;
        let workspace_id = WorkspaceId::from_str(workspace).ok()?;
        is_ours.then_some(Self { workspace_id, key_id })
    }
}

fn hash(api_key: &str) -> String {
    Sha256::digest(api_key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    /// Makes an API key for a workspace; a workspace is there as soon as it has a key.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_api_key(&self, workspace_id: WorkspaceId, now: Timestamp) -> Result<CreatedApiKey, StoreError> {
        let key_id = Uuid::new_v4().simple().to_string()[..16].to_owned();
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let api_key = format!("sundial_{}_{key_id}_{secret}", workspace_id.0.simple());
        let item = ApiKeyItem { sha256: hash(&api_key), created_at: now };
        let item = NewItem::new(keys::api_key(workspace_id, &key_id), &item)?;
        self.table.write(vec![Write::Put(item, Expect::Nothing)]).await?;
        Ok(CreatedApiKey { key_id, api_key })
    }

    /// Whose key this is; `None` when it is none.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn verify_api_key(&self, api_key: &str) -> Result<Option<ApiKey>, StoreError> {
        let Some(KeyText { workspace_id, key_id }) = KeyText::parse(api_key) else { return Ok(None) };
        let Some(stored) = self.table.get::<ApiKeyItem>(&keys::api_key(workspace_id, key_id)).await? else {
            return Ok(None);
        };
        let is_same = stored.value.sha256.as_bytes().ct_eq(hash(api_key).as_bytes());
        Ok(bool::from(is_same).then(|| ApiKey { key_id: key_id.to_owned(), workspace_id }))
    }
}
