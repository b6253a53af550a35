//! What an attempt came to: the target's answer, judged. `answer.rs` reads results, `failures.rs` what went wrong.

mod answer;
mod failures;

use std::time::Duration;

use serde_json::value::RawValue;
use sundial_model::Timestamp;
use sundial_model::configuration::RetryPolicy;
use sundial_model::payload::{ApiName, Parameters};
use sundial_model::run::RunError;
use sundial_model::target::TargetFormat;

use answer::{judge_envelope, judge_plain};
use failures::{is_retried, judge_function_error, judge_refusal, judge_returned};

use crate::retry::delay_after;

/// The code of an answer that is none by the rules.
pub const INVALID_ANSWER: &str = "invalid-answer";

/// A result over this is an error: 2 MiB.
pub const RESULT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most bytes of an answer that are read: a result and extended payloads with room around them.
pub const ANSWER_BYTES_MAX: usize = RESULT_BYTES_MAX + EXTENDED_PAYLOADS_BYTES_MAX + 64 * 1024;
/// Extended payloads over this, per answer, are an error: 1 MiB.
pub const EXTENDED_PAYLOADS_BYTES_MAX: usize = 1024 * 1024;

/// What came back from a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// An answer.
    Answer {
        /// Its HTTP status.
        status: u16,
        /// Whether its content type is JSON.
        is_json: bool,
        /// How long the target asked to be left alone.
        retry_after: Option<Duration>,
        /// Its body.
        body: Vec<u8>,
    },
    /// An answer with a body over [`ANSWER_BYTES_MAX`].
    TooLarge {
        /// Its HTTP status.
        status: u16,
    },
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    ConnectionError(String),
    /// The address must not be called, or the function.
    BlockedAddress(String),
    /// What a function returned, as JSON: a result, or the error that it ended with.
    Returned(Vec<u8>),
    /// A function broke: what Lambda says of that, as JSON.
    FunctionError(Vec<u8>),
    /// There is no room for another invocation of a function at the moment.
    Throttled {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// A function could not be invoked.
    InvocationRefused {
        /// The HTTP status of the refusal.
        status: u16,
        /// Why.
        message: String,
    },
}

/// A payload that a result adds to the job run.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtendedPayload {
    /// The API to call.
    pub api_name: ApiName,
    /// With what.
    pub parameters: Option<Parameters>,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It succeeded.
    Success {
        /// The result, as JSON.
        result: Box<RawValue>,
        /// What it adds to the job run.
        extended: Vec<ExtendedPayload>,
    },
    /// It failed.
    Failure {
        /// How.
        error: RunError,
        /// Whether another attempt may do better.
        is_retryable: bool,
        /// How long the target asked to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// The run has failed; the flag says whether its attempts ran out.
    Final {
        /// Whether another attempt would have been made, had there been one left.
        attempts_ran_out: bool,
    },
    /// Another attempt is made.
    Again {
        /// Not before this.
        at: Timestamp,
    },
}

/// Decides what follows from a failed attempt, the `attempts_made`-th, that ended at `now`.
pub fn after_failure(
    policy: &RetryPolicy,
    attempts_made: u32,
    is_retryable: bool,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> AfterFailure {
    if !is_retryable {
        return AfterFailure::Final { attempts_ran_out: false };
    }
    match delay_after(policy, attempts_made) {
        None => AfterFailure::Final { attempts_ran_out: true },
        Some(delay) => AfterFailure::Again { at: now + delay.max(retry_after.unwrap_or_default()) },
    }
}

/// Judges what came back from a target.
pub fn judge(call: CallResult, format: TargetFormat) -> Verdict {
    match call {
        CallResult::Answer { status: 200..=299, is_json, body, .. } => match format {
            TargetFormat::Envelope => judge_envelope(&body),
            TargetFormat::Plain => judge_plain(&body, is_json),
        },
        CallResult::Answer { status, retry_after, body, .. } => judge_refusal(status, retry_after, &body),
        CallResult::TooLarge { status: 200..=299 } => too_large(),
        CallResult::TooLarge { status } => judge_refusal(status, None, &[]),
        CallResult::Timeout => failure("timeout", "the target did not answer in time", None, true),
        CallResult::ConnectionError(message) => failure("connection-error", message, None, true),
        CallResult::BlockedAddress(message) => failure("blocked-address", message, None, false),
        CallResult::Returned(body) => judge_returned(&body),
        CallResult::FunctionError(body) => judge_function_error(&body),
        CallResult::Throttled { retry_after } => {
            let message = "the function has no room for another invocation at the moment".to_owned();
            let error = RunError { code: "throttled".to_owned(), message, status_code: Some(429) };
            Verdict::Failure { error, is_retryable: true, retry_after }
        }
        CallResult::InvocationRefused { status, message } => {
            let error = RunError { code: format!("http-{status}"), message, status_code: Some(status) };
            // 409 is a function that is being made ready.
            Verdict::Failure { error, is_retryable: is_retried(status) || status == 409, retry_after: None }
        }
    }
}

fn failure(code: &str, message: impl Into<String>, status_code: Option<u16>, is_retryable: bool) -> Verdict {
    let error = RunError { code: code.to_owned(), message: message.into(), status_code };
    Verdict::Failure { error, is_retryable, retry_after: None }
}

fn too_large() -> Verdict {
    failure("result-too-big-error", format!("the result is over {RESULT_BYTES_MAX} bytes"), None, false)
}

fn success(result: Box<RawValue>, extended: Vec<ExtendedPayload>) -> Verdict {
    if result.get().len() > RESULT_BYTES_MAX { too_large() } else { Verdict::Success { result, extended } }
}

#[cfg(test)]
mod tests;
