//! The auth session: the signed-in state that payloads need, and how it is asked for. Its parameters and
//! its state are secrets: no answer carries them.

use std::fmt;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Serialize};

use crate::identifiers::{AuthSessionId, OperationId};
use crate::invalid::{InvalidFields, json_pointer, kind_in_words};
use crate::job::Ignored;
use crate::number::WholeNumber;
use crate::run::RunError;
use crate::secret::{REDACTED, SecretText};
use crate::timestamp::Timestamp;

/// A state may take so many bytes of JSON, and so may parameters: 256 KB.
pub const AUTH_SESSION_BYTES_MAX: usize = 256_000;

/// Where a session's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[deserr(error = InvalidFields)]
pub enum AuthSessionType {
    /// The target makes it out of parameters, and makes it anew when it is stale.
    #[deserr(rename = "CREDENTIALS")]
    Credentials,
    /// The user gives it.
    #[deserr(rename = "RUNTIME")]
    Runtime,
}

/// Whether payloads can use a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum AuthSessionStatus {
    /// It has no state yet.
    Pending,
    /// They can, as far as is known.
    Ready,
    /// Its state was found to be stale, and could not be renewed.
    Expired,
}

/// How a session is kept fresh, unless a job says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthSessionSettings {
    /// How often it is checked before it counts as stale.
    pub check_attempts: WholeNumber<1, 100>,
    /// How often its renewal is tried.
    pub create_attempts: WholeNumber<1, 100>,
    /// Whether it is renewed when it is stale.
    pub auto_recreate: bool,
}

impl AuthSessionSettings {
    /// Whether they try no less than others do.
    pub fn covers(self, others: Self) -> bool {
        self.check_attempts >= others.check_attempts
            && self.create_attempts >= others.create_attempts
            && self.auto_recreate >= others.auto_recreate
    }
}

const ATTEMPTS_DEFAULT: WholeNumber<1, 100> = WholeNumber::constant(3);

impl Default for AuthSessionSettings {
    fn default() -> Self {
        Self { check_attempts: ATTEMPTS_DEFAULT, create_attempts: ATTEMPTS_DEFAULT, auto_recreate: true }
    }
}

/// JSON that nothing shows.
#[derive(Clone, PartialEq)]
pub struct SecretJson(SecretText);

impl SecretJson {
    /// The JSON itself, for where it is kept and where it is sent.
    pub fn into_text(self) -> SecretText {
        self.0
    }
}

impl fmt::Debug for SecretJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl Deserr<InvalidFields> for SecretJson {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        let json = serde_json::Value::from(value).to_string();
        if json.len() > AUTH_SESSION_BYTES_MAX {
            let message = format!("must be at most {AUTH_SESSION_BYTES_MAX} bytes of JSON");
            return Err(InvalidFields::at(location, message));
        }
        Ok(Self(SecretText::new(json)))
    }
}

/// What a session is created with: an object or an array.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretParameters(pub SecretJson);

impl Deserr<InvalidFields> for SecretParameters {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, InvalidFields> {
        match value {
            Value::Map(_) | Value::Sequence(_) => SecretJson::deserialize_from_value(value, location).map(Self),
            other => Err(InvalidFields::at(
                location,
                format!("must be an object or an array, not {}", kind_in_words(other.kind())),
            )),
        }
    }
}

/// What a POST or a PUT of a session carries. What GET answered can be sent back: the read-only fields are
/// ignored.
#[derive(Clone, Debug, PartialEq, Deserr)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
#[deserr(validate = check_session -> InvalidFields)]
pub struct AuthSessionInput {
    /// Required in a POST; in a PUT it is that of the path.
    #[deserr(default)]
    pub id: Option<AuthSessionId>,
    /// CREDENTIALS when it is left out; in a PUT it must be what it was.
    #[deserr(default, rename = "type")]
    pub session_type: Option<AuthSessionType>,
    /// Of CREDENTIALS: what the target makes the state out of.
    #[deserr(default)]
    pub parameters: Option<SecretParameters>,
    /// Of RUNTIME: the state.
    #[deserr(default)]
    pub state: Option<SecretJson>,
    #[deserr(default)]
    check_attempts: Option<WholeNumber<1, 100>>,
    #[deserr(default)]
    create_attempts: Option<WholeNumber<1, 100>>,
    #[deserr(default)]
    auto_recreate: Option<bool>,
    #[deserr(default)]
    status: Ignored,
    #[deserr(default)]
    created_at: Ignored,
    #[deserr(default)]
    checked_at: Ignored,
    #[deserr(default)]
    used_at: Ignored,
}

fn check_session(input: AuthSessionInput, location: ValuePointerRef<'_>) -> Result<AuthSessionInput, InvalidFields> {
    let (mut errors, here) = (InvalidFields::default(), json_pointer(location));
    if input.state.is_some() && input.parameters.is_some() {
        errors.push(format!("{here}/state"), "cannot stand beside parameters: a session has the one or the other");
    }
    errors.into_result().map(|()| input)
}

impl AuthSessionInput {
    /// The settings: what is left out is the default.
    pub fn settings(&self) -> AuthSessionSettings {
        let default = AuthSessionSettings::default();
        AuthSessionSettings {
            check_attempts: self.check_attempts.unwrap_or(default.check_attempts),
            create_attempts: self.create_attempts.unwrap_or(default.create_attempts),
            auto_recreate: self.auto_recreate.unwrap_or(default.auto_recreate),
        }
    }
}

/// A session as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSession {
    /// Chosen by its user, unique in its project.
    pub id: AuthSessionId,
    /// Where its state comes from.
    #[serde(rename = "type")]
    pub session_type: AuthSessionType,
    /// Whether payloads can use it.
    pub status: AuthSessionStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its state was last found to be good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When a job run last asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// What is done to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OperationType {
    /// Its first state is made.
    Create,
    /// It gets other parameters, or another state.
    Update,
    /// Its state is checked, and renewed if need be.
    Validate,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OperationStatus {
    /// It has not come to its end.
    Pending,
    /// The session is READY.
    Succeeded,
    /// It is not.
    Failed,
}

/// Long work on a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its id; for the target it is the run's id, and so the idempotency key.
    pub id: OperationId,
    /// Whose.
    pub auth_session_id: AuthSessionId,
    /// What is done.
    #[serde(rename = "type")]
    pub operation_type: OperationType,
    /// Where it stands.
    pub status: OperationStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(document: serde_json::Value) -> Result<AuthSessionInput, InvalidFields> {
        InvalidFields::read(document)
    }

    #[test]
    fn what_a_session_is_made_of_shows_itself_nowhere() {
        let input = read(json!({ "id": "a", "parameters": { "password": "hunter2" } })).expect("a session");
        assert!(!format!("{input:?}").contains("hunter2"), "{input:?}");
        let input = read(json!({ "id": "a", "type": "RUNTIME", "state": "hunter2" })).expect("a session");
        assert!(!format!("{input:?}").contains("hunter2"), "{input:?}");
        let text = input.state.map(SecretJson::into_text);
        assert_eq!(text.as_ref().map(SecretText::expose), Some("\"hunter2\""));
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let pointers = |document| {
            let InvalidFields(errors) = read(document).expect_err("bad input");
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!({ "parameters": 1 })), ["/parameters"]);
        assert_eq!(pointers(json!({ "parameters": {}, "state": 1 })), ["/state"]);
        assert_eq!(pointers(json!({ "type": "OTHER", "checkAttempts": 0 })), ["/type", "/checkAttempts"]);
        assert_eq!(pointers(json!({ "state": "x".repeat(AUTH_SESSION_BYTES_MAX) })), ["/state"]);
        assert_eq!(pointers(json!({ "sate": 1 })), ["/sate"]);
    }
}
