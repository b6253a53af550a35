//! Auth sessions: create, change, validate, and what came of that; list, get, delete.

use std::collections::HashMap;

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use sundial_model::auth_session::{AuthSession, OperationStatus};
use sundial_model::fresh_id::fresh_id;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::run::RunError;
use sundial_model::{InvalidFields, OperationId};
use sundial_runtime::Clients;

use super::words::operation_error;
use super::{Generation, documents};
use crate::body::{Json, OptionalJson, PAGE_BYTES_MAX};
use crate::idempotency::Once;
use crate::problem_response::ApiProblem;
use crate::routes::FoundProject;
use crate::routes::auth_sessions::{self, FoundAuthSession, FoundOperation, ValidateSettings};

type Answer = Result<JsonAnswer<Value>, ApiProblem>;
type Started = Result<(StatusCode, JsonAnswer<Value>), ApiProblem>;

fn answer(session: &AuthSession) -> Value {
    json!({ "id": session.id, "type": session.session_type, "status": session.status })
}

fn started(status: &str, operation: Option<OperationId>) -> Started {
    let operation = operation.ok_or_else(|| ApiProblem::internal(&"an auth session was made without an operation"))?;
    Ok((StatusCode::CREATED, JsonAnswer(json!({ "status": status, "operationId": operation }))))
}

/// Creates a session of credentials. One without an id gets a new one, and one without parameters none of them.
pub(super) async fn create(once: Once, project: FoundProject, Json(document): Json) -> Started {
    let (mut document, translation) = documents::auth_session(document);
    translation.check()?;
    if let Some(fields) = document.as_object_mut() {
        let is_absent = |value: Option<&Value>| value.is_none_or(Value::is_null);
        if is_absent(fields.get("id")) {
            fields.insert("id".to_owned(), json!(fresh_id()));
        }
        if is_absent(fields.get("parameters")) {
            fields.insert("parameters".to_owned(), json!({}));
        }
    }
    let (_, operation) = auth_sessions::create_session(once, project, document).await?;
    started("started", operation)
}

/// The sessions of a project: all of them. The clients know no pages.
pub(super) async fn list(State(clients): State<Clients>, FoundProject(project): FoundProject) -> Answer {
    const AT_ONCE: usize = 500;
    let (mut sessions, mut bytes, mut after) = (Vec::new(), 0, None);
    loop {
        let page = clients.store.auth_sessions(project.id, after.as_ref(), AT_ONCE).await?;
        for session in &page {
            let session = answer(&session.answer());
            bytes += session.to_string().len();
            sessions.push(session);
        }
        if bytes > PAGE_BYTES_MAX {
            let detail = "the project has more sessions than one answer holds; list them with the other API";
            return Err(Problem::new(ProblemCode::PayloadTooLarge, detail).into());
        }
        if page.len() < AT_ONCE {
            return Ok(JsonAnswer(json!(sessions)));
        }
        after = page.last().map(|session| session.id.clone());
    }
}

/// One session.
pub(super) async fn get(found: FoundAuthSession) -> Answer {
    let JsonAnswer(session) = auth_sessions::get(found).await;
    Ok(JsonAnswer(answer(&session)))
}

/// Deletes a session that no active run uses.
pub(super) async fn delete(clients: State<Clients>, found: FoundAuthSession) -> Result<StatusCode, ApiProblem> {
    auth_sessions::delete(clients, found).await
}

/// Gives a session other settings and parameters.
pub(super) async fn update(State(clients): State<Clients>, found: FoundAuthSession, Json(document): Json) -> Started {
    let (mut document, translation) = documents::auth_session(document);
    translation.check()?;
    if let Some(fields) = document.as_object_mut() {
        // The clients cannot name it here.
        fields.entry("autoRecreate").or_insert_with(|| json!(found.session.settings.auto_recreate));
    }
    let (_, operation) = auth_sessions::update_session(&clients, found, document).await?;
    started("started", Some(operation))
}

/// Has a session checked, and renewed if need be, as the body says.
pub(super) async fn validate(once: Once, found: FoundAuthSession, OptionalJson(document): OptionalJson) -> Started {
    let (document, translation) = documents::validation(document.unwrap_or_else(|| json!({})));
    translation.check()?;
    let settings: ValidateSettings = InvalidFields::read(document)?;
    let (_, operation) = auth_sessions::validate_session(once, found, settings).await?;
    started("pending", Some(operation))
}

/// An operation says why it failed; should one not, it has failed all the same.
fn without_reason() -> RunError {
    RunError { code: "internal-server-error".to_owned(), message: "it failed".to_owned(), status_code: None }
}

/// What came of an operation on a session: of the one that the path names, if it names any.
pub(super) async fn result(
    FoundOperation(operation): FoundOperation,
    Path(parameters): Path<HashMap<String, String>>,
    generation: Generation,
) -> Answer {
    if parameters.get("session").is_some_and(|session| *session != operation.auth_session_id.to_string()) {
        return Err(Problem::not_found(format!("operation {}", operation.id)).into());
    }
    Ok(JsonAnswer(match (operation.status, &operation.error) {
        (OperationStatus::Pending, _) => json!({ "status": "pending" }),
        (OperationStatus::Succeeded, _) => json!({ "status": "done", "authSessionId": operation.auth_session_id }),
        (OperationStatus::Failed, error) => {
            let words = operation_error(error.as_ref().unwrap_or(&without_reason()));
            let message = words["message"].clone();
            let error = if generation == Generation::First { words["code"].clone() } else { words };
            json!({ "status": "failed", "message": message, "error": error })
        }
    }))
}
