//! Work that nobody is at: a lane of a job run, what follows its end, or an operation on an auth session. Its
//! event was lost, its worker died, or it waited.

use std::time::Duration;

use sundial_model::event::WorkReady;
use sundial_model::{AuthSessionId, JobRunId, ProjectId, Timestamp};
use sundial_runtime::Clients;
use sundial_store::{Closing, Lane, StoreError, StoredAuthSession};

use crate::attended::Attended;

/// A worker that was sent for has taken the work up after this long, or waits for its turn.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// What has waited for long is looked at again after this long at the latest.
const LOOK_AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// Sends for a worker, if the lane needs one.
pub(crate) async fn attend(clients: &Clients, run: JobRunId, lane: u32) -> Result<Attended, StoreError> {
    let wake_at = clients.store.lane(run, lane).await?.as_ref().and_then(Lane::wake_at);
    Ok(send_for_worker(clients, wake_at, WorkReady::lane(run, lane)))
}

/// Sends for a worker, if what follows the run's end needs one.
pub(crate) async fn attend_closing(clients: &Clients, run: JobRunId, generation: u32) -> Result<Attended, StoreError> {
    let wake_at = clients.store.closing(run, generation).await?.as_ref().and_then(Closing::wake_at);
    Ok(send_for_worker(clients, wake_at, WorkReady::closing(run, generation)))
}

/// Sends for a worker, if what is being done for an auth session needs one.
pub(crate) async fn attend_auth_session(
    clients: &Clients,
    project_id: ProjectId,
    id: &AuthSessionId,
) -> Result<Attended, StoreError> {
    let session = clients.store.auth_session(project_id, id).await?;
    let wake_at = session.as_ref().and_then(StoredAuthSession::wake_at);
    Ok(send_for_worker(clients, wake_at, WorkReady::AuthSession { project_id, auth_session_id: id.clone() }))
}

fn send_for_worker(clients: &Clients, wake_at: Option<Timestamp>, work: WorkReady) -> Attended {
    let now = clients.clock.now();
    match wake_at {
        None => Attended::default(),
        Some(wake_at) if wake_at > now => Attended { again_at: Some(wake_at), ..Attended::default() },
        Some(wake_at) => {
            let again_at = Some(now + look_again_after(now.since(wake_at)));
            Attended { again_at, work: vec![work], ..Attended::default() }
        }
    }
}

/// When work that has waited for so long is looked at again. Where executors are limited, it may wait for hours: were
/// one sent for it every few seconds by each evaluator, their queue would hold little else.
fn look_again_after(waited: Duration) -> Duration {
    (waited / 2).clamp(LOOK_AGAIN_AFTER, LOOK_AGAIN_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_work_waits_the_more_seldom_a_worker_is_sent_for() {
        let (mut waited, mut sent_at) = (Duration::ZERO, Vec::new());
        while waited < Duration::from_secs(300) {
            sent_at.push(waited.as_secs());
            waited += look_again_after(waited);
        }
        assert_eq!(sent_at, [0, 10, 20, 30, 45, 67, 101, 151, 211, 271]);
    }
}
