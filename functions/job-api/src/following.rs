//! A job has changed: its active runs follow it.

use sundial_model::Timestamp;
use sundial_runtime::Clients;
use sundial_store::{Followed, StoreError, StoredJob};

/// Makes the active runs of a job as it is, which has been written. If that fails or is cut off, the evaluator sees
/// to it; but until then nobody may be told that it is so.
pub(crate) async fn let_runs_follow(clients: &Clients, job: &StoredJob, now: Timestamp) -> Result<(), StoreError> {
    if job.runs_follow_at.is_none() {
        return Ok(());
    }
    let Followed { work, failure } = clients.store.let_runs_follow(job, now).await;
    clients.bus.hand_over(work).await;
    if let Some(error) = failure {
        tracing::warn!(%error, job = %job.id, "its runs follow later");
        return Err(StoreError::Unavailable("the job was changed, and its runs follow in a moment".to_owned()));
    }
    // Otherwise it is done once more.
    if let Err(error) = clients.store.runs_have_followed(job).await {
        tracing::warn!(%error, job = %job.id, "that its runs have followed was not noted");
    }
    Ok(())
}
