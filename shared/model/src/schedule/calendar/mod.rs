//! Calendar entries: for each unit of time the values that match.

use std::marker::PhantomData;

use deserr::{Deserr, IntoValue, Map, Sequence, Value, ValuePointerRef};

use crate::invalid::{InvalidFields, json_pointer, kind_in_words};
use crate::number::{WholeNumber, whole_number};

/// A unit of time that a calendar entry restricts.
pub trait CalendarUnit {
    /// Its name in words.
    const NAME: &'static str;
    /// Its smallest value.
    const MIN: u32;
    /// Its largest value.
    const MAX: u32;
    /// The names of its values from `MIN` on; empty when they have none.
    const VALUE_NAMES: &'static [&'static str] = &[];
    /// Whether an end of `MIN` counts as the value after `MAX` when the start is another value.
    const END_WRAPS: bool = false;
    /// Whether values may be counted from the end, as in `"L-3"`.
    const COUNTS_FROM_END: bool = false;
}

macro_rules! unit {
    ($(#[$documentation:meta])* $name:ident { $($constant:ident: $type:ty = $value:expr),+ }) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;
        impl CalendarUnit for $name { $(const $constant: $type = $value;)+ }
    };
}

unit!(/// 0 to 59.
    Second { NAME: &'static str = "second", MIN: u32 = 0, MAX: u32 = 59 });
unit!(/// 0 to 59.
    Minute { NAME: &'static str = "minute", MIN: u32 = 0, MAX: u32 = 59 });
unit!(/// 0 to 23.
    Hour { NAME: &'static str = "hour", MIN: u32 = 0, MAX: u32 = 23 });
unit!(/// 1 to 31, or counted from the month's end.
    DayOfMonth { NAME: &'static str = "day of month", MIN: u32 = 1, MAX: u32 = 31, COUNTS_FROM_END: bool = true });
unit!(/// 1 to 12, or its name.
Month {
    NAME: &'static str = "month", MIN: u32 = 1, MAX: u32 = 12,
    VALUE_NAMES: &'static [&'static str] = &[
        "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER",
        "NOVEMBER", "DECEMBER",
    ]
});
unit!(/// 0 (Sunday) to 6, or its name.
DayOfWeek {
    NAME: &'static str = "day of week", MIN: u32 = 0, MAX: u32 = 6,
    VALUE_NAMES: &'static [&'static str] =
        &["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"],
    END_WRAPS: bool = true
});
unit!(/// 2000 to 2100.
    Year { NAME: &'static str = "year", MIN: u32 = 2000, MAX: u32 = 2100 });

/// The values start, start + step, … up to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first value.
    pub start: u32,
    /// The last value is not above this. For a day of the week it may be 7, which is Sunday.
    pub end: u32,
    /// From one value to the next, at least 1.
    pub step: u32,
}

/// Which values of a unit match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matches<U> {
    /// Every one.
    All,
    /// The union of these.
    Some {
        /// Values counted from the start of the unit.
        ranges: Vec<Range>,
        /// Values counted from its end: 0 is the last.
        from_end: Vec<u32>,
        /// Which unit.
        unit: PhantomData<U>,
    },
}

/// Which values of this unit match.
pub type Seconds = Matches<Second>;
/// Which values of this unit match.
pub type Minutes = Matches<Minute>;
/// Which values of this unit match.
pub type Hours = Matches<Hour>;
/// Which values of this unit match.
pub type DaysOfMonth = Matches<DayOfMonth>;
/// Which values of this unit match.
pub type Months = Matches<Month>;
/// Which values of this unit match.
pub type DaysOfWeek = Matches<DayOfWeek>;
/// Which values of this unit match.
pub type Years = Matches<Year>;

impl<U: CalendarUnit> Matches<U> {
    /// Reads one element: a value, or a range.
    fn push<V: IntoValue>(
        ranges: &mut Vec<Range>,
        from_end: &mut Vec<u32>,
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<(), InvalidFields> {
        match value {
            Value::Map(map) => ranges.push(read_range::<U, V>(map, location)?),
            Value::String(text) if U::COUNTS_FROM_END && text.starts_with('L') => {
                from_end.push(read_from_end::<U>(&text, location)?);
            }
            value => {
                let start = read_member::<U, V>(value, location)?;
                ranges.push(Range { start, end: start, step: 1 });
            }
        }
        Ok(())
    }
}

impl<U: CalendarUnit> Deserr<InvalidFields> for Matches<U> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let (mut ranges, mut from_end, mut errors) = (Vec::new(), Vec::new(), InvalidFields::default());
        match value {
            Value::String(text) if text == "*" => return Ok(Self::All),
            Value::Sequence(elements) if elements.len() == 0 => {
                return Err(InvalidFields::at(location, "must not be an empty array"));
            }
            Value::Sequence(elements) => {
                for (index, element) in elements.into_iter().enumerate() {
                    let here = location.push_index(index);
                    if let Err(fault) = Self::push(&mut ranges, &mut from_end, element.into_value(), here) {
                        errors.extend_below("", fault);
                    }
                }
            }
            value => Self::push(&mut ranges, &mut from_end, value, location)?,
        }
        errors.into_result().map(|()| Self::Some { ranges, from_end, unit: PhantomData })
    }
}

/// A value of the unit, by number or by name.
fn read_member<U: CalendarUnit, V: IntoValue>(
    value: Value<V>,
    location: ValuePointerRef<'_>,
) -> Result<u32, InvalidFields> {
    let refuse = |given: String| {
        let names = match U::VALUE_NAMES {
            [first, .., last] => format!(", or {first} to {last}"),
            _ => String::new(),
        };
        let message = format!("must be the {} as a number from {} to {}{names}, not {given}", U::NAME, U::MIN, U::MAX);
        Err(InvalidFields::at(location, message))
    };
    if let Some(number) = whole_number(&value) {
        return match u32::try_from(number) {
            Ok(number) if (U::MIN..=U::MAX).contains(&number) => Ok(number),
            _ => refuse(number.to_string()),
        };
    }
    match value {
        Value::String(text) => match (U::MIN..).zip(U::VALUE_NAMES).find(|(_, name)| **name == text) {
            Some((number, _)) => Ok(number),
            None => refuse("other text".to_owned()),
        },
        Value::Float(number) => refuse(number.to_string()),
        other => refuse(kind_in_words(other.kind()).to_owned()),
    }
}

fn read_range<U: CalendarUnit, V: IntoValue>(
    map: V::Map,
    location: ValuePointerRef<'_>,
) -> Result<Range, InvalidFields> {
    let (mut start, mut end, mut step, mut errors) = (None, None, Some(1), InvalidFields::default());
    let mut keep = |result: Result<u32, InvalidFields>| result.map_err(|fault| errors.extend_below("", fault)).ok();
    let mut unknown = Vec::new();
    let (mut has_start, mut has_end) = (false, false);
    for (key, value) in map.into_iter() {
        let here = location.push_key(&key);
        let value = value.into_value();
        match key.as_str() {
            "start" => (has_start, start) = (true, keep(read_member::<U, V>(value, here))),
            "end" => (has_end, end) = (true, keep(read_member::<U, V>(value, here))),
            "step" => {
                step = keep(WholeNumber::<1, { u32::MAX }>::deserialize_from_value(value, here).map(WholeNumber::get));
            }
            _ => unknown.push(json_pointer(here)),
        }
    }
    for pointer in unknown {
        errors.push(pointer, "is not a known field; known here are start, end, step");
    }
    if !has_start {
        errors.push(json_pointer(location) + "/start", "is required");
    }
    if !has_end {
        end = start;
    }
    if let (Some(first), Some(last)) = (start, end)
        && last < first
    {
        if U::END_WRAPS && last == U::MIN {
            end = Some(U::MAX + 1);
        } else {
            errors
                .push(json_pointer(location) + "/end", format!("must not be before the start, {first}, as {last} is"));
        }
    }
    errors.into_result()?;
    match (start, end, step) {
        (Some(start), Some(end), Some(step)) => Ok(Range { start, end, step }),
        _ => Err(InvalidFields::at(location, "must be a range")),
    }
}

fn read_from_end<U: CalendarUnit>(text: &str, location: ValuePointerRef<'_>) -> Result<u32, InvalidFields> {
    let days = match text.strip_prefix('L') {
        Some("") => Some(0),
        Some(rest) => rest
            .strip_prefix('-')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'))
            .and_then(|digits| digits.parse().ok())
            .filter(|days| (1..U::MAX).contains(days)),
        None => None,
    };
    days.ok_or_else(|| InvalidFields::at(location, format!("must be \"L\", or \"L-1\" to \"L-{}\"", U::MAX - 1)))
}

/// Which of a month's days of the same weekday match: 1 to 5 from its start, -1 to -5 from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nth(i8);

impl Nth {
    /// The number itself, never 0.
    pub fn get(self) -> i8 {
        self.0
    }
}

impl Deserr<InvalidFields> for Nth {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        match whole_number(&value) {
            Some(number @ (-5..=-1 | 1..=5)) => Ok(Self(number as i8)),
            _ => Err(InvalidFields::at(location, "must be a whole number from 1 to 5 or from -5 to -1")),
        }
    }
}

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
