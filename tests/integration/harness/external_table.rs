//! A table of a test's own in the DynamoDB that `SUNDIAL_TEST_DYNAMODB_URL` names: another emulator, or AWS.
//! Without that variable tests have the embedded one. `docs/portability.md` says more.

use std::env;

use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use sundial_devstack::ExternalDynamoDb;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// The table; it is deleted when this is dropped.
pub(crate) struct ExternalTable(ExternalDynamoDb);

impl ExternalTable {
    /// One that nobody else has; it is not made yet. `None` when tests have the embedded DynamoDB.
    pub(crate) fn new() -> Option<Self> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let url = variable("SUNDIAL_TEST_DYNAMODB_URL")?;
        // An emulator takes any keys, and has any region; AWS says itself what is wrong with these.
        let or_any = |name: &str| variable(name).unwrap_or_else(|| "any".to_owned());
        let (id, secret) = (or_any("AWS_ACCESS_KEY_ID"), or_any("AWS_SECRET_ACCESS_KEY"));
        let credentials = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment");
        let region = variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned());
        let table = format!("sundial-test-{}", Uuid::new_v4());
        Some(Self(ExternalDynamoDb { url, region, credentials, table }))
    }

    pub(crate) fn dynamodb(&self) -> &ExternalDynamoDb {
        &self.0
    }
}

impl Drop for ExternalTable {
    fn drop(&mut self) {
        let dynamodb = self.0.clone();
        // With connections of its own: those of the test are looked after by its runtime, which waits for this.
        let delete = move || {
            let delete = dynamodb.client().delete_table().table_name(&dynamodb.table);
            Runtime::new().unwrap().block_on(delete.send()).map_err(|error| DisplayErrorContext(error).to_string())
        };
        let deleted = std::thread::spawn(delete).join().unwrap();
        // A table that stays is paid for. A test that has failed says why, and no more.
        if let Err(error) = deleted
            && !std::thread::panicking()
        {
            panic!("the table {} stays: {error}", self.0.table);
        }
    }
}
