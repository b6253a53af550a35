//! Operations on auth sessions: the target is asked to check a session's state, and to make a new one. How far
//! that has come stands in the session's item, so that another worker can go on with it.

mod call;

use std::sync::Arc;
use std::time::Duration;

use sundial_engine::auth_session::{Answer, Next};
use sundial_model::event::WorkReady;
use sundial_model::fresh_id::fresh_id;
use sundial_model::run::RunError;
use sundial_model::secret::SecretText;
use sundial_model::{AuthSessionId, ProjectId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{SessionEnd, SessionWork, StoreError, StoredAuthSession};
use tokio::time::Instant;

use call::{CALL_TIMEOUT, SessionTarget};

/// What came of an invocation's wish to work on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worked {
    /// It did what it could, or there is nothing to do, or somebody else does it.
    Done,
    /// It has no time left for the next call.
    NoTime,
}

/// Goes on with what is being done for a session, as far as there is time until `end_at` and nobody else does it.
pub(crate) async fn work(
    clients: &Clients,
    project: ProjectId,
    id: &AuthSessionId,
    begun: Instant,
    end_at: Instant,
) -> Result<Worked, StoreError> {
    let store = &clients.store;
    let session = store.auth_session(project, id).await?;
    let (taken_at, now) = (Instant::now(), clients.clock.now());
    let next = session.filter(|session| !session.is_leased(now)).and_then(|session| session.work);
    let Some(next) = next else { return Ok(Worked::Done) };
    // Most of the invocation, should that be shorter than what a call may take.
    let call_timeout = CALL_TIMEOUT.min((end_at - begun).mul_f64(0.95));
    if taken_at + next.not_before.since(now) + call_timeout > end_at {
        return Ok(Worked::NoTime);
    }
    let (owner, until) = (fresh_id().to_string(), now + clients.settings.lease);
    let taken = store.take_auth_session(project, id, &owner, until, now).await?;
    let Some(session) = taken else { return Ok(Worked::Done) };
    let mut keeper = Keeper { clients: clients.clone(), session, call_timeout, end_at, drop_at: taken_at };
    keeper.leased(taken_at);
    match keeper.run().await {
        // Somebody else works on it, or its user has changed it.
        Err(StoreError::Conflict) => Ok(Worked::Done),
        result => result.map(|()| Worked::Done),
    }
}

/// Does what a session needs, under a lease on it.
struct Keeper {
    clients: Clients,
    session: StoredAuthSession,
    call_timeout: Duration,
    end_at: Instant,
    /// When the lease may be over, by this machine's own clock.
    drop_at: Instant,
}

impl Keeper {
    async fn run(&mut self) -> Result<(), StoreError> {
        let Some(target) = SessionTarget::read(&self.clients, &self.session).await? else {
            let message = "the project's target is not where the session was made".to_owned();
            let error = RunError { code: "target-has-moved".to_owned(), message, status_code: None };
            return self.finish(SessionEnd::Failed(error), self.now()).await;
        };
        let target = Arc::new(target);
        while let Some(work) = self.session.work.clone() {
            let wait = work.not_before.since(self.now());
            if Instant::now() + wait + self.call_timeout > self.end_at {
                return self.leave(work.not_before).await;
            }
            let answer = self.call(Arc::clone(&target), work.clone(), wait).await?;
            self.record(&work, answer).await?;
        }
        Ok(())
    }

    /// Waits and makes the call, while the lease is renewed.
    async fn call(
        &mut self,
        target: Arc<SessionTarget>,
        work: SessionWork,
        wait: Duration,
    ) -> Result<Answer, StoreError> {
        let secret = self.secret_for(&work).await?;
        let renew_every = self.clients.settings.lease / 3;
        // What was read and written may have taken long.
        if Instant::now() + renew_every > self.drop_at {
            self.renew().await?;
        }
        let (clients, session, timeout) = (self.clients.clone(), self.session.clone(), self.call_timeout);
        let call = async move {
            tokio::time::sleep(wait).await;
            target.call(&clients, &session, &work, &secret, timeout).await
        };
        tokio::pin!(call);
        loop {
            let drop_at = self.drop_at;
            tokio::select! {
                biased;
                // Once the lease may be over, the call is somebody else's.
                () = tokio::time::sleep_until(drop_at) => return Err(StoreError::Conflict),
                answer = &mut call => return Ok(answer),
                () = tokio::time::sleep(renew_every) => {
                    let renewed = tokio::time::timeout_at(drop_at, self.renew()).await;
                    match renewed {
                        Ok(Err(StoreError::Unavailable(_) | StoreError::Throttled(_))) if Instant::now() < drop_at => {}
                        Ok(result) => result?,
                        Err(_) => return Err(StoreError::Conflict),
                    }
                }
            }
        }
    }

    /// What the next call carries: the state that is checked, or the parameters of a new one.
    async fn secret_for(&self, work: &SessionWork) -> Result<SecretText, StoreError> {
        let store = &self.clients.store;
        let secret = match call::carries_state(work.procedure.phase) {
            true => match work.candidate.or(self.session.state.map(|state| state.secrets)) {
                Some(secrets) => store.session_state(secrets).await?,
                None => None,
            },
            false => store.session_parameters(&self.session).await?,
        };
        let missing = || StoreError::Corrupt(format!("auth session {} lacks what is sent", self.session.id));
        secret.ok_or_else(missing)
    }

    /// Records what a call came to.
    async fn record(&mut self, work: &SessionWork, answer: Answer) -> Result<(), StoreError> {
        let now = self.now();
        match work.procedure.after(&answer, now) {
            Next::Call { procedure, at } => {
                let new_state = match answer {
                    Answer::Created(state) => Some(state),
                    Answer::Checked(_) | Answer::Failed { .. } => None,
                };
                let store = &self.clients.store;
                store.advance_auth_session(&mut self.session, procedure, at, new_state.as_ref(), now).await
            }
            Next::Ready => self.finish(SessionEnd::Ready, now).await,
            Next::Failed(error) => {
                tracing::warn!(code = error.code, "the auth session is not valid");
                self.finish(SessionEnd::Failed(error), now).await
            }
        }
    }

    async fn finish(&mut self, end: SessionEnd, now: Timestamp) -> Result<(), StoreError> {
        let waiting = self.clients.store.finish_auth_session(&mut self.session, &end, now).await?;
        self.clients.bus.hand_over(waiting).await;
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let until = self.now() + self.clients.settings.lease;
        self.clients.store.lease_auth_session(&mut self.session, until).await?;
        self.leased(begun);
        Ok(())
    }

    /// Notes a renewal of the lease that began at `begun`.
    fn leased(&mut self, begun: Instant) {
        let lease = self.clients.settings.lease;
        self.drop_at = begun + lease - lease / 4;
    }

    /// Gives the lease back, and sends for a successor if there is work now.
    async fn leave(&mut self, next_at: Timestamp) -> Result<(), StoreError> {
        self.clients.store.release_auth_session(&mut self.session, next_at).await?;
        if next_at <= self.now() {
            let (project_id, auth_session_id) = (self.session.project_id, self.session.id.clone());
            self.clients.bus.hand_over(vec![WorkReady::AuthSession { project_id, auth_session_id }]).await;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clients.clock.now()
    }
}
