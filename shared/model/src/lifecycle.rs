//! What the world is told about job runs: events on the bus, and notifications when one has ended.

use serde::{Deserialize, Serialize};

use crate::identifiers::{JobId, JobRunId, ProjectId, ProjectName, WorkspaceId};
use crate::job_run::{JobRunStatus, JobRunType, Reason, Summary};
use crate::timestamp::Timestamp;

/// What happened to a job run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleKind {
    /// A worker has taken it up.
    Started,
    /// It ended with at least one success, or had nothing to do.
    Completed,
    /// It ended without a success.
    Failed,
    /// It was ended.
    Terminated,
    /// It never started.
    Canceled,
    /// It has come to rest.
    Paused,
    /// A delivery of it was given up.
    DeliveryExhausted,
}

impl LifecycleKind {
    /// What tells of a run that has ended in this status; none of one that has not.
    pub fn of_end(status: JobRunStatus) -> Option<Self> {
        match status {
            JobRunStatus::Completed => Some(Self::Completed),
            JobRunStatus::Failed => Some(Self::Failed),
            JobRunStatus::Terminated => Some(Self::Terminated),
            JobRunStatus::Canceled => Some(Self::Canceled),
            JobRunStatus::Pending | JobRunStatus::Running | JobRunStatus::Pausing | JobRunStatus::Paused => None,
        }
    }

    /// The event's `detail-type`.
    pub fn detail_type(self) -> &'static str {
        match self {
            Self::Started => "Job Run Started",
            Self::Completed => "Job Run Completed",
            Self::Failed => "Job Run Failed",
            Self::Terminated => "Job Run Terminated",
            Self::Canceled => "Job Run Canceled",
            Self::Paused => "Job Run Paused",
            Self::DeliveryExhausted => "Delivery Exhausted",
        }
    }
}

/// The `detail` of a lifecycle event, and the `data` of a notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleDetail {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: ProjectName,
    /// The job.
    pub job_id: JobId,
    /// The job run.
    pub job_run_id: JobRunId,
    /// What started it.
    #[serde(rename = "type")]
    pub run_type: JobRunType,
    /// 1, and one more for each retry of its failed payloads.
    pub generation: u32,
    /// Where it stands.
    pub status: JobRunStatus,
    /// Why, where that is not the usual course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The nominal time of its occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<Timestamp>,
    /// When a worker took it up.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Its payloads.
    pub summary: Summary,
}

/// Something happened to a job run.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleEvent {
    /// What.
    pub kind: LifecycleKind,
    /// To which one, and where it stands.
    pub detail: LifecycleDetail,
}
