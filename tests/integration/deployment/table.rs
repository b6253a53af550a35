//! The table that is deployed is the one that the code makes for itself on a laptop.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{BillingMode, KeySchemaElement, TimeToLiveStatus};
use serde_json::{Value, json};

use super::template::Template;
use crate::harness::{Cloud, Target, payloads};

#[tokio::test]
async fn the_table_has_the_keys_the_index_and_the_expiry_that_the_code_makes_it_with() {
    let (cloud, template) = (Cloud::start_storage_only().await, Template::read());
    let deployed = template.properties("Table");
    let (dynamodb, name) = (cloud.dev.dynamodb(), &cloud.dev.description().table_name);
    let made = dynamodb.describe_table().table_name(name).send().await.unwrap().table.unwrap();
    assert_eq!(sorted(&deployed["KeySchema"], "AttributeName"), keys(made.key_schema()));

    let attributes = made.attribute_definitions().iter().map(|attribute| {
        json!({ "AttributeName": attribute.attribute_name, "AttributeType": attribute.attribute_type.as_str() })
    });
    let attributes: Value = attributes.collect();
    assert_eq!(sorted(&deployed["AttributeDefinitions"], "AttributeName"), sorted(&attributes, "AttributeName"));

    let of_index = |name: &str, keys: Value, projection: &str| (name.to_owned(), (keys, projection.to_owned()));
    let deployed_indexes: BTreeMap<_, _> = deployed["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| {
            let projection = index["Projection"]["ProjectionType"].as_str().unwrap();
            of_index(index["IndexName"].as_str().unwrap(), sorted(&index["KeySchema"], "AttributeName"), projection)
        })
        .collect();
    let made_indexes: BTreeMap<_, _> = made
        .global_secondary_indexes()
        .iter()
        .map(|index| {
            let projection = index.projection().unwrap().projection_type().unwrap().as_str();
            of_index(index.index_name().unwrap(), keys(index.key_schema()), projection)
        })
        .collect();
    assert_eq!(deployed_indexes, made_indexes);

    let mode = made.billing_mode_summary().and_then(|summary| summary.billing_mode()).map(BillingMode::as_str);
    assert_eq!(deployed["BillingMode"].as_str(), mode);
    let expiry =
        dynamodb.describe_time_to_live().table_name(name).send().await.unwrap().time_to_live_description.unwrap();
    let expects = &deployed["TimeToLiveSpecification"];
    assert_eq!(expects["AttributeName"].as_str(), expiry.attribute_name());
    let is_enabled = expiry.time_to_live_status == Some(TimeToLiveStatus::Enabled);
    assert_eq!(expects["Enabled"], json!(is_enabled));
}

#[tokio::test]
async fn what_expires_says_so_in_the_attribute_that_the_table_goes_by() {
    let (cloud, target) = (Cloud::start().await, Target::echo().await);
    cloud.api.make_project(&target).await;
    cloud.api.create_job(json!({ "id": "job", "payload": payloads("a", 1) })).await;
    let run = cloud.api.trigger("job").await;
    cloud.api.wait_for_status(&run, "COMPLETED").await;
    let template = Template::read();
    let attribute = template.properties("Table")["TimeToLiveSpecification"]["AttributeName"].as_str().unwrap();
    let items = cloud.items().await;
    let runs: Vec<_> = items.iter().filter(|((pk, _), _)| pk.starts_with("RUN#")).collect();
    assert!(!runs.is_empty());
    for (key, item) in runs {
        let expires_at: u64 =
            item[attribute].as_n().unwrap_or_else(|_| panic!("{key:?} has no number")).parse().unwrap();
        // Seconds since the epoch, in a year that the retention may lead to.
        assert!((1_700_000_000..5_000_000_000).contains(&expires_at), "{key:?} {expires_at}");
    }
}

fn keys(schema: &[KeySchemaElement]) -> Value {
    let keys =
        schema.iter().map(|key| json!({ "AttributeName": key.attribute_name, "KeyType": key.key_type.as_str() }));
    sorted(&keys.collect(), "AttributeName")
}

/// In the order of a field: that of the list means nothing.
fn sorted(list: &Value, by: &str) -> Value {
    let mut list = list.as_array().unwrap().clone();
    list.sort_by_key(|item| item[by].as_str().unwrap().to_owned());
    Value::Array(list)
}
