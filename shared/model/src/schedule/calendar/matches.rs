//! Which values of a unit of time match, and how that is written: values, ranges, arrays of both.

use std::marker::PhantomData;

use deserr::{Deserr, IntoValue, Map, Sequence, Value, ValuePointerRef};

use super::unit::{CalendarUnit, DayOfMonth, DayOfWeek, Hour, Minute, Month, Second, Year};
use crate::invalid::{InvalidFields, json_pointer, kind_in_words};
use crate::number::{WholeNumber, whole_number};

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
