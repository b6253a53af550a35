//! What leaves the system: calls to targets, deliveries to sinks, notifications, results and exports
//! to S3. Every request to a place that a user named goes through one guarded client.

pub mod answer;
pub mod answer_memory;
mod bucket;
mod call_failure;
pub mod client;
pub mod delivery;
pub mod export_line;
pub mod function;
pub mod guard;
pub mod notification;
mod own_role;
pub mod resolver;
pub mod results;
pub mod signature;
pub mod sink;
pub mod target;
mod traceparent;

pub use answer::OutboundAnswer;
pub use answer_memory::{AnswerMemory, HeldMemory};
pub use client::OutboundClient;
pub use delivery::DeliveryOutcome;
pub use function::{FunctionCaller, TargetFunctions};
pub use guard::{AddressGuard, BlockedAddress};
pub use own_role::OwnRole;
pub use resolver::Resolver;
pub use results::ResultsBucket;
