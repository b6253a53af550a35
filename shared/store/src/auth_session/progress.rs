//! How far the work on an auth session has come, written by whoever has the lease on it.

use sundial_engine::auth_session::{Phase, Procedure};
use sundial_model::auth_session::AuthSessionStatus;
use sundial_model::event::WorkReady;
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::{SecretsId, Timestamp};

use super::{STATE, StoredAuthSession, secret, wake_up};
use crate::Store;
use crate::error::StoreError;
use crate::secrets::put_secrets;
use crate::table::Expect;

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

    pub(super) async fn write_auth_session(&self, session: &mut StoredAuthSession) -> Result<(), StoreError> {
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

    /// Ends the work on a session, and its operation. Answers with the job runs that waited for it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the session was changed.
    pub async fn finish_auth_session(
        &self,
        session: &mut StoredAuthSession,
        end: &SessionEnd,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        let mut changed = session.clone();
        let Some(work) = changed.work.take() else { return Err(StoreError::Conflict) };
        let mut abandoned = Vec::new();
        let error = match end {
            SessionEnd::Ready => {
                (changed.status, changed.checked_at) = (AuthSessionStatus::Ready, Some(now));
                if !work.is_renewal {
                    changed.fruitless_renewals = 0;
                }
                if let Some(secrets) = work.candidate {
                    abandoned.extend(changed.take_state(secrets));
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
        Ok(wake_up(work.waiting))
    }
}
