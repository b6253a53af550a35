//! How a job is carried out: concurrency, timeouts and retries, with their bounds and defaults.

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::duration::Milliseconds;
use crate::invalid::InvalidFields;
use crate::number::{BackoffCoefficient, WholeNumber};

const DAY_MILLISECONDS: u64 = 24 * 60 * 60 * 1000;

/// Seconds that one attempt may take, 1 to 840: less than a Lambda function's 900.
pub type RequestTimeout = WholeNumber<1, 840>;
/// How many requests of one job run may be under way at once.
pub type MaxConcurrentRequests = WholeNumber<1, 1000>;
/// How many requests of one job run may start in a second.
pub type MaxRequestsPerSecond = WholeNumber<1, 10_000>;
/// After how many payloads a job run is done.
pub type MaxRuns = WholeNumber<1, 1_000_000>;
/// How often a payload is tried in all, the first time included.
pub type MaximumAttempts = WholeNumber<1, 100>;
/// The delay before the second attempt.
pub type InitialInterval = Milliseconds<0, DAY_MILLISECONDS>;
/// No delay between attempts is longer; 30 days is as long as a job run may take.
pub type MaximumInterval = Milliseconds<0, { 30 * DAY_MILLISECONDS }>;
/// How long a job run may take.
pub type MaxDuration = Milliseconds<1000, { 30 * DAY_MILLISECONDS }>;

/// In which order payloads are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[deserr(error = InvalidFields)]
pub enum RunMode {
    /// In any order; the only mode.
    #[default]
    #[serde(rename = "Order-Irrelevant")]
    #[deserr(rename = "Order-Irrelevant")]
    OrderIrrelevant,
}

/// When to try again, and how often.
///
/// The delay before attempt *i + 2* (i = 0, 1, …) is
/// min(initialInterval × backoffCoefficient^i, maximumInterval).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    #[deserr(default = MaximumAttempts::constant(3))]
    pub maximum_attempts: MaximumAttempts,
    /// The delay before the second attempt.
    #[deserr(default = InitialInterval::constant(1000))]
    pub initial_interval: InitialInterval,
    /// By which each further delay grows.
    #[deserr(default = BackoffCoefficient::ONE)]
    pub backoff_coefficient: BackoffCoefficient,
    /// The longest delay; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub maximum_interval: Option<MaximumInterval>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            maximum_attempts: MaximumAttempts::constant(3),
            initial_interval: InitialInterval::constant(1000),
            backoff_coefficient: BackoffCoefficient::ONE,
            maximum_interval: None,
        }
    }
}

/// What one payload has different from its job's [`RetryPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct RetryOverride {
    /// Attempts in all, the first included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub maximum_attempts: Option<MaximumAttempts>,
    /// The delay before the second attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub initial_interval: Option<InitialInterval>,
    /// By which each further delay grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub backoff_coefficient: Option<BackoffCoefficient>,
    /// The longest delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub maximum_interval: Option<MaximumInterval>,
}

impl RetryOverride {
    /// The policy for this payload of a job that has `policy`.
    pub fn over(&self, policy: &RetryPolicy) -> RetryPolicy {
        RetryPolicy {
            maximum_attempts: self.maximum_attempts.unwrap_or(policy.maximum_attempts),
            initial_interval: self.initial_interval.unwrap_or(policy.initial_interval),
            backoff_coefficient: self.backoff_coefficient.unwrap_or(policy.backoff_coefficient),
            maximum_interval: self.maximum_interval.or(policy.maximum_interval),
        }
    }
}

/// The configuration of a job; whole in answers, any part of it may be left out in requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase, deny_unknown_fields)]
pub struct Configuration {
    /// The order of the payloads.
    #[deserr(default)]
    pub run_mode: RunMode,
    /// How many requests may be under way at once.
    #[deserr(default = MaxConcurrentRequests::constant(10))]
    pub max_concurrent_requests: MaxConcurrentRequests,
    /// How many requests may start per second, over all workers of a run; no bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub max_requests_per_second: Option<MaxRequestsPerSecond>,
    /// After so many finished payloads the rest are canceled; no bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub max_runs: Option<MaxRuns>,
    /// Seconds per attempt.
    #[deserr(default = RequestTimeout::constant(600))]
    pub request_timeout: RequestTimeout,
    /// The run then ends TERMINATED, reason `deadline`; no bound of the user's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub max_duration: Option<MaxDuration>,
    /// So many FAILED job runs in a row pause the job; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[deserr(default)]
    pub pause_after_failed_runs: Option<WholeNumber<1, 1000>>,
    /// When to try again.
    #[deserr(default)]
    pub retry: RetryPolicy,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            run_mode: RunMode::default(),
            max_concurrent_requests: MaxConcurrentRequests::constant(10),
            max_requests_per_second: None,
            max_runs: None,
            request_timeout: RequestTimeout::constant(600),
            max_duration: None,
            pause_after_failed_runs: None,
            retry: RetryPolicy::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_gets_its_default() {
        let configuration: Configuration = InvalidFields::read(json!({})).expect("defaults");
        assert_eq!(configuration, Configuration::default());
        assert_eq!(
            serde_json::to_value(configuration).expect("serializable"),
            json!({
                "runMode": "Order-Irrelevant", "maxConcurrentRequests": 10, "requestTimeout": 600,
                "retry": { "maximumAttempts": 3, "initialInterval": 1000, "backoffCoefficient": 1.0 }
            })
        );
    }

    #[test]
    fn intervals_go_in_as_ms_strings_and_come_out_as_milliseconds() {
        let retry: RetryPolicy = InvalidFields::read(
            json!({ "maximumAttempts": 5, "initialInterval": "1.5s", "backoffCoefficient": 2, "maximumInterval": "1m" }),
        )
        .expect("a policy");
        assert_eq!(
            serde_json::to_value(retry).expect("serializable"),
            json!({ "maximumAttempts": 5, "initialInterval": 1500, "backoffCoefficient": 2.0, "maximumInterval": 60000 })
        );
    }

    #[test]
    fn a_payload_overrides_only_what_it_names() {
        let job = RetryPolicy { maximum_interval: Some(MaximumInterval::constant(9)), ..RetryPolicy::default() };
        let over = RetryOverride { maximum_attempts: MaximumAttempts::new(7), ..RetryOverride::default() };
        assert_eq!(over.over(&job), RetryPolicy { maximum_attempts: MaximumAttempts::constant(7), ..job });
    }
}
