//! How far the work on an auth session has come, written by whoever has the lease on it.

use sundial_engine::auth_session::{Phase, Procedure};
use sundial_model::auth_session::AuthSessionStatus;
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::{SecretsId, Timestamp};

use super::{STATE, StateVersion, StoredAuthSession, secret};
use crate::Store;
use crate::error::StoreError;
use crate::secrets::put_secrets;
use crate::table::{Expect, retry_on_conflict};

/// How the work on a session ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionEnd {
    /// Its state is good.
    Ready,
    /// It is not, or it has none.
    Failed(RunError),
}

impl Store {
    /// Takes the lease on a session, or renews it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else works on it, or it was changed.
    pub async fn lease_auth_session(
        &self,
        session: &mut StoredAuthSession,
        owner: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        session.owner = Some(owner.to_owned());
        (session.lease_until, session.next_at) = (Some(until), None);
        self.write_auth_session(session).await
    }

    /// Gives the lease back; the work goes on at `next_at`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the session was changed.
    pub async fn release_auth_session(
        &self,
        session: &mut StoredAuthSession,
        next_at: Timestamp,
    ) -> Result<(), StoreError> {
        (session.owner, session.lease_until, session.next_at) = (None, None, Some(next_at));
        self.write_auth_session(session).await
    }

    async fn write_auth_session(&self, session: &mut StoredAuthSession) -> Result<(), StoreError> {
        self.table.write(vec![session.put(Expect::Revision(session.revision))?]).await?;
        session.revision += 1;
        Ok(())
    }

    /// Notes how far the work has come: the next call, and the new state when there is one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the session was changed: the new state is then dropped.
    pub async fn advance_auth_session(
        &self,
        session: &mut StoredAuthSession,
        procedure: Procedure,
        not_before: Timestamp,
        new_state: Option<&SecretText>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut changed, mut writes, mut abandoned) = (session.clone(), Vec::new(), Vec::new());
        let Some(work) = &mut changed.work else { return Err(StoreError::Conflict) };
        if procedure.phase == Phase::Create || new_state.is_some() {
            abandoned.extend(work.candidate.take());
        }
        if let Some(state) = new_state {
            let secrets = SecretsId::new();
            writes.push(put_secrets(secrets, &secret(STATE, state))?);
            work.candidate = Some(secrets);
        }
        (work.procedure, work.not_before) = (procedure, not_before);
        writes.push(changed.put(Expect::Revision(session.revision))?);
        writes.extend(self.abandon_soon(abandoned, now)?);
        self.table.write(writes).await?;
        changed.revision += 1;
        *session = changed;
        Ok(())
    }

    /// Ends the work on a session, and its operation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the session was changed.
    pub async fn finish_auth_session(
        &self,
        session: &mut StoredAuthSession,
        end: &SessionEnd,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut changed = session.clone();
        let Some(work) = changed.work.take() else { return Err(StoreError::Conflict) };
        let mut abandoned = Vec::new();
        let error = match end {
            SessionEnd::Ready => {
                (changed.status, changed.checked_at) = (AuthSessionStatus::Ready, Some(now));
                if let Some(secrets) = work.candidate {
                    let number = changed.state.map_or(1, |state| state.number + 1);
                    abandoned
                        .extend(changed.state.replace(StateVersion { number, secrets }).map(|state| state.secrets));
                }
                None
            }
            SessionEnd::Failed(error) => {
                if changed.state.is_some() {
                    changed.status = AuthSessionStatus::Expired;
                }
                abandoned.extend(work.candidate);
                Some(error.clone())
            }
        };
        (changed.owner, changed.lease_until, changed.next_at) = (None, None, None);
        let mut writes = vec![changed.put(Expect::Revision(session.revision))?];
        writes.extend(self.end_operation(session.project_id, work.operation, error, now).await?);
        writes.extend(self.abandon_soon(abandoned, now)?);
        self.table.write(writes).await?;
        changed.revision += 1;
        *session = changed;
        Ok(())
    }

    /// Notes that a payload has succeeded with a version of the session's state: its renewals bear fruit.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn session_has_served(&self, session: &StoredAuthSession, version: u32) -> Result<(), StoreError> {
        retry_on_conflict(async || {
            let Some(mut current) = self.auth_session_as(session).await? else { return Ok(()) };
            let is_its = current.state.is_some_and(|state| state.number == version);
            if !is_its || current.fruitless_renewals == 0 {
                return Ok(());
            }
            current.fruitless_renewals = 0;
            self.write_auth_session(&mut current).await
        })
        .await
    }
}
