//! How far the work on an auth session has come, written by its keeper: whoever has the lease on it.
//!
//! Others write the session meanwhile: job runs that begin to wait for it, payloads that succeed with it. Their
//! changes are kept, as long as the work is what its keeper knows.

use std::time::Duration;

use sundial_engine::auth_session::{Phase, Procedure};
use sundial_model::auth_session::AuthSessionStatus;
use sundial_model::event::WorkReady;
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::{AuthSessionId, ProjectId, SecretsId, Timestamp};

use super::{AskedBy, STATE, SessionFailure, SessionWork, StoredAuthSession, secret, wake_up};
use crate::Store;
use crate::error::StoreError;
use crate::secrets::put_secrets;
use crate::table::{Expect, TransactionToken, Tries, Write, retry_on_conflict};

/// While the table is not available, what came of a call is written again, this often and after this long.
const WRITES_MAX: u32 = 20;
const WRITE_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How the work on a session ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionEnd {
    /// Its state is good.
    Ready,
    /// It is not, or it has none.
    Failed(RunError),
}

impl StoredAuthSession {
    /// Whether its keeper has the same work to do on it as on `other`.
    fn is_kept_as(&self, other: &Self) -> bool {
        let progress = |session: &Self| {
            let work = session.work.as_ref()?;
            Some((work.operation, work.procedure, work.candidate, work.not_before))
        };
        self.owner == other.owner && progress(self) == progress(other)
    }
}

impl Store {
    /// Takes the lease on a session that there is work on; none when there is none, or somebody else does it.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn take_auth_session(
        &self,
        project: ProjectId,
        id: &AuthSessionId,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<StoredAuthSession>, StoreError> {
        retry_on_conflict(async || {
            let session = self.auth_session(project, id).await?;
            let session = session.filter(|session| session.work.is_some() && !session.is_leased(now));
            let Some(mut session) = session else { return Ok(None) };
            session.owner = Some(owner.to_owned());
            (session.lease_until, session.next_at) = (Some(until), None);
            self.write_auth_session(&mut session).await?;
            Ok(Some(session))
        })
        .await
    }

    /// Renews the lease.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else works on the session, or its user has changed it.
    pub async fn lease_auth_session(
        &self,
        session: &mut StoredAuthSession,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_as_keeper(session, |session| {
            session.lease_until = Some(until);
            Ok((Vec::new(), ()))
        })
        .await
    }

    /// Gives the lease back; the work goes on at `next_at`.
    ///
    /// # Errors
    /// As [`Store::lease_auth_session`].
    pub async fn release_auth_session(
        &self,
        session: &mut StoredAuthSession,
        next_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_as_keeper(session, |session| {
            (session.owner, session.lease_until, session.next_at) = (None, None, Some(next_at));
            Ok((Vec::new(), ()))
        })
        .await
    }

    /// Notes how far the work has come: the next call, and the new state when there is one.
    ///
    /// # Errors
    /// As [`Store::lease_auth_session`]: the new state is then dropped.
    pub async fn advance_auth_session(
        &self,
        session: &mut StoredAuthSession,
        procedure: Procedure,
        not_before: Timestamp,
        new_state: Option<&SecretText>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_as_keeper(session, |session| {
            let (mut writes, mut abandoned) = (Vec::new(), Vec::new());
            let Some(work) = &mut session.work else { return Err(StoreError::Conflict) };
            if procedure.phase == Phase::Create || new_state.is_some() {
                abandoned.extend(work.candidate.take());
            }
            if let Some(state) = new_state {
                let secrets = SecretsId::new();
                writes.push(put_secrets(secrets, &secret(STATE, state))?);
                work.candidate = Some(secrets);
            }
            (work.procedure, work.not_before) = (procedure, not_before);
            writes.extend(self.abandon_soon(abandoned, now)?);
            Ok((writes, ()))
        })
        .await
    }

    /// Ends the work on a session, and its operation. Answers with the job runs that waited for it.
    ///
    /// # Errors
    /// As [`Store::lease_auth_session`].
    pub async fn finish_auth_session(
        &self,
        session: &mut StoredAuthSession,
        end: &SessionEnd,
        now: Timestamp,
    ) -> Result<Vec<WorkReady>, StoreError> {
        let operation = session.work.as_ref().map(|work| work.operation).ok_or(StoreError::Conflict)?;
        let operation = self.auth_operation(session.project_id, operation).await?;
        let waiting = self.change_as_keeper(session, |session| {
            let Some(work) = session.work.take() else { return Err(StoreError::Conflict) };
            let mut abandoned = Vec::new();
            let error = match end {
                SessionEnd::Ready => {
                    session.note_good_state(&work, now);
                    abandoned.extend(work.candidate.and_then(|secrets| session.take_state(secrets)));
                    None
                }
                SessionEnd::Failed(error) => {
                    if session.state.is_some() {
                        session.status = AuthSessionStatus::Expired;
                    }
                    session.failure = Some(SessionFailure { at: now, settings: work.procedure.settings });
                    abandoned.extend(work.candidate);
                    Some(error.clone())
                }
            };
            (session.owner, session.lease_until, session.next_at) = (None, None, None);
            let ended = operation.clone().map(|operation| operation.ended(error, now).put()).transpose()?;
            let abandoned = self.abandon_soon(abandoned, now)?;
            Ok((ended.into_iter().chain(abandoned).collect(), work.waiting))
        });
        Ok(wake_up(waiting.await?))
    }

    /// Writes a change of a session's keeper, with what goes with it.
    async fn change_as_keeper<T>(
        &self,
        session: &mut StoredAuthSession,
        change: impl Fn(&mut StoredAuthSession) -> Result<(Vec<Write>, T), StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = Tries::default();
        loop {
            let mut changed = session.clone();
            let (mut writes, answer) = change(&mut changed)?;
            writes.push(changed.put(Expect::Revision(session.revision))?);
            match self.write_patiently(writes).await {
                Ok(()) => {
                    changed.revision += 1;
                    *session = changed;
                    return Ok(answer);
                }
                Err(StoreError::Conflict) => tries.again().await?,
                Err(error) => return Err(error),
            }
            let current = self.auth_session_as(session).await?.filter(|current| current.is_kept_as(session));
            *session = current.ok_or(StoreError::Conflict)?;
        }
    }

    /// Writes once, however long it takes to know that.
    async fn write_patiently(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let (token, mut made) = (TransactionToken::new(), 1);
        loop {
            match self.table.write_once(writes.clone(), &token).await {
                Err(StoreError::Unavailable(message) | StoreError::Throttled(message)) if made < WRITES_MAX => {
                    tracing::warn!(error = message, "what came of an auth session is written again");
                    made += 1;
                    tokio::time::sleep(WRITE_AGAIN_AFTER).await;
                }
                result => return result,
            }
        }
    }

    pub(super) async fn write_auth_session(&self, session: &mut StoredAuthSession) -> Result<(), StoreError> {
        self.table.write(vec![session.put(Expect::Revision(session.revision))?]).await?;
        session.revision += 1;
        Ok(())
    }
}

impl StoredAuthSession {
    /// Its state was found to be good, by this work.
    fn note_good_state(&mut self, work: &SessionWork, now: Timestamp) {
        (self.status, self.checked_at) = (AuthSessionStatus::Ready, Some(now));
        (self.refused, self.failure) = (0, None);
        if work.asked_by == AskedBy::User {
            self.fruitless_renewals = 0;
        }
    }
}
