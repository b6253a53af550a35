//! What is judged how.

use super::*;
use serde_json::{Value, json};

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
    // Lambda itself lets no more than 6 MB through.
    let too_large = r#"{"errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge"}"#;
    check(broken(too_large), envelope, Err(("result-too-big-error", false)));
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
    let Verdict::Success { extended, .. } = judge(answer(200, good), TargetFormat::Envelope) else { panic!("success") };
    assert_eq!(extended.len(), 2);
    for bad in [r#"[{"apiName": "a"}]"#, r#"["a"]"#, r#"[{"api": "../a"}]"#, r#"[{"api": "a", "parameters": 1}]"#] {
        let body = format!(r#"{{"result": 1, "extendedPayloads": {bad}}}"#);
        check(answer(200, &body), TargetFormat::Envelope, Err(("invalid-extended-payload", false)));
    }
    let long =
        format!(r#"{{"result": 1, "extendedPayloads": [{{"api": "a", "parameters": ["{}"]}}]}}"#, "x".repeat(1 << 20));
    check(answer(200, &long), TargetFormat::Envelope, Err(("extended-payloads-too-big", false)));
}

#[test]
fn a_failed_attempt_is_made_again_until_there_are_none_left() {
    let policy = RetryPolicy::default();
    let now = Timestamp::from_seconds(100);
    let wait = Some(Duration::from_secs(30));
    assert_eq!(after_failure(&policy, 1, true, None, now), AfterFailure::Again { at: Timestamp::from_seconds(101) });
    assert_eq!(after_failure(&policy, 1, true, wait, now), AfterFailure::Again { at: Timestamp::from_seconds(130) });
    assert_eq!(after_failure(&policy, 3, true, None, now), AfterFailure::Final { attempts_ran_out: true });
    assert_eq!(after_failure(&policy, 1, false, None, now), AfterFailure::Final { attempts_ran_out: false });
}
