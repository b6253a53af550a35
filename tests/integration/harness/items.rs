//! All that stands in a table, past the store: what is promised of it must be true of each item.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

/// Every item by its key.
pub(crate) type Items = BTreeMap<(String, String), HashMap<String, AttributeValue>>;

/// Reads the whole table.
pub(crate) async fn items(dynamodb: &Client, table: &str) -> Items {
    let mut pages = dynamodb.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    let mut items = Items::new();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let text = |attribute: &str| item[attribute].as_s().unwrap().clone();
        items.insert((text("pk"), text("sk")), item);
    }
    items
}
