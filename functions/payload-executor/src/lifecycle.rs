//! Lifecycle events: what the world is told about a job run.

use sundial_model::Timestamp;
use sundial_model::event::Event;
use sundial_model::job_run::JobRunStatus;
use sundial_model::lifecycle::{LifecycleEvent, LifecycleKind};
use sundial_store::{Announcement, RunPartition};

/// The event for what a lane has to tell.
pub(crate) fn announced(what: Announcement, partition: &RunPartition, now: Timestamp) -> Event {
    let mut detail = partition.lifecycle_detail(now);
    let kind = match what {
        Announcement::Started => {
            detail.status = JobRunStatus::Running;
            LifecycleKind::Started
        }
        Announcement::Paused => {
            detail.status = JobRunStatus::Paused;
            LifecycleKind::Paused
        }
        Announcement::DeliveryExhausted => LifecycleKind::DeliveryExhausted,
    };
    Event::Lifecycle(Box::new(LifecycleEvent { kind, detail }))
}
