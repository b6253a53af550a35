//! A lane with work and nobody at it: its event was lost, its worker died, or it waited.

use std::time::Duration;

use sundial_model::JobRunId;
use sundial_model::event::WorkReady;
use sundial_runtime::Clients;
use sundial_store::{Lane, StoreError};

use crate::attended::Attended;

/// A worker that was sent for has taken the lane up after this long, or never will.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Sends for a worker, if the lane needs one.
pub(crate) async fn attend(clients: &Clients, run: JobRunId, lane: u32) -> Result<Attended, StoreError> {
    let stored = clients.store.lane(run, lane).await?;
    let now = clients.clock.now();
    let Some(wake_at) = stored.as_ref().and_then(Lane::wake_at) else { return Ok(Attended::default()) };
    if wake_at > now {
        return Ok(Attended { again_at: Some(wake_at), ..Attended::default() });
    }
    let work = vec![WorkReady { job_run_id: run, lane }];
    Ok(Attended { again_at: Some(now + LOOK_AGAIN_AFTER), work })
}
