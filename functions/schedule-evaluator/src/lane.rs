//! A lane with work and nobody at it: its event was lost, its worker died, or it waited.

use std::time::Duration;

use sundial_model::event::WorkReady;
use sundial_model::{JobRunId, Timestamp};
use sundial_runtime::{Clients, clock};
use sundial_store::StoreError;

/// A worker that was sent for has taken the lane up after this long, or never will.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Sends for a worker, if the lane needs one. Answers with when it must be looked at again.
pub(crate) async fn attend(clients: &Clients, run: JobRunId, lane: u32) -> Result<Option<Timestamp>, StoreError> {
    let Some(partition) = clients.store.run_partition(run).await? else { return Ok(None) };
    let now = clock::now();
    let stored = partition.lanes.iter().find(|stored| stored.number == lane);
    let Some(wake_at) = stored.and_then(sundial_store::Lane::wake_at) else { return Ok(None) };
    if wake_at > now {
        return Ok(Some(wake_at));
    }
    clients.bus.hand_over(vec![WorkReady { job_run_id: run, lane }]).await;
    Ok(Some(now + LOOK_AGAIN_AFTER))
}
