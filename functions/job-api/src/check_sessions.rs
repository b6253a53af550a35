//! Auth sessions on their way in, and whether a project takes any.

use serde_json::Value;
use sundial_model::auth_session::{AuthSessionInput, AuthSessionSettings, AuthSessionType, SecretJson};
use sundial_model::secret::SecretText;
use sundial_model::target::{Target, TargetFormat};
use sundial_model::{AuthSessionId, InvalidFields};
use sundial_store::{NewAuthSession, StoredAuthSession};

/// An id that the URL of an operation would be taken for.
const RESERVED: &str = "operations";

/// Why a target takes no auth sessions.
pub(crate) const PLAIN: &str =
    "needs a target of format envelope: with plain, the project's target is sent parameters and nothing else";

/// Whether calls of a target can carry a session.
pub(crate) fn takes_sessions(target: &Target) -> bool {
    target.format() == TargetFormat::Envelope
}

/// Reads a session that is to be created.
pub(crate) fn check_new_session(document: Value, target: &Target) -> Result<NewAuthSession, InvalidFields> {
    let mut errors = InvalidFields::default();
    if document.is_object() && document.get("id").is_none_or(Value::is_null) {
        errors.push("/id", "is required");
    }
    if document.get("id").and_then(Value::as_str) == Some(RESERVED) {
        errors.push("/id", format!("must not be {RESERVED}"));
    }
    if !takes_sessions(target) {
        errors.push("", PLAIN);
    }
    let input: AuthSessionInput = match InvalidFields::read(document) {
        Ok(input) => input,
        Err(more) => {
            errors.extend_below("", more);
            return Err(errors);
        }
    };
    let session_type = input.session_type.unwrap_or(AuthSessionType::Credentials);
    let settings = input.settings();
    let id: Option<AuthSessionId> = input.id.clone();
    let contents = contents(input, session_type, &mut errors);
    if contents.is_none() && errors.0.is_empty() {
        errors.push(format!("/{}", name_of_contents(session_type)), "is required");
    }
    match (id, contents) {
        (Some(id), Some(contents)) if errors.0.is_empty() => {
            Ok(NewAuthSession { id, settings, session_type, contents })
        }
        _ => Err(errors),
    }
}

/// Reads what is to change of a session: its settings, and its contents if they are sent.
pub(crate) fn check_session_update(
    document: Value,
    session: &StoredAuthSession,
) -> Result<(AuthSessionSettings, Option<SecretText>), InvalidFields> {
    let input: AuthSessionInput = InvalidFields::read(document)?;
    let mut errors = InvalidFields::default();
    if input.id.as_ref().is_some_and(|id| *id != session.id) {
        errors.push("/id", format!("must be that of the path, {}", session.id));
    }
    if input.session_type.is_some_and(|given| given != session.session_type) {
        errors.push("/type", "cannot be changed; delete the session and create it anew");
    }
    let settings = input.settings();
    let contents = contents(input, session.session_type, &mut errors);
    errors.into_result().map(|()| (settings, contents))
}

fn name_of_contents(session_type: AuthSessionType) -> &'static str {
    match session_type {
        AuthSessionType::Credentials => "parameters",
        AuthSessionType::Runtime => "state",
    }
}

/// The parameters or the state, whichever a session of this type has.
fn contents(input: AuthSessionInput, session_type: AuthSessionType, errors: &mut InvalidFields) -> Option<SecretText> {
    let AuthSessionInput { parameters, state, .. } = input;
    let wanted = name_of_contents(session_type);
    match session_type {
        AuthSessionType::Credentials if state.is_some() => {
            errors.push("/state", format!("is for sessions of type RUNTIME; this one has {wanted}"));
        }
        AuthSessionType::Runtime if parameters.is_some() => {
            errors.push("/parameters", format!("is for sessions of type CREDENTIALS; this one has a {wanted}"));
        }
        AuthSessionType::Credentials | AuthSessionType::Runtime => {}
    }
    match session_type {
        AuthSessionType::Credentials => parameters.map(|parameters| parameters.0.into_text()),
        AuthSessionType::Runtime => state.map(SecretJson::into_text),
    }
}
