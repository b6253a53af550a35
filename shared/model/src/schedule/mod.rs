//! When a job runs: the schedule as its user writes it, checked for shape and bounds.
//!
//! What it means, and whether it can ever fire, is the engine's business.

mod calendar;

pub use calendar::{
    Calendar, CalendarUnit, DayOfMonth, DayOfWeek, DaysOfMonth, DaysOfWeek, Hour, Hours, Matches, Minute, Minutes,
    Month, Months, Nth, Range, Second, Seconds, Year, Years,
};

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::duration::{Milliseconds, in_words};
use crate::invalid::InvalidFields;
use crate::number::WholeNumber;
use crate::timestamp::Timestamp;

/// A hundred years: the longest interval, offset and jitter.
const LENGTH_MAX: u64 = 100 * 31_557_600_000;
const DAY_MILLISECONDS: u64 = 24 * 60 * 60 * 1000;
/// A length of time in a schedule.
pub type Length = Milliseconds<0, LENGTH_MAX>;
/// The length of an interval.
pub type Period = Milliseconds<1000, LENGTH_MAX>;
/// How many occurrences are caught up with.
pub type CatchUpLimit = WholeNumber<1, 1000>;
/// The most entries in each list of a schedule, and the most intervals: hundreds of different ones
/// beside exclusions take long to search.
const ENTRIES_MAX: usize = 500;
const INTERVALS_MAX: usize = 100;

/// A schedule: the document as it was sent, which is how it comes back, and what was read from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    document: serde_json::Value,
    specification: ScheduleSpecification,
}

impl Schedule {
    /// What the document says, in types.
    pub fn specification(&self) -> &ScheduleSpecification {
        &self.specification
    }
}

impl Deserr<InvalidFields> for Schedule {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let document: serde_json::Value = value.into();
        let specification = ScheduleSpecification::deserialize_from_value(document.clone().into_value(), location)?;
        Ok(Self { document, specification })
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        InvalidFields::read(serde_json::Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// What a schedule says: the union of its entries, minus the exclusions, from `start_at` to `end_at`.
#[derive(Clone, Debug, PartialEq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase", as = Schedule)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[deserr(validate = check_specification -> InvalidFields)]
pub struct ScheduleSpecification {
    /// Every so long, counted from the Unix epoch.
    #[deserr(default)]
    pub intervals: Vec<Interval>,
    /// Whenever all fields of an entry match.
    #[deserr(default)]
    pub calendars: Vec<Calendar>,
    /// Strings of the `cron` crate's syntax.
    #[deserr(default)]
    pub cron: Vec<String>,
    /// What any of these matches is dropped.
    #[deserr(default)]
    pub exclusions: Vec<Calendar>,
    /// An IANA time zone for calendars, cron and exclusions; UTC when absent.
    #[deserr(default)]
    pub timezone: Option<String>,
    /// What happens around the shifts of daylight saving time.
    #[deserr(default)]
    pub dst: Option<DaylightSaving>,
    /// A run starts up to this long after its nominal time.
    #[deserr(default = Milliseconds::constant(0))]
    pub jitter: Length,
    /// Nothing occurs before this.
    #[deserr(default)]
    pub start_at: Option<Timestamp>,
    /// Nothing occurs after this.
    #[deserr(default)]
    pub end_at: Option<Timestamp>,
    /// What happens when a job run of the same job is active.
    #[deserr(default)]
    pub overlap: Overlap,
    /// What is made up after an outage.
    #[deserr(default)]
    pub catch_up: CatchUp,
}

fn check_specification(
    specification: ScheduleSpecification,
    location: ValuePointerRef<'_>,
) -> Result<ScheduleSpecification, InvalidFields> {
    let mut errors = InvalidFields::default();
    let here = crate::invalid::json_pointer(location);
    let lengths = [
        ("intervals", specification.intervals.len(), INTERVALS_MAX),
        ("calendars", specification.calendars.len(), ENTRIES_MAX),
        ("cron", specification.cron.len(), ENTRIES_MAX),
        ("exclusions", specification.exclusions.len(), ENTRIES_MAX),
    ];
    for (list, length, length_max) in lengths {
        if length > length_max {
            errors.push(format!("{here}/{list}"), format!("must have at most {length_max} entries, not {length}"));
        }
    }
    if let (Some(start), Some(end)) = (specification.start_at, specification.end_at)
        && start > end
    {
        errors.push(format!("{here}/startAt"), format!("must not be after endAt, as {start} is after {end}"));
    }
    errors.into_result().map(|()| specification)
}

/// Occurs at n × every + offset seconds since the Unix epoch, in UTC whatever the time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[deserr(validate = check_interval -> InvalidFields)]
pub struct Interval {
    /// A whole number of seconds, at least one.
    pub every: Period,
    /// A whole number of seconds, less than `every`.
    #[deserr(default = Milliseconds::constant(0))]
    pub offset: Length,
}

fn check_interval(interval: Interval, location: ValuePointerRef<'_>) -> Result<Interval, InvalidFields> {
    let mut errors = InvalidFields::default();
    let here = crate::invalid::json_pointer(location);
    for (field, length) in [("every", interval.every.get()), ("offset", interval.offset.get())] {
        if !length.is_multiple_of(1000) {
            errors.push(format!("{here}/{field}"), format!("must be a whole number of seconds, not {length}ms"));
        }
    }
    if interval.offset.get() >= interval.every.get() {
        let (every, offset) = (in_words(interval.every.get()), in_words(interval.offset.get()));
        errors.push(format!("{here}/offset"), format!("must be less than every, {every}, as {offset} is not"));
    }
    errors.into_result().map(|()| interval)
}

/// What happens to local times that a shift of the clocks removes or repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct DaylightSaving {
    /// For a local time that does not exist.
    #[deserr(default)]
    pub gap: Gap,
    /// For a local time that exists twice.
    #[deserr(default)]
    pub fold: Fold,
}

/// What happens to a local time that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase)]
pub enum Gap {
    /// It occurs as long after midnight as was asked.
    #[default]
    Shift,
    /// It does not occur.
    Skip,
}

/// Which copy of a repeated local time occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase)]
pub enum Fold {
    /// The earlier one.
    #[default]
    First,
    /// The later one.
    Last,
    /// Each of them.
    Both,
}

/// What happens at an occurrence while a job run of the same job is active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase)]
pub enum Overlap {
    /// A CANCELED record is left.
    #[default]
    Skip,
    /// Another job run starts.
    Allow,
    /// One job run waits for the end of the active one.
    BufferOne,
    /// The active one is ended.
    TerminateRunning,
}

/// What is made up after an outage of the evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct CatchUp {
    /// Which of the missed occurrences run.
    #[deserr(default)]
    pub policy: CatchUpPolicy,
    /// None that is older runs.
    #[deserr(default = Milliseconds::constant(DAY_MILLISECONDS))]
    pub window: Length,
    /// How many of them run under the policy `all`.
    #[deserr(default = WholeNumber::constant(100))]
    pub limit: CatchUpLimit,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self {
            policy: CatchUpPolicy::default(),
            window: Milliseconds::constant(DAY_MILLISECONDS),
            limit: WholeNumber::constant(100),
        }
    }
}

/// Which missed occurrences run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase)]
pub enum CatchUpPolicy {
    /// The newest one.
    #[default]
    Latest,
    /// All of them, oldest first.
    All,
    /// None.
    None,
}
