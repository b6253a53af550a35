//! Our words in those of the clients: nothing outside of their enums leaves this file.

use serde_json::{Value, json};
use sundial_model::job_run::{JobRunStatus, Reason, ReasonType};
use sundial_model::run::RunError;

use super::Generation;

/// Where a job run stands. There is no word for one that is carried out but "pending", and to the first clients
/// none for one that is coming to rest or never started.
pub(super) fn job_run_status(status: JobRunStatus, generation: Generation) -> &'static str {
    use JobRunStatus::{Canceled, Completed, Failed, Paused, Pausing, Pending, Running, Terminated};
    match (status, generation) {
        (Pending | Running, _) => "PENDING",
        (Pausing, Generation::Later) => "PAUSING",
        (Pausing, Generation::First) | (Paused, _) => "PAUSED",
        (Completed, _) => "COMPLETED",
        (Failed, Generation::First) => "FAILED",
        (Failed, Generation::Later) => "FAILURE",
        (Canceled, Generation::Later) => "CANCELED",
        (Canceled, Generation::First) | (Terminated, _) => "TERMINATED",
    }
}

/// Why a job run is paused, or did not end by itself; none where there is no word for it.
pub(super) fn job_run_reason(reason: &Reason) -> Option<Value> {
    let reason_type = match reason.reason_type {
        ReasonType::AnotherJobRunActive => "another-job-run-active",
        ReasonType::Terminated | ReasonType::Superseded | ReasonType::Deadline => "terminated",
        ReasonType::UserRequest => "user-request",
        ReasonType::AuthSessionNotFound => "auth-session-not-found",
        ReasonType::AuthSessionValidateDependencyFailed => "auth-session-validate-dependency-failed",
        ReasonType::AuthSessionInvalidMidJob => "auth-session-invalid-mid-job",
        ReasonType::Missed | ReasonType::TooOld => return None,
    };
    Some(with_details(reason_type, reason))
}

/// What went wrong with a job run that could not be carried out.
pub(super) fn job_run_error(reason: &Reason) -> Option<Value> {
    (reason.reason_type == ReasonType::TooOld).then(|| {
        json!({
            "message": reason.message, "code": "internal-server-error", "category": "infrastructure", "retirable": false
        })
    })
}

/// Why a run did not end by itself. `of_job` says that it is one of a job run.
pub(super) fn run_reason(reason: Option<&Reason>, of_job: bool) -> Value {
    let Some(reason) = reason else {
        // The job run had done as many as it was to do.
        return json!({ "type": "terminated", "message": "Max runs exceeded: the job run was done before it" });
    };
    let reason_type = match reason.reason_type {
        ReasonType::AuthSessionNotFound
        | ReasonType::AuthSessionValidateDependencyFailed
        | ReasonType::AuthSessionInvalidMidJob => "auth-session-validate-dependency-failed",
        _ if of_job => "job-run-terminated",
        _ => "terminated",
    };
    with_details(reason_type, reason)
}

fn with_details(reason_type: &str, reason: &Reason) -> Value {
    let mut value = json!({ "type": reason_type, "message": reason.message });
    if let Some(details) = &reason.details {
        value["details"] = details.clone();
    }
    value
}

/// Why a run or an operation failed. What the error is to us stands in its details.
pub(super) fn run_error(error: &RunError, attempts_ran_out: bool, attempts: u32) -> Value {
    let (code, category) = match error.code.as_str() {
        _ if attempts_ran_out => ("all-attempts-failed", "user"),
        "auth-session-invalid" => ("auth-check-failed", "auth"),
        // What an answer says is the target's word, whatever it is.
        _ if error.status_code.is_some_and(|status| status >= 300) => ("script-execution-exception", "execution"),
        "internal-server-error" => ("internal-server-error", "infrastructure"),
        "timeout" => ("script-timeout", "execution"),
        "result-too-big-error" => ("result-too-big-error", "user"),
        "invalid-answer" | "invalid-extended-payload" | "extended-payloads-too-big" | "too-many-payloads" => {
            ("script-no-valid-output-received", "execution")
        }
        "worker-lost" => ("script-process-crashed", "execution"),
        _ => ("script-execution-exception", "execution"),
    };
    let mut details = json!({ "code": error.code, "attempts_count": attempts });
    if let Some(status) = error.status_code {
        details["statusCode"] = json!(status);
    }
    json!({ "message": error.message, "code": code, "category": category, "retirable": false, "details": details })
}

/// Why an operation on an auth session failed.
pub(super) fn operation_error(error: &RunError) -> Value {
    let code = match error.code.as_str() {
        // These are their words as well.
        code @ ("check-attempts-failed"
        | "create-attempts-failed"
        | "post-create-check-attempts-failed"
        | "internal-server-error") => code,
        _ => "auth-check-failed",
    };
    let category = if code == "internal-server-error" { "infrastructure" } else { "auth" };
    json!({
        "message": error.message, "code": code, "category": category, "retirable": false,
        "details": { "code": error.code }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_is_outside_of_the_enum_of_its_generation() {
        let first = ["FAILED", "COMPLETED", "PENDING", "TERMINATED", "PAUSED"];
        let later =
            ["CANCELED", "PENDING", "PAUSED", "PAUSING", "RESUMING", "SUCCESS", "FAILURE", "TERMINATED", "COMPLETED"];
        for status in JobRunStatus::ALL {
            assert!(first.contains(&job_run_status(status, Generation::First)), "{status:?}");
            assert!(later.contains(&job_run_status(status, Generation::Later)), "{status:?}");
        }
    }

    #[test]
    fn no_reason_is_outside_of_their_enums() {
        use ReasonType::{
            AnotherJobRunActive, AuthSessionInvalidMidJob, AuthSessionNotFound, AuthSessionValidateDependencyFailed,
            Deadline, Missed, Superseded, Terminated, TooOld, UserRequest,
        };
        let of_job_runs = [
            "terminated",
            "user-request",
            "auth-session-not-found",
            "auth-session-invalid-mid-job",
            "auth-session-validate-dependency-failed",
            "auth-session-locked",
            "another-job-run-active",
            "insufficient-resource-credits",
            "s3-sink-error",
        ];
        let of_runs = [
            "auth-session-validate-dependency-failed",
            "terminated",
            "job-run-paused",
            "job-run-terminated",
            "failed-to-initialize-job-run",
            "api-access-disabled",
            "cancelled-user-action",
        ];
        for reason_type in [
            AnotherJobRunActive,
            AuthSessionInvalidMidJob,
            AuthSessionNotFound,
            AuthSessionValidateDependencyFailed,
            Deadline,
            Missed,
            Superseded,
            Terminated,
            TooOld,
            UserRequest,
        ] {
            let reason = Reason::new(reason_type, "why");
            if let Some(told) = job_run_reason(&reason) {
                assert!(of_job_runs.iter().any(|word| told["type"] == *word), "{told}");
            }
            for of_job in [true, false] {
                let told = run_reason(Some(&reason), of_job);
                assert!(of_runs.iter().any(|word| told["type"] == *word), "{told}");
            }
        }
        assert_eq!(run_reason(None, true)["type"], "terminated");
        let error = job_run_error(&Reason::new(TooOld, "why")).expect("an error");
        assert_eq!((&error["code"], &error["category"]), (&json!("internal-server-error"), &json!("infrastructure")));
    }

    #[test]
    fn no_error_is_outside_of_their_enums() {
        let codes = [
            "internal-server-error",
            "script-process-crashed",
            "unexpected",
            "script-execution-exception",
            "script-no-valid-output-received",
            "result-too-big-error",
            "script-timeout",
            "script-unexpected-error",
            "auth-check-failed",
            "all-attempts-failed",
            "check-attempts-failed",
            "create-attempts-failed",
            "post-create-check-attempts-failed",
            "api-attempts-failed",
            "onepassword-integration-error",
            "job-run-terminated",
        ];
        let categories = ["infrastructure", "execution", "auth", "user", "billing"];
        let ours = [
            "internal-server-error",
            "timeout",
            "connection-error",
            "blocked-address",
            "http-404",
            "invalid-answer",
            "result-too-big-error",
            "extended-payloads-too-big",
            "invalid-extended-payload",
            "too-many-payloads",
            "worker-lost",
            "auth-session-invalid",
            "check-attempts-failed",
            "create-attempts-failed",
            "post-create-check-attempts-failed",
            "superseded",
            "target-has-moved",
            "function-error",
            "throttled",
            "anything",
        ];
        for code in ours {
            for status_code in [None, Some(200), Some(500)] {
                let error = RunError { code: code.into(), message: "why".into(), status_code };
                for told in [run_error(&error, false, 1), run_error(&error, true, 3), operation_error(&error)] {
                    assert!(codes.iter().any(|word| told["code"] == *word), "{code}: {told}");
                    assert!(categories.iter().any(|word| told["category"] == *word), "{code}: {told}");
                }
            }
        }
    }

    #[test]
    fn an_error_without_a_word_of_theirs_keeps_ours_in_its_details() {
        let error = RunError { code: "sold-out".into(), message: "none left".into(), status_code: Some(422) };
        let value = run_error(&error, false, 1);
        assert_eq!(value["code"], "script-execution-exception");
        assert_eq!(value["details"], json!({ "code": "sold-out", "statusCode": 422, "attempts_count": 1 }));
        assert_eq!(run_error(&error, true, 3)["code"], "all-attempts-failed");
    }
}
