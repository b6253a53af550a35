//! The embedded cloud: DynamoDB, S3, an event bus, the timer, API Gateway and the functions, in
//! one process and one data folder.
//!
//! The functions are the very handlers that run in Lambda, fed with the very events that API
//! Gateway and EventBridge send. Everything talks through the real AWS SDK; only endpoints differ.

mod api_gateway;
mod cloud;
mod connection;
mod data_folder;
pub mod demo_services;
mod event_bus;
mod external_dynamodb;
mod folder_store;
mod function_host;
mod storage;
mod usage;
mod usage_interceptor;
pub mod usage_roles;

pub use cloud::{DevCloud, DevOptions, Mode};
pub use connection::{Connection, ReachableFunctions, loopback_ranges};
pub use data_folder::DevDescription;
pub use external_dynamodb::ExternalDynamoDb;
pub use folder_store::FolderStore;
pub use function_host::{HOSTED_FUNCTIONS, HostedFunction};
pub use usage::{CallUsage, FunctionUsage, PERMISSIONS_PATH, USAGE_PATH, Usage};

/// The embedded cloud could not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DevError(pub String);

impl DevError {
    /// What was being done, and what went wrong.
    pub(crate) fn while_doing(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}
