//! The job run: one instance of a job.

use serde::{Deserialize, Serialize};

use crate::identifiers::{JobId, JobRunId, ProjectId, WorkspaceId};
use crate::job::JobDefinition;
use crate::timestamp::Timestamp;

/// What started a job run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobRunType {
    /// A trigger.
    Manual,
    /// The schedule.
    Scheduled,
}

/// Where a job run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobRunStatus {
    /// Recorded, no worker yet.
    Pending,
    /// Payloads are carried out.
    Running,
    /// Attempts in flight finish, none starts.
    Pausing,
    /// Nothing happens until it is resumed.
    Paused,
    /// Every payload finished, at least one succeeded or there were none.
    Completed,
    /// Every payload failed, or the run could not be carried out.
    Failed,
    /// Ended before its payloads were.
    Terminated,
    /// Never started.
    Canceled,
}

impl JobRunStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Pausing,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Terminated,
        Self::Canceled,
    ];

    /// Whether the run has ended for good.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Terminated | Self::Canceled)
    }
}

/// Why a job run is PAUSED, or did not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonType {
    /// Another job run of the same job was active.
    AnotherJobRunActive,
    /// Nobody was there at the occurrence.
    Missed,
    /// A user ended it.
    Terminated,
    /// The next one of its job took its place.
    Superseded,
    /// It took longer than its job allows.
    Deadline,
    /// It was not done after 30 days.
    TooOld,
    /// A user paused its job.
    UserRequest,
    /// There is no auth session of the id that its job names.
    AuthSessionNotFound,
    /// Before it started, its auth session was not valid and could not be renewed.
    AuthSessionValidateDependencyFailed,
    /// In the middle of it, its auth session was refused and could not be renewed.
    AuthSessionInvalidMidJob,
}

/// Why a job run is PAUSED, or did not end by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// For programs.
    #[serde(rename = "type")]
    pub reason_type: ReasonType,
    /// For people.
    pub message: String,
    /// What else there is to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

impl Reason {
    /// A reason without details.
    pub fn new(reason_type: ReasonType, message: impl Into<String>) -> Self {
        Self { reason_type, message: message.into(), details: None }
    }
}

/// How many payloads of a job run stand where; `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Summary {
    /// All payloads.
    pub total: u32,
    /// Not claimed by a worker.
    pub pending: u32,
    /// Claimed by a live worker.
    pub running: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended badly.
    pub failed: u32,
    /// Unfinished when the job run ended.
    pub canceled: u32,
}

/// How many deliveries of a job run stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliverySummary {
    /// The sink took them.
    pub delivered: u32,
    /// Not yet, or waiting to be tried again.
    pub pending: u32,
    /// Given up.
    pub failed: u32,
}

/// A job run as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobRun {
    /// Its id.
    pub id: JobRunId,
    /// Its job.
    pub job_id: JobId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// What started it.
    #[serde(rename = "type")]
    pub run_type: JobRunType,
    /// Where it stands.
    pub status: JobRunStatus,
    /// Why, where that is not the usual course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// 1, and one more for each retry of its failed payloads.
    pub generation: u32,
    /// The nominal time of its occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<Timestamp>,
    /// The nominal time and its jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_time: Option<Timestamp>,
    /// From the effective time to the record, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_by_ms: Option<u64>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When a worker took it up.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// When its status last changed.
    pub updated_at: Timestamp,
    /// The limit in force.
    pub max_concurrent_requests: u32,
    /// Its payloads.
    pub summary: Summary,
    /// Its deliveries.
    pub deliveries: DeliverySummary,
    /// What its job was when it started.
    pub configuration_snapshot: JobDefinition,
    /// The API key whose trigger started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
    /// All its results in one object, once they are exported; only where one job run is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<JobRunResults>,
}

/// The results of a job run in one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobRunResults {
    /// Its key in the results bucket.
    pub key: String,
    /// One line of JSON for each run.
    pub format: ResultsFormat,
    /// Bytes.
    pub size: u64,
    /// A link to it, made for this answer.
    pub signed_url: String,
    /// When the link ends.
    pub signed_url_expiration: Timestamp,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResultsFormat {
    /// JSON Lines.
    Jsonl,
}
