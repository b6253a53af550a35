//! How a function is wired: its settings from the environment, its clients, its log.

pub mod bus;
pub mod clients;
pub mod clock;
mod http_client;
pub mod logging;
pub mod metrics;
pub mod settings;
mod sink_buckets;

pub use bus::EventBus;
pub use clients::{Clients, SdkClients};
pub use clock::Clock;
pub use http_client::http_client;
pub use settings::{Settings, SettingsError};
pub use sink_buckets::SinkBuckets;
