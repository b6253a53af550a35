//! The executor, woken by "Work Ready": one worker on one lane of a job run, on what follows the run's
//! end, or on an operation on an auth session.
//!
//! A worker holds the lane's lease, claims payloads, calls the target, and records what became
//! of them in batches, each in one transaction with its lane. Whoever has lost the lane's
//! revision records nothing.

mod attempt;
mod auth_session;
mod buffer;
mod claims;
mod closing;
mod context;
mod counting;
mod delivery;
mod delivery_end;
mod due_deliveries;
mod lease;
mod lifecycle;
mod payload_reader;
mod ready;
mod recover;
mod session_state;
mod signing;
mod suspects;
mod throughput;
mod worker;

use std::time::Duration;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use lambda_runtime::{Error, LambdaEvent};
use sundial_model::event::WorkReady;
use sundial_runtime::Clients;
use sundial_store::StoreError;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

/// An invocation ends this long before Lambda ends it.
const DEADLINE_MARGIN: Duration = Duration::from_secs(10);
/// What is due so soon is waited for in the invocation: the timer's next tick may be too late for it.
/// What is due later goes by its wake time. Ticks are 60 s apart, or some more, and the index lags.
const WAIT_MAX: Duration = Duration::from_secs(80);

/// The function: takes the event that there is work.
///
/// # Errors
/// When the table cannot be reached; the work is then found again by its wake time.
pub async fn handle(clients: &Clients, event: LambdaEvent<EventBridgeEvent<WorkReady>>) -> Result<(), Error> {
    let left = clients.clock.left_until(event.context.deadline);
    let end_at = Instant::now() + left.saturating_sub(DEADLINE_MARGIN);
    match work(clients, event.payload.detail, end_at).await {
        // It is found by its wake time, and done by the newer version.
        Err(error @ StoreError::Newer { .. }) => {
            tracing::warn!(%error, "this is left to the newer version");
            Ok(())
        }
        result => Ok(result?),
    }
}

async fn work(clients: &Clients, ready: WorkReady, end_at: Instant) -> Result<(), StoreError> {
    // Boxed, because the compiler would otherwise lay out all that a worker can wait for in one type. The spans are of the
    // highest level, so that they are there whatever is logged.
    match ready {
        WorkReady::Lane { job_run_id, lane } => {
            let span = tracing::error_span!("worker", correlationId = Empty, jobRunId = %job_run_id, lane);
            Box::pin(worker::work(clients, job_run_id, lane, end_at)).instrument(span).await
        }
        WorkReady::Closing { job_run_id, closing: generation } => {
            let span = tracing::error_span!("closing", correlationId = Empty, jobRunId = %job_run_id, generation);
            Box::pin(closing::work(clients, job_run_id, generation, end_at)).instrument(span).await
        }
        WorkReady::AuthSession { project_id, auth_session_id } => {
            let span = tracing::error_span!("auth session", projectId = %project_id, authSessionId = %auth_session_id);
            let begun = Instant::now();
            let worked = auth_session::work(clients, project_id, &auth_session_id, begun, end_at);
            Box::pin(worked).instrument(span).await.map(drop)
        }
    }
}
