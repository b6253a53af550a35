//! Calendar entries: for each unit of time the values that match.

mod matches;
mod nth;
mod unit;

use deserr::{Deserr, ValuePointerRef};

use crate::invalid::{InvalidFields, json_pointer};

pub use matches::{DaysOfMonth, DaysOfWeek, Hours, Matches, Minutes, Months, Range, Seconds, Years};
pub use nth::Nth;
pub use unit::{CalendarUnit, DayOfMonth, DayOfWeek, Hour, Minute, Month, Second, Year};

/// A calendar entry: all of its fields must match.
///
/// What an absent field means differs between entries (second, minute, hour 0, the rest any) and
/// exclusions (all of them any), so it is kept as absent here.
#[derive(Clone, Debug, PartialEq, Deserr, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[deserr(validate = check_calendar -> InvalidFields)]
pub struct Calendar {
    /// Seconds of the minute.
    #[deserr(default)]
    pub second: Option<Seconds>,
    /// Minutes of the hour.
    #[deserr(default)]
    pub minute: Option<Minutes>,
    /// Hours of the day.
    #[deserr(default)]
    pub hour: Option<Hours>,
    /// Days of the month.
    #[deserr(default)]
    pub day_of_month: Option<DaysOfMonth>,
    /// Months of the year.
    #[deserr(default)]
    pub month: Option<Months>,
    /// Days of the week.
    #[deserr(default)]
    pub day_of_week: Option<DaysOfWeek>,
    /// Which such days of the week of the month.
    #[deserr(default)]
    pub nth: Option<Nth>,
    /// Years.
    #[deserr(default)]
    pub year: Option<Years>,
    /// For people; at most 200 bytes.
    #[deserr(default)]
    pub comment: Option<String>,
}

const COMMENT_BYTES_MAX: usize = 200;

fn check_calendar(calendar: Calendar, location: ValuePointerRef<'_>) -> Result<Calendar, InvalidFields> {
    let mut errors = InvalidFields::default();
    let length = calendar.comment.as_ref().map_or(0, String::len);
    if length > COMMENT_BYTES_MAX {
        errors.push(
            json_pointer(location) + "/comment",
            format!("must be at most {COMMENT_BYTES_MAX} bytes, not {length}"),
        );
    }
    if calendar.nth.is_some() && calendar.day_of_week.is_none() {
        errors.push(json_pointer(location) + "/nth", "needs a dayOfWeek beside it");
    }
    errors.into_result().map(|()| calendar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn check(entry: Json, pointers: &[&str]) {
        let result = InvalidFields::read::<Calendar>(entry.clone());
        let mut found: Vec<_> = result.err().unwrap_or_default().0.into_iter().map(|error| error.pointer).collect();
        found.sort();
        assert_eq!(found, pointers, "{entry}");
    }

    #[test]
    fn every_spelling_of_a_field_is_read() {
        check(json!({}), &[]);
        check(json!({ "hour": "*", "minute": 5, "second": { "start": 5, "step": 10 } }), &[]);
        check(json!({ "dayOfMonth": [1, "L", "L-30", { "start": 2, "end": 9 }], "month": "MAY", "year": 2100 }), &[]);
        check(json!({ "dayOfWeek": { "start": "MONDAY", "end": "SUNDAY" }, "nth": -1, "comment": "x" }), &[]);
    }

    #[test]
    fn what_is_out_of_bounds_or_runs_backwards_is_refused_by_name() {
        check(
            json!({ "hour": 24, "minute": [1, 60, "x"], "second": [] }),
            &["/hour", "/minute/1", "/minute/2", "/second"],
        );
        check(
            json!({ "month": "May", "dayOfWeek": 7, "dayOfMonth": 0, "year": 1999 }),
            &["/dayOfMonth", "/dayOfWeek", "/month", "/year"],
        );
        check(json!({ "hour": { "start": 5, "end": 4 } }), &["/hour/end"]);
        check(json!({ "hour": { "end": 4, "step": 0, "stop": 1 } }), &["/hour/start", "/hour/step", "/hour/stop"]);
        check(json!({ "dayOfMonth": "L-31", "hour": "L", "nth": 0 }), &["/dayOfMonth", "/hour", "/nth"]);
        check(json!({ "nth": 1 }), &["/nth"]);
        check(json!({ "comment": "x".repeat(201), "hours": 1 }), &["/hours"]);
        check(json!({ "comment": "x".repeat(201) }), &["/comment"]);
    }
}
