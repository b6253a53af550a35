//! The events that Sundial puts on its bus.

use serde::{Deserialize, Serialize};

use crate::identifiers::{AuthSessionId, JobRunId, ProjectId};
use crate::lifecycle::{JobRunDetail, Lifecycle, SingleRunDetail};

/// The source of every event of ours.
pub const SOURCE: &str = "sundial";

/// An event for the bus.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// There is work for a worker.
    WorkReady(WorkReady),
    /// A job comes due before the next tick of the timer. It carries no data, as a tick does.
    ScheduleChanged,
    /// Something happened to a job run. Nothing of ours acts on it; rules of users may.
    JobRun(Lifecycle, Box<JobRunDetail>),
    /// A delivery of this job run was given up.
    DeliveryExhausted(Box<JobRunDetail>),
    /// The delivery of this single run was given up.
    SingleDeliveryExhausted(Box<SingleRunDetail>),
}

/// What a worker is needed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum WorkReady {
    /// A lane of a job run.
    Lane {
        /// The job run.
        job_run_id: JobRunId,
        /// The lane, from 0.
        lane: u32,
    },
    /// What follows the end of a job run.
    Closing {
        /// The job run.
        job_run_id: JobRunId,
        /// Which of its generations has ended, from 1.
        closing: u32,
    },
    /// An operation on an auth session.
    AuthSession {
        /// The project.
        project_id: ProjectId,
        /// The session.
        auth_session_id: AuthSessionId,
    },
}

impl WorkReady {
    /// Work in a lane.
    pub fn lane(job_run_id: JobRunId, lane: u32) -> Self {
        Self::Lane { job_run_id, lane }
    }

    /// What follows the end of a generation.
    pub fn closing(job_run_id: JobRunId, generation: u32) -> Self {
        Self::Closing { job_run_id, closing: generation }
    }
}

impl Event {
    /// The `detail-type` of a [`WorkReady`].
    pub const WORK_READY: &'static str = "Work Ready";
    /// The `detail-type` of [`Event::ScheduleChanged`].
    pub const SCHEDULE_CHANGED: &'static str = "Schedule Changed";

    /// The `detail-type` of [`Event::DeliveryExhausted`] and [`Event::SingleDeliveryExhausted`].
    pub const DELIVERY_EXHAUSTED: &'static str = "Delivery Exhausted";

    /// What the rules of the bus select by.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::WorkReady(_) => Self::WORK_READY,
            Self::ScheduleChanged => Self::SCHEDULE_CHANGED,
            Self::JobRun(lifecycle, _) => lifecycle.detail_type(),
            Self::DeliveryExhausted(_) | Self::SingleDeliveryExhausted(_) => Self::DELIVERY_EXHAUSTED,
        }
    }

    /// The event's `detail`.
    pub fn detail(&self) -> serde_json::Value {
        match self {
            Self::WorkReady(work) => serde_json::json!(work),
            Self::ScheduleChanged => serde_json::json!({}),
            Self::JobRun(_, detail) | Self::DeliveryExhausted(detail) => serde_json::json!(detail),
            Self::SingleDeliveryExhausted(detail) => serde_json::json!(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::ended_run;

    #[test]
    fn what_is_sent_is_what_is_read() {
        let auth_session_id = "login".parse().expect("an id");
        let of_session = WorkReady::AuthSession { project_id: ProjectId::new(), auth_session_id };
        for work in [WorkReady::lane(JobRunId::new(), 3), WorkReady::closing(JobRunId::new(), 2), of_session] {
            let read: WorkReady = serde_json::from_value(Event::WorkReady(work.clone()).detail()).expect("work");
            assert_eq!(read, work);
        }
    }
    #[test]
    fn every_event_has_its_own_detail_type() {
        let events: Vec<_> = [
            Lifecycle::Started,
            Lifecycle::Completed,
            Lifecycle::Failed,
            Lifecycle::Terminated,
            Lifecycle::Canceled,
            Lifecycle::Paused,
        ]
        .map(|lifecycle| Event::JobRun(lifecycle, Box::new(ended_run())))
        .into_iter()
        .chain([Event::DeliveryExhausted(Box::new(ended_run()))])
        .collect();
        let types: Vec<_> = events.iter().map(Event::detail_type).collect();
        assert_eq!(
            types,
            [
                "Job Run Started",
                "Job Run Completed",
                "Job Run Failed",
                "Job Run Terminated",
                "Job Run Canceled",
                "Job Run Paused",
                "Delivery Exhausted",
            ]
        );
        for event in events {
            assert_eq!(event.detail(), serde_json::to_value(ended_run()).expect("JSON"));
        }
    }
}
