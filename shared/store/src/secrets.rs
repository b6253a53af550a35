//! Secrets of jobs and targets: immutable versions, each in an item of its own and nowhere else. What projects
//! sign with stands in `signing_secrets.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sundial_model::SecretsId;
use sundial_model::secret::SecretValues;

use crate::error::StoreError;
use crate::item::NewItem;
use crate::table::{Expect, Write};
use crate::{Store, keys};

#[derive(Serialize, Deserialize)]
struct SecretsItem {
    values: BTreeMap<String, String>,
}

/// The write of one version.
pub(crate) fn put_secrets(id: SecretsId, values: &SecretValues) -> Result<Write, StoreError> {
    let item = NewItem::new(keys::secrets(id), &SecretsItem { values: values.expose().clone() })?;
    Ok(Write::Put(item, Expect::Nothing))
}

impl Store {
    /// The values of a version; none when no version is named.
    ///
    /// # Errors
    /// When the table cannot be read, or the version is not there: whatever names one keeps it.
    pub async fn secret_values(&self, id: Option<SecretsId>) -> Result<SecretValues, StoreError> {
        let Some(id) = id else { return Ok(SecretValues::default()) };
        let stored = self.table.get::<SecretsItem>(&keys::secrets(id)).await?;
        let stored = stored.ok_or_else(|| StoreError::Corrupt(format!("there are no secrets {id}")))?;
        Ok(SecretValues::from_stored(stored.value.values))
    }
}
