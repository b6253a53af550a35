//! A payload: one unit of work, an API's name and its parameters.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Serialize};

use crate::configuration::{RequestTimeout, RetryOverride};
use crate::invalid::{InvalidFields, kind_in_words};
use crate::text::checked_text;

/// The most payloads that a job or a job run may have.
pub const PAYLOADS_MAX: u32 = 1_000_000;

fn is_api_name(text: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    text.len() <= 256 && text.split('/').all(is_segment) && !text.starts_with("auth-sessions/")
}

checked_text!(
    /// The name of an API of the project's target: 1 to 256 characters, segments of
    /// `[A-Za-z0-9_.-]+` joined by `/`, none of them `.` or `..`; `auth-sessions/…` is reserved.
    ApiName, is_api_name,
    "must be 1 to 256 characters, segments out of A-Z, a-z, 0-9, _, . and - joined by /, none of them . or .., \
     and not begin with auth-sessions/"
);

/// The parameters of a payload: a JSON object or array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(pub serde_json::Value);

impl Deserr<InvalidFields> for Parameters {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        match value {
            Value::Map(_) | Value::Sequence(_) => Ok(Self(value.into())),
            other => Err(InvalidFields::at(
                location,
                format!("must be an object or an array, not {}", kind_in_words(other.kind())),
            )),
        }
    }
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct Payload {
    /// Which API of the target to call.
    pub api_name: ApiName,
    /// What to call it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub parameters: Option<Parameters>,
    /// Seconds per attempt, instead of the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub request_timeout: Option<RequestTimeout>,
    /// What differs from the job's retry policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub retry: Option<RetryOverride>,
}

/// A payload with its place in its list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexedPayload {
    /// From 0.
    pub index: u32,
    /// The payload itself.
    #[serde(flatten)]
    pub payload: Payload,
}

/// One or more payloads: the list of a job that is created.
#[derive(Clone, Debug, PartialEq)]
pub struct PayloadList(pub Vec<Payload>);

impl Deserr<InvalidFields> for PayloadList {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let payloads = Vec::<Payload>::deserialize_from_value(value, location)?;
        if payloads.is_empty() {
            return Err(InvalidFields::at(location, "must hold at least one payload"));
        }
        if payloads.len() > PAYLOADS_MAX as usize {
            return Err(InvalidFields::at(location, format!("must hold at most {PAYLOADS_MAX} payloads")));
        }
        Ok(Self(payloads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_names_cannot_leave_their_base_url() {
        for good in ["a", "prices/fetch", "a.b/c-d/e_f", "..a", "auth-sessions", &"x".repeat(256)] {
            assert!(is_api_name(good), "{good}");
        }
        for bad in
            ["", "/", "a//b", "/a", "a/", "..", "a/../b", "./a", "a b", "a?b", "a%2fb", "auth-sessions/check", "ä"]
        {
            assert!(!is_api_name(bad), "{bad}");
        }
        assert!(!is_api_name(&"x".repeat(257)));
    }
}
