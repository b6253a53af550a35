//! Auth sessions: create, list, get, change, delete, validate; and the operations that do what takes long.

use axum::Json as JsonAnswer;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde_json::Value;
use sundial_model::auth_session::{AuthSession, AuthSessionSettings, AuthSessionStatus, AuthSessionType, Operation};
use sundial_model::job::SessionAttempts;
use sundial_model::problem::{Problem, ProblemCode};
use sundial_model::{AuthSessionId, AuthSessionUuid, InvalidFields, OperationId};
use sundial_runtime::Clients;
use sundial_store::{NewAuthSession, StoreError, StoredAuthSession, StoredProject};

use super::{FoundProject, parameter};
use crate::body::{Json, OptionalJson, Page};
use crate::check_sessions::{check_new_session, check_session_update};
use crate::first_answer::FirstAnswer;
use crate::idempotency::Once;
use crate::list_query::ListQuery;
use crate::problem_response::ApiProblem;

/// The auth session that a path names; it is there.
pub(crate) struct FoundAuthSession {
    project: StoredProject,
    pub(crate) session: StoredAuthSession,
}

impl FromRequestParts<Clients> for FoundAuthSession {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let FoundProject(project) = FoundProject::from_request_parts(parts, clients).await?;
        let id: AuthSessionId = parameter(parts, "session").await?;
        let session = clients.store.auth_session(project.id, &id).await?;
        let session = session.ok_or_else(|| Problem::not_found(format!("auth session {id}")))?;
        Ok(Self { project, session })
    }
}

/// A session that something was asked for, and the operation that does it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionAnswer {
    id: AuthSessionId,
    #[serde(rename = "type")]
    session_type: AuthSessionType,
    status: AuthSessionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_id: Option<OperationId>,
}

impl SessionAnswer {
    pub(crate) fn new(session: &StoredAuthSession, operation_id: Option<OperationId>) -> Self {
        let StoredAuthSession { id, session_type, status, .. } = session;
        Self { id: id.clone(), session_type: *session_type, status: *status, operation_id }
    }
}

/// What a session with an operation is answered with; one without is there at once.
pub(crate) fn answered(session: &StoredAuthSession, operation: Option<OperationId>) -> Response {
    let status = if operation.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    (status, JsonAnswer(SessionAnswer::new(session, operation))).into_response()
}

/// Creates a session.
pub(crate) async fn create(once: Once, project: FoundProject, Json(document): Json) -> Result<Response, ApiProblem> {
    let (session, operation) = create_session(once, project, document).await?;
    Ok(answered(&session, operation))
}

/// Creates a session; answers with the operation that makes its state, if there is one.
pub(crate) async fn create_session(
    once: Once,
    FoundProject(project): FoundProject,
    document: Value,
) -> Result<(StoredAuthSession, Option<OperationId>), ApiProblem> {
    let new: NewAuthSession = check_new_session(document, &project.target)?;
    let now = once.clients.clock.now();
    let operation = (new.session_type == AuthSessionType::Credentials).then(OperationId::new);
    let uuid = AuthSessionUuid::new();
    let (project_id, id) = (project.id, new.id.clone());
    let first = FirstAnswer::AuthSession { project: project_id, id, uuid: Some(uuid), operation };
    let clients = once.answering(first);
    if clients.store.auth_session(project.id, &new.id).await?.is_some() {
        let detail = format!("there is an auth session {} already", new.id);
        return Err(Problem::new(ProblemCode::Conflict, detail).into());
    }
    let (session, work) = clients.store.create_auth_session(&project, uuid, new, operation, now).await?;
    clients.bus.hand_over(work).await;
    Ok((session, operation))
}

/// The sessions of a project, by id.
pub(crate) async fn list(
    State(clients): State<Clients>,
    FoundProject(project): FoundProject,
    query: ListQuery,
) -> Result<JsonAnswer<Page<AuthSession>>, ApiProblem> {
    let sessions = clients.store.auth_sessions(project.id, query.after()?.as_ref(), query.limit).await?;
    let more = (sessions.len() == query.limit).then(|| sessions.last().map(|last| query.cursor(last.id.as_str())));
    let items = sessions.iter().map(StoredAuthSession::answer).collect();
    Ok(JsonAnswer(Page::filled(items, |session| query.cursor(session.id.as_str()), more.flatten())))
}

/// One session.
pub(crate) async fn get(FoundAuthSession { session, .. }: FoundAuthSession) -> JsonAnswer<AuthSession> {
    JsonAnswer(session.answer())
}

/// Gives a session other settings, and other parameters or another state if they are sent.
pub(crate) async fn update(
    State(clients): State<Clients>,
    found: FoundAuthSession,
    Json(document): Json,
) -> Result<(StatusCode, JsonAnswer<SessionAnswer>), ApiProblem> {
    let (session, operation) = update_session(&clients, found, document).await?;
    Ok((StatusCode::ACCEPTED, JsonAnswer(SessionAnswer::new(&session, Some(operation)))))
}

/// Changes a session; answers with the operation that sees to its state.
pub(crate) async fn update_session(
    clients: &Clients,
    FoundAuthSession { project, session }: FoundAuthSession,
    document: Value,
) -> Result<(StoredAuthSession, OperationId), ApiProblem> {
    let (settings, contents) = check_session_update(document, &session)?;
    let now = clients.clock.now();
    let updated = clients.store.update_auth_session(&project, &session, settings, contents.as_ref(), now).await;
    let (session, operation, work) = match updated {
        Err(StoreError::Conflict) => return Err(Problem::not_found(format!("auth session {}", session.id)).into()),
        result => result?,
    };
    clients.bus.hand_over(work).await;
    Ok((session, operation))
}

/// Deletes a session that no active run uses.
pub(crate) async fn delete(
    State(clients): State<Clients>,
    FoundAuthSession { session, .. }: FoundAuthSession,
) -> Result<StatusCode, ApiProblem> {
    if let Some(user) = clients.store.delete_auth_session(&session, clients.clock.now()).await? {
        return Err(Problem::new(ProblemCode::Conflict, format!("{user} uses it; end that first")).into());
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = InvalidFields, deny_unknown_fields)]
struct ValidateBody {}

/// Has a session checked, and renewed if need be.
pub(crate) async fn validate(once: Once, found: FoundAuthSession, body: OptionalJson) -> Result<Response, ApiProblem> {
    let ValidateBody {} = body.read()?;
    let (session, operation) = validate_session(once, found, ValidateSettings::default()).await?;
    Ok(answered(&session, Some(operation)))
}

/// With what a session is to be checked, and renewed if need be, instead of its own settings.
#[derive(Debug, Default, deserr::Deserr)]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub(crate) struct ValidateSettings {
    #[deserr(default)]
    check_attempts: Option<SessionAttempts>,
    #[deserr(default)]
    create_attempts: Option<SessionAttempts>,
    #[deserr(default)]
    auto_recreate: Option<bool>,
}

impl ValidateSettings {
    fn over(&self, settings: AuthSessionSettings) -> AuthSessionSettings {
        AuthSessionSettings {
            check_attempts: self.check_attempts.unwrap_or(settings.check_attempts),
            create_attempts: self.create_attempts.unwrap_or(settings.create_attempts),
            auto_recreate: self.auto_recreate.unwrap_or(settings.auto_recreate),
        }
    }
}

/// Has a session checked, and renewed if need be; answers with the operation that does so.
pub(crate) async fn validate_session(
    once: Once,
    FoundAuthSession { session, .. }: FoundAuthSession,
    settings: ValidateSettings,
) -> Result<(StoredAuthSession, OperationId), ApiProblem> {
    let first = |operation| FirstAnswer::AuthSession {
        project: session.project_id,
        id: session.id.clone(),
        uuid: Some(session.uuid),
        operation: Some(operation),
    };
    let (new, now) = (OperationId::new(), once.clients.clock.now());
    let clients = once.answering(first(new));
    let settings = settings.over(session.settings);
    let requested = clients.store.validate_auth_session(&session, settings, new, now).await?;
    let (operation, work) = requested.ok_or_else(|| Problem::not_found(format!("auth session {}", session.id)))?;
    if operation != new {
        // One that was under way does.
        once.answering(first(operation));
    }
    clients.bus.hand_over(vec![work]).await;
    Ok((session, operation))
}

/// An operation on a session.
pub(crate) struct FoundOperation(pub(crate) Operation);

impl FromRequestParts<Clients> for FoundOperation {
    type Rejection = ApiProblem;
    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, ApiProblem> {
        let FoundProject(project) = FoundProject::from_request_parts(parts, clients).await?;
        let id: OperationId = parameter(parts, "operation").await?;
        let operation = clients.store.auth_operation(project.id, id).await?;
        let operation = operation.ok_or_else(|| Problem::not_found(format!("operation {id}")))?;
        Ok(Self(operation.answer()))
    }
}

/// One operation.
pub(crate) async fn operation(FoundOperation(operation): FoundOperation) -> JsonAnswer<Operation> {
    JsonAnswer(operation)
}
