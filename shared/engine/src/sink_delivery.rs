//! When a delivery is tried again.

use std::time::Duration;

use sundial_model::Timestamp;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The delays between the attempts, each ±10 %: 8 attempts over about 28 hours.
const DELAYS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    HOUR.saturating_mul(2),
    HOUR.saturating_mul(5),
    HOUR.saturating_mul(10),
    HOUR.saturating_mul(10),
];

/// All of them take about so long. What waits for a dead sink waits as long.
pub const SCHEDULE_TIME: Duration = HOUR.saturating_mul(28);
/// A receiver may ask for so much time at once. What it asks for beyond that, it does not get.
const RETRY_AFTER_MAX: Duration = HOUR.saturating_mul(24);
/// What could not be read to be sent is read again after this long at the earliest.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The last attempt is due so long after the first one at the latest, whatever the receiver asks for.
pub(crate) const AGE_MAX: Duration = HOUR.saturating_mul(72);
/// No delivery takes longer, from when it is first due to its end: at its greatest age it is tried a last time, even
/// if the sink is dead; the rest is for the timer, and for a worker that is lost. What it needs is kept for so long.
pub const DELIVERY_TIME_MAX: Duration = HOUR.saturating_mul(5 * 24);

/// The HTTP status by which a receiver says that it never wants this again.
pub(crate) const GONE: u16 = 410;

/// How a try to deliver went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The HTTP status of the sink's answer, when there was one.
    pub status_code: Option<u16>,
    /// How long the sink asked us to wait.
    pub retry_after: Option<Duration>,
}

impl DeliveryFailure {
    /// How long the sink is left alone, because it asked for that.
    pub(crate) fn asked_for(&self) -> Duration {
        self.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)
    }
}

/// When to try again what was first due at `since`, after `attempts_made`, at `now`; `None` when the delivery
/// is given up.
///
/// `spread` is from -1 to 1 and chosen by the caller; it keeps deliveries that failed together
/// from coming back together.
pub fn next_delivery(
    failure: &DeliveryFailure,
    attempts_made: u32,
    since: Timestamp,
    now: Timestamp,
    spread: f64,
) -> Option<Timestamp> {
    if failure.status_code == Some(GONE) {
        return None;
    }
    let index = usize::try_from(attempts_made.checked_sub(1)?).ok()?;
    let delay = DELAYS.get(index)?.mul_f64(1.0 + 0.1 * spread.clamp(-1.0, 1.0));
    let delay = delay.max(failure.asked_for());
    let last_at = since + AGE_MAX;
    (now < last_at).then(|| (now + delay).min(last_at))
}

/// When to look again for what was first due at `since` and could not be read to be sent, at `now`: that uses up
/// no attempt. `None` when it is given up.
pub fn next_reading(since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let last_at = since + AGE_MAX;
    // After twice as long each time.
    let delay = now.since(since).clamp(READ_AGAIN_AFTER, HOUR);
    (now < last_at).then(|| (now + delay).min(last_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts there are, and how long they take.
    fn all_attempts(failure: &DeliveryFailure, spread: f64) -> (u32, Duration) {
        let since = Timestamp::from_seconds(1_000_000);
        let (mut now, mut attempts) = (since, 1);
        while let Some(next) = next_delivery(failure, attempts, since, now, spread) {
            (now, attempts) = (next, attempts + 1);
        }
        (attempts, now.since(since))
    }

    #[test]
    fn eight_attempts_take_about_28_hours() {
        let failure = DeliveryFailure::default();
        for (spread, hours) in [(-1.0, 24), (0.0, 27), (1.0, 30)] {
            let (attempts, time) = all_attempts(&failure, spread);
            assert_eq!((attempts, time.as_secs() / 3600), (8, hours));
        }
    }

    #[test]
    fn a_receiver_that_is_gone_is_left_alone_and_one_that_asks_for_time_gets_it() {
        let at = |failure: &DeliveryFailure| next_delivery(failure, 1, Timestamp::EPOCH, Timestamp::EPOCH, 0.0);
        let gone = DeliveryFailure { status_code: Some(410), retry_after: None };
        assert_eq!(at(&gone), None);
        let busy = DeliveryFailure { status_code: Some(503), retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(at(&busy), Some(Timestamp::from_seconds(60)));
    }

    #[test]
    fn a_receiver_that_asks_for_a_year_gets_a_day_and_a_delivery_three_in_all() {
        let greedy = DeliveryFailure { status_code: Some(429), retry_after: Some(HOUR * 24 * 365) };
        let next = next_delivery(&greedy, 1, Timestamp::EPOCH, Timestamp::EPOCH, 0.0);
        assert_eq!(next, Some(Timestamp::EPOCH + HOUR * 24));
        assert_eq!(all_attempts(&greedy, 0.0), (4, AGE_MAX));
        assert!(AGE_MAX < DELIVERY_TIME_MAX, "and what it needs is there for as long");
    }

    #[test]
    fn what_cannot_be_read_is_read_again_less_and_less_often_for_three_days() {
        let since = Timestamp::from_seconds(1_000_000);
        let (mut now, mut waits) = (since, Vec::new());
        while let Some(next) = next_reading(since, now) {
            waits.push(next.since(now).as_secs());
            now = next;
        }
        assert_eq!((waits[..7].to_vec(), now), (vec![60, 60, 120, 240, 480, 960, 1920], since + AGE_MAX));
        assert!(waits.len() < 100, "{}", waits.len());
    }
}
