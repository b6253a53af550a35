//! A calendar with its policy for the shifts of the clocks.

use sundial_model::schedule::{DaylightSaving, Fold, Gap};

use crate::schedule::calendar::CompiledCalendar;

/// A calendar entry or cron string of a schedule.
#[derive(Clone, Debug)]
pub(in crate::schedule) struct Entry {
    pub(in crate::schedule) calendar: CompiledCalendar,
    /// Whether local times that are missing are made up for.
    pub(in crate::schedule) makes_up: bool,
    /// Which copies of repeated local times occur.
    pub(in crate::schedule) fold: Fold,
}

impl Entry {
    /// Where no policy is given, an entry that is due every hour follows elapsed time: both
    /// copies of what is repeated, nothing made up for what is missing.
    pub(in crate::schedule) fn new(calendar: CompiledCalendar, policy: Option<DaylightSaving>) -> Self {
        let DaylightSaving { gap, fold } = match policy {
            Some(policy) => policy,
            None if calendar.has_every_hour() => DaylightSaving { gap: Gap::Skip, fold: Fold::Both },
            None => DaylightSaving::default(),
        };
        Self { calendar, makes_up: gap == Gap::Shift, fold }
    }
}
