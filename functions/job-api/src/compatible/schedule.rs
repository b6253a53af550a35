//! A schedule as the clients can read it. Calendars become ranges with start, end and step, by full names where there
//! are any: the one spelling that every generation parses. What they have no words for stands beside it, where they
//! drop it or leave it alone.

use serde_json::{Value, json};
use sundial_model::schedule::{Calendar, CalendarUnit, Matches, Schedule};

/// The schedule of a job.
pub(super) fn schedule(schedule: &Schedule) -> Value {
    let mut document = serde_json::to_value(schedule).unwrap_or_default();
    let specification = schedule.specification();
    // They read both lists, so that both are there.
    if document.get("intervals").is_none_or(Value::is_null) {
        document["intervals"] = json!([]);
    }
    document["calendars"] = specification.calendars.iter().filter_map(calendar).collect();
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    document
}

/// A calendar entry; none where it counts weeks, or from a month's end, for which there is no word: without that, it
/// would say something else.
fn calendar(calendar: &Calendar) -> Option<Value> {
    let Calendar { second, minute, hour, day_of_month, month, day_of_week, nth, year, comment } = calendar;
    if nth.is_some() {
        return None;
    }
    let mut entry = json!({});
    for (name, field) in [
        ("second", second.as_ref().map(field)),
        ("minute", minute.as_ref().map(field)),
        ("hour", hour.as_ref().map(field)),
        ("dayOfMonth", day_of_month.as_ref().map(field)),
        ("month", month.as_ref().map(field)),
        ("dayOfWeek", day_of_week.as_ref().map(field)),
        ("year", year.as_ref().map(field)),
    ] {
        match field {
            None => {}
            Some(value) => entry[name] = value?,
        }
    }
    if let Some(comment) = comment {
        entry["comment"] = json!(comment);
    }
    Some(entry)
}

/// The values of a unit of time that match: a range, or several of them.
fn field<U: CalendarUnit>(matches: &Matches<U>) -> Option<Value> {
    let (ranges, from_end) = match matches {
        Matches::All => return Some(json!("*")),
        Matches::Some { ranges, from_end, .. } => (ranges, from_end),
    };
    if !from_end.is_empty() {
        return None;
    }
    let member = |value: u32| {
        // The day after Saturday is Sunday.
        let value = if value > U::MAX { U::MIN } else { value };
        let name = U::VALUE_NAMES.get((value - U::MIN) as usize);
        name.map_or_else(|| json!(value), |name| json!(name))
    };
    let ranges: Vec<Value> = ranges
        .iter()
        .map(|range| json!({ "start": member(range.start), "end": member(range.end), "step": range.step }))
        .collect();
    match <[Value; 1]>::try_from(ranges) {
        Ok([one]) => Some(one),
        Err(many) => Some(json!(many)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sundial_model::InvalidFields;

    fn check(sent: Value, answered: &Value) {
        let read: Schedule = InvalidFields::read(sent).expect("a schedule");
        let value = schedule(&read);
        assert_eq!(value, *answered);
        // What is answered says the same when it is sent back, but for what there is no word for.
        if !value["calendars"].as_array().expect("calendars").is_empty() {
            let again: Schedule = InvalidFields::read(value).expect("a schedule");
            let fields = |schedule: &Schedule| schedule.specification().calendars.clone();
            assert_eq!(fields(&again), fields(&read));
        }
    }

    #[test]
    fn every_spelling_of_a_calendar_becomes_ranges_by_full_names() {
        check(
            json!({ "calendars": [{
                "second": "*", "minute": 30, "hour": [9, { "start": 12, "end": 18, "step": 2 }], "dayOfWeek": 1,
                "month": { "start": "MAY" }, "year": 2030, "comment": "x"
            }] }),
            &json!({ "intervals": [], "calendars": [{
                "second": "*", "minute": { "start": 30, "end": 30, "step": 1 },
                "hour": [{ "start": 9, "end": 9, "step": 1 }, { "start": 12, "end": 18, "step": 2 }],
                "dayOfWeek": { "start": "MONDAY", "end": "MONDAY", "step": 1 },
                "month": { "start": "MAY", "end": "MAY", "step": 1 },
                "year": { "start": 2030, "end": 2030, "step": 1 }, "comment": "x"
            }] }),
        );
        check(
            json!({ "calendars": [{ "dayOfWeek": { "start": "FRIDAY", "end": "SUNDAY" } }] }),
            &json!({ "intervals": [], "calendars": [
                { "dayOfWeek": { "start": "FRIDAY", "end": "SUNDAY", "step": 1 } }
            ] }),
        );
    }

    #[test]
    fn what_there_is_no_word_for_stands_beside_it_and_an_entry_never_says_something_else() {
        check(
            json!({ "cron": ["0 0 9 * * *"], "timezone": "Europe/Berlin", "calendars": [{ "dayOfMonth": "L" }] }),
            &json!({ "cron": ["0 0 9 * * *"], "timezone": "Europe/Berlin", "intervals": [], "calendars": [] }),
        );
        check(
            json!({ "intervals": [{ "every": "1h" }], "jitter": "30s" }),
            &json!({ "intervals": [{ "every": "1h" }], "jitter": "30s", "calendars": [] }),
        );
    }
}
