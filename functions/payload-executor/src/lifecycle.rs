//! Lifecycle events: what the world is told about a job run. Of a single run it is only told that its delivery was
//! given up.

use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_model::job_run::JobRunStatus;
use sundial_model::lifecycle::{JobRunDetail, Lifecycle};
use sundial_store::{Announcement, RunPartition};

/// The event for what a lane has to tell, if there is one. The run may have gone on since; then it is told as it was.
pub(crate) fn announced(what: Announcement, partition: &RunPartition, now: Timestamp) -> Option<Event> {
    let Some(detail) = partition.lifecycle_detail(now).map(Box::new) else {
        let is_exhausted = what == Announcement::DeliveryExhausted;
        return is_exhausted.then(|| Event::SingleDeliveryExhausted(Box::new(partition.single_run_detail())));
    };
    let with_status = |status| Box::new(JobRunDetail { status, ..*detail.clone() });
    Some(match what {
        Announcement::Started => Event::JobRun(Lifecycle::Started, with_status(JobRunStatus::Running)),
        Announcement::Paused => Event::JobRun(Lifecycle::Paused, with_status(JobRunStatus::Paused)),
        Announcement::DeliveryExhausted => Event::DeliveryExhausted(detail),
    })
}
