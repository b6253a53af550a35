//! The auth session in the middle of a run: when the target refuses the state that an attempt carried, no
//! further attempt starts until there is another one. Who asks first has it made, for the whole run and all
//! others that use the session.

use std::sync::Arc;
use std::time::Duration;

use sundial_model::OperationId;
use sundial_model::auth_session::OperationStatus;
use sundial_model::run::RunError;
use sundial_store::{SessionRequest, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Worker;
use crate::auth_session;
use crate::context::RunContext;
use crate::session_state::RunSession;

/// A renewal that somebody else makes is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After one that failed, or could not be asked for, the next one is not asked for before this: by then, the
/// run is paused.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the worker knows of the session, beside its state.
pub(super) struct Renewals {
    /// The newest version of the state that the target has refused.
    refused: Option<u32>,
    /// The renewal that is waited for.
    awaited: Option<OperationId>,
    /// When the next step of it is taken.
    step_at: Instant,
    /// The version whose first success is noted: there were renewals without one.
    noted: Option<u32>,
    tasks: JoinSet<Result<Step, StoreError>>,
}

/// What a step came to.
pub(super) enum Step {
    /// There is a newer state, and it is known now.
    Renewed,
    /// It is not there yet; if this operation fails, it will not be.
    Waits(Option<OperationId>),
    /// There is none to be had: the job is being paused.
    Failed,
    /// Something was noted.
    Noted,
}

impl Renewals {
    pub(super) fn new(now: Instant) -> Self {
        Self { refused: None, awaited: None, step_at: now, noted: None, tasks: JoinSet::new() }
    }

    /// Waits for the next thing that has ended; for ever, if nothing is under way.
    pub(super) async fn ended(&mut self) -> Result<Step, StoreError> {
        match self.tasks.join_next().await {
            Some(Ok(step)) => step,
            Some(Err(error)) => Err(StoreError::Refused(format!("a renewal broke off: {error}"))),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing is under way: a call to the target is not broken off.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Worker {
    /// Whether attempts need another state than the one that is known.
    pub(super) fn lacks_state(&self) -> bool {
        let session = self.context.session.as_ref();
        session.is_some_and(|session| session.version() <= self.renewals.refused.unwrap_or(0))
    }

    /// Notes how an attempt fared with the state that it carried.
    pub(super) fn note_session(&mut self, carried: u32, is_refused: bool, has_succeeded: bool) {
        if is_refused {
            self.renewals.refused = self.renewals.refused.max(Some(carried));
            return;
        }
        let current = self.context.session.as_ref().and_then(RunSession::current);
        let Some(current) = current.filter(|current| current.version == carried && has_succeeded) else { return };
        if current.session.fruitless_renewals > 0 && self.renewals.noted != Some(carried) {
            self.renewals.noted = Some(carried);
            let context = Arc::clone(&self.context);
            self.renewals.tasks.spawn(async move {
                // Should it fail, a later worker notes it, or a renewal too many counts as failed.
                context.clients.store.session_has_served(&current.session, carried).await?;
                Ok(Step::Noted)
            });
        }
    }

    /// Takes the next step towards another state, if one is needed.
    pub(super) fn renew_session(&mut self) {
        let is_working = self.lane.phase == sundial_store::LanePhase::Working && !self.lane.is_draining;
        if !is_working || !self.lacks_state() || self.renewals.step_at > Instant::now() {
            return;
        }
        if self.renewals.tasks.is_empty() {
            let (context, refused) = (Arc::clone(&self.context), self.renewals.refused.unwrap_or(0));
            let (awaited, end_at) = (self.renewals.awaited, self.end_at);
            self.renewals.tasks.spawn(async move { Box::pin(step(&context, refused, awaited, end_at)).await });
        }
    }

    /// When the next step is taken; none while one is under way, or none is needed.
    pub(super) fn renew_at(&self) -> Option<Instant> {
        (self.lacks_state() && self.renewals.tasks.is_empty()).then_some(self.renewals.step_at)
    }

    pub(super) fn note_renewal(&mut self, step: Result<Step, StoreError>) {
        let now = Instant::now();
        match step {
            Ok(Step::Noted) => {}
            Ok(Step::Renewed) => (self.renewals.awaited, self.renewals.step_at) = (None, now),
            Ok(Step::Waits(awaited)) => (self.renewals.awaited, self.renewals.step_at) = (awaited, now + LOOK_EVERY),
            Ok(Step::Failed) => (self.renewals.awaited, self.renewals.step_at) = (None, now + ASK_AGAIN_AFTER),
            Err(error) => {
                tracing::warn!(%error, "the auth session is asked for again");
                self.renewals.step_at = now + LOOK_EVERY;
            }
        }
    }
}

/// One step: asks for another state, or looks how far that is; and works on it unless somebody else does.
async fn step(
    context: &RunContext,
    refused: u32,
    awaited: Option<OperationId>,
    end_at: Instant,
) -> Result<Step, StoreError> {
    let (store, now) = (&context.clients.store, context.clients.clock.now());
    let Some(session) = &context.session else { return Ok(Step::Noted) };
    let (operation, is_renewal) = match awaited {
        Some(operation) => (operation, true),
        None => {
            let Some(stored) = session.stored(store).await? else { return gone(context, session).await };
            let settings = session.reference.over(stored.settings);
            match store.renew_auth_session(&stored, refused, settings, now).await? {
                SessionRequest::Operation { id, is_renewal } => (id, is_renewal),
                SessionRequest::Gone => return gone(context, session).await,
                SessionRequest::Refused(error) => return fail(context, session, &error).await,
                SessionRequest::Renewed => {
                    session.read_again(store).await?;
                    return Ok(Step::Renewed);
                }
            }
        }
    };
    auth_session::work(&context.clients, context.run.project_id, &session.reference.id, end_at).await?;
    let operation = store.auth_operation(context.run.project_id, operation).await?;
    if let Some(operation) = operation {
        if operation.status == OperationStatus::Pending {
            return Ok(Step::Waits(is_renewal.then_some(operation.id)));
        }
        if let Some(error) = operation.failure().filter(|_| is_renewal) {
            return fail(context, session, error).await;
        }
    }
    session.read_again(store).await?;
    // What was checked may be what was refused.
    Ok(if session.version() > refused { Step::Renewed } else { Step::Waits(None) })
}

async fn gone(context: &RunContext, session: &RunSession) -> Result<Step, StoreError> {
    let message = "there is no such session any more".to_owned();
    fail(context, session, &RunError { code: "not-found".to_owned(), message, status_code: None }).await
}

/// Pauses the job, and with it the run.
async fn fail(context: &RunContext, session: &RunSession, error: &RunError) -> Result<Step, StoreError> {
    tracing::warn!(code = error.code, "the auth session was refused, and not renewed: the job is paused");
    let (store, now) = (&context.clients.store, context.clients.clock.now());
    let work = store.pause_without_session(&context.run, &session.reference.id, error, now).await?;
    context.clients.bus.hand_over(work).await;
    Ok(Step::Failed)
}
