//! What is asked of all crates.

use std::str::FromStr;

use croner::parser::CronParser;
use serde_json::{Value, json};
use sundial_engine::schedule::CompiledSchedule;
use sundial_model::InvalidFields;
use sundial_model::schedule::Schedule;

/// The same schedule in Sundial's fields and as a cron string with seconds.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) schedule: Value,
    pub(crate) cron: &'static str,
    /// Saffron has no seconds and no years, and joins days of month and week by OR.
    has_saffron: bool,
}

pub(crate) fn all() -> Vec<Case> {
    let case = |name, schedule, cron, has_saffron| Case { name, schedule, cron, has_saffron };
    let weekdays = json!({ "start": "MONDAY", "end": "FRIDAY" });
    let fives = json!({ "start": 0, "end": 59, "step": 5 });
    vec![
        case(
            "weekdays at 9",
            json!({ "calendars": [{ "hour": 9, "dayOfWeek": weekdays }] }),
            "0 0 9 * * MON-FRI",
            true,
        ),
        case("every 5 minutes", json!({ "calendars": [{ "hour": "*", "minute": fives }] }), "0 */5 * * * *", true),
        case("29 February", json!({ "calendars": [{ "month": 2, "dayOfMonth": 29 }] }), "0 0 0 29 2 *", true),
        case(
            "29 February on a Monday",
            json!({ "calendars": [{ "month": 2, "dayOfMonth": 29, "dayOfWeek": 1 }] }),
            "0 0 0 29 2 MON",
            false,
        ),
        case("never again", json!({ "calendars": [{ "year": 2001 }] }), "0 0 0 * * * 2001", false),
    ]
}

impl Case {
    pub(crate) fn sundial(&self, timezone: &str) -> CompiledSchedule {
        let mut schedule = self.schedule.clone();
        schedule["timezone"] = json!(timezone);
        compile(&schedule)
    }

    pub(crate) fn cron(&self) -> cron::Schedule {
        cron::Schedule::from_str(self.cron).expect("a cron string")
    }

    pub(crate) fn croner(&self) -> croner::Cron {
        croner_parser().parse(self.cron).expect("a cron string")
    }

    pub(crate) fn saffron(&self) -> Option<saffron::Cron> {
        self.without_seconds().map(|cron| saffron::Cron::from_str(cron).expect("a cron string"))
    }

    /// The cron string as saffron has it, where it does.
    pub(crate) fn without_seconds(&self) -> Option<&'static str> {
        self.cron.strip_prefix("0 ").filter(|_| self.has_saffron)
    }
}

/// Croner, with days of month and week joined as here.
pub(crate) fn croner_parser() -> CronParser {
    CronParser::builder().dom_and_dow(true).build()
}

pub(crate) fn read(schedule: &Value) -> Schedule {
    InvalidFields::read(schedule.clone()).expect("a schedule")
}

pub(crate) fn compile(schedule: &Value) -> CompiledSchedule {
    CompiledSchedule::compile(read(schedule).specification()).expect("a schedule")
}
