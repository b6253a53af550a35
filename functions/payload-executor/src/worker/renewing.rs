//! The auth session in the middle of a run: when the target refuses the state that an attempt carried, no
//! further attempt starts until there is another one. Who asks first has it made, for the whole run and all
//! others that use the session.

use std::sync::Arc;
use std::time::Duration;

use sundial_model::OperationId;
use sundial_model::auth_session::OperationStatus;
use sundial_model::event::WorkReady;
use sundial_model::run::RunError;
use sundial_store::{SessionRequest, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::Worker;
use crate::auth_session::{self, Worked};
use crate::context::RunContext;
use crate::session_state::RunSession;

/// A renewal that somebody else makes is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After one that failed, or could not be asked for, the next one is not asked for before this: by then, the
/// run is paused.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the worker knows of the session, beside its state.
pub(super) struct Renewals {
    /// The newest version of the state that the target has refused here.
    refused: u32,
    /// The operation that is waited for, and whether its failure decides.
    awaited: Option<(OperationId, bool)>,
    /// When the next step of it is taken.
    step_at: Instant,
    /// The version whose first success is noted: there were renewals without one.
    noted: Option<u32>,
    tasks: JoinSet<Result<RenewalStep, StoreError>>,
}

/// What a step came to.
pub(super) enum RenewalStep {
    /// There is a newer state, and it is known now.
    Renewed,
    /// It is not there yet: an operation is under way, or one is asked for again.
    Waits(Option<(OperationId, bool)>),
    /// There is none to be had: the job is being paused.
    Failed,
    /// That a payload has succeeded was noted, or not.
    Noted(bool),
}

impl Renewals {
    pub(super) fn new(now: Instant) -> Self {
        Self { refused: 0, awaited: None, step_at: now, noted: None, tasks: JoinSet::new() }
    }

    /// The run goes on after a pause: what was refused before may be good now.
    pub(super) fn begin_anew(&mut self) {
        (self.refused, self.awaited, self.step_at) = (0, None, Instant::now());
    }

    /// Waits for the next thing that has ended; for ever, if nothing is under way.
    pub(super) async fn ended(&mut self) -> Result<RenewalStep, StoreError> {
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
        session.is_some_and(|session| session.usable_version() <= self.renewals.refused)
    }

    /// Notes how an attempt fared with the state that it carried.
    pub(super) fn note_session(&mut self, carried: u32, is_refused: bool, has_succeeded: bool) {
        if is_refused {
            self.renewals.refused = self.renewals.refused.max(carried);
            return;
        }
        let current = self.context.session.as_ref().and_then(RunSession::current);
        let Some(current) = current.filter(|current| current.version == carried && has_succeeded) else { return };
        if current.session.fruitless_renewals > 0 && self.renewals.noted != Some(carried) {
            self.renewals.noted = Some(carried);
            let context = Arc::clone(&self.context);
            let noted = async move {
                let noted = context.clients.store.session_has_served(&current.session, carried).await;
                Ok(RenewalStep::Noted(noted.is_ok()))
            };
            self.renewals.tasks.spawn(noted.in_current_span());
        }
    }

    /// Lets what was refused wait for its turn again. Not while something is being written: that may give back
    /// all that waited when it was drafted.
    pub(super) fn take_back_refused(&mut self) {
        for task in std::mem::take(&mut self.refused) {
            if self.suspects.has_in_flight(task.index()) {
                self.suspects.wait_again(task);
            } else {
                self.ready.push_first(task);
            }
        }
    }

    /// Takes the next step towards another state, if one is needed.
    pub(super) fn renew_session(&mut self) {
        // Who has no time left for attempts asks as well: that the state was refused must not be forgotten.
        let is_working = self.lane.phase == sundial_store::LanePhase::Working;
        if !is_working || !self.lacks_state() || self.renewals.step_at > Instant::now() {
            return;
        }
        if self.renewals.tasks.is_empty() {
            let (context, refused, awaited) = (Arc::clone(&self.context), self.renewals.refused, self.renewals.awaited);
            let (begun, end_at) = (self.begun, self.end_at);
            let step = async move {
                let Some(session) = &context.session else { return Ok(RenewalStep::Failed) };
                Renewal { context: &context, session, refused, begun, end_at }.step(awaited).await
            };
            self.renewals.tasks.spawn(step.in_current_span());
        }
    }

    /// When the next step is taken; none while one is under way, or none is needed.
    pub(super) fn renew_at(&self) -> Option<Instant> {
        (self.lacks_state() && self.renewals.tasks.is_empty()).then_some(self.renewals.step_at)
    }

    pub(super) fn note_renewal(&mut self, step: Result<RenewalStep, StoreError>) {
        let now = Instant::now();
        match step {
            Ok(RenewalStep::Noted(true)) => {}
            // The next success is another occasion.
            Ok(RenewalStep::Noted(false)) => self.renewals.noted = None,
            Ok(RenewalStep::Renewed) => (self.renewals.awaited, self.renewals.step_at) = (None, now),
            Ok(RenewalStep::Waits(awaited)) => {
                (self.renewals.awaited, self.renewals.step_at) = (awaited, now + LOOK_EVERY);
            }
            Ok(RenewalStep::Failed) => (self.renewals.awaited, self.renewals.step_at) = (None, now + ASK_AGAIN_AFTER),
            Err(error) => {
                tracing::warn!(%error, "the auth session is asked for again");
                self.renewals.step_at = now + LOOK_EVERY;
            }
        }
    }
}

/// A renewal that this worker needs.
struct Renewal<'a> {
    context: &'a RunContext,
    session: &'a RunSession,
    refused: u32,
    begun: Instant,
    end_at: Instant,
}

impl Renewal<'_> {
    /// One step: asks for another state, or looks how far that is; and works on it unless somebody else does.
    async fn step(self, awaited: Option<(OperationId, bool)>) -> Result<RenewalStep, StoreError> {
        let (store, now) = (&self.context.clients.store, self.context.clients.clock.now());
        let project = self.context.run.project_id;
        let (operation, decides) = match awaited {
            Some(awaited) => awaited,
            None => {
                let Some(stored) = self.session.stored(store).await? else { return self.gone().await };
                let settings = self.session.reference.over(stored.settings);
                match store.renew_auth_session(&stored, self.refused, settings, now).await? {
                    SessionRequest::Operation { id, decides } => (id, decides),
                    SessionRequest::Gone => return self.gone().await,
                    SessionRequest::Refused(error) => return self.fail(&error).await,
                    SessionRequest::Renewed => {
                        self.session.read_again(store).await?;
                        return Ok(RenewalStep::Renewed);
                    }
                }
            }
        };
        let id = &self.session.reference.id;
        let worked = Box::pin(auth_session::work(&self.context.clients, project, id, self.begun, self.end_at)).await?;
        if worked == Worked::NoTime && awaited.is_none() {
            let work = WorkReady::AuthSession { project_id: project, auth_session_id: id.clone() };
            self.context.clients.bus.hand_over(vec![work]).await;
        }
        if let Some(found) = store.auth_operation(project, operation).await? {
            if found.status == OperationStatus::Pending {
                return Ok(RenewalStep::Waits(Some((found.id, decides))));
            }
            if let Some(error) = found.failure().filter(|_| decides) {
                return self.fail(error).await;
            }
        }
        self.session.read_again(store).await?;
        // What was found to be good may be what was refused.
        let is_newer = self.session.usable_version() > self.refused;
        Ok(if is_newer { RenewalStep::Renewed } else { RenewalStep::Waits(None) })
    }

    async fn gone(&self) -> Result<RenewalStep, StoreError> {
        let message = "there is no such session any more".to_owned();
        self.fail(&RunError { code: "not-found".to_owned(), message, status_code: None }).await
    }

    /// Pauses the job, and with it the run; a single run ends.
    async fn fail(&self, error: &RunError) -> Result<RenewalStep, StoreError> {
        tracing::warn!(code = error.code, "the auth session was refused, and not renewed: its run does not go on");
        let Self { context, session, refused, .. } = self;
        let (store, now) = (&context.clients.store, context.clients.clock.now());
        let work = store.pause_without_session(&context.run, &session.reference.id, *refused, error, now).await?;
        context.clients.bus.hand_over(work).await;
        Ok(RenewalStep::Failed)
    }
}
