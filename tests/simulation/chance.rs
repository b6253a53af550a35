//! Dice that fall the same way for the same seed.

use std::time::Duration;

/// A source of chance.
pub(crate) struct Chance(fastrand::Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Another source, for something that goes its own way from here.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// Whether an event of this chance happens; never for 0.
    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        count > 0 && self.0.u64(0..count) == 0
    }

    /// A number from 0 to `bound`, without `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(0..bound.max(1))
    }

    /// A time between two others.
    pub(crate) fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let (shortest, longest) = (shortest.as_millis() as u64, longest.as_millis() as u64);
        Duration::from_millis(shortest + self.below(longest - shortest + 1))
    }

    /// One of some things.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.0.usize(0..choices.len())]
    }
}
