//! Lengths of time as people write them: ms-strings (the grammar of vercel/ms) or milliseconds.

use std::time::Duration;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Serialize};

use crate::invalid::{InvalidFields, kind_in_words};

/// No ms-string is longer.
const MS_STRING_LENGTH_MAX: usize = 100;
/// 2^53 - 1: the largest whole number of milliseconds that every JSON reader gets right.
const MILLISECONDS_MAX: i128 = 9_007_199_254_740_991;

/// Reads an ms-string: whole milliseconds, rounded half up, or `None` when it is none.
///
/// Optional minus, decimal number, spaces, optional unit. The number is read as decimal digits
/// and never as a float, so that "4.35h" is 15,660,000 exactly.
pub fn parse_ms_string(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > MS_STRING_LENGTH_MAX {
        return None;
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let number_length = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(number_length);
    let unit_milliseconds = unit_in_milliseconds(unit.trim_start_matches(' '))?;
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None if number.is_empty() => return None,
        None => (number, ""),
    };
    if fraction.contains('.') {
        return None;
    }
    let magnitude = scaled(whole, fraction, unit_milliseconds)?;
    // Half up means towards positive infinity, also below zero.
    let rounded = if negative { -magnitude.half_down } else { magnitude.half_up };
    if rounded.abs() > MILLISECONDS_MAX { None } else { i64::try_from(rounded).ok() }
}

/// A product rounded to a whole number in both ways; they differ on exact halves.
struct Rounded {
    half_up: i128,
    half_down: i128,
}

/// `whole.fraction` times `unit`.
fn scaled(whole: &str, fraction: &str, unit: i128) -> Option<Rounded> {
    let whole = if whole.is_empty() { 0 } else { parse_digits(whole)? };
    // Digits beyond these cannot change the rounding but for a tie, which is kept as one digit.
    const FRACTION_DIGITS: usize = 18;
    let kept = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let beyond = fraction[kept.len()..].bytes().any(|digit| digit != b'0');
    let scale = 10_i128.pow(u32::try_from(kept.len()).ok()?);
    let digits = if kept.is_empty() { 0 } else { parse_digits(kept)? };
    let product = whole.checked_mul(unit)?.checked_mul(scale)?.checked_add(digits.checked_mul(unit)?)?;
    let (floor, remainder) = (product / scale, product % scale);
    let twice = remainder * 2;
    let half_up = floor + i128::from(twice >= scale);
    let half_down = floor + i128::from(twice > scale || (twice == scale && beyond));
    Some(Rounded { half_up, half_down })
}

fn parse_digits(digits: &str) -> Option<i128> {
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() { Some(0) } else { significant.parse().ok() }
}

fn unit_in_milliseconds(unit: &str) -> Option<i128> {
    const SECOND: i128 = 1000;
    const MINUTE: i128 = 60 * SECOND;
    const HOUR: i128 = 60 * MINUTE;
    const DAY: i128 = 24 * HOUR;
    // A year has 365.25 days.
    const YEAR: i128 = 365 * DAY + DAY / 4;
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "y" | "yr" | "yrs" | "year" | "years" => YEAR,
        _ => return None,
    })
}

/// A length of time of `MIN` to `MAX` milliseconds; in as an ms-string or a number of
/// milliseconds, out as a number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Milliseconds<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Milliseconds<MIN, MAX> {
    /// A constant of this type, which must be within its bounds.
    pub const fn constant(milliseconds: u64) -> Self {
        assert!(milliseconds >= MIN && milliseconds <= MAX, "a constant within its bounds");
        Self(milliseconds)
    }

    /// The length in milliseconds.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The length as the standard library has it.
    pub fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> Deserr<InvalidFields> for Milliseconds<MIN, MAX> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let milliseconds = read_milliseconds(value, location)?;
        if (MIN..=MAX).contains(&milliseconds) {
            return Ok(Self(milliseconds));
        }
        let message = format!("must be from {} to {}, not {}", in_words(MIN), in_words(MAX), in_words(milliseconds));
        Err(InvalidFields::at(location, message))
    }
}

/// Reads an ms-string or a number of milliseconds, not negative.
fn read_milliseconds<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<u64, InvalidFields> {
    const EXPECTED: &str = "must be a length of time such as \"90s\" or \"1.5h\", or a number of milliseconds";
    let refuse = |given: &str| Err(InvalidFields::at(location, format!("{EXPECTED}, not {given}")));
    let number = match (crate::number::whole_number(&value), value) {
        (Some(number), _) => number,
        (None, Value::String(text)) => match parse_ms_string(&text) {
            Some(number) => number,
            None => return refuse("other text"),
        },
        (None, Value::Float(number)) => return refuse(&number.to_string()),
        (None, other) => return refuse(kind_in_words(other.kind())),
    };
    match u64::try_from(number) {
        Ok(number) => Ok(number),
        Err(_) => Err(InvalidFields::at(location, format!("must not be negative, as {number} is"))),
    }
}

/// A length of time in the largest unit that needs no fraction.
pub fn in_words(milliseconds: u64) -> String {
    // A year is 365.25 days, as in ms-strings.
    const UNITS: [(u64, &str); 5] =
        [(31_557_600_000, "y"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    for (unit, name) in UNITS {
        if milliseconds >= unit && milliseconds.is_multiple_of(unit) {
            return format!("{}{name}", milliseconds / unit);
        }
    }
    format!("{milliseconds}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        input: String,
        ms: Option<i64>,
    }

    #[test]
    fn the_vectors_hold() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/ms-strings.json")).expect("vectors");
        assert!(vectors.len() > 40);
        for Vector { input, ms } in vectors {
            assert_eq!(parse_ms_string(&input), ms, "{input:?}");
        }
    }

    #[test]
    fn halves_are_rounded_up() {
        assert_eq!(parse_ms_string("0.5"), Some(1));
        assert_eq!(parse_ms_string("-0.5"), Some(0));
        assert_eq!(parse_ms_string("-0.5000000000000000000001"), Some(-1));
        assert_eq!(parse_ms_string("0.4999999999999999999999"), Some(0));
    }

    #[test]
    fn what_no_reader_could_keep_exact_is_refused() {
        assert_eq!(parse_ms_string("9007199254740991"), Some(9_007_199_254_740_991));
        assert_eq!(parse_ms_string("9007199254740992"), None);
        assert_eq!(parse_ms_string("99999999999999999999999999999999999999999y"), None);
    }
}
