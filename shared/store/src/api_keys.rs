//! API keys in the hands of operators: made, listed, revoked.

use serde::Serialize;
use sundial_model::text::KeyName;
use sundial_model::{Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::access::{ApiKeyItem, is_key_id};
use crate::error::StoreError;
use crate::item::{read, text};
use crate::table::{Expect, Range, after_prefix, retry_on_conflict};
use crate::{Store, keys};

/// An API key that was just made: the only time that it is shown.
#[derive(Clone)]
pub struct CreatedApiKey {
    /// The key's id, which is no secret.
    pub key_id: String,
    /// The key itself.
    pub api_key: String,
}

/// What operators see of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedApiKey {
    /// The key's id, which is no secret.
    pub key_id: String,
    /// What it is for, if somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<KeyName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last opened its workspace, to within an hour; never when absent.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl ListedApiKey {
    fn new(key_id: &str, item: ApiKeyItem) -> Self {
        let ApiKeyItem { name, created_at, last_used_at, revoked_at, .. } = item;
        Self { key_id: key_id.to_owned(), name, created_at, last_used_at, revoked_at }
    }
}

impl Store {
    /// Makes an API key for a workspace; a workspace is there as soon as it has a key.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_api_key(
        &self,
        workspace_id: WorkspaceId,
        name: Option<KeyName>,
        now: Timestamp,
    ) -> Result<CreatedApiKey, StoreError> {
        let key_id = Uuid::new_v4().simple().to_string()[..16].to_owned();
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let api_key = format!("sundial_{}_{key_id}_{secret}", workspace_id.0.simple());
        let item = ApiKeyItem::new(&api_key, name, now);
        self.table.write(vec![item.put(workspace_id, &key_id, self.retention, Expect::Nothing)?]).await?;
        Ok(CreatedApiKey { key_id, api_key })
    }

    /// Whether there is anything of a workspace: a key, be it a revoked one, or a project.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn is_workspace(&self, workspace_id: WorkspaceId) -> Result<bool, StoreError> {
        let range = Range {
            pk: keys::workspace(workspace_id),
            from: keys::API_KEY_PREFIX.to_owned(),
            to: after_prefix(keys::PROJECT_PREFIX),
            backward: false,
        };
        Ok(!self.table.query(&range, 1).await?.is_empty())
    }

    /// The keys of a workspace, the oldest first; revoked ones are among them for a while.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn api_keys(&self, workspace_id: WorkspaceId) -> Result<Vec<ListedApiKey>, StoreError> {
        let partition = keys::workspace(workspace_id);
        let mut listed = Vec::new();
        for item in self.table.query_all(&Range::prefix(&partition, keys::API_KEY_PREFIX)).await? {
            let sort_key = text(&item, "sk")?;
            let key_id = sort_key.strip_prefix(keys::API_KEY_PREFIX).unwrap_or_default();
            listed.push(ListedApiKey::new(key_id, read(item)?.value));
        }
        listed.sort_by(|one, other| (one.created_at, &one.key_id).cmp(&(other.created_at, &other.key_id)));
        Ok(listed)
    }

    /// Revokes a key: no call that comes after this is let through. Revoking it again changes
    /// nothing. `None` when the workspace has no such key.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn revoke_api_key(
        &self,
        workspace_id: WorkspaceId,
        key_id: &str,
        now: Timestamp,
    ) -> Result<Option<ListedApiKey>, StoreError> {
        if !is_key_id(key_id) {
            return Ok(None);
        }
        let key = keys::api_key(workspace_id, key_id);
        // A use may be noted between the look and the write.
        retry_on_conflict(async || {
            let Some(stored) = self.table.get::<ApiKeyItem>(&key).await? else { return Ok(None) };
            let mut item = stored.value;
            if item.revoked_at.is_none() {
                item.revoked_at = Some(now);
                let expect = Expect::Revision(stored.revision);
                self.table.write(vec![item.put(workspace_id, key_id, self.retention, expect)?]).await?;
            }
            Ok(Some(ListedApiKey::new(key_id, item)))
        })
        .await
    }
}
