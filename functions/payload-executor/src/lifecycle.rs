//! Lifecycle events: what the world is told about a job run.

use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_model::job_run::JobRunStatus;
use sundial_model::lifecycle::Lifecycle;
use sundial_store::{Announcement, RunPartition};

/// The event for what a lane has to tell. The run may have gone on since; then it is told as it was.
pub(crate) fn announced(what: Announcement, partition: &RunPartition, now: Timestamp) -> Event {
    let mut detail = Box::new(partition.lifecycle_detail(now));
    match what {
        Announcement::Started => {
            detail.status = JobRunStatus::Running;
            Event::JobRun(Lifecycle::Started, detail)
        }
        Announcement::Paused => {
            detail.status = JobRunStatus::Paused;
            Event::JobRun(Lifecycle::Paused, detail)
        }
        Announcement::DeliveryExhausted => Event::DeliveryExhausted(detail),
    }
}
