//! The table: the few operations everything is made of.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Delete, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ScalarAttributeType,
    TimeToLiveSpecification, TransactWriteItem, WriteRequest,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{StoreError, transaction_error};
use crate::item::{Item, NewItem, Read, read, text};
use crate::keys::Key;

/// The name of the sparse index over wake times.
pub(crate) const WAKE_INDEX: &str = "wake";

/// The most writes of one transaction: a limit of DynamoDB.
pub(crate) const TRANSACTION_WRITES_MAX: usize = 100;

/// What a write expects to stand at its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Whatever.
    Anything,
    /// Nothing.
    Nothing,
    /// The item at this revision.
    Revision(u64),
}

/// One write of a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// The whole item; its revision becomes the one after what was expected.
    Put(NewItem, Expect),
    /// No item.
    Delete(Key, Expect),
    /// As it is.
    Check(Key, Expect),
}

/// Makes a transaction that is sent again, because its answer was lost, happen once: DynamoDB
/// remembers it for ten minutes.
#[derive(Clone, Debug)]
pub struct TransactionToken(String);

impl TransactionToken {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }
}

impl Default for TransactionToken {
    fn default() -> Self {
        Self::new()
    }
}

/// A DynamoDB table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// A part of one partition's items, in the order of their sort keys.
#[derive(Clone, Debug)]
pub(crate) struct Range<'a> {
    pub(crate) pk: &'a str,
    /// First sort key, included.
    pub(crate) from: String,
    /// Last sort key, included.
    pub(crate) to: String,
    /// From the last to the first.
    pub(crate) backward: bool,
    /// Reads what was written before, not just what was written a while ago.
    pub(crate) consistent: bool,
}

impl<'a> Range<'a> {
    /// All items whose sort keys begin with `prefix`, forward and consistent.
    pub(crate) fn prefix(pk: &'a str, prefix: &str) -> Self {
        Self { pk, from: prefix.to_owned(), to: after_prefix(prefix), backward: false, consistent: true }
    }
}

/// A text that sorts after everything that begins with `prefix`.
pub(crate) fn after_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

impl Table {
    /// The table `name`, through `client`.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Reads an item as it is now.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Read<T>>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let answer = request.set_key(Some(key_item(key))).send().await?;
        answer.item.map(read).transpose()
    }

    /// Reads some items, in no order; what is not there is left out.
    pub(crate) async fn get_many<T: DeserializeOwned>(&self, keys: Vec<Key>) -> Result<Vec<T>, StoreError> {
        let items = self.batch_get(keys, None).await?;
        items.into_iter().map(|item| Ok(read(item)?.value)).collect()
    }

    /// Which of these keys have an item.
    pub(crate) async fn existing(&self, keys: Vec<Key>) -> Result<Vec<Key>, StoreError> {
        let items = self.batch_get(keys, Some("pk, sk")).await?;
        items.iter().map(|item| Ok(Key { pk: text(item, "pk")?, sk: text(item, "sk")? })).collect()
    }

    async fn batch_get(&self, keys: Vec<Key>, attributes: Option<&str>) -> Result<Vec<Item>, StoreError> {
        const KEYS_MAX: usize = 100;
        let mut items = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_MAX) {
            let mut left: Vec<_> = keys.iter().map(key_item).collect();
            let mut tries = 0;
            while !left.is_empty() {
                pause_before_retry(&mut tries, "reading items").await?;
                let keys = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true);
                let keys = keys.set_projection_expression(attributes.map(str::to_owned)).build();
                let keys = keys.map_err(|error| StoreError::Refused(error.to_string()))?;
                let answer = self.client.batch_get_item().request_items(&self.name, keys).send().await?;
                items.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
                left = answer
                    .unprocessed_keys
                    .unwrap_or_default()
                    .remove(&self.name)
                    .map(|keys| keys.keys)
                    .unwrap_or_default();
            }
        }
        Ok(items)
    }

    /// Reads up to `limit` items of a range; fewer when they would be over 1 MB, but at least one
    /// when there is one.
    pub(crate) async fn query(&self, range: &Range<'_>, limit: usize) -> Result<Vec<Item>, StoreError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        Ok(self.range_query(range).limit(limit).send().await?.items.unwrap_or_default())
    }

    /// Reads all items of a range.
    pub(crate) async fn query_all(&self, range: &Range<'_>) -> Result<Vec<Item>, StoreError> {
        let items: Result<Vec<_>, _> = self.range_query(range).into_paginator().items().send().collect().await;
        Ok(items?)
    }

    fn range_query(&self, range: &Range<'_>) -> QueryFluentBuilder {
        // DynamoDB takes no empty text in a key's condition.
        debug_assert!(!range.from.is_empty(), "a range begins somewhere");
        let request = self.client.query().table_name(&self.name);
        request
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(range.from.clone()))
            .expression_attribute_values(":to", AttributeValue::S(range.to.clone()))
            .scan_index_forward(!range.backward)
            .consistent_read(range.consistent)
    }

    /// Reads keys from the index of wake times: up to `limit` of those due until `until`.
    pub(crate) async fn query_wake(&self, shard: String, until: String, limit: i32) -> Result<Vec<Item>, StoreError> {
        let request = self.client.query().table_name(&self.name).index_name(WAKE_INDEX).limit(limit);
        let request = request
            .key_condition_expression("wakeShard = :shard AND wakeAt <= :until")
            .expression_attribute_values(":shard", AttributeValue::S(shard))
            .expression_attribute_values(":until", AttributeValue::S(until));
        Ok(request.send().await?.items.unwrap_or_default())
    }

    /// Writes all or nothing.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.write_once(writes, &TransactionToken::new()).await
    }

    /// Writes all or nothing, and once for each token.
    pub(crate) async fn write_once(&self, writes: Vec<Write>, token: &TransactionToken) -> Result<(), StoreError> {
        debug_assert!(writes.len() <= TRANSACTION_WRITES_MAX, "a transaction of {} writes", writes.len());
        let actions: Result<Vec<_>, _> = writes.into_iter().map(|write| self.action(write)).collect();
        let actions = actions.map_err(|error| StoreError::Refused(error.to_string()))?;
        let request = self.client.transact_write_items().client_request_token(&token.0);
        request.set_transact_items(Some(actions)).send().await.map_err(transaction_error)?;
        Ok(())
    }

    fn action(&self, write: Write) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let action = TransactWriteItem::builder();
        Ok(match write {
            Write::Put(item, expect) => {
                let (condition, values, revision) = condition(expect);
                let put = Put::builder().table_name(&self.name).set_item(Some(item.with_revision(revision)));
                action.put(put.set_condition_expression(condition).set_expression_attribute_values(values).build()?)
            }
            Write::Delete(key, expect) => {
                let (condition, values, _) = condition(expect);
                let delete = Delete::builder().table_name(&self.name).set_key(Some(key_item(&key)));
                let delete = delete.set_condition_expression(condition).set_expression_attribute_values(values);
                action.delete(delete.build()?)
            }
            Write::Check(key, expect) => {
                let (condition, values, _) = condition(expect);
                let check = ConditionCheck::builder().table_name(&self.name).set_key(Some(key_item(&key)));
                let check = check.set_condition_expression(condition).set_expression_attribute_values(values);
                action.condition_check(check.build()?)
            }
        }
        .build())
    }

    /// Writes items that nobody looks at yet, in any order and at half the price of a transaction.
    pub(crate) async fn put_unseen(&self, items: Vec<NewItem>) -> Result<(), StoreError> {
        self.batch(items.into_iter().map(|item| {
            let put = PutRequest::builder().set_item(Some(item.with_revision(1))).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
        }))
        .await
    }

    /// Deletes items that nobody looks at any more.
    pub(crate) async fn delete_unseen(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        self.batch(keys.into_iter().map(|key| {
            let delete = aws_sdk_dynamodb::types::DeleteRequest::builder().set_key(Some(key_item(&key))).build();
            delete.map(|delete| WriteRequest::builder().delete_request(delete).build())
        }))
        .await
    }

    async fn batch(
        &self,
        requests: impl Iterator<Item = Result<WriteRequest, aws_sdk_dynamodb::error::BuildError>>,
    ) -> Result<(), StoreError> {
        const REQUESTS_MAX: usize = 25;
        let requests: Result<Vec<_>, _> = requests.collect();
        let requests = requests.map_err(|error| StoreError::Refused(error.to_string()))?;
        for requests in requests.chunks(REQUESTS_MAX) {
            let mut left = requests.to_vec();
            let mut tries = 0;
            while !left.is_empty() {
                pause_before_retry(&mut tries, "writing items").await?;
                let answer = self.client.batch_write_item().request_items(&self.name, left).send().await?;
                left = answer.unprocessed_items.unwrap_or_default().remove(&self.name).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Makes the table as `template.yaml` describes it, unless it is there; for the embedded cloud.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
        match self.client.describe_table().table_name(&self.name).send().await {
            Ok(_) => return Ok(()),
            Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
            }
            Err(error) => return Err(error.into()),
        }
        let refused = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Refused(error.to_string());
        let mut request = self.client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for name in ["pk", "sk", "wakeShard", "wakeAt"] {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S).build().map_err(refused)?;
            request = request.attribute_definitions(attribute);
        }
        let element = |name, key_type| KeySchemaElement::builder().attribute_name(name).key_type(key_type).build();
        for (name, key_type) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            request = request.key_schema(element(name, key_type).map_err(refused)?);
        }
        let index = GlobalSecondaryIndex::builder()
            .index_name(WAKE_INDEX)
            .key_schema(element("wakeShard", KeyType::Hash).map_err(refused)?)
            .key_schema(element("wakeAt", KeyType::Range).map_err(refused)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
        request.global_secondary_indexes(index.build().map_err(refused)?).send().await?;
        let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name("expiresAt").build();
        let expiry = expiry.map_err(refused)?;
        self.client.update_time_to_live().table_name(&self.name).time_to_live_specification(expiry).send().await?;
        Ok(())
    }
}

/// The condition for an expectation, its values, and the revision of an item that is then put.
fn condition(expect: Expect) -> (Option<String>, Option<HashMap<String, AttributeValue>>, u64) {
    match expect {
        Expect::Anything => (None, None, 1),
        Expect::Nothing => (Some("attribute_not_exists(pk)".to_owned()), None, 1),
        Expect::Revision(revision) => {
            let value = AttributeValue::N(revision.to_string());
            let values = HashMap::from([(":revision".to_owned(), value)]);
            (Some("revision = :revision".to_owned()), Some(values), revision + 1)
        }
    }
}

fn key_item(key: &Key) -> Item {
    let attribute = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
    HashMap::from([attribute("pk", &key.pk), attribute("sk", &key.sk)])
}

/// Waits before a batch is sent again for what was left of it, longer each time.
async fn pause_before_retry(tries: &mut u32, what: &str) -> Result<(), StoreError> {
    const TRIES_MAX: u32 = 10;
    if *tries >= TRIES_MAX {
        return Err(StoreError::Unavailable(format!("{what} is throttled")));
    }
    if *tries > 0 {
        tokio::time::sleep(Duration::from_millis(20 << *tries)).await;
    }
    *tries += 1;
    Ok(())
}

/// Reads, decides and writes again, when what was read had changed before the write.
pub(crate) async fn retry_on_conflict<T, F: Future<Output = Result<T, StoreError>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError> {
    const TRIES_MAX: u32 = 24;
    for tries in 1..TRIES_MAX {
        match attempt().await {
            Err(StoreError::Conflict) => {
                // Spread, so that two that met once do not meet again.
                let spread = Uuid::new_v4().as_u128() as u64 % (10 << tries.min(6));
                tokio::time::sleep(Duration::from_millis(5 + spread)).await;
            }
            result => return result,
        }
    }
    attempt().await
}
