//! Auth sessions: an item for each, and one for each operation on it. What they are made of, and their
//! states, are secrets, each version in an item of its own.
//!
//! A session's item says what is being done for it, and how far that has come. Whoever does it has a lease on
//! the item, as workers have on lanes.

mod changes;
mod operations;
mod progress;
mod renewals;
mod runs;
mod uses;

use serde::{Deserialize, Serialize};
use sundial_engine::auth_session::Procedure;
use sundial_model::auth_session::{
    AuthSession, AuthSessionSettings, AuthSessionStatus, AuthSessionType, OperationType,
};
use sundial_model::event::WorkReady;
use sundial_model::secret::{SecretText, SecretValues};
use sundial_model::target::Target;
use sundial_model::{
    AuthSessionId, AuthSessionUuid, JobRunId, OperationId, ProjectId, ProjectName, SecretsId, Timestamp, WorkspaceId,
};

use crate::error::StoreError;
use crate::item::{NewItem, Read, as_json, read};
use crate::table::{Expect, Range, Write};
use crate::{Store, keys};

pub use changes::NewAuthSession;
pub use operations::StoredOperation;
pub use progress::SessionEnd;
pub use renewals::SessionRequest;
pub(crate) use runs::SessionCheck;
pub use runs::SessionOfRun;

/// Under what its JSON is kept among the secrets.
const PARAMETERS: &str = "parameters";
const STATE: &str = "state";

/// A version of a session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion {
    /// From 1, ever up.
    pub number: u32,
    /// Where it is kept.
    pub secrets: SecretsId,
}

/// A session could not be found to be good, or made so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFailure {
    /// When.
    pub at: Timestamp,
    /// What was tried.
    pub settings: AuthSessionSettings,
}

/// Who wants something to be done for a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskedBy {
    /// A user, who knows what they do: whatever was held against the session is forgotten when it succeeds.
    #[default]
    User,
    /// A job run that wants to start.
    Start,
    /// A job run whose payloads were refused.
    Refusal,
}

/// What is being done for a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionWork {
    /// Its operation.
    pub operation: OperationId,
    /// What kind of.
    pub operation_type: OperationType,
    /// How far it has come.
    pub procedure: Procedure,
    /// A new state that was made, and not found to be good yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<SecretsId>,
    /// Not before this.
    pub not_before: Timestamp,
    /// Who wants it.
    #[serde(default)]
    pub asked_by: AskedBy,
    /// Job runs that start, or do not, when it has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<JobRunId>,
}

/// An auth session as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredAuthSession {
    /// This creation of it.
    pub uuid: AuthSessionUuid,
    /// What its user calls it.
    pub id: AuthSessionId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its project's name.
    pub project_name: ProjectName,
    /// The target that it was made for: scheme, host and port.
    pub target_origin: String,
    /// Where its state comes from.
    pub session_type: AuthSessionType,
    /// Whether payloads can use it.
    pub status: AuthSessionStatus,
    /// How it is kept fresh.
    #[serde(with = "as_json")]
    pub settings: AuthSessionSettings,
    /// What its state is made out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<SecretsId>,
    /// Its state.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateVersion>,
    /// How many states it has had: the number of its next one is one more.
    #[serde(default)]
    pub states: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its state was last found to be good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When a job run last asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// The newest version of its state that a target has refused, and that was not found to be good since.
    #[serde(default)]
    pub refused: u32,
    /// How the last thing failed that was done for it, if it did.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<SessionFailure>,
    /// How often it was renewed in mid-run without a payload that succeeded since.
    #[serde(default)]
    pub fruitless_renewals: u32,
    /// What is being done for it.
    #[serde(with = "as_json", default, skip_serializing_if = "Option::is_none")]
    pub work: Option<SessionWork>,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when, unless they say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When there is something to do while nobody does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// What a later write expects; set by reading.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl StoredAuthSession {
    pub(crate) fn from_read(read: Read<Self>) -> Self {
        Self { revision: read.revision, ..read.value }
    }

    /// Has another state from now on; answers with the secrets of the one before.
    fn take_state(&mut self, secrets: SecretsId) -> Option<SecretsId> {
        self.states += 1;
        self.status = AuthSessionStatus::Ready;
        self.state.replace(StateVersion { number: self.states, secrets }).map(|state| state.secrets)
    }

    /// As it is answered.
    pub fn answer(&self) -> AuthSession {
        AuthSession {
            id: self.id.clone(),
            session_type: self.session_type,
            status: self.status,
            created_at: self.created_at,
            checked_at: self.checked_at,
            used_at: self.used_at,
        }
    }

    /// When the evaluator must look at it.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.lease_until.or(self.next_at)
    }

    /// Whether it was made for a target: its contents go nowhere else.
    pub fn is_for(&self, target: &Target) -> bool {
        target.origin() == self.target_origin
    }

    /// The number of the version of its state that payloads can carry; 0 when there is none.
    pub fn usable_version(&self) -> u32 {
        self.state.map(|state| state.number).filter(|number| *number > self.refused).unwrap_or(0)
    }

    /// Whether somebody works on it at `now`.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    fn put(&self, expect: Expect) -> Result<Write, StoreError> {
        let item = NewItem::new(keys::auth_session(self.project_id, self.id.as_str()), self)?;
        Ok(Write::Put(item.waking(self.wake_at()), expect))
    }
}

/// What is handed over so that job runs go on that have waited.
fn wake_up(waiting: Vec<JobRunId>) -> Vec<WorkReady> {
    waiting.into_iter().map(|run| WorkReady::lane(run, runs::FIRST_LANE)).collect()
}

fn secret(name: &str, text: &SecretText) -> SecretValues {
    SecretValues::from_stored([(name.to_owned(), text.expose().to_owned())].into())
}

impl Store {
    /// An auth session by its id.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn auth_session(
        &self,
        project: ProjectId,
        id: &AuthSessionId,
    ) -> Result<Option<StoredAuthSession>, StoreError> {
        let read = self.table.get(&keys::auth_session(project, id.as_str())).await?;
        Ok(read.map(StoredAuthSession::from_read))
    }

    /// The auth sessions of a project by id, after the id `after`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn auth_sessions(
        &self,
        project: ProjectId,
        after: Option<&AuthSessionId>,
        limit: usize,
    ) -> Result<Vec<StoredAuthSession>, StoreError> {
        let mut range = Range::prefix(&keys::auth_sessions(project), keys::AUTH_SESSION_PREFIX);
        if let Some(after) = after {
            range.from = format!("{}{after}\0", keys::AUTH_SESSION_PREFIX);
        }
        let items = self.table.query(&range, limit).await?;
        items.into_iter().map(|item| read(item).map(StoredAuthSession::from_read)).collect()
    }

    /// What a session's state is made out of, as JSON.
    ///
    /// # Errors
    /// When the table cannot be read, or the session has got other parameters a while ago.
    pub async fn session_parameters(&self, session: &StoredAuthSession) -> Result<Option<SecretText>, StoreError> {
        self.session_secret(session.parameters, PARAMETERS).await
    }

    /// A version of a session's state, as JSON.
    ///
    /// # Errors
    /// When the table cannot be read, or the session has got another state a while ago.
    pub async fn session_state(&self, secrets: SecretsId) -> Result<Option<SecretText>, StoreError> {
        self.session_secret(Some(secrets), STATE).await
    }

    async fn session_secret(&self, id: Option<SecretsId>, name: &str) -> Result<Option<SecretText>, StoreError> {
        let values = self.secret_values(id).await?;
        Ok(values.expose().get(name).map(|text| SecretText::new(text.as_str())))
    }

    /// The same creation of a session, as it is now.
    pub(crate) async fn auth_session_as(
        &self,
        session: &StoredAuthSession,
    ) -> Result<Option<StoredAuthSession>, StoreError> {
        let current = self.auth_session(session.project_id, &session.id).await?;
        Ok(current.filter(|current| current.uuid == session.uuid))
    }
}
