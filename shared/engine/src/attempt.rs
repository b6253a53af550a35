//! What an attempt came to: the target's answer, judged.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use sundial_model::Timestamp;
use sundial_model::configuration::RetryPolicy;
use sundial_model::payload::{ApiName, Parameters};
use sundial_model::run::RunError;
use sundial_model::target::TargetFormat;

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

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    // A missing result makes the answer invalid; an explicit null is a result.
    result: Box<RawValue>,
    #[serde(default)]
    extended_payloads: Option<Vec<Value>>,
}

fn judge_envelope(body: &[u8]) -> Verdict {
    if body.is_empty() {
        return success(RawValue::NULL.to_owned(), Vec::new());
    }
    let envelope: Envelope = match read_object(body) {
        Ok(envelope) => envelope,
        Err(error) => {
            let message = format!("the answer must be {{\"result\": …}}: {error}");
            return failure(INVALID_ANSWER, message, None, false);
        }
    };
    match read_extended(envelope.extended_payloads.unwrap_or_default()) {
        Ok(extended) => success(envelope.result, extended),
        Err(verdict) => *verdict,
    }
}

/// Reads an object. An array of the fields' values is none, though serde would take it for one.
fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde::de::Error::custom("it is no object"));
    }
    serde_json::from_slice(body)
}

fn read_extended(payloads: Vec<Value>) -> Result<Vec<ExtendedPayload>, Box<Verdict>> {
    let size: usize = payloads.iter().map(|payload| payload.to_string().len()).sum();
    if size > EXTENDED_PAYLOADS_BYTES_MAX {
        let message = format!("the extended payloads are over {EXTENDED_PAYLOADS_BYTES_MAX} bytes");
        return Err(Box::new(failure("extended-payloads-too-big", message, None, false)));
    }
    let read = |(index, payload): (usize, Value)| {
        read_extended_payload(payload).map_err(|message| {
            let message = format!("extendedPayloads/{index} {message}");
            Box::new(failure("invalid-extended-payload", message, None, false))
        })
    };
    payloads.into_iter().enumerate().map(read).collect()
}

fn read_extended_payload(payload: Value) -> Result<ExtendedPayload, String> {
    let Value::Object(mut fields) = payload else { return Err("must be an object".to_owned()) };
    let api_name = match fields.remove("api") {
        Some(Value::String(api)) => api.parse().map_err(|message| format!("api {message}"))?,
        _ => return Err("must name its api".to_owned()),
    };
    let parameters = match fields.remove("parameters") {
        None | Some(Value::Null) => None,
        Some(parameters @ (Value::Object(_) | Value::Array(_))) => Some(Parameters(parameters)),
        Some(_) => return Err("must have an object or an array as parameters".to_owned()),
    };
    match fields.keys().next() {
        None => Ok(ExtendedPayload { api_name, parameters }),
        Some(unknown) => Err(format!("has an unknown field {unknown:?}")),
    }
}

fn judge_plain(body: &[u8], is_json: bool) -> Verdict {
    if body.is_empty() {
        return success(RawValue::NULL.to_owned(), Vec::new());
    }
    if !is_json {
        return success(raw(&Value::String(String::from_utf8_lossy(body).into_owned())), Vec::new());
    }
    match serde_json::from_slice::<Box<RawValue>>(body) {
        Ok(result) => success(result, Vec::new()),
        Err(error) => {
            failure(INVALID_ANSWER, format!("the answer is not the JSON it claims to be: {error}"), None, false)
        }
    }
}

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
fn is_retried(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// What Lambda says about a function that broke.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionErrorDocument {
    error_type: Option<String>,
    error_message: Option<String>,
}

fn judge_function_error(body: &[u8]) -> Verdict {
    let document: FunctionErrorDocument = read_object(body).unwrap_or_default();
    // An exception without a message may have null there.
    let error_type = document.error_type.unwrap_or_default();
    let error_message = document.error_message.unwrap_or_default();
    // Lambda has ended the invocation: "… Task timed out after 3.00 seconds".
    let has_timed_out = error_type == "Sandbox.Timedout" || error_message.contains("Task timed out after");
    if has_timed_out {
        return failure("timeout", "the function did not end in the time that it has", None, true);
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
fn judge_returned(body: &[u8]) -> Verdict {
    let Ok(Refusal { error }) = read_object(body) else { return judge_envelope(body) };
    let (error, said) = error.bounded(None);
    Verdict::Failure { error, is_retryable: said.unwrap_or(true), retry_after: None }
}

fn judge_refusal(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Verdict {
    let (error, said) = match read_object::<Refusal>(body) {
        Ok(Refusal { error }) => error.bounded(Some(status)),
        Err(_) => {
            let message = format!("the target answered with status {status}");
            (RunError { code: format!("http-{status}"), message, status_code: Some(status) }, None)
        }
    };
    Verdict::Failure { error, is_retryable: said.unwrap_or(is_retried(status)), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: &str) -> CallResult {
        CallResult::Answer { status, is_json: true, retry_after: None, body: body.as_bytes().to_vec() }
    }

    /// What an answer is judged to be: a result, or a code and whether it is tried again.
    fn check(call: CallResult, format: TargetFormat, expected: Result<Value, (&str, bool)>) {
        match (judge(call, format), expected) {
            (Verdict::Success { result, .. }, Ok(expected)) => {
                assert_eq!(serde_json::from_str::<Value>(result.get()).expect("JSON"), expected);
            }
            (Verdict::Failure { error, is_retryable, .. }, Err(expected)) => {
                assert_eq!((error.code.as_str(), is_retryable), expected);
            }
            (verdict, expected) => panic!("{verdict:?} is not {expected:?}"),
        }
    }

    #[test]
    fn answers_in_an_envelope() {
        let envelope = TargetFormat::Envelope;
        check(answer(200, r#"{"result": {"price": 1}}"#), envelope, Ok(json!({ "price": 1 })));
        check(answer(204, ""), envelope, Ok(json!(null)));
        check(answer(200, r#"{"result": null}"#), envelope, Ok(json!(null)));
        for invalid in ["{}", "1", "[1]", "nonsense", r#"{"result": 1, "more": 2}"#, r#"{"extendedPayloads": []}"#] {
            check(answer(200, invalid), envelope, Err(("invalid-answer", false)));
        }
        let long = format!(r#"{{"result": "{}"}}"#, "x".repeat(RESULT_BYTES_MAX));
        check(answer(200, &long), envelope, Err(("result-too-big-error", false)));
        check(CallResult::TooLarge { status: 200 }, envelope, Err(("result-too-big-error", false)));
    }

    #[test]
    fn plain_answers_are_results_as_a_whole() {
        check(answer(200, r#"[1, 2]"#), TargetFormat::Plain, Ok(json!([1, 2])));
        check(answer(200, ""), TargetFormat::Plain, Ok(json!(null)));
        check(answer(200, "oops"), TargetFormat::Plain, Err(("invalid-answer", false)));
        let text = CallResult::Answer { status: 200, is_json: false, retry_after: None, body: b"hello".to_vec() };
        check(text, TargetFormat::Plain, Ok(json!("hello")));
    }

    #[test]
    fn failures_are_final_or_not_by_status_unless_the_target_says_so() {
        let envelope = TargetFormat::Envelope;
        for (status, retried) in
            [(400, false), (404, false), (408, true), (425, true), (429, true), (500, true), (503, true), (302, false)]
        {
            check(answer(status, ""), envelope, Err((&format!("http-{status}"), retried)));
        }
        check(
            answer(500, r#"{"error": {"code": "sold-out", "message": "x", "retryable": false}}"#),
            envelope,
            Err(("sold-out", false)),
        );
        check(answer(404, r#"{"error": {"code": "not-yet", "retryable": true}}"#), envelope, Err(("not-yet", true)));
        check(CallResult::Timeout, envelope, Err(("timeout", true)));
        check(CallResult::ConnectionError("refused".into()), envelope, Err(("connection-error", true)));
        check(CallResult::BlockedAddress("10.0.0.1".into()), envelope, Err(("blocked-address", false)));
    }

    #[test]
    fn functions_break_run_out_of_time_or_are_not_there() {
        let envelope = TargetFormat::Envelope;
        let broken = |body: &str| CallResult::FunctionError(body.as_bytes().to_vec());
        let error = |call| match judge(call, envelope) {
            Verdict::Failure { error, is_retryable, .. } => (error.code, error.message, is_retryable),
            Verdict::Success { .. } => panic!("a failure"),
        };
        let returned = |body: &str| CallResult::Returned(body.as_bytes().to_vec());
        check(returned(r#"{"result": [1]}"#), envelope, Ok(json!([1])));
        check(returned("null"), envelope, Err(("invalid-answer", false)));
        check(returned(""), envelope, Ok(json!(null)));
        check(returned(r#"{"error": {"code": "sold-out"}}"#), envelope, Err(("sold-out", true)));
        check(returned(r#"{"error": {"code": "gone", "retryable": false}}"#), envelope, Err(("gone", false)));
        let (code, message, is_retried) = error(broken(r#"{"errorType": "KeyError", "errorMessage": "'sku'"}"#));
        assert_eq!((code.as_str(), message.as_str(), is_retried), ("function-error", "KeyError: 'sku'", true));
        let (_, message, _) = error(broken(r#"{"errorType": "java.lang.NullPointerException", "errorMessage": null}"#));
        assert_eq!(message, "java.lang.NullPointerException");
        check(broken("nonsense"), envelope, Err(("function-error", true)));
        let timeout = r#"{"errorMessage": "2026-01-01T00:00:00Z 1-2 Task timed out after 3.00 seconds"}"#;
        check(broken(timeout), envelope, Err(("timeout", true)));
        check(broken(r#"{"errorType": "Sandbox.Timedout"}"#), envelope, Err(("timeout", true)));
        let wait = Some(Duration::from_secs(7));
        let Verdict::Failure { error, is_retryable, retry_after } =
            judge(CallResult::Throttled { retry_after: wait }, envelope)
        else {
            panic!("a failure")
        };
        assert_eq!((error.code.as_str(), is_retryable, retry_after), ("throttled", true, wait));
        for (status, retried) in [(403, false), (404, false), (409, true), (413, false), (500, true), (502, true)] {
            let refused = CallResult::InvocationRefused { status, message: "why".to_owned() };
            check(refused, envelope, Err((&format!("http-{status}"), retried)));
        }
    }

    #[test]
    fn extended_payloads_are_read_or_refused() {
        let good = r#"{"result": 1, "extendedPayloads": [{"api": "a/b", "parameters": {"x": 1}}, {"api": "c"}]}"#;
        let Verdict::Success { extended, .. } = judge(answer(200, good), TargetFormat::Envelope) else {
            panic!("success")
        };
        assert_eq!(extended.len(), 2);
        for bad in [r#"[{"apiName": "a"}]"#, r#"["a"]"#, r#"[{"api": "../a"}]"#, r#"[{"api": "a", "parameters": 1}]"#] {
            let body = format!(r#"{{"result": 1, "extendedPayloads": {bad}}}"#);
            check(answer(200, &body), TargetFormat::Envelope, Err(("invalid-extended-payload", false)));
        }
        let long = format!(
            r#"{{"result": 1, "extendedPayloads": [{{"api": "a", "parameters": ["{}"]}}]}}"#,
            "x".repeat(1 << 20)
        );
        check(answer(200, &long), TargetFormat::Envelope, Err(("extended-payloads-too-big", false)));
    }

    #[test]
    fn a_failed_attempt_is_made_again_until_there_are_none_left() {
        let policy = RetryPolicy::default();
        let now = Timestamp::from_seconds(100);
        let wait = Some(Duration::from_secs(30));
        assert_eq!(
            after_failure(&policy, 1, true, None, now),
            AfterFailure::Again { at: Timestamp::from_seconds(101) }
        );
        assert_eq!(
            after_failure(&policy, 1, true, wait, now),
            AfterFailure::Again { at: Timestamp::from_seconds(130) }
        );
        assert_eq!(after_failure(&policy, 3, true, None, now), AfterFailure::Final { attempts_ran_out: true });
        assert_eq!(after_failure(&policy, 1, false, None, now), AfterFailure::Final { attempts_ran_out: false });
    }
}
