//! A schedule as the tests have it: simple enough for the oracle, and written out as JSON for the engine.

use chrono::DateTime;
use chrono_tz::Tz;
use serde_json::{Value, json};
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::schedule::Schedule;
use sundial_model::{InvalidFields, Timestamp};

const MONTHS: [&str; 12] = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];
const DAYS: [&str; 7] = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

/// One member of a field.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Value(u32),
    /// Start, end and step. A day of the week may end with 7, Sunday.
    Range(u32, u32, u32),
    /// Days before the month's last.
    FromEnd(u32),
}

/// One field of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    Absent,
    Star,
    Items(Vec<Item>),
}

/// A calendar entry, a cron string or an exclusion.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) second: Field,
    pub(crate) minute: Field,
    pub(crate) hour: Field,
    pub(crate) day_of_month: Field,
    pub(crate) month: Field,
    pub(crate) day_of_week: Field,
    pub(crate) year: Field,
    pub(crate) nth: Option<i8>,
    pub(crate) is_cron: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    First,
    Last,
    Both,
}

/// What happens around shifts of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) makes_up: bool,
    pub(crate) fold: Fold,
}

#[derive(Clone, Debug)]
pub(crate) struct Specification {
    /// Every and offset, in seconds.
    pub(crate) intervals: Vec<(i64, i64)>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) exclusions: Vec<Entry>,
    pub(crate) timezone: Tz,
    pub(crate) policy: Option<Policy>,
    /// Seconds since the epoch, both included.
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
}

impl Specification {
    pub(crate) fn compile(&self) -> Result<CompiledSchedule, InvalidFields> {
        let schedule: Schedule = InvalidFields::read(self.to_json()).expect("a schedule");
        CompiledSchedule::compile(schedule.specification())
    }

    fn to_json(&self) -> Value {
        let of_kind = |is_cron| self.entries.iter().filter(move |entry| entry.is_cron == is_cron);
        let time = |second| DateTime::from_timestamp(second, 0).expect("an instant").to_rfc3339();
        let mut schedule = json!({
            "intervals": self.intervals.iter()
                .map(|(every, offset)| json!({ "every": format!("{every}s"), "offset": offset * 1000 }))
                .collect::<Vec<_>>(),
            "calendars": of_kind(false).map(Entry::to_json).collect::<Vec<_>>(),
            "cron": of_kind(true).map(Entry::to_cron).collect::<Vec<_>>(),
            "exclusions": self.exclusions.iter().map(Entry::to_json).collect::<Vec<_>>(),
            "timezone": self.timezone.name(),
        });
        if let Some(Policy { makes_up, fold }) = self.policy {
            let gap = if makes_up { "shift" } else { "skip" };
            schedule["dst"] = json!({ "gap": gap, "fold": format!("{fold:?}").to_lowercase() });
        }
        for (name, second) in [("startAt", self.start), ("endAt", self.end)] {
            if let Some(second) = second {
                schedule[name] = json!(time(second));
            }
        }
        schedule
    }
}

impl Entry {
    /// Everything absent, but for what is changed afterwards.
    pub(crate) fn empty() -> Self {
        Self {
            second: Field::Absent,
            minute: Field::Absent,
            hour: Field::Absent,
            day_of_month: Field::Absent,
            month: Field::Absent,
            day_of_week: Field::Absent,
            year: Field::Absent,
            nth: None,
            is_cron: false,
        }
    }

    fn to_json(&self) -> Value {
        let number = |value| json!(value);
        let fields = [
            ("second", self.second.to_json(number)),
            ("minute", self.minute.to_json(number)),
            ("hour", self.hour.to_json(number)),
            ("dayOfMonth", self.day_of_month.to_json(number)),
            ("month", self.month.to_json(|month| json!(MONTHS[month as usize - 1]))),
            ("dayOfWeek", self.day_of_week.to_json(|day| json!(DAYS[day as usize % 7]))),
            ("year", self.year.to_json(number)),
        ];
        let mut entry = json!({});
        for (name, value) in fields {
            if let Some(value) = value {
                entry[name] = value;
            }
        }
        if let Some(nth) = self.nth {
            entry["nth"] = json!(nth);
        }
        entry
    }

    /// As a string of the cron crate, which counts days of the week from 1.
    pub(crate) fn to_cron(&self) -> String {
        let fields = [
            self.second.to_cron("0", 0),
            self.minute.to_cron("0", 0),
            self.hour.to_cron("0", 0),
            self.day_of_month.to_cron("*", 0),
            self.month.to_cron("*", 0),
            self.day_of_week.to_cron("*", 1),
            self.year.to_cron("*", 0),
        ];
        fields.join(" ")
    }
}

impl Field {
    fn to_json(&self, write: impl Fn(u32) -> Value) -> Option<Value> {
        let item = |item: &Item| match *item {
            Item::Value(value) => write(value),
            Item::Range(start, end, step) => json!({ "start": write(start), "end": write(end), "step": step }),
            Item::FromEnd(0) => json!("L"),
            Item::FromEnd(days) => json!(format!("L-{days}")),
        };
        match self {
            Self::Absent => None,
            Self::Star => Some(json!("*")),
            Self::Items(items) if items.len() == 1 => items.first().map(item),
            Self::Items(items) => Some(items.iter().map(item).collect()),
        }
    }

    fn to_cron(&self, absent: &str, first: u32) -> String {
        let item = |item: &Item| match *item {
            Item::Value(value) => format!("{}", value + first),
            Item::Range(start, end, step) => format!("{}-{}/{step}", start + first, end + first),
            Item::FromEnd(_) => unreachable!("a cron string counts no days from the end"),
        };
        match self {
            Self::Absent => absent.to_owned(),
            Self::Star => "*".to_owned(),
            Self::Items(items) => items.iter().map(item).collect::<Vec<_>>().join(","),
        }
    }
}

/// The first `count` occurrences after a second, in seconds.
pub(crate) fn following(schedule: &CompiledSchedule, after: i64, count: usize) -> Vec<i64> {
    let next = |second: &i64| schedule.next_nominal(Timestamp::from_seconds(*second)).map(Timestamp::seconds);
    std::iter::successors(next(&after), next).take(count).collect()
}
