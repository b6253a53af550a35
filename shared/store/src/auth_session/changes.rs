//! What users ask of auth sessions: creation, other contents, deletion, and that they are valid.
//! What takes long is only begun here.

use sundial_engine::auth_session::Procedure;
use sundial_model::auth_session::{AuthSessionSettings, AuthSessionStatus, AuthSessionType, OperationType};
use sundial_model::event::WorkReady;
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::{AuthSessionId, AuthSessionUuid, OperationId, SecretsId, Timestamp};

use super::{AskedBy, PARAMETERS, STATE, SessionWork, StoredAuthSession, StoredOperation, secret, wake_up};
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

impl StoredAuthSession {
    /// Begins what is to be done for it.
    pub(super) fn begin(
        &mut self,
        operation: &StoredOperation,
        procedure: Procedure,
        asked_by: AskedBy,
        now: Timestamp,
    ) {
        self.work = Some(SessionWork {
            operation: operation.id,
            operation_type: operation.operation_type,
            procedure,
            candidate: None,
            not_before: now,
            asked_by,
            waiting: Vec::new(),
        });
        (self.owner, self.lease_until, self.next_at) = (None, None, Some(now + LOST_EVENT_AFTER));
    }

    pub(super) fn work_ready(&self) -> WorkReady {
        WorkReady::AuthSession { project_id: self.project_id, auth_session_id: self.id.clone() }
    }

    /// What finds out whether it is valid, and renews it if need be.
    pub(super) fn validation(&self, settings: AuthSessionSettings) -> Procedure {
        Procedure::begin(self.state.is_some(), self.parameters.is_some(), settings)
    }

    pub(super) fn new_operation(
        &self,
        id: OperationId,
        operation_type: OperationType,
        now: Timestamp,
    ) -> StoredOperation {
        StoredOperation::new(id, self.project_id, self.id.clone(), operation_type, now)
    }

    /// Takes in other contents; answers with the secrets of the ones before.
    fn take_in(&mut self, secrets: SecretsId) -> Vec<SecretsId> {
        match self.session_type {
            AuthSessionType::Credentials => {
                // The state that is there may be somebody else's.
                self.status = AuthSessionStatus::Pending;
                let state = self.state.take().map(|state| state.secrets);
                self.parameters.replace(secrets).into_iter().chain(state).collect()
            }
            AuthSessionType::Runtime => self.take_state(secrets).into_iter().collect(),
        }
    }
}

/// The error of an operation whose session was changed, or deleted, before it came to its end.
pub(super) const SUPERSEDED: &str = "superseded";

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
            target_origin: project.target.origin(),
            session_type: new.session_type,
            status: AuthSessionStatus::Pending,
            settings: new.settings,
            parameters: None,
            state: None,
            states: 0,
            created_at: now,
            checked_at: None,
            used_at: None,
            refused: 0,
            failure: None,
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
            session.begin(&operation, Procedure::begin(false, true, session.settings), AskedBy::User, now);
            writes.push(operation.put()?);
            work.push(session.work_ready());
        }
        writes.push(session.put(Expect::NothingBefore(first))?);
        self.write_effect(writes).await?;
        Ok((session, work))
    }

    /// Gives a session other settings, and other contents if there are any, of which its state is then made anew;
    /// otherwise that is checked. What was being done for it before ends without success.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was deleted, or changes all the time.
    pub async fn update_auth_session(
        &self,
        project: &StoredProject,
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
                session.target_origin = project.target.origin();
                (session.refused, session.failure, session.fruitless_renewals) = (0, None, 0);
            }
            let mut waiting = Vec::new();
            if let Some(before) = session.work.take() {
                writes.extend(self.end_operation(session.project_id, before.operation, Some(replaced()), now).await?);
                abandoned.extend(before.candidate);
                waiting = before.waiting;
            }
            let operation = session.new_operation(OperationId::new(), OperationType::Update, now);
            let id = operation.id;
            let mut work = Vec::new();
            if session.session_type == AuthSessionType::Credentials {
                session.begin(
                    &operation,
                    Procedure::begin(session.state.is_some(), true, settings),
                    AskedBy::User,
                    now,
                );
                if let Some(work) = &mut session.work {
                    work.waiting = waiting;
                }
                work.push(session.work_ready());
                writes.push(operation.put()?);
            } else {
                (session.owner, session.lease_until, session.next_at) = (None, None, None);
                work.extend(wake_up(waiting));
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

    /// Asks that a session is checked, and renewed if need be, by this operation and with these settings; one that is
    /// under way does.
    /// Answers with the operation, or with nothing when the session is gone.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn validate_auth_session(
        &self,
        session: &StoredAuthSession,
        settings: AuthSessionSettings,
        operation: OperationId,
        now: Timestamp,
    ) -> Result<Option<(OperationId, WorkReady)>, StoreError> {
        retry_on_conflict(async || {
            let Some(mut session) = self.auth_session_as(session).await? else { return Ok(None) };
            let expect = Expect::Revision(session.revision);
            if let Some(work) = &mut session.work {
                let (operation, is_known) = (work.operation, work.asked_by == AskedBy::User);
                work.asked_by = AskedBy::User;
                if !is_known {
                    self.write_effect(vec![session.put(expect)?]).await?;
                }
                return Ok(Some((operation, session.work_ready())));
            }
            let operation = session.new_operation(operation, OperationType::Validate, now);
            session.begin(&operation, session.validation(settings), AskedBy::User, now);
            self.write_effect(vec![session.put(expect)?, operation.put()?]).await?;
            Ok(Some((operation.id, session.work_ready())))
        })
        .await
    }

    /// Deletes a session, unless an active run uses it, which is then the answer. What is being done for the
    /// session ends without success.
    ///
    /// # Errors
    /// When the table cannot be reached; the session is then still there.
    pub async fn delete_auth_session(
        &self,
        session: &StoredAuthSession,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        retry_on_conflict(async || {
            let Some(session) = self.auth_session_as(session).await? else { return Ok(None) };
            // A run that wants to start after this look changes it; one that goes on once more finds that it is gone.
            let used_by = self.active_run_with_session(session.project_id, &session.id).await?;
            if used_by.is_some() {
                return Ok(used_by);
            }
            let key = keys::auth_session(session.project_id, session.id.as_str());
            let mut writes = vec![Write::Delete(key, Expect::Revision(session.revision))];
            if let Some(work) = &session.work {
                writes.extend(self.end_operation(session.project_id, work.operation, Some(replaced()), now).await?);
            }
            let candidate = session.work.as_ref().and_then(|work| work.candidate);
            let state = session.state.map(|state| state.secrets);
            let secrets = session.parameters.into_iter().chain(state).chain(candidate);
            writes.extend(self.abandon_soon(secrets, now)?);
            self.table.write(writes).await?;
            Ok(None)
        })
        .await
    }
}

fn replaced() -> RunError {
    let message = "the session was changed or deleted meanwhile".to_owned();
    RunError { code: SUPERSEDED.to_owned(), message, status_code: None }
}
