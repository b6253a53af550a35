//! The events that Sundial puts on its bus.

use serde::{Deserialize, Serialize};

use crate::identifiers::JobRunId;

/// The source of every event of ours.
pub const SOURCE: &str = "sundial";

/// An event for the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A lane of a job run has work for a worker.
    WorkReady(WorkReady),
    /// A job comes due before the next tick of the timer. It carries no data, as a tick does.
    ScheduleChanged,
}

/// Which work is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkReady {
    /// The job run.
    pub job_run_id: JobRunId,
    /// Which of its lanes, from 0.
    pub lane: u32,
}

impl Event {
    /// The `detail-type` of a [`WorkReady`].
    pub const WORK_READY: &'static str = "Work Ready";
    /// The `detail-type` of [`Event::ScheduleChanged`].
    pub const SCHEDULE_CHANGED: &'static str = "Schedule Changed";

    /// What the rules of the bus select by.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::WorkReady(_) => Self::WORK_READY,
            Self::ScheduleChanged => Self::SCHEDULE_CHANGED,
        }
    }

    /// The event's `detail`.
    pub fn detail(&self) -> serde_json::Value {
        match self {
            Self::WorkReady(work) => serde_json::json!({ "jobRunId": work.job_run_id, "lane": work.lane }),
            Self::ScheduleChanged => serde_json::json!({}),
        }
    }
}
