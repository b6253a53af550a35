//! Answers that are failures: which code they have, and whether another attempt may do better.

use std::time::Duration;

use sundial_model::run::RunError;

use super::answer::{judge_envelope, read_object};
use super::{Verdict, failure, too_large};

/// What a target says about its failure.
#[derive(serde::Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(serde::Deserialize)]
struct RefusalError {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    retryable: Option<bool>,
}

impl RefusalError {
    /// The error as it is kept, and whether the target says that it may pass.
    fn bounded(self, status_code: Option<u16>) -> (RunError, Option<bool>) {
        let error = RunError {
            code: self.code.chars().take(ERROR_CODE_LENGTH_MAX).collect(),
            message: self.message.chars().take(ERROR_MESSAGE_LENGTH_MAX).collect(),
            status_code,
        };
        (error, self.retryable)
    }
}

/// Codes and messages of a target are kept up to these lengths, in characters.
const ERROR_CODE_LENGTH_MAX: usize = 128;
const ERROR_MESSAGE_LENGTH_MAX: usize = 2000;

/// Whether a call that was refused with this status may do better next time.
pub(super) fn is_retried(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// What Lambda says about a function that broke.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionErrorDocument {
    error_type: Option<String>,
    error_message: Option<String>,
}

pub(super) fn judge_function_error(body: &[u8]) -> Verdict {
    let document: FunctionErrorDocument = read_object(body).unwrap_or_default();
    // An exception without a message may have null there.
    let error_type = document.error_type.unwrap_or_default();
    let error_message = document.error_message.unwrap_or_default();
    // Lambda has ended the invocation: "… Task timed out after 3.00 seconds".
    let has_timed_out = error_type == "Sandbox.Timedout" || error_message.contains("Task timed out after");
    if has_timed_out {
        return failure("timeout", "the function did not end in the time that it has", None, true);
    }
    // It did its work, and would do it again in vain.
    if error_type == "Function.ResponseSizeTooLarge" {
        return too_large();
    }
    let message = match (error_type.as_str(), error_message.as_str()) {
        ("", "") => "the function failed without saying why".to_owned(),
        ("", message) => message.to_owned(),
        (error_type, "") => error_type.to_owned(),
        (error_type, message) => format!("{error_type}: {message}"),
    };
    failure("function-error", message.chars().take(ERROR_MESSAGE_LENGTH_MAX).collect::<String>(), None, true)
}

/// A function has no status to tell a failure by, so that it says so itself; what it does not say is final may be
/// tried again, as when it breaks.
pub(super) fn judge_returned(body: &[u8]) -> Verdict {
    let Ok(Refusal { error }) = read_object(body) else { return judge_envelope(body) };
    let (error, said) = error.bounded(None);
    Verdict::Failure { error, is_retryable: said.unwrap_or(true), retry_after: None }
}

pub(super) fn judge_refusal(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Verdict {
    let (error, said) = match read_object::<Refusal>(body) {
        Ok(Refusal { error }) => error.bounded(Some(status)),
        Err(_) => {
            let message = format!("the target answered with status {status}");
            (RunError { code: format!("http-{status}"), message, status_code: Some(status) }, None)
        }
    };
    Verdict::Failure { error, is_retryable: said.unwrap_or(is_retried(status)), retry_after }
}
