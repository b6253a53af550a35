//! The clock: the only place that asks what time it is.

use std::time::Duration;

use sundial_model::Timestamp;
use tokio::time::Instant;

/// An invocation lasts this long at most.
const INVOCATION_MAX: Duration = Duration::from_secs(900);

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
        // The emulator of cargo-lambda gives the time that is left, where Lambda gives a time of day.
        let as_time_left = Duration::from_millis(deadline_ms);
        if as_time_left <= INVOCATION_MAX {
            return as_time_left;
        }
        let deadline = Timestamp::from_milliseconds(i64::try_from(deadline_ms).unwrap_or(i64::MAX));
        deadline.since(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_of_day_or_what_is_left() {
        let clock = Clock::simulated(Instant::now(), Timestamp::from_seconds(1_800_000_000));
        let left = |deadline_ms| clock.left_until(deadline_ms).as_millis();
        // Some moments have passed.
        assert!((170_000..=180_000).contains(&left(1_800_000_180_000)));
        assert_eq!(left(1_799_999_999_000), 0, "it is over");
        assert_eq!(left(600_000), 600_000);
        assert_eq!(left(0), 0);
    }
}
