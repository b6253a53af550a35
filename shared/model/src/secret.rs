//! Secrets: text that never prints and never leaves by accident.
//!
//! A [`SecretText`] serializes as `[redacted]`, whatever it holds: an answer, a log line, an
//! event and a stored document can all carry the thing it is a part of. The values themselves are
//! taken out into [`SecretValues`], which storage keeps in a place of its own, under a key that
//! names the destination they are sent to. So a redacted value that comes back keeps the stored
//! one exactly while its destination is unchanged.
//!
//! Memory is not wiped after use: the values are also in the buffers of the clients that send them,
//! which is where anybody would look who can read the memory of a function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::invalid::{InvalidFields, kind_in_words};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Text that only [`SecretText::expose`] shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the value is not here: it was taken out, or never sent.
    pub fn is_redacted(&self) -> bool {
        self.0 == REDACTED
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Deserr<InvalidFields> for SecretText {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        match value {
            Value::String(text) => Ok(Self(text)),
            // The message must not quote the value.
            other => Err(InvalidFields::at(location, format!("must be a string, not {}", kind_in_words(other.kind())))),
        }
    }
}

/// The secrets of a job or a target: destination and name → value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretValues(BTreeMap<String, String>);

impl SecretValues {
    /// From what storage keeps.
    pub fn from_stored(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }

    /// For storage, the only place that may see them.
    pub fn expose(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} secret value(s)", self.0.len())
    }
}

/// One secret's place in a document.
pub struct SecretPlace<'a> {
    /// JSON pointer, for error messages.
    pub pointer: String,
    /// Where it is sent and under which name: the key of its stored value.
    pub key: String,
    /// The secret.
    pub text: &'a mut SecretText,
}

/// A document that holds secrets.
pub trait HasSecrets {
    /// Every secret with its place.
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>>;

    /// Takes in the stored values for everything that came back as `[redacted]`. This document is
    /// to take the place of `before`, whose secrets are `stored`; of nothing when it is new.
    ///
    /// # Errors
    /// Names each redacted field that has no stored value for its destination.
    fn keep_redacted(&mut self, before: Option<&Self>, stored: &SecretValues) -> Result<(), InvalidFields>
    where
        Self: Sized,
    {
        let _ = before;
        let places = self.secret_places().into_iter();
        keep(places.map(|place| (vec![place.key.clone()], place)), stored)
    }

    /// The values, for storage.
    fn secret_values(&mut self) -> SecretValues {
        let places = self.secret_places();
        SecretValues(places.into_iter().map(|place| (place.key, place.text.expose().to_owned())).collect())
    }

    /// Puts the stored values in their places, to make use of the document.
    ///
    /// # Errors
    /// With the pointer of a place that has none: nobody is to be sent `[redacted]`.
    fn fill_in(&mut self, stored: &SecretValues) -> Result<(), String> {
        for place in self.secret_places() {
            let value = stored.0.get(&place.key).ok_or(place.pointer)?;
            *place.text = SecretText::new(value.clone());
        }
        Ok(())
    }
}

/// Takes in the stored values for places that are redacted: the one that is stored under all those
/// of a place's keys under which there is any.
pub(crate) fn keep<'a>(
    places: impl Iterator<Item = (Vec<String>, SecretPlace<'a>)>,
    stored: &SecretValues,
) -> Result<(), InvalidFields> {
    let mut errors = InvalidFields::default();
    for (keys, SecretPlace { pointer, text, .. }) in places.filter(|(_, place)| place.text.is_redacted()) {
        let values: BTreeSet<&String> = keys.iter().filter_map(|key| stored.0.get(key)).collect();
        match values.first() {
            None => errors
                .push(pointer, "is \"[redacted]\", but nothing is stored for this destination; send the value itself"),
            Some(value) if values.len() == 1 => *text = SecretText::new(value.as_str()),
            Some(_) => errors.push(
                pointer,
                "is \"[redacted]\", but several values are stored for this destination; send the value itself",
            ),
        }
    }
    errors.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let secret = SecretText::new("hunter2");
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(serde_json::to_string(&secret).expect("text"), "\"[redacted]\"");
        let values = SecretValues(BTreeMap::from([("a".to_owned(), "hunter2".to_owned())]));
        assert!(!format!("{values:?}").contains("hunter2"));
    }
}
