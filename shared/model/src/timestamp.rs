//! Instants as they go over the wire and into storage: UTC, whole milliseconds.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::invalid::{InvalidFields, kind_in_words};

/// An instant in whole milliseconds since the Unix epoch.
///
/// It is written as RFC 3339 with milliseconds and `Z`, which is of constant width, so that the
/// order of the texts in storage is the order of the instants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// The last instant that is written with four digits for the year; later ones are clamped to it.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The first instant that is written with four digits for the year; earlier ones are clamped to it.
    pub const MIN: Self = Self(-62_167_219_200_000);

    /// From milliseconds since the epoch, clamped to the years 0 to 9999.
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// From whole seconds since the epoch, clamped to the years 0 to 9999.
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_milliseconds(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub fn milliseconds(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to this instant; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_milliseconds(time.timestamp_millis())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        DateTime::from_timestamp_millis(time.0).unwrap_or_default()
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.saturating_add(milliseconds))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.saturating_sub(milliseconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time: DateTime<Utc> = (*self).into();
        formatter.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Timestamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let time = DateTime::parse_from_rfc3339(text)
            .map_err(|_| "must be an RFC 3339 instant such as 2026-01-31T09:00:00Z".to_owned())?;
        let milliseconds = time.timestamp_millis();
        if (Self::MIN.0..=Self::MAX.0).contains(&milliseconds) {
            Ok(Self(milliseconds))
        } else {
            Err("must be between the years 0 and 9999".to_owned())
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Deserr<InvalidFields> for Timestamp {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        match value {
            Value::String(text) => text.parse().map_err(|message: String| InvalidFields::at(location, message)),
            other => Err(InvalidFields::at(
                location,
                format!("must be an RFC 3339 instant as a string, not {}", kind_in_words(other.kind())),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc_with_milliseconds() {
        let time: Timestamp = "2026-03-01T10:00:00.5+02:00".parse().expect("an instant");
        assert_eq!(time.to_string(), "2026-03-01T08:00:00.500Z");
    }

    #[test]
    fn the_order_of_the_texts_is_the_order_of_the_instants() {
        let times: Vec<_> = [Timestamp::MIN.0, -1, 0, 1, 999, 1_000, 1_700_000_000_123, Timestamp::MAX.0]
            .map(Timestamp::from_milliseconds)
            .to_vec();
        let texts: Vec<_> = times.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn instants_without_a_zone_are_refused() {
        assert!("2026-03-01T10:00:00".parse::<Timestamp>().is_err());
    }
}
