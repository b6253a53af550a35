//! The table in DynamoDB, through its SDK.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, DeleteRequest, KeysAndAttributes, Put, PutRequest, TransactWriteItem,
    WriteRequest,
};

use super::{Answer, Backend, Expect, Range, TransactionToken, WakeQuery, Write};
use crate::error::{StoreError, transaction_error};
use crate::item::{Item, NewItem};
use crate::keys::Key;

/// The name of the sparse index over wake times.
pub(super) const WAKE_INDEX: &str = "wake";

/// A table of DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    pub(super) client: Client,
    pub(super) name: String,
}

impl DynamoDb {
    /// The table `name`, through `client`.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    fn range_query(&self, range: Range) -> QueryFluentBuilder {
        // DynamoDB takes no empty text in a key's condition.
        debug_assert!(!range.from.is_empty(), "a range begins somewhere");
        let request = self.client.query().table_name(&self.name);
        request
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(range.pk))
            .expression_attribute_values(":from", AttributeValue::S(range.from))
            .expression_attribute_values(":to", AttributeValue::S(range.to))
            .scan_index_forward(!range.backward)
            .consistent_read(true)
    }

    fn action(&self, write: Write) -> Result<TransactWriteItem, BuildError> {
        let action = TransactWriteItem::builder();
        Ok(match write {
            Write::Put(item, expect) => {
                let (condition, values) = condition(expect);
                let item = item.with_revision(expect.next_revision());
                let put = Put::builder().table_name(&self.name).set_item(Some(item));
                action.put(put.set_condition_expression(condition).set_expression_attribute_values(values).build()?)
            }
            Write::Delete(key, expect) => {
                let (condition, values) = condition(expect);
                let delete = Delete::builder().table_name(&self.name).set_key(Some(key_item(&key)));
                let delete = delete.set_condition_expression(condition).set_expression_attribute_values(values);
                action.delete(delete.build()?)
            }
            Write::Check(key, expect) => {
                let (condition, values) = condition(expect);
                let check = ConditionCheck::builder().table_name(&self.name).set_key(Some(key_item(&key)));
                let check = check.set_condition_expression(condition).set_expression_attribute_values(values);
                action.condition_check(check.build()?)
            }
        }
        .build())
    }

    async fn batch(&self, requests: Vec<Result<WriteRequest, BuildError>>) -> Result<(), StoreError> {
        const REQUESTS_MAX: usize = 25;
        let requests: Vec<_> = requests.into_iter().collect::<Result<_, _>>().map_err(refused)?;
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
}

impl Backend for DynamoDb {
    fn get(&self, key: Key) -> Answer<'_, Option<Item>> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let request = request.set_key(Some(key_item(&key)));
        Box::pin(async move { Ok(request.send().await?.item) })
    }

    fn get_many(&self, keys: Vec<Key>, keys_only: bool) -> Answer<'_, Vec<Item>> {
        const KEYS_MAX: usize = 100;
        let attributes = keys_only.then(|| "pk, sk".to_owned());
        Box::pin(async move {
            let mut items = Vec::with_capacity(keys.len());
            for keys in keys.chunks(KEYS_MAX) {
                let mut left: Vec<_> = keys.iter().map(key_item).collect();
                let mut tries = 0;
                while !left.is_empty() {
                    pause_before_retry(&mut tries, "reading items").await?;
                    let keys = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true);
                    let keys = keys.set_projection_expression(attributes.clone()).build().map_err(refused)?;
                    let answer = self.client.batch_get_item().request_items(&self.name, keys).send().await?;
                    items.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
                    let mut unprocessed = answer.unprocessed_keys.unwrap_or_default();
                    left = unprocessed.remove(&self.name).map(|keys| keys.keys).unwrap_or_default();
                }
            }
            Ok(items)
        })
    }

    fn query(&self, range: Range, limit: Option<usize>) -> Answer<'_, Vec<Item>> {
        let request = self.range_query(range);
        Box::pin(async move {
            let Some(limit) = limit else {
                let items: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
                return Ok(items?);
            };
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            Ok(request.limit(limit).send().await?.items.unwrap_or_default())
        })
    }

    fn query_wake(&self, query: WakeQuery) -> Answer<'_, Vec<Item>> {
        let WakeQuery { shard, from, until, limit } = query;
        let request = self.client.query().table_name(&self.name).index_name(WAKE_INDEX);
        let request = request
            .key_condition_expression("wakeShard = :shard AND wakeAt BETWEEN :from AND :until")
            .expression_attribute_values(":shard", AttributeValue::S(shard))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":until", AttributeValue::S(until));
        Box::pin(async move {
            let mut pages = request.into_paginator().items().send();
            let mut items = Vec::new();
            while let Some(item) = pages.next().await {
                items.push(item?);
                if items.len() >= limit {
                    break;
                }
            }
            Ok(items)
        })
    }

    fn transact(&self, writes: Vec<Write>, token: TransactionToken) -> Answer<'_, ()> {
        let actions: Result<Vec<_>, _> = writes.into_iter().map(|write| self.action(write)).collect();
        let request = self.client.transact_write_items().client_request_token(token.0);
        Box::pin(async move {
            let actions = actions.map_err(refused)?;
            request.set_transact_items(Some(actions)).send().await.map_err(transaction_error)?;
            Ok(())
        })
    }

    fn put_unseen(&self, items: Vec<NewItem>) -> Answer<'_, ()> {
        let put = |item: NewItem| PutRequest::builder().set_item(Some(item.with_revision(1))).build();
        let put = |item| put(item).map(|put| WriteRequest::builder().put_request(put).build());
        Box::pin(self.batch(items.into_iter().map(put).collect()))
    }

    fn delete_unseen(&self, keys: Vec<Key>) -> Answer<'_, ()> {
        let delete = |key: Key| DeleteRequest::builder().set_key(Some(key_item(&key))).build();
        let delete = |key| delete(key).map(|delete| WriteRequest::builder().delete_request(delete).build());
        Box::pin(self.batch(keys.into_iter().map(delete).collect()))
    }
}

pub(super) fn refused(error: BuildError) -> StoreError {
    StoreError::Refused(error.to_string())
}

/// The condition for an expectation, and its values.
fn condition(expect: Expect) -> (Option<String>, Option<HashMap<String, AttributeValue>>) {
    match expect {
        Expect::Anything => (None, None),
        Expect::Nothing | Expect::NothingBefore(_) => (Some("attribute_not_exists(pk)".to_owned()), None),
        Expect::Revision(revision) => {
            let value = AttributeValue::N(revision.to_string());
            (Some("revision = :revision".to_owned()), Some(HashMap::from([(":revision".to_owned(), value)])))
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
        return Err(StoreError::Throttled(what.to_owned()));
    }
    if *tries > 0 {
        tokio::time::sleep(Duration::from_millis(20 << *tries)).await;
    }
    *tries += 1;
    Ok(())
}
