//! Whether a sink can be reached at all. After some failures in a row it is taken for dead: from then on it
//! gets single probes, further and further apart, until one comes through. What is due waits meanwhile,
//! and costs nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::Timestamp;

use crate::sink_delivery::{AGE_MAX, DeliveryFailure, GONE, SCHEDULE_TIME};

/// After so many failures in a row a sink is dead.
const FAILURES_MAX: u32 = 20;
/// The first probe comes after this long, each further one after twice as long, but no longer than that.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_WITHIN: Duration = Duration::from_secs(15 * 60);

/// What is known of a sink from how deliveries to it have ended lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkHealth {
    /// How many have failed in a row.
    failures: u32,
    /// How many probes were among them.
    #[serde(default)]
    probes: u32,
    /// It is dead, and the next probe may start then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe_at: Option<Timestamp>,
    /// Since when it is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_since: Option<Timestamp>,
}

/// What may be done with deliveries that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkAdmission {
    /// All of them are tried.
    Open,
    /// One of them is tried.
    Probe,
    /// They have waited for a dead sink for as long as all attempts take, or are as old as they may get: all of them
    /// are tried once more, and then given up.
    Last,
    /// They wait until then.
    Wait(Timestamp),
}

impl SinkHealth {
    /// Whether it gets single probes.
    pub fn is_dead(&self) -> bool {
        self.probe_at.is_some()
    }

    /// When it gets the next probe, if it is dead.
    pub fn probe_at(&self) -> Option<Timestamp> {
        self.probe_at
    }

    /// Whether nothing is held against it.
    pub fn is_good(&self) -> bool {
        *self == Self::default()
    }

    /// Notes how a delivery has ended at `now`.
    pub fn note(&mut self, failure: Option<&DeliveryFailure>, now: Timestamp) {
        match failure {
            // Whoever says that it never wants this one has been reached.
            None => *self = Self::default(),
            Some(failure) if failure.status_code == Some(GONE) => *self = Self::default(),
            Some(failure) => self.note_failure(failure, now),
        }
    }

    fn note_failure(&mut self, failure: &DeliveryFailure, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        // Those that were under way when it died say nothing new.
        let is_news = self.probe_at.is_none_or(|probe_at| probe_at <= now);
        if self.failures >= FAILURES_MAX && is_news {
            let wait = PROBE_AFTER.saturating_mul(2_u32.saturating_pow(self.probes)).min(PROBE_WITHIN);
            self.probe_at = Some(now + wait);
            self.dead_since.get_or_insert(now);
            self.probes = self.probes.saturating_add(1);
        }
        // But what they ask for holds.
        if let Some(probe_at) = &mut self.probe_at {
            *probe_at = (*probe_at).max(now + failure.asked_for());
        }
    }

    /// Somebody says that it can be reached again: the next probe is due.
    pub fn probe_now(&mut self, now: Timestamp) {
        if let Some(probe_at) = &mut self.probe_at {
            (self.probes, *probe_at) = (0, now.min(*probe_at));
        }
    }

    /// What may be done with deliveries that were first due at `since`.
    pub fn admits(&self, since: Timestamp, now: Timestamp) -> SinkAdmission {
        match self.probe_at {
            None => SinkAdmission::Open,
            Some(_) if self.last_at(since) <= now => SinkAdmission::Last,
            Some(probe_at) if probe_at <= now => SinkAdmission::Probe,
            Some(probe_at) => SinkAdmission::Wait(probe_at),
        }
    }

    /// When what was first due at `since` does not wait any longer for a sink that is dead.
    fn last_at(&self, since: Timestamp) -> Timestamp {
        // Whatever it waited for before, it did not wait for a dead sink.
        (since.max(self.dead_since.unwrap_or(since)) + SCHEDULE_TIME).min(since + AGE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn failed(status_code: u16) -> DeliveryFailure {
        DeliveryFailure { status_code: Some(status_code), retry_after: None }
    }

    fn dead(now: Timestamp) -> SinkHealth {
        let mut health = SinkHealth::default();
        (0..FAILURES_MAX).for_each(|_| health.note(Some(&failed(500)), now));
        health
    }

    #[test]
    fn twenty_failures_in_a_row_are_too_many_and_one_success_is_enough() {
        let (now, mut health) = (Timestamp::from_seconds(1000), SinkHealth::default());
        for _ in 0..5 {
            (1..FAILURES_MAX).for_each(|_| health.note(Some(&failed(500)), now));
            assert_eq!(health.admits(now, now), SinkAdmission::Open);
            health.note(None, now);
        }
        let mut health = dead(now);
        assert_eq!(health.admits(now, now), SinkAdmission::Wait(now + PROBE_AFTER));
        assert_eq!(health.admits(now, now + PROBE_AFTER), SinkAdmission::Probe);
        health.note(None, now + PROBE_AFTER);
        assert!(health.is_good());
    }

    #[test]
    fn probes_come_further_and_further_apart() {
        let begun = Timestamp::from_seconds(1000);
        let (mut now, mut health, mut waits) = (begun, dead(begun), Vec::new());
        for _ in 0..10 {
            let SinkAdmission::Wait(until) = health.admits(now, now) else { panic!("{health:?}") };
            waits.push(until.since(now).as_secs());
            now = until;
            health.note(Some(&DeliveryFailure::default()), now);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    }

    #[test]
    fn what_was_under_way_when_it_died_is_no_probe() {
        let now = Timestamp::from_seconds(1000);
        let mut health = dead(now);
        (0..200).for_each(|_| health.note(Some(&failed(500)), now + Duration::from_secs(1)));
        assert_eq!(health.admits(now, now + PROBE_AFTER), SinkAdmission::Probe);
    }

    #[test]
    fn whoever_wants_nothing_any_more_is_not_dead() {
        let now = Timestamp::from_seconds(1000);
        let mut health = SinkHealth::default();
        (0..100).for_each(|_| health.note(Some(&failed(410)), now));
        assert!(health.is_good());
    }

    #[test]
    fn what_has_waited_for_a_dead_sink_as_long_as_all_attempts_take_is_tried_once_more() {
        let died = Timestamp::from_seconds(1_000_000);
        let last_at = |since: Timestamp| {
            let hours = (0..100).map(|hour| died + HOUR * hour);
            let mut lasts = hours.filter(|now| dead(died).admits(since, *now) == SinkAdmission::Last);
            lasts.next().expect("a last time")
        };
        assert_eq!(last_at(died - Duration::from_secs(1)), died + HOUR * 28);
        assert_eq!(last_at(died + HOUR * 5), died + HOUR * (5 + 28));
        // Those that waited for something else have their time as well, as long as they are not too old.
        assert_eq!(last_at(died - HOUR * 40), died + HOUR * 28);
        assert_eq!(last_at(died - HOUR * 48), died + HOUR * 24);
        assert_eq!(last_at(died - HOUR * 72), died);
    }

    #[test]
    fn a_sink_that_died_again_has_its_time_again() {
        let died = Timestamp::from_seconds(1_000_000);
        let mut health = dead(died);
        health.note(None, died + HOUR * 27);
        (0..FAILURES_MAX).for_each(|_| health.note(Some(&failed(500)), died + HOUR * 27));
        assert_ne!(health.admits(died, died + HOUR * 28), SinkAdmission::Last);
        assert_eq!(health.admits(died, died + HOUR * 55), SinkAdmission::Last);
    }

    #[test]
    fn a_dead_sink_that_asks_for_time_gets_it_up_to_a_day() {
        let now = Timestamp::from_seconds(1_000_000);
        let busy = |hours: u32| DeliveryFailure { status_code: Some(503), retry_after: Some(HOUR * hours) };
        let mut health = dead(now);
        // Also by one that was under way when it died.
        health.note(Some(&busy(2)), now);
        assert_eq!(health.admits(now, now), SinkAdmission::Wait(now + HOUR * 2));
        health.note(Some(&failed(503)), now);
        assert_eq!(health.admits(now, now), SinkAdmission::Wait(now + HOUR * 2));
        health.note(Some(&busy(1_000)), now + HOUR * 2);
        assert_eq!(health.probe_at(), Some(now + HOUR * 26));
        let mut health = SinkHealth::default();
        (0..FAILURES_MAX).for_each(|_| health.note(Some(&busy(3)), now));
        assert_eq!(health.probe_at(), Some(now + HOUR * 3));
    }
}
