//! How fast payloads end, and when requests may start.

use std::collections::VecDeque;
use std::time::Duration;

use sundial_model::Timestamp;
use tokio::time::Instant;

/// How many payloads ended per second, lately.
pub(crate) struct Throughput {
    since: Instant,
    count: u32,
    before: f64,
}

impl Throughput {
    const WINDOW: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), count: 0, before: 0.0 }
    }

    /// So many have ended.
    pub(crate) fn add(&mut self, count: usize) {
        self.count += u32::try_from(count).unwrap_or(u32::MAX);
        if self.since.elapsed() >= Self::WINDOW {
            self.before = f64::from(self.count) / self.since.elapsed().as_secs_f64();
            (self.since, self.count) = (Instant::now(), 0);
        }
    }

    /// How many end within so long.
    pub(crate) fn within(&self, time: Duration) -> usize {
        // The first few say little about a second.
        let lately = f64::from(self.count) / self.since.elapsed().as_secs_f64().max(0.1);
        (self.before.max(lately) * time.as_secs_f64()) as usize
    }
}

/// A reservation is good for this long after its time: what was not used until then is not made up
/// for, or more requests than allowed would start in a later second.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Requests that were reserved under a limit per second.
#[derive(Default)]
pub(crate) struct Pacer {
    reserved: VecDeque<Timestamp>,
}

impl Pacer {
    /// Adds a reservation of `count` requests, the first at `start`, at `per_second` of them.
    pub(crate) fn add(&mut self, start: Timestamp, count: u32, per_second: u32) {
        let at = |number: u32| start + Duration::from_secs_f64(f64::from(number) / f64::from(per_second.max(1)));
        self.reserved.extend((0..count).map(at));
    }

    /// How many may still start.
    pub(crate) fn left(&mut self, now: Timestamp) -> usize {
        while self.reserved.front().is_some_and(|at| *at + GOOD_FOR < now) {
            self.reserved.pop_front();
        }
        self.reserved.len()
    }

    /// Takes the next one, if its time has come.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        self.left(now);
        self.reserved.pop_front_if(|at| *at <= now).is_some()
    }

    /// When the next one may start.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.reserved.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_start_at_their_times_and_are_not_made_up_for() {
        let mut pacer = Pacer::default();
        let at = |milliseconds: i64| Timestamp::from_milliseconds(milliseconds);
        pacer.add(at(1000), 4, 10);
        assert!(!pacer.take(at(999)));
        assert!(pacer.take(at(1000)));
        assert!(!pacer.take(at(1099)));
        assert_eq!(pacer.next_at(), Some(at(1100)));
        assert!(pacer.take(at(1150)));
        assert_eq!(pacer.left(at(2250)), 1, "the one of 1200 is over");
        assert!(pacer.take(at(2250)));
        assert!(!pacer.take(at(5000)));
    }

    #[tokio::test(start_paused = true)]
    async fn throughput_follows_what_ends() {
        let mut throughput = Throughput::new();
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            throughput.add(10);
        }
        let within = throughput.within(Duration::from_secs(2));
        assert!((190..=210).contains(&within), "{within}");
    }
}
