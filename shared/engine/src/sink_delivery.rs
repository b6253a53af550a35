//! When a delivery is tried again.

use std::time::Duration;

use sundial_model::Timestamp;

/// The delays between the attempts, each ±10 %: 8 attempts over about 28 hours.
const DELAYS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
];

/// The HTTP status by which a receiver says that it never wants this again.
const GONE: u16 = 410;

/// How a try to deliver went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The HTTP status of the sink's answer, when there was one.
    pub status_code: Option<u16>,
    /// How long the sink asked us to wait.
    pub retry_after: Option<Duration>,
}

/// When to try again after `attempts_made`, at `now`; `None` when the delivery is given up.
///
/// `spread` is from -1 to 1 and chosen by the caller; it keeps deliveries that failed together
/// from coming back together.
pub fn next_delivery(failure: &DeliveryFailure, attempts_made: u32, now: Timestamp, spread: f64) -> Option<Timestamp> {
    if failure.status_code == Some(GONE) {
        return None;
    }
    let index = usize::try_from(attempts_made.checked_sub(1)?).ok()?;
    let delay = DELAYS.get(index)?.mul_f64(1.0 + 0.1 * spread.clamp(-1.0, 1.0));
    Some(now + delay.max(failure.retry_after.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_attempts_take_about_28_hours() {
        let failure = DeliveryFailure::default();
        let mut now = Timestamp::EPOCH;
        let mut attempts = 1;
        while let Some(next) = next_delivery(&failure, attempts, now, 0.0) {
            (now, attempts) = (next, attempts + 1);
        }
        assert_eq!(attempts, 8);
        assert_eq!(now.seconds() / 3600, 27);
    }

    #[test]
    fn a_receiver_that_is_gone_is_left_alone_and_one_that_asks_for_time_gets_it() {
        let gone = DeliveryFailure { status_code: Some(410), retry_after: None };
        assert_eq!(next_delivery(&gone, 1, Timestamp::EPOCH, 0.0), None);
        let busy = DeliveryFailure { status_code: Some(503), retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(next_delivery(&busy, 1, Timestamp::EPOCH, 0.0), Some(Timestamp::from_seconds(60)));
    }
}
