//! Renewals in the middle of job runs: a target has refused the state that payloads carried.

use std::time::Duration;

use sundial_engine::auth_session::{FRUITLESS_RENEWALS_MAX, Procedure, SESSION_INVALID};
use sundial_model::auth_session::{AuthSessionSettings, AuthSessionStatus, OperationType};
use sundial_model::run::RunError;
use sundial_model::{OperationId, Timestamp};

use super::{AskedBy, SessionFailure, StoredAuthSession};
use crate::Store;
use crate::error::StoreError;
use crate::table::{Expect, retry_on_conflict};

/// A renewal that failed counts for all that ask for one within this time: they met the same refusal.
const FAILED_FOR: Duration = Duration::from_secs(60);

/// What came of asking for another state.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionRequest {
    /// It is being made, or what is there is being checked.
    Operation {
        /// Under this id.
        id: OperationId,
        /// Whether its failure means that there is no other state: it tries no less than what was asked for.
        decides: bool,
    },
    /// There is no such session.
    Gone,
    /// The session has a newer state than the one that was refused.
    Renewed,
    /// The session cannot be renewed, and is EXPIRED.
    Refused(RunError),
}

impl StoredAuthSession {
    /// Whether another state can be made for it, and is to be.
    pub(super) fn may_be_made(&self, settings: AuthSessionSettings) -> bool {
        Procedure::may_renew(self.parameters.is_some(), settings)
    }

    /// Why it is not to be renewed.
    fn why_not_renewed(&self, settings: AuthSessionSettings, now: Timestamp) -> Option<&'static str> {
        if !self.may_be_made(settings) {
            return Some("its state is not to be renewed");
        }
        let counts = |failure: SessionFailure| failure.at + FAILED_FOR > now && failure.settings.covers(settings);
        if self.failure.is_some_and(counts) {
            return Some("its state could not be renewed");
        }
        let is_fruitless = self.fruitless_renewals >= FRUITLESS_RENEWALS_MAX;
        is_fruitless.then_some("its state was renewed again and again, and no payload has succeeded")
    }
}

fn not_renewed(message: &str) -> RunError {
    RunError { code: SESSION_INVALID.to_owned(), message: message.to_owned(), status_code: None }
}

impl Store {
    /// Asks for another state than the one of the version `refused`, 0 when there was none. An operation that
    /// is under way does.
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
        retry_on_conflict(async || {
            let Some(mut session) = self.auth_session_as(session).await? else { return Ok(SessionRequest::Gone) };
            if session.usable_version() > refused {
                return Ok(SessionRequest::Renewed);
            }
            if let Some(work) = &session.work {
                let decides = work.procedure.settings.covers(settings);
                return Ok(SessionRequest::Operation { id: work.operation, decides });
            }
            let expect = Expect::Revision(session.revision);
            if let Some(why) = session.why_not_renewed(settings, now) {
                let is_news = session.status != AuthSessionStatus::Expired || session.refused < refused;
                if session.state.is_some() && is_news {
                    (session.status, session.refused) = (AuthSessionStatus::Expired, session.refused.max(refused));
                    self.table.write(vec![session.put(expect)?]).await?;
                }
                return Ok(SessionRequest::Refused(not_renewed(why)));
            }
            session.fruitless_renewals += 1;
            session.refused = session.refused.max(refused);
            let operation = session.new_operation(OperationId::new(), OperationType::Validate, now);
            session.begin(&operation, Procedure::renew(settings), AskedBy::Refusal, now);
            self.table.write(vec![session.put(expect)?, operation.put()?]).await?;
            Ok(SessionRequest::Operation { id: operation.id, decides: true })
        })
        .await
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
