//! Numbers with bounds.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Serialize};

use crate::invalid::{InvalidFields, kind_in_words};

/// A whole number from `MIN` to `MAX`, both included. `5.0` is read as 5, because some clients
/// send every number as a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WholeNumber<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> WholeNumber<MIN, MAX> {
    /// A constant of this type; does not compile or panics in a constant when out of bounds.
    pub const fn constant(number: u32) -> Self {
        assert!(number >= MIN && number <= MAX, "a constant within its bounds");
        Self(number)
    }

    /// The number, when it is within the bounds.
    pub fn new(number: u32) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Deserr<InvalidFields> for WholeNumber<MIN, MAX> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let refuse = |given: String| {
            Err(InvalidFields::at(location, format!("must be a whole number from {MIN} to {MAX}, not {given}")))
        };
        match whole_number(&value) {
            Some(number) => match u32::try_from(number).ok().and_then(Self::new) {
                Some(number) => Ok(number),
                None => refuse(number.to_string()),
            },
            None => match value {
                Value::Float(number) => refuse(number.to_string()),
                other => refuse(kind_in_words(other.kind()).to_owned()),
            },
        }
    }
}

/// The whole number that a JSON value stands for; `5.0` is 5.
pub fn whole_number<V: IntoValue>(value: &Value<V>) -> Option<i64> {
    match value {
        Value::Integer(number) => i64::try_from(*number).ok(),
        Value::NegativeInteger(number) => Some(*number),
        // 2^53 bounds the floats that stand for one whole number only.
        Value::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
            Some(*number as i64)
        }
        _ => None,
    }
}

/// A finite number from 1 to 1,000: the factor by which a retry interval grows.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackoffCoefficient(f64);

impl BackoffCoefficient {
    /// No growth.
    pub const ONE: Self = Self(1.0);

    /// The factor itself.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Deserr<InvalidFields> for BackoffCoefficient {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let number = match value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            Value::NegativeInteger(number) => number as f64,
            other => {
                let message = format!("must be a number from 1 to 1000, not {}", kind_in_words(other.kind()));
                return Err(InvalidFields::at(location, message));
            }
        };
        if (1.0..=1000.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(InvalidFields::at(location, format!("must be a number from 1 to 1000, not {number}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        type Small = WholeNumber<1, 10>;
        for (value, expected) in [(json!(5), Some(5)), (json!(5.0), Some(5)), (json!(10), Some(10))] {
            assert_eq!(InvalidFields::read::<Small>(value).ok().map(Small::get), expected);
        }
        for bad in [json!(0), json!(11), json!(1.5), json!(-1), json!("5"), json!(null), json!(1e30), json!([1])] {
            assert!(InvalidFields::read::<Small>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn backoff_never_shrinks() {
        for bad in [json!(0.5), json!(-1), json!(1001), json!("2")] {
            assert!(InvalidFields::read::<BackoffCoefficient>(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(InvalidFields::read::<BackoffCoefficient>(json!(1.5)), Ok(BackoffCoefficient(1.5)));
    }
}
