//! When to try again.

use std::time::Duration;

use sundial_model::configuration::RetryPolicy;

/// The delay before the next attempt after `attempts_made` of them, or `None` when that was the last.
///
/// min(initialInterval × backoffCoefficient^i, maximumInterval), i being 0 after the first attempt.
pub fn delay_after(policy: &RetryPolicy, attempts_made: u32) -> Option<Duration> {
    if attempts_made >= policy.maximum_attempts.get() {
        return None;
    }
    let growth = policy.backoff_coefficient.get().powf(f64::from(attempts_made.saturating_sub(1)));
    // A float cast saturates, so that endless growth ends at the bound.
    let milliseconds = (policy.initial_interval.get() as f64 * growth) as u64;
    let bound = policy.maximum_interval.map_or(LONGEST_DELAY_MS, sundial_model::duration::Milliseconds::get);
    Some(Duration::from_millis(milliseconds.min(bound)))
}

/// No job run lives longer than 30 days, so no delay needs to.
const LONGEST_DELAY_MS: u64 = 30 * 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_model::InvalidFields;

    fn check(policy: serde_json::Value, expected: &[u64]) {
        let policy: RetryPolicy = InvalidFields::read(policy).expect("a policy");
        let delays: Vec<_> =
            (1..).map_while(|made| delay_after(&policy, made)).map(|delay| delay.as_millis() as u64).collect();
        assert_eq!(delays, expected);
    }

    #[test]
    fn delays_follow_the_policy() {
        check(serde_json::json!({}), &[1000, 1000]);
        check(serde_json::json!({ "maximumAttempts": 1 }), &[]);
        check(
            serde_json::json!({
                "maximumAttempts": 6, "initialInterval": "1s", "backoffCoefficient": 2, "maximumInterval": "5s"
            }),
            &[1000, 2000, 4000, 5000, 5000],
        );
        check(serde_json::json!({ "maximumAttempts": 3, "initialInterval": 0, "backoffCoefficient": 9 }), &[0, 0]);
    }

    #[test]
    fn endless_growth_is_bounded() {
        let policy: RetryPolicy =
            InvalidFields::read(serde_json::json!({ "maximumAttempts": 100, "backoffCoefficient": 1000 }))
                .expect("a policy");
        assert_eq!(delay_after(&policy, 99), Some(Duration::from_millis(LONGEST_DELAY_MS)));
    }
}
