//! One suite over the table in DynamoDB, be it the embedded one or another, and over the model that simulations use,
//! so that they cannot drift apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use sundial_model::Timestamp;
use sundial_store::keys::Key;
use sundial_store::table::model::ModelTable;
use sundial_store::{Backend, DynamoDb, Expect, Item, NewItem, Range, StoreError, TransactionToken, WakeQuery, Write};

use crate::harness::{Cloud, PATIENCE};

/// Each promise is a test of its own, so that one that some DynamoDB does not keep can be left out by its name.
macro_rules! contract {
    ($($promise:ident),+ $(,)?) => {
        mod the_model {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&super::ModelTable::new(Box::new(|| super::Duration::ZERO))).await;
            })+
        }
        mod dynamodb {
            $(#[tokio::test]
            async fn $promise() {
                let cloud = super::Cloud::start_storage_only().await;
                let table = &cloud.dev.description().table_name;
                super::$promise(&super::DynamoDb::new(cloud.dev.dynamodb().clone(), table)).await;
            })+
        }
    };
}

contract!(
    expectations_decide,
    a_transaction_is_all_or_nothing,
    a_token_makes_a_transaction_happen_once,
    ranges_are_inclusive_and_in_order,
    many_are_read_at_once,
    only_what_wakes_is_in_the_index,
    what_dynamodb_does_not_take_is_refused,
    a_transaction_of_more_than_4_mb_is_refused,
);

#[tokio::test(start_paused = true)]
async fn the_models_index_lags_and_never_goes_back() {
    let mut lags = [5, 1, 9].into_iter().map(Duration::from_secs);
    let model: Arc<dyn Backend> = Arc::new(ModelTable::new(Box::new(move || lags.next().unwrap_or_default())));
    let seen = async || wakes(&*model, 99).await;
    write(&*model, vec![put("a", "a", &json!({}), Expect::Nothing, Some(10))]).await.unwrap();
    write(&*model, vec![put("a", "a", &json!({}), Expect::Revision(1), Some(20))]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(seen().await, [], "the second write does not overtake the first");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(seen().await, [(at(20), "a".to_owned())]);
    write(&*model, vec![Write::Delete(key("a", "a"), Expect::Anything)]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(seen().await, [(at(20), "a".to_owned())], "what the index says is only where to look");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(seen().await, []);
}

async fn expectations_decide(table: &dyn Backend) {
    let (one, value) = (key("expect", "one"), json!({ "name": "first", "list": [1, "two", { "three": null }] }));
    assert!(table.get(one.clone()).await.unwrap().is_none());
    conflict(write(table, vec![put("expect", "one", &value, Expect::Revision(1), None)]).await);
    conflict(write(table, vec![Write::Check(one.clone(), Expect::Revision(1))]).await);
    write(table, vec![put("expect", "one", &value, Expect::Nothing, None)]).await.unwrap();
    let stored = table.get(one.clone()).await.unwrap().unwrap();
    assert_eq!((text(&stored, "name"), number(&stored, "revision")), ("first".to_owned(), 1));
    conflict(write(table, vec![put("expect", "one", &value, Expect::Nothing, None)]).await);
    conflict(write(table, vec![put("expect", "one", &value, Expect::Revision(2), None)]).await);
    let second = json!({ "other": "second" });
    write(table, vec![put("expect", "one", &second, Expect::Revision(1), None)]).await.unwrap();
    let stored = table.get(one.clone()).await.unwrap().unwrap();
    assert_eq!(number(&stored, "revision"), 2);
    assert!(!stored.contains_key("name"), "a put replaces the whole item");
    write(table, vec![Write::Check(one.clone(), Expect::Revision(2))]).await.unwrap();
    write(table, vec![put("expect", "one", &second, Expect::Anything, None)]).await.unwrap();
    assert_eq!(number(&table.get(one.clone()).await.unwrap().unwrap(), "revision"), 1);
    conflict(write(table, vec![Write::Delete(one.clone(), Expect::Revision(7))]).await);
    write(table, vec![Write::Delete(one.clone(), Expect::Revision(1))]).await.unwrap();
    assert!(table.get(one.clone()).await.unwrap().is_none());
    write(table, vec![Write::Delete(one, Expect::Anything)]).await.unwrap();
}

async fn a_transaction_is_all_or_nothing(table: &dyn Backend) {
    let value = json!({});
    let writes = vec![
        put("all", "one", &value, Expect::Nothing, None),
        put("all", "two", &value, Expect::Nothing, None),
        Write::Check(key("all", "three"), Expect::Revision(1)),
    ];
    conflict(write(table, writes).await);
    assert!(table.query(range("all", "a", "z"), None).await.unwrap().is_empty());
}

async fn a_token_makes_a_transaction_happen_once(table: &dyn Backend) {
    let (token, value) = (TransactionToken::new(), json!({}));
    let writes = vec![put("token", "one", &value, Expect::Nothing, None)];
    table.transact(writes.clone(), token.clone()).await.unwrap();
    table.transact(writes.clone(), token).await.unwrap();
    conflict(table.transact(writes, TransactionToken::new()).await);
}

async fn ranges_are_inclusive_and_in_order(table: &dyn Backend) {
    let items = ["a", "b", "b\0", "c", "d"].map(|sk| item("range", sk, &json!({})));
    table.put_unseen(items.to_vec()).await.unwrap();
    table.put_unseen(vec![item("rangf", "b", &json!({}))]).await.unwrap();
    let sort_keys = async |range: Range, limit| {
        let items = table.query(range, limit).await.unwrap();
        items.iter().map(|item| text(item, "sk")).collect::<Vec<_>>()
    };
    assert_eq!(sort_keys(range("range", "b", "c"), None).await, ["b", "b\0", "c"]);
    assert_eq!(sort_keys(range("range", "b\0", "z"), Some(2)).await, ["b\0", "c"]);
    let backward = Range { backward: true, ..range("range", "a", "c") };
    assert_eq!(sort_keys(backward, Some(2)).await, ["c", "b\0"]);
    assert_eq!(sort_keys(range("range", "x", "z"), None).await, [""; 0]);
    table.delete_unseen(vec![key("range", "b"), key("range", "no such")]).await.unwrap();
    assert_eq!(sort_keys(range("range", "b", "c"), None).await, ["b\0", "c"]);
}

async fn many_are_read_at_once(table: &dyn Backend) {
    let items = (0..130).map(|n| item(&format!("many-{n}"), "x", &json!({ "n": "n" })));
    table.put_unseen(items.collect()).await.unwrap();
    let keys: Vec<_> = (0..140).map(|n| key(&format!("many-{n}"), "x")).collect();
    let whole = table.get_many(keys.clone(), false).await.unwrap();
    assert_eq!((whole.len(), text(&whole[0], "n")), (130, "n".to_owned()));
    let just_keys = table.get_many(keys, true).await.unwrap();
    assert_eq!((just_keys.len(), just_keys[0].len()), (130, 2));
}

async fn only_what_wakes_is_in_the_index(table: &dyn Backend) {
    let value = json!({ "secret": "is not in the index" });
    for (sk, wake_at) in [("a", Some(30)), ("b", Some(10)), ("c", None), ("d", Some(50))] {
        write(table, vec![put("wake", sk, &value, Expect::Nothing, wake_at)]).await.unwrap();
    }
    wait_for_wakes(table, 0, 30, &[(10, "b"), (30, "a")]).await;
    wait_for_wakes(table, 30, 50, &[(30, "a"), (50, "d")]).await;
    write(table, vec![put("wake", "b", &value, Expect::Revision(1), Some(40))]).await.unwrap();
    write(table, vec![put("wake", "a", &value, Expect::Revision(1), None)]).await.unwrap();
    wait_for_wakes(table, 0, 99, &[(40, "b"), (50, "d")]).await;
    write(table, vec![Write::Delete(key("wake", "d"), Expect::Anything)]).await.unwrap();
    wait_for_wakes(table, 0, 99, &[(40, "b")]).await;
}

async fn what_dynamodb_does_not_take_is_refused(table: &dyn Backend) {
    let value = json!({});
    let twice = vec![
        put("refused", "one", &value, Expect::Nothing, None),
        Write::Check(key("refused", "one"), Expect::Nothing),
    ];
    refused(write(table, twice).await);
    let large = json!({ "text": "x".repeat(410 * 1024) });
    refused(write(table, vec![put("refused", "one", &large, Expect::Nothing, None)]).await);
    assert!(table.get(key("refused", "one")).await.unwrap().is_none());
}

async fn a_transaction_of_more_than_4_mb_is_refused(table: &dyn Backend) {
    let large = json!({ "text": "x".repeat(390 * 1024) });
    let keys: Vec<_> = (0..11).map(|number| format!("large-{number}")).collect();
    let puts = |count: usize| keys[..count].iter().map(|pk| put(pk, "x", &large, Expect::Nothing, None)).collect();
    refused(write(table, puts(11)).await);
    assert!(table.get(key("large-0", "x")).await.unwrap().is_none());
    write(table, puts(10)).await.unwrap();
}

fn key(pk: &str, sk: &str) -> Key {
    Key { pk: format!("CONTRACT#{pk}"), sk: sk.to_owned() }
}

fn item(pk: &str, sk: &str, value: &Value) -> NewItem {
    NewItem::new(key(pk, sk), value).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn put(pk: &str, sk: &str, value: &Value, expect: Expect, wake_second: Option<i64>) -> Write {
    Write::Put(item(pk, sk, value).waking(wake_second.map(at)), expect)
}

fn range(pk: &str, from: &str, to: &str) -> Range {
    Range { pk: format!("CONTRACT#{pk}"), from: from.to_owned(), to: to.to_owned(), backward: false }
}

async fn write(table: &dyn Backend, writes: Vec<Write>) -> Result<(), StoreError> {
    table.transact(writes, TransactionToken::new()).await
}

/// What the index says until a second, over all shards: wake times with sort keys.
async fn wakes(table: &dyn Backend, until: i64) -> Vec<(Timestamp, String)> {
    wakes_between(table, 0, until).await
}

/// Waits until the index says this: outside of this process it lags.
async fn wait_for_wakes(table: &dyn Backend, from: i64, until: i64, expected: &[(i64, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(second, sk)| (at(*second), (*sk).to_owned())).collect();
    let begun = Instant::now();
    loop {
        let seen = wakes_between(table, from, until).await;
        if seen == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain; the index says {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wakes_between(table: &dyn Backend, from: i64, until: i64) -> Vec<(Timestamp, String)> {
    let mut found = Vec::new();
    for shard in 0..16 {
        let query = WakeQuery {
            shard: format!("WAKE#{shard:02}"),
            from: at(from).to_string(),
            until: at(until).to_string(),
            limit: 10,
        };
        for item in table.query_wake(query).await.unwrap() {
            assert!(!item.contains_key("secret"));
            found.push((text(&item, "wakeAt").parse().unwrap(), text(&item, "sk")));
        }
    }
    found.sort();
    found
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Conflict)), "{result:?}");
}

fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Refused(_))), "{result:?}");
}

fn text(item: &Item, attribute: &str) -> String {
    item[attribute].as_s().unwrap().clone()
}

fn number(item: &Item, attribute: &str) -> u64 {
    match &item[attribute] {
        AttributeValue::N(number) => number.parse().unwrap(),
        other => panic!("{other:?} is no number"),
    }
}
