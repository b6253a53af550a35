//! What is told of a job run as it goes on: on the bus, and to whom a job's notifications name.

use serde::{Deserialize, Serialize};

use crate::identifiers::{JobId, JobRunId, ProjectId, ProjectName, RunId, WorkspaceId};
use crate::job_run::{JobRunStatus, JobRunType, Reason, Summary};
use crate::run::RunStatus;
use crate::timestamp::Timestamp;

/// What happened to a job run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// A worker took it up.
    Started,
    /// It ended COMPLETED.
    Completed,
    /// It ended FAILED.
    Failed,
    /// It ended TERMINATED.
    Terminated,
    /// It ended CANCELED.
    Canceled,
    /// It came to rest PAUSED.
    Paused,
}

impl Lifecycle {
    /// How a run ended that ended with this status; `None` when that is not the end.
    pub fn of_end(status: JobRunStatus) -> Option<Self> {
        match status {
            JobRunStatus::Completed => Some(Self::Completed),
            JobRunStatus::Failed => Some(Self::Failed),
            JobRunStatus::Terminated => Some(Self::Terminated),
            JobRunStatus::Canceled => Some(Self::Canceled),
            JobRunStatus::Pending | JobRunStatus::Running | JobRunStatus::Pausing | JobRunStatus::Paused => None,
        }
    }

    /// What rules of the bus select by.
    pub fn detail_type(self) -> &'static str {
        match self {
            Self::Started => "Job Run Started",
            Self::Completed => "Job Run Completed",
            Self::Failed => "Job Run Failed",
            Self::Terminated => "Job Run Terminated",
            Self::Canceled => "Job Run Canceled",
            Self::Paused => "Job Run Paused",
        }
    }
}

/// A job run as it was when something happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRunDetail {
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its project.
    pub project_id: ProjectId,
    /// The project's name.
    pub project_name: ProjectName,
    /// Its job.
    pub job_id: JobId,
    /// Its id.
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

/// A single run as it was when its delivery was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SingleRunDetail {
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its project.
    pub project_id: ProjectId,
    /// The project's name.
    pub project_name: ProjectName,
    /// Its id.
    pub run_id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// When a worker took it up.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
}

/// A small run that has ended, for tests of what is told of it.
#[cfg(test)]
pub(crate) fn ended_run() -> JobRunDetail {
    serde_json::from_value(serde_json::json!({
        "workspaceId": "0198c5a0-0000-7000-8000-000000000001", "projectId": "0198c5a0-0000-7000-8000-000000000002",
        "projectName": "shop", "jobId": "nightly", "jobRunId": "0198c5a0-0000-7000-8000-000000000003",
        "type": "SCHEDULED", "generation": 1, "status": "COMPLETED", "scheduledTime": "2026-01-31T09:00:00.000Z",
        "startTime": "2026-01-31T09:00:01.000Z", "endTime": "2026-01-31T09:05:00.000Z",
        "summary": { "total": 2, "pending": 0, "running": 0, "succeeded": 1, "failed": 1, "canceled": 0 }
    }))
    .expect("a detail")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_run::ReasonType;

    #[test]
    fn a_detail_names_its_run_and_says_how_it_stands() {
        assert_eq!(
            serde_json::to_string(&ended_run()).expect("JSON"),
            concat!(
                r#"{"workspaceId":"0198c5a0-0000-7000-8000-000000000001","projectId":"0198c5a0-0000-7000-8000-000000000002","#,
                r#""projectName":"shop","jobId":"nightly","jobRunId":"0198c5a0-0000-7000-8000-000000000003","#,
                r#""type":"SCHEDULED","generation":1,"status":"COMPLETED","scheduledTime":"2026-01-31T09:00:00.000Z","#,
                r#""startTime":"2026-01-31T09:00:01.000Z","endTime":"2026-01-31T09:05:00.000Z","#,
                r#""summary":{"total":2,"pending":0,"running":0,"succeeded":1,"failed":1,"canceled":0}}"#
            )
        );
    }

    #[test]
    fn a_run_that_never_started_says_so_and_why() {
        let reason = Some(Reason::new(ReasonType::AnotherJobRunActive, "busy"));
        let (status, run_type) = (JobRunStatus::Canceled, JobRunType::Manual);
        let detail = JobRunDetail {
            status,
            run_type,
            reason,
            scheduled_time: None,
            start_time: None,
            end_time: None,
            ..ended_run()
        };
        let json = serde_json::to_value(detail).expect("JSON");
        assert_eq!(json["reason"], serde_json::json!({ "type": "another-job-run-active", "message": "busy" }));
        assert_eq!((json.get("scheduledTime"), json.get("startTime")), (None, Some(&serde_json::Value::Null)));
    }

    #[test]
    fn only_what_has_ended_has_an_end() {
        for status in JobRunStatus::ALL {
            assert_eq!(Lifecycle::of_end(status).is_some(), status.is_terminal(), "{status:?}");
        }
    }
}
