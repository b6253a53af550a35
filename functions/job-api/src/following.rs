//! A job has changed: its active runs follow it.

use sundial_model::Timestamp;
use sundial_runtime::Clients;
use sundial_store::{Followed, StoredJob};

/// Makes the active runs of a job as it is, which has been written. If that fails or is cut off, the evaluator sees
/// to it: so what was asked for is done.
pub(crate) async fn let_runs_follow(clients: &Clients, job: &StoredJob, now: Timestamp) {
    if job.runs_follow_at.is_none() {
        return;
    }
    let Followed { work, failure } = clients.store.let_runs_follow(job, now).await;
    clients.bus.hand_over(work).await;
    let noted = match failure {
        None => clients.store.runs_have_followed(job).await,
        Some(error) => Err(error),
    };
    if let Err(error) = noted {
        tracing::warn!(%error, job = %job.id, "its runs follow later");
    }
}
