//! The run: the execution of one payload inside a job run.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::identifiers::RunId;
use crate::payload::{ApiName, Parameters};
use crate::timestamp::Timestamp;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// Not claimed by a worker.
    Pending,
    /// Claimed by a live worker.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Unfinished when its job run ended.
    Canceled,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Canceled];
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunError {
    /// For programs: the target's own code, or one of ours such as `timeout` and `http-500`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The HTTP status of the target's answer, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
}

/// An attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// From 1.
    pub attempt: u32,
    /// When the call began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// How it ended.
    pub error: RunError,
}

/// How a delivery attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// The sink took it.
    Delivered,
    /// It is tried again later.
    Retrying,
    /// It was the last try.
    Failed,
}

/// One try to deliver a run's result to the sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAttempt {
    /// When it began.
    pub time: Timestamp,
    /// How it ended.
    pub status: DeliveryStatus,
    /// The HTTP status of the sink's answer, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The first KB of the sink's answer, when it went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
}

/// Where a result is kept that is too large to be kept inline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultLocation {
    /// The key in the results bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// A link to it, made for this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_url: Option<String>,
    /// When the link ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_url_expiration: Option<Timestamp>,
}

/// A run as it is answered.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id, made of the job run's and the payload's index.
    pub id: RunId,
    /// The payload's place in the job run, from 0.
    pub payload_index: u32,
    /// The job run's generation in which it last ran.
    pub generation: u32,
    /// The API it calls.
    pub api_name: ApiName,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// Where it stands.
    pub status: RunStatus,
    /// How many attempts were made in its generation.
    pub attempts: u32,
    /// What the target gave, when that is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub result: Option<Box<RawValue>>,
    /// Where that is, when it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_location: Option<ResultLocation>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
    /// When its last attempt began.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// The last 10 attempts that failed; only where one run is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<Vec<FailedAttempt>>,
    /// The tries to deliver its result; only where one run is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<Vec<DeliveryAttempt>>,
}

/// The most failed attempts that a run remembers.
pub const FAILED_ATTEMPTS_MAX: usize = 10;
