//! When a schedule is due: compile it once, then ask for the next occurrence.

mod calendar;
mod civil;
mod cron_string;
mod exclusion;
mod jitter;
mod words;
mod zone;

use sundial_model::schedule::{Interval, ScheduleSpecification};
use sundial_model::{InvalidFields, JobUuid, Timestamp};

use calendar::CompiledCalendar;
use exclusion::Exclusions;
use zone::{Entry, Zone};

/// Nothing occurs after 2100-12-31T23:59:59Z, in seconds since the epoch.
const LAST_SECOND: i64 = 4_133_980_799;

/// A schedule whose times are excluded this often in a row, one by one, counts as one that never
/// fires: a search must end.
const EXCLUDED_IN_A_ROW_MAX: u32 = 100_000;

/// A schedule ready to be asked.
#[derive(Clone, Debug)]
pub struct CompiledSchedule {
    intervals: Vec<Interval>,
    entries: Vec<Entry>,
    exclusions: Vec<CompiledCalendar>,
    zone: Zone,
    /// First and last second at which it may occur, both included.
    bounds: (i64, i64),
    jitter_ms: u64,
}

/// One time at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What the schedule says, in whole seconds.
    pub nominal: Timestamp,
    /// That, and the job's jitter.
    pub effective: Timestamp,
}

impl CompiledSchedule {
    /// Compiles a schedule.
    ///
    /// # Errors
    /// Names what cannot be read, or the schedule itself (empty pointer) when it can never fire.
    pub fn compile(specification: &ScheduleSpecification) -> Result<Self, InvalidFields> {
        let mut errors = InvalidFields::default();
        let zone = match &specification.timezone {
            None => Zone::utc(),
            Some(name) => Zone::named(name).unwrap_or_else(|| {
                errors.push("/timezone", format!("must be an IANA time zone such as Europe/Berlin, not {name:?}"));
                Zone::utc()
            }),
        };
        let mut calendars: Vec<_> = specification.calendars.iter().map(CompiledCalendar::entry).collect();
        for (index, text) in specification.cron.iter().enumerate() {
            match cron_string::compile(text) {
                Ok(calendar) => calendars.push(calendar),
                Err(message) => errors.push(format!("/cron/{index}"), message),
            }
        }
        errors.into_result()?;
        let schedule = Self {
            intervals: specification.intervals.clone(),
            entries: calendars.into_iter().map(|calendar| Entry::new(calendar, specification.dst)).collect(),
            exclusions: specification.exclusions.iter().map(CompiledCalendar::exclusion).collect(),
            zone,
            bounds: bounds(specification),
            jitter_ms: specification.jitter.get(),
        };
        match schedule.next_second(i64::MIN) {
            Some(_) => Ok(schedule),
            None => Err(InvalidFields::one("", "can never fire: no time matches any of its entries")),
        }
    }

    /// The earliest nominal time strictly after `after`; a fraction of a second in it is dropped.
    pub fn next_nominal(&self, after: Timestamp) -> Option<Timestamp> {
        self.next_second(after.seconds()).map(Timestamp::from_seconds)
    }

    /// The next occurrence for `job`, strictly after the nominal time `after`.
    pub fn next_occurrence(&self, job: JobUuid, after: Timestamp) -> Option<Occurrence> {
        let nominal = self.next_nominal(after)?;
        if self.jitter_ms == 0 {
            return Some(Occurrence { nominal, effective: nominal });
        }
        // The delay stays below the time to the next nominal time, so that order is kept.
        let room_ms = self
            .next_nominal(nominal)
            .map_or(u64::MAX, |following| u64::try_from(following.since(nominal).as_millis()).unwrap_or(u64::MAX));
        let effective = nominal + jitter::delay(job, nominal, self.jitter_ms.min(room_ms));
        Some(Occurrence { nominal, effective })
    }

    /// The earliest second strictly after `after`, exclusions heeded.
    fn next_second(&self, after: i64) -> Option<i64> {
        let (first, last) = self.bounds;
        let mut after = after.max(first - 1);
        let mut exclusions = Exclusions::new(&self.exclusions, &self.zone);
        for _ in 0..EXCLUDED_IN_A_ROW_MAX {
            let candidate = self.next_candidate(after).filter(|second| *second <= last)?;
            match exclusions.excluded_until(candidate) {
                None => return Some(candidate),
                Some(excluded_until) => after = excluded_until,
            }
        }
        None
    }

    /// The earliest second strictly after `after` that any entry matches.
    fn next_candidate(&self, after: i64) -> Option<i64> {
        let by_interval = self.intervals.iter().map(|interval| next_in_interval(*interval, after));
        let by_entry = self.entries.iter().filter_map(|entry| self.zone.next(entry, after, self.bounds.1));
        by_interval.chain(by_entry).min()
    }
}

fn bounds(specification: &ScheduleSpecification) -> (i64, i64) {
    // A start with a fraction begins at the next whole second.
    let first = specification.start_at.map_or(0, |start| start.seconds() + i64::from(start.milliseconds() % 1000 != 0));
    let last = specification.end_at.map_or(LAST_SECOND, |end| end.seconds().min(LAST_SECOND));
    (first, last)
}

/// n × every + offset, strictly after `after`.
fn next_in_interval(interval: Interval, after: i64) -> i64 {
    let every = i64::try_from(interval.every.get() / 1000).unwrap_or(i64::MAX);
    let offset = i64::try_from(interval.offset.get() / 1000).unwrap_or(0);
    let periods = (after - offset).div_euclid(every) + 1;
    periods.saturating_mul(every).saturating_add(offset)
}

#[cfg(test)]
mod tests;
