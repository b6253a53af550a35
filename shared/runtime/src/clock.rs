//! The clock: the only place that asks what time it is.

use std::time::Duration;

use sundial_model::Timestamp;
use tokio::time::Instant;

/// The time now, for programs that nobody simulates.
pub fn now() -> Timestamp {
    chrono::Utc::now().into()
}

/// The clock of a function.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// Follows the clock of the async runtime, which a simulation drives.
    Simulated { begun: Instant, begun_at: Timestamp },
}

impl Clock {
    /// The clock of a simulation: it shows `begun_at` at `begun`. Two functions whose clocks
    /// differ have different `begun_at`.
    pub fn simulated(begun: Instant, begun_at: Timestamp) -> Self {
        Self(Source::Simulated { begun, begun_at })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => now(),
            Source::Simulated { begun, begun_at } => *begun_at + begun.elapsed(),
        }
    }

    /// How long it is until an invocation's deadline, in milliseconds since the epoch as Lambda gives it.
    pub fn left_until(&self, deadline_ms: u64) -> Duration {
        let deadline = Timestamp::from_milliseconds(i64::try_from(deadline_ms).unwrap_or(i64::MAX));
        deadline.since(self.now())
    }
}
