//! Which of a month's days of the same weekday match.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};

use crate::invalid::InvalidFields;
use crate::number::whole_number;

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
