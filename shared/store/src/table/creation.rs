//! Making the table, for the embedded cloud and for tests; in a deployment `template.yaml` does.

use std::time::Duration;

use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};

use super::DynamoDb;
use super::dynamodb::{WAKE_INDEX, refused};
use crate::error::StoreError;

/// How often is looked whether a table can be used, and how soon again: for five minutes.
const LOOKS_MAX: u32 = 600;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl DynamoDb {
    /// Makes the table as `template.yaml` describes it, unless it is there, and waits until it can be used.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
        if self.status().await?.is_some() {
            return self.wait_until_active().await;
        }
        self.create().await?;
        // AWS takes a while, and refuses everything until then, expiry as well.
        self.wait_until_active().await?;
        self.expire_items().await
    }

    /// `None` when there is no table, or not yet: AWS may not see at once that it was made.
    async fn status(&self) -> Result<Option<TableStatus>, StoreError> {
        match self.client.describe_table().table_name(&self.name).send().await {
            Ok(described) => Ok(described.table.and_then(|table| table.table_status)),
            Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn wait_until_active(&self) -> Result<(), StoreError> {
        for _ in 0..LOOKS_MAX {
            if self.status().await? == Some(TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
        Err(StoreError::Unavailable(format!("the table {} does not get ready", self.name)))
    }

    async fn create(&self) -> Result<(), StoreError> {
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
        Ok(())
    }

    async fn expire_items(&self) -> Result<(), StoreError> {
        let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name("expiresAt").build();
        let expiry = expiry.map_err(refused)?;
        self.client.update_time_to_live().table_name(&self.name).time_to_live_specification(expiry).send().await?;
        Ok(())
    }
}
