//! The clock: the only place that asks what time it is.

use sundial_model::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    chrono::Utc::now().into()
}
