//! What users and job runs ask of auth sessions: creation, other contents, deletion, and that they are valid.
//! What takes long is only begun here.

use sundial_engine::auth_session::{FRUITLESS_RENEWALS_MAX, Procedure};
use sundial_model::auth_session::{AuthSessionSettings, AuthSessionStatus, AuthSessionType, OperationType};
use sundial_model::event::WorkReady;
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::{AuthSessionId, AuthSessionUuid, OperationId, SecretsId, Timestamp};

use super::{PARAMETERS, STATE, SessionWork, StateVersion, StoredAuthSession, StoredOperation, secret};
use crate::error::StoreError;
use crate::projects::StoredProject;
use crate::secrets::put_secrets;
use crate::start::LOST_EVENT_AFTER;
use crate::table::{Expect, Write, first_revision, retry_on_conflict};
use crate::{Store, keys};

/// A session to be created.
#[derive(Clone, Debug)]
pub struct NewAuthSession {
    /// Chosen by its user.
    pub id: AuthSessionId,
    /// How it is kept fresh.
    pub settings: AuthSessionSettings,
    /// Parameters of CREDENTIALS, or the state of RUNTIME, as JSON.
    pub contents: SecretText,
    /// Which of them.
    pub session_type: AuthSessionType,
}

/// What came of asking for an operation.
#[derive(Clone, Debug)]
pub enum SessionRequest {
    /// It is under way, or done, under this id.
    Operation(OperationId, Vec<WorkReady>),
    /// There is no such session.
    Gone,
    /// The session has a newer state than the one that was refused.
    Renewed,
    /// The session cannot be renewed, and is EXPIRED.
    Refused(RunError),
}

impl StoredAuthSession {
    fn begin(&mut self, operation: &StoredOperation, procedure: Procedure, now: Timestamp) {
        self.work = Some(SessionWork {
            operation: operation.id,
            operation_type: operation.operation_type,
            procedure,
            candidate: None,
            not_before: now,
        });
        (self.owner, self.lease_until, self.next_at) = (None, None, Some(now + LOST_EVENT_AFTER));
    }

    fn work_ready(&self) -> WorkReady {
        WorkReady::AuthSession { project_id: self.project_id, auth_session_id: self.id.clone() }
    }

    fn new_operation(&self, id: OperationId, operation_type: OperationType, now: Timestamp) -> StoredOperation {
        StoredOperation::new(id, self.project_id, self.id.clone(), operation_type, now)
    }

    /// Takes in other contents; answers with the secrets of the ones before.
    fn take_in(&mut self, secrets: SecretsId) -> Option<SecretsId> {
        match self.session_type {
            AuthSessionType::Credentials => self.parameters.replace(secrets),
            AuthSessionType::Runtime => {
                let number = self.state.map_or(1, |state| state.number + 1);
                self.status = AuthSessionStatus::Ready;
                self.state.replace(StateVersion { number, secrets }).map(|state| state.secrets)
            }
        }
    }
}

/// Under what the contents are kept that a user gives.
fn name_of_contents(session_type: AuthSessionType) -> &'static str {
    match session_type {
        AuthSessionType::Credentials => PARAMETERS,
        AuthSessionType::Runtime => STATE,
    }
}

impl Store {
    /// Creates a session: one of CREDENTIALS with the operation that makes its state.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one of this id, or the project has changed since it was read.
    pub async fn create_auth_session(
        &self,
        project: &StoredProject,
        uuid: AuthSessionUuid,
        new: NewAuthSession,
        operation: Option<OperationId>,
        now: Timestamp,
    ) -> Result<(StoredAuthSession, Vec<WorkReady>), StoreError> {
        if !Self::takes_jobs(project, now) {
            return Err(StoreError::Conflict);
        }
        let secrets = SecretsId::new();
        let first = first_revision(uuid.0);
        let mut session = StoredAuthSession {
            uuid,
            id: new.id,
            workspace_id: project.workspace_id,
            project_id: project.id,
            project_name: project.name.clone(),
            session_type: new.session_type,
            status: AuthSessionStatus::Pending,
            settings: new.settings,
            parameters: None,
            state: None,
            created_at: now,
            checked_at: None,
            used_at: None,
            fruitless_renewals: 0,
            work: None,
            owner: None,
            lease_until: None,
            next_at: None,
            revision: first,
        };
        session.take_in(secrets);
        let contents = secret(name_of_contents(new.session_type), &new.contents);
        let mut writes = vec![project.check(), put_secrets(secrets, &contents)?];
        let mut work = Vec::new();
        if let Some(operation) = operation {
            let operation = session.new_operation(operation, OperationType::Create, now);
            session.begin(&operation, Procedure::begin(false, true, session.settings), now);
            writes.push(operation.put()?);
            work.push(session.work_ready());
        }
        writes.push(session.put(Expect::NothingBefore(first))?);
        self.write_effect(writes).await?;
        Ok((session, work))
    }

    /// Gives a session other settings, and other contents if there are any. Its state is then made anew; what
    /// was being done for it before ends without success.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was deleted, or changes all the time.
    pub async fn update_auth_session(
        &self,
        session: &StoredAuthSession,
        settings: AuthSessionSettings,
        contents: Option<&SecretText>,
        now: Timestamp,
    ) -> Result<(StoredAuthSession, OperationId, Vec<WorkReady>), StoreError> {
        retry_on_conflict(async || {
            let Some(mut session) = self.auth_session_as(session).await? else { return Err(StoreError::Conflict) };
            let (expect, mut writes, mut abandoned) = (Expect::Revision(session.revision), Vec::new(), Vec::new());
            session.settings = settings;
            if let Some(contents) = contents {
                let secrets = SecretsId::new();
                writes.push(put_secrets(secrets, &secret(name_of_contents(session.session_type), contents))?);
                abandoned.extend(session.take_in(secrets));
            }
            if let Some(before) = session.work.take() {
                writes.extend(self.end_operation(session.project_id, before.operation, Some(replaced()), now).await?);
                abandoned.extend(before.candidate);
            }
            session.fruitless_renewals = 0;
            let operation = session.new_operation(OperationId::new(), OperationType::Update, now);
            let id = operation.id;
            let mut work = Vec::new();
            if session.session_type == AuthSessionType::Credentials {
                // With other parameters, the state that is there may be somebody else's.
                let has_state = contents.is_none() && session.state.is_some();
                session.begin(&operation, Procedure::begin(has_state, true, settings), now);
                work.push(session.work_ready());
                writes.push(operation.put()?);
            } else {
                (session.owner, session.lease_until, session.next_at) = (None, None, None);
                writes.push(operation.ended(None, now).put()?);
            }
            writes.extend(self.abandon_soon(abandoned, now)?);
            writes.push(session.put(expect)?);
            self.table.write(writes).await?;
            session.revision += 1;
            Ok((session, id, work))
        })
        .await
    }

    /// Asks that a session is checked, and renewed if need be, by this operation; one that is under way does.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn validate_auth_session(
        &self,
        session: &StoredAuthSession,
        operation: OperationId,
        settings: Option<AuthSessionSettings>,
        now: Timestamp,
    ) -> Result<SessionRequest, StoreError> {
        self.request(session, operation, now, |session| {
            let settings = settings.unwrap_or(session.settings);
            Ok(Procedure::begin(session.state.is_some(), session.parameters.is_some(), settings))
        })
        .await
    }

    /// Asks for another state than the one of the version `refused`. An operation that is under way does.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn renew_auth_session(
        &self,
        session: &StoredAuthSession,
        refused: u32,
        settings: AuthSessionSettings,
        now: Timestamp,
    ) -> Result<SessionRequest, StoreError> {
        self.request(session, OperationId::new(), now, |session| {
            if session.state.is_some_and(|state| state.number > refused) {
                return Err(None);
            }
            if !Procedure::may_renew(session.parameters.is_some(), settings) {
                return Err(Some("the target refused the session's state, and it is not to be renewed"));
            }
            if session.fruitless_renewals >= FRUITLESS_RENEWALS_MAX {
                return Err(Some("the session was renewed again and again without a payload that succeeded"));
            }
            session.fruitless_renewals += 1;
            Ok(Procedure::renew(settings))
        })
        .await
    }

    /// Begins an operation unless there is one; why not, `procedure` says: there is no need, or it cannot be.
    async fn request(
        &self,
        session: &StoredAuthSession,
        operation: OperationId,
        now: Timestamp,
        procedure: impl Fn(&mut StoredAuthSession) -> Result<Procedure, Option<&'static str>>,
    ) -> Result<SessionRequest, StoreError> {
        retry_on_conflict(async || {
            let Some(mut session) = self.auth_session_as(session).await? else { return Ok(SessionRequest::Gone) };
            if let Some(work) = &session.work {
                return Ok(SessionRequest::Operation(work.operation, vec![session.work_ready()]));
            }
            let expect = Expect::Revision(session.revision);
            let procedure = match procedure(&mut session) {
                Ok(procedure) => procedure,
                Err(None) => return Ok(SessionRequest::Renewed),
                Err(Some(message)) => {
                    session.status = AuthSessionStatus::Expired;
                    self.table.write(vec![session.put(expect)?]).await?;
                    return Ok(SessionRequest::Refused(not_renewed(message)));
                }
            };
            let operation = session.new_operation(operation, OperationType::Validate, now);
            session.begin(&operation, procedure, now);
            self.write_effect(vec![session.put(expect)?, operation.put()?]).await?;
            Ok(SessionRequest::Operation(operation.id, vec![session.work_ready()]))
        })
        .await
    }

    /// Deletes a session; what is being done for it ends without success.
    ///
    /// # Errors
    /// When the table cannot be reached; the session is then still there.
    pub async fn delete_auth_session(&self, session: &StoredAuthSession, now: Timestamp) -> Result<(), StoreError> {
        retry_on_conflict(async || {
            let Some(session) = self.auth_session_as(session).await? else { return Ok(()) };
            let key = keys::auth_session(session.project_id, session.id.as_str());
            let mut writes = vec![Write::Delete(key, Expect::Revision(session.revision))];
            if let Some(work) = &session.work {
                writes.extend(self.end_operation(session.project_id, work.operation, Some(replaced()), now).await?);
            }
            let candidate = session.work.as_ref().and_then(|work| work.candidate);
            let state = session.state.map(|state| state.secrets);
            let secrets = session.parameters.into_iter().chain(state).chain(candidate);
            writes.extend(self.abandon_soon(secrets, now)?);
            self.table.write(writes).await
        })
        .await
    }
}

fn replaced() -> RunError {
    let message = "the session was changed or deleted meanwhile".to_owned();
    RunError { code: "superseded".to_owned(), message, status_code: None }
}

fn not_renewed(message: &str) -> RunError {
    let code = sundial_engine::auth_session::SESSION_INVALID.to_owned();
    RunError { code, message: message.to_owned(), status_code: None }
}
