//! A DynamoDB that is not the embedded one: another emulator, or a table in AWS.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use sundial_runtime::clients::timeouts;
use sundial_runtime::http_client;

/// Where it is. What is written down of a cloud over it has its address and table, and no keys of it.
#[derive(Clone, Debug)]
pub struct ExternalDynamoDb {
    /// Its endpoint.
    pub url: String,
    /// Its region.
    pub region: String,
    /// Keys of somebody who may make, use and delete the table.
    pub credentials: Credentials,
    /// The table, which is made when it is missing.
    pub table: String,
}

impl ExternalDynamoDb {
    /// A client of it.
    pub fn client(&self) -> Client {
        let configuration = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .http_client(http_client())
            .timeout_config(timeouts())
            .endpoint_url(&self.url);
        Client::from_conf(configuration.build())
    }
}
