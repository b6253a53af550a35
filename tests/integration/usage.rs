//! What the embedded cloud says that the functions use is what AWS would bill.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ConsumedCapacity, Put, PutRequest, ReturnConsumedCapacity, TransactWriteItem,
    WriteRequest,
};
use serde_json::json;
use sundial_devstack::{USAGE_PATH, Usage};

use crate::harness::{Cloud, Target, payloads};

type Item = HashMap<String, AttributeValue>;

/// Items of known sizes, and the units that their calls take.
struct Capacity<'a> {
    dynamodb: &'a Client,
    table: &'a str,
}

const ASKED: ReturnConsumedCapacity = ReturnConsumedCapacity::Indexes;

impl Capacity<'_> {
    /// An item of so many bytes: names and values, each as UTF-8.
    fn item(key: &str, bytes: usize, wakes_at: Option<&str>) -> Item {
        let mut texts = vec![("pk", "p".to_owned()), ("sk", key.to_owned())];
        if let Some(at) = wakes_at {
            texts.extend([("wakeShard", "0".to_owned()), ("wakeAt", at.to_owned())]);
        }
        let filled: usize = texts.iter().map(|(name, value)| name.len() + value.len()).sum();
        texts.push(("x", "x".repeat(bytes - filled - 1)));
        texts.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect()
    }

    async fn put(&self, item: Item) -> (f64, f64) {
        let put = self.dynamodb.put_item().table_name(self.table).set_item(Some(item)).return_consumed_capacity(ASKED);
        units(put.send().await.unwrap().consumed_capacity.as_ref().unwrap())
    }

    async fn delete(&self, key: &str) -> (f64, f64) {
        let delete = self.dynamodb.delete_item().table_name(self.table).return_consumed_capacity(ASKED);
        let delete = delete.key("pk", AttributeValue::S("p".into())).key("sk", AttributeValue::S(key.into()));
        units(delete.send().await.unwrap().consumed_capacity.as_ref().unwrap())
    }

    async fn get(&self, key: &str, consistent: bool) -> f64 {
        let get = self.dynamodb.get_item().table_name(self.table).consistent_read(consistent);
        let get = get.key("pk", AttributeValue::S("p".into())).key("sk", AttributeValue::S(key.into()));
        units(get.return_consumed_capacity(ASKED).send().await.unwrap().consumed_capacity.as_ref().unwrap()).0
    }

    async fn query(&self, index: Option<&str>) -> f64 {
        let (attribute, value) = if index.is_some() { ("wakeShard", "0") } else { ("pk", "p") };
        let query = self.dynamodb.query().table_name(self.table).set_index_name(index.map(str::to_owned));
        let query = query.key_condition_expression(format!("{attribute} = :value")).consistent_read(index.is_none());
        let query = query.expression_attribute_values(":value", AttributeValue::S(value.into()));
        units(query.return_consumed_capacity(ASKED).send().await.unwrap().consumed_capacity.as_ref().unwrap()).0
    }

    /// Puts items, and checks that there is none of the key `check`.
    async fn transact(&self, items: Vec<Item>, check: Option<&str>) -> (f64, f64) {
        let put = |item| Put::builder().table_name(self.table).set_item(Some(item)).build().unwrap();
        let mut actions: Vec<_> =
            items.into_iter().map(|it| TransactWriteItem::builder().put(put(it)).build()).collect();
        actions.extend(check.map(|key| {
            let check =
                ConditionCheck::builder().table_name(self.table).condition_expression("attribute_not_exists(pk)");
            let check = check.key("pk", AttributeValue::S("p".into())).key("sk", AttributeValue::S(key.into()));
            TransactWriteItem::builder().condition_check(check.build().unwrap()).build()
        }));
        let request = self.dynamodb.transact_write_items().set_transact_items(Some(actions));
        units(&request.return_consumed_capacity(ASKED).send().await.unwrap().consumed_capacity.unwrap()[0])
    }

    async fn batch(&self, items: Vec<Item>) -> (f64, f64) {
        let put = |item| PutRequest::builder().set_item(Some(item)).build().unwrap();
        let puts = items.into_iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
        let request = self.dynamodb.batch_write_item().request_items(self.table, puts).return_consumed_capacity(ASKED);
        units(&request.send().await.unwrap().consumed_capacity.unwrap()[0])
    }
}

/// All of them, and those of the index.
fn units(capacity: &ConsumedCapacity) -> (f64, f64) {
    let indexes = capacity.global_secondary_indexes.iter().flatten();
    (capacity.capacity_units.unwrap(), indexes.filter_map(|(_, index)| index.capacity_units).sum())
}

#[tokio::test]
async fn capacity_units_follow_the_rules_of_dynamodb() {
    let cloud = Cloud::start_storage_only().await;
    let capacity = Capacity { dynamodb: cloud.dev.dynamodb(), table: &cloud.dev.description().table_name };
    let item = Capacity::item;

    // A write takes a unit for each KB begun, by the larger of what was there and what comes.
    assert_eq!(capacity.put(item("a", 1_024, None)).await, (1.0, 0.0));
    assert_eq!(capacity.put(item("a", 1_025, None)).await, (2.0, 0.0));
    assert_eq!(capacity.put(item("a", 100, None)).await, (2.0, 0.0));
    assert_eq!(capacity.delete("a").await, (1.0, 0.0));
    assert_eq!(capacity.delete("nothing").await, (1.0, 0.0));

    // In a transaction twice that, a check like a write.
    assert_eq!(capacity.transact(vec![item("b", 1_025, None)], None).await, (4.0, 0.0));
    assert_eq!(capacity.transact(vec![item("c", 100, None), item("d", 100, None)], Some("e")).await, (6.0, 0.0));
    assert_eq!(capacity.batch(vec![item("c", 1_100, None), item("d", 1_100, None)]).await, (4.0, 0.0));

    // A read takes a unit for each 4 KB begun, half of that when it may be old.
    capacity.put(item("f", 4_097, None)).await;
    assert_eq!(capacity.get("f", true).await, 2.0);
    assert_eq!(capacity.get("f", false).await, 1.0);
    assert_eq!(capacity.get("nothing", true).await, 1.0);
    // A query adds up the sizes, and rounds the sum: b, c, d and f.
    assert_eq!(capacity.query(None).await, 2.0);

    // The index is written when what it holds changes, at its own size, and not doubled.
    assert_eq!(capacity.transact(vec![item("g", 2_000, Some("1"))], None).await, (5.0, 1.0));
    assert_eq!(capacity.transact(vec![item("g", 2_001, Some("1"))], None).await, (4.0, 0.0));
    assert_eq!(capacity.transact(vec![item("g", 2_001, Some("2"))], None).await, (6.0, 2.0));
    assert_eq!(capacity.query(Some("wake")).await, 0.5);
    assert_eq!(capacity.transact(vec![item("g", 2_001, None)], None).await, (5.0, 1.0));
}

#[tokio::test]
async fn each_function_is_counted_on_its_own() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 50) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let url = format!("{}{USAGE_PATH}", cloud.dev.description().api_url);
    let usage = async || cloud.api.client.get(&url).send().await.unwrap().json::<Usage>().await.unwrap();
    while usage().await["payload-executor"].running > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (mut usage, idle) = (usage().await, usage().await);
    assert_eq!(usage["payload-executor"], idle["payload-executor"]);
    let (api, executor) = (usage.remove("job-api").unwrap(), usage.remove("payload-executor").unwrap());
    assert_eq!(api.calls["EventBridge.PutEvents"].events, 1, "the trigger sends for one worker");
    assert!(executor.invocations >= 1 && executor.milliseconds >= executor.invocations);
    let commits = executor.calls["DynamoDB.TransactWriteItems"];
    // Each commit writes the lane and something else.
    assert!(commits.write_units >= 4.0 * commits.calls as f64, "{commits:?}");
    assert!(executor.calls["DynamoDB.Query"].read_units > 0.0);
}
