//! Intervals, in seconds.

use sundial_model::schedule::Interval;

/// Occurs at n × `every` + `offset` seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompiledInterval {
    pub(super) every: i64,
    pub(super) offset: i64,
}

impl CompiledInterval {
    pub(super) fn new(interval: Interval) -> Self {
        let seconds = |milliseconds: u64| i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX);
        Self { every: seconds(interval.every.get()).max(1), offset: seconds(interval.offset.get()) }
    }

    /// Its first second strictly after `after`.
    pub(super) fn next(&self, after: i64) -> i64 {
        after + 1 + self.from(after + 1)
    }

    /// How long after `second` it occurs for the first time; 0 when it occurs at that second.
    pub(super) fn from(&self, second: i64) -> i64 {
        (self.offset - second).rem_euclid(self.every)
    }
}
