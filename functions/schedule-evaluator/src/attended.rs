//! What came of an item that was due.

use std::time::Duration;

use sundial_model::Timestamp;
use sundial_model::event::WorkReady;

/// What came of an item.
#[derive(Default)]
pub(crate) struct Attended {
    /// When it must be looked at again.
    pub(crate) again_at: Option<Timestamp>,
    /// What it needs workers for.
    pub(crate) work: Vec<WorkReady>,
    /// How late its occurrences were.
    pub(crate) lags: Vec<Duration>,
}
