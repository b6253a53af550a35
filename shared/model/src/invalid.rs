//! Bad input, with every field at fault.
//!
//! `deserr` walks a JSON document and hands each fault to [`InvalidFields`], which always says
//! "go on", so one answer names them all. The pointers are JSON pointers (RFC 6901).
//!
//! No message quotes text of the document: a secret may stand in the wrong place.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, Map, MergeWithError, Value, ValuePointerRef};
use serde::{Deserialize, Serialize};

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field; empty for the document as a whole.
    pub pointer: String,
    /// What is wrong with it, for the person who wrote it.
    pub message: String,
}

/// All fields at fault in one document; never empty when it is returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} invalid field(s), first {:?}", .0.len(), .0.first())]
pub struct InvalidFields(pub Vec<FieldError>);

/// A document with a million faults is told about this many of them.
const FIELD_ERRORS_MAX: usize = 100;

impl InvalidFields {
    /// One fault at `pointer`.
    pub fn one(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.push(pointer, message);
        errors
    }

    /// One fault at the place `location`.
    pub fn at(location: ValuePointerRef<'_>, message: impl Into<String>) -> Self {
        Self::one(json_pointer(location), message)
    }

    /// Adds a fault, up to a named bound.
    pub fn push(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < FIELD_ERRORS_MAX {
            self.0.push(FieldError { pointer: pointer.into(), message: message.into() });
        }
    }

    /// Adds the faults of a part of the document that stands at `prefix`.
    pub fn extend_below(&mut self, prefix: &str, other: Self) {
        for error in other.0 {
            self.push(format!("{prefix}{}", error.pointer), error.message);
        }
    }

    /// `Err` with the faults, or `Ok` when there are none.
    ///
    /// # Errors
    /// Itself, when it holds a fault.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Reads a document of type `T`, or says everything that is wrong with it.
    ///
    /// # Errors
    /// Every field at fault.
    pub fn read<T: Deserr<Self>>(value: serde_json::Value) -> Result<T, Self> {
        deserr::deserialize(value)
    }
}

/// Reads an object whose keys are its users' own. (The reader of maps that `deserr` brings forgets
/// the faults of their values.)
pub(crate) fn read_map<T: Deserr<InvalidFields>, V: IntoValue>(
    value: Value<V>,
    location: ValuePointerRef<'_>,
) -> Result<BTreeMap<String, T>, InvalidFields> {
    let Value::Map(map) = value else {
        return Err(InvalidFields::at(location, format!("must be an object, not {}", kind_in_words(value.kind()))));
    };
    let (mut read, mut errors) = (BTreeMap::new(), InvalidFields::default());
    for (key, value) in map.into_iter() {
        match T::deserialize_from_value(value.into_value(), location.push_key(&key)) {
            Ok(value) => {
                read.insert(key, value);
            }
            Err(faults) => errors.extend_below("", faults),
        }
    }
    errors.into_result().map(|()| read)
}

/// The place as a JSON pointer.
pub fn json_pointer(location: ValuePointerRef<'_>) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Key { key, prev } => format!("{}{}", json_pointer(*prev), pointer_segment(key)),
        ValuePointerRef::Index { index, prev } => format!("{}/{index}", json_pointer(*prev)),
    }
}

/// One segment of a JSON pointer, with its leading slash.
pub fn pointer_segment(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

impl MergeWithError<Self> for InvalidFields {
    fn merge(self_: Option<Self>, other: Self, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut all = self_.unwrap_or_default();
        all.extend_below("", other);
        ControlFlow::Continue(all)
    }
}

impl DeserializeError for InvalidFields {
    fn error<V: IntoValue>(
        self_: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut all = self_.unwrap_or_default();
        let here = json_pointer(location);
        match error {
            ErrorKind::IncorrectValueKind { actual, accepted } => {
                let accepted: Vec<_> = accepted.iter().map(|kind| kind_in_words(*kind)).collect();
                all.push(here, format!("must be {}, not {}", list_in_words(&accepted), kind_in_words(actual.kind())));
            }
            ErrorKind::MissingField { field } => all.push(here + &pointer_segment(field), "is required"),
            ErrorKind::UnknownKey { key, accepted } => {
                all.push(
                    here + &pointer_segment(key),
                    format!("is not a known field; known here are {}", accepted.join(", ")),
                );
            }
            ErrorKind::UnknownValue { accepted, .. } => {
                all.push(here, format!("must be one of {}", accepted.join(", ")));
            }
            ErrorKind::BadSequenceLen { expected, .. } => all.push(here, format!("must have {expected} elements")),
            // Every tagged type here is tagged by `type`; deserr names neither the tag nor its place.
            ErrorKind::Unexpected { msg } if msg == "Incorrect tag value" => {
                all.push(here + "/type", "is not a known type");
            }
            ErrorKind::Unexpected { msg } => all.push(here, msg),
        }
        ControlFlow::Continue(all)
    }
}

/// A kind of JSON value in words, with its article.
pub fn kind_in_words(kind: deserr::ValueKind) -> &'static str {
    use deserr::ValueKind as Kind;
    match kind {
        Kind::Null => "null",
        Kind::Boolean => "a boolean",
        Kind::Integer | Kind::NegativeInteger | Kind::Float => "a number",
        Kind::String => "a string",
        Kind::Sequence => "an array",
        Kind::Map => "an object",
    }
}

fn list_in_words(words: &[&str]) -> String {
    let mut unique = words.to_vec();
    unique.dedup();
    unique.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserr)]
    #[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
    struct Document {
        #[expect(dead_code, reason = "only read by the derive")]
        first_name: String,
        #[expect(dead_code, reason = "only read by the derive")]
        numbers: Vec<u8>,
    }

    #[test]
    fn every_field_at_fault_is_named_by_its_pointer() {
        let document = serde_json::json!({ "numbers": [1, "two", 3, []], "a/b": 1 });
        let errors = InvalidFields::read::<Document>(document).expect_err("four faults");
        let mut pointers: Vec<_> = errors.0.iter().map(|error| error.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/a~1b", "/firstName", "/numbers/1", "/numbers/3"]);
    }

    #[test]
    fn a_document_full_of_faults_is_told_a_bounded_number_of_them() {
        let document = serde_json::json!({ "firstName": "x", "numbers": vec!["x"; 1000] });
        let errors = InvalidFields::read::<Document>(document).expect_err("many faults");
        assert_eq!(errors.0.len(), FIELD_ERRORS_MAX);
    }
}
