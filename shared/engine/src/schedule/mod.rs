//! When a schedule is due: compile it once, then ask for the next occurrence.

mod calendar;
mod civil;
mod cron_string;
mod days;
mod exclusion;
mod fields;
mod interval;
mod jitter;
mod time_of_day;
mod words;
mod zone;

use sundial_model::schedule::ScheduleSpecification;
use sundial_model::{InvalidFields, JobUuid, Timestamp};

use calendar::CompiledCalendar;
use civil::DAY_SECONDS;
use exclusion::Exclusion;
use fields::Fields;
use interval::CompiledInterval;
use zone::{Entry, Zone};

/// Nothing occurs after 2100-12-31T23:59:59Z, in seconds since the epoch.
const LAST_SECOND: i64 = 4_133_980_799;

/// After so many excluded ones the next occurrence is no longer sought candidate by candidate.
const EXCLUDED_IN_A_ROW_MAX: u32 = 16;

/// A schedule ready to be asked.
#[derive(Clone, Debug)]
pub struct CompiledSchedule {
    intervals: Vec<CompiledInterval>,
    entries: Vec<Entry>,
    exclusions: Vec<Exclusion>,
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
    /// Names what cannot be read, or what is why it can never fire.
    pub fn compile(specification: &ScheduleSpecification) -> Result<Self, InvalidFields> {
        let mut errors = InvalidFields::default();
        let zone = match &specification.timezone {
            None => Zone::UTC,
            Some(name) => Zone::named(name).unwrap_or_else(|| {
                errors.push("/timezone", "must be an IANA time zone such as Europe/Berlin");
                Zone::UTC
            }),
        };
        let entry = |fields: &Fields| Entry::new(CompiledCalendar::new(fields), specification.dst);
        let mut entries: Vec<_> = specification.calendars.iter().map(|it| entry(&Fields::of_entry(it))).collect();
        for (index, text) in specification.cron.iter().enumerate() {
            match cron_string::read(text) {
                Ok(fields) => entries.push(entry(&fields)),
                Err(message) => errors.push(format!("/cron/{index}"), message),
            }
        }
        errors.into_result()?;
        let exclusions = specification.exclusions.iter().map(|it| Exclusion::new(&Fields::of_exclusion(it)));
        let mut schedule = Self {
            intervals: specification.intervals.iter().map(|interval| CompiledInterval::new(*interval)).collect(),
            entries,
            exclusions: exclusions.collect(),
            zone,
            bounds: bounds(specification),
            jitter_ms: specification.jitter.get(),
        };
        if schedule.intervals.is_empty() {
            let end_of_entries = schedule.entries.iter().map(|entry| entry.calendar.end()).max().unwrap_or(0);
            // Local time is never further from UTC than that.
            schedule.bounds.1 = schedule.bounds.1.min(end_of_entries + DAY_SECONDS);
        }
        let is_ever_due = if schedule.bounds.1 < 0 {
            // All of it is in the past, of which nothing before 1970 is looked at: it need only make sense.
            let without_end = Self { bounds: (0, LAST_SECOND), ..schedule.clone() };
            without_end.next_second(i64::MIN).is_some()
        } else {
            schedule.next_second(i64::MIN).is_some()
        };
        if is_ever_due { Ok(schedule) } else { Err(schedule.why_never(specification)) }
    }

    /// Which fields are why it can never fire.
    fn why_never(&self, specification: &ScheduleSpecification) -> InvalidFields {
        if self.intervals.is_empty() && self.entries.is_empty() {
            return InvalidFields::one("", "can never fire: it needs intervals, calendars or cron strings");
        }
        let mut errors = InvalidFields::default();
        let calendars = (0..specification.calendars.len()).map(|index| format!("/calendars/{index}"));
        let cron = (0..specification.cron.len()).map(|index| format!("/cron/{index}"));
        for (pointer, entry) in calendars.chain(cron).zip(&self.entries) {
            if self.zone.next(entry, -1).is_none() {
                errors.push(pointer, "can never fire: no time matches all of its fields");
            }
        }
        if self.intervals.is_empty() && errors.0.len() == self.entries.len() {
            return errors;
        }
        let without_exclusions = Self { exclusions: Vec::new(), ..self.clone() };
        if without_exclusions.next_second(i64::MIN).is_some() {
            return InvalidFields::one("/exclusions", "leave nothing of the schedule, which so can never fire");
        }
        let (pointer, bound) = match (specification.start_at, specification.end_at) {
            (Some(start), None) => ("/startAt", format!("{start} until the end of the year 2100")),
            (Some(start), Some(end)) => ("/endAt", format!("{start} until {end}")),
            (None, Some(end)) => ("/endAt", format!("the year 1970 until {end}")),
            (None, None) => ("", "the year 1970 until the end of the year 2100".to_owned()),
        };
        InvalidFields::one(pointer, format!("lets it never fire: nothing occurs from {bound}"))
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
        if after >= last {
            return None;
        }
        for _ in 0..EXCLUDED_IN_A_ROW_MAX {
            let candidate = self.next_candidate(after).filter(|second| *second <= last)?;
            match self.excluded_until(candidate) {
                None => return Some(candidate),
                Some(until) => after = until - 1,
            }
        }
        exclusion::first_open(self, after + 1, last)
    }

    /// The earliest second strictly after `after` that any entry matches.
    fn next_candidate(&self, after: i64) -> Option<i64> {
        let by_interval = self.intervals.iter().map(|interval| interval.next(after));
        let by_entry = self.entries.iter().filter_map(|entry| self.zone.next(entry, after));
        by_interval.chain(by_entry).min()
    }

    /// When a second is excluded: the next one that might not be.
    fn excluded_until(&self, second: i64) -> Option<i64> {
        if self.exclusions.is_empty() {
            return None;
        }
        let index = self.zone.index_of(second);
        let offset = self.zone.span(index).offset;
        let until = exclusion::excluded_until(&self.exclusions, second + offset)? - offset;
        // A shift of the clocks ends what can be said in local time.
        Some(until.min(self.zone.span(index + 1).start))
    }
}

fn bounds(specification: &ScheduleSpecification) -> (i64, i64) {
    // A start with a fraction begins at the next whole second.
    let first = specification.start_at.map_or(0, |start| start.seconds() + i64::from(start.milliseconds() % 1000 != 0));
    let first = first.max(0);
    let last = specification.end_at.map_or(LAST_SECOND, |end| end.seconds().min(LAST_SECOND));
    (first, last)
}

#[cfg(test)]
mod tests;
