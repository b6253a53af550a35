//! Items: what every one of them carries beside its value.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sundial_model::Timestamp;

use crate::error::StoreError;
use crate::keys::Key;
use crate::upgrade::{SCHEMA_VERSION, VERSION, upgrade};

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// Over how many partitions the index `wake` is spread; a constant of the table for good.
pub(crate) const WAKE_SHARDS: u64 = 16;

/// The partition of the index `wake`.
pub(crate) fn wake_shard(number: u64) -> String {
    format!("WAKE#{number:02}")
}

/// A value on its way into the table.
#[derive(Clone, Debug)]
pub struct NewItem {
    key: Key,
    attributes: Item,
}

impl NewItem {
    /// An item of `value`, whose fields become attributes.
    ///
    /// # Errors
    /// When the value is none that DynamoDB could keep.
    pub fn new(key: Key, value: &impl Serialize) -> Result<Self, StoreError> {
        let mut attributes: Item =
            serde_dynamo::to_item(value).map_err(|error| StoreError::Corrupt(format!("{key:?}: {error}")))?;
        attributes.insert("pk".to_owned(), AttributeValue::S(key.pk.clone()));
        attributes.insert("sk".to_owned(), AttributeValue::S(key.sk.clone()));
        attributes.insert(VERSION.to_owned(), AttributeValue::N(SCHEMA_VERSION.to_string()));
        Ok(Self { key, attributes })
    }

    /// Where it goes.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What it has, but for its revision.
    pub fn attributes(&self) -> &Item {
        &self.attributes
    }

    /// The evaluator looks at the item at this time.
    pub fn waking(mut self, wake_at: Option<Timestamp>) -> Self {
        if let Some(wake_at) = wake_at {
            let mut hasher = DefaultHasher::new();
            self.key.pk.hash(&mut hasher);
            let shard = wake_shard(hasher.finish() % WAKE_SHARDS);
            self.attributes.insert("wakeShard".to_owned(), AttributeValue::S(shard));
            self.attributes.insert("wakeAt".to_owned(), AttributeValue::S(wake_at.to_string()));
        }
        self
    }

    /// The table drops the item some time after this.
    pub(crate) fn expiring(mut self, expires_at: Option<Timestamp>) -> Self {
        if let Some(expires_at) = expires_at {
            self.attributes.insert("expiresAt".to_owned(), AttributeValue::N(expires_at.seconds().to_string()));
        }
        self
    }

    pub(crate) fn with_revision(mut self, revision: u64) -> Item {
        self.attributes.insert("revision".to_owned(), AttributeValue::N(revision.to_string()));
        self.attributes
    }
}

/// What was read, with its revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) revision: u64,
}

/// Reads an item's value.
pub(crate) fn read<T: DeserializeOwned>(item: Item) -> Result<Read<T>, StoreError> {
    let what = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
    let revision = match item.get("revision") {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(0),
        _ => 0,
    };
    let value =
        serde_dynamo::from_item(upgrade(item)?).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))?;
    Ok(Read { value, revision })
}

/// A text attribute of an item.
pub(crate) fn text(item: &Item, attribute: &str) -> Result<String, StoreError> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Ok(text.clone()),
        _ => Err(StoreError::Corrupt(format!("an item has no {attribute}"))),
    }
}

/// Fields that are kept as JSON text: documents of our users, which are written and read whole.
pub(crate) mod as_json {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
