//! What came of a run, as the clients read it.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sundial_model::RunId;
use sundial_model::job_run::Reason;
use sundial_model::payload::IndexedPayload;
use sundial_model::run::{RunError, RunStatus};
use sundial_outbound::sink::{error_code, status_code};

use super::Generation;
use super::job_answer::parameters;
use super::words::{run_error, run_reason};

/// What is known of a run.
#[derive(Debug)]
pub(super) struct KnownRun {
    pub(super) id: RunId,
    pub(super) status: RunStatus,
    /// Whether it is one of a job run.
    pub(super) of_job: bool,
    pub(super) attempts: u32,
    /// Why its job run, or itself, did not end by itself.
    pub(super) reason: Option<Reason>,
    pub(super) error: Option<RunError>,
    pub(super) attempts_ran_out: bool,
    pub(super) result: Option<Box<RawValue>>,
    /// What its result has asked for.
    pub(super) extended: Vec<IndexedPayload>,
}

/// The answer. The result is passed on as the target wrote it: it need not be what our own values can hold.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunAnswer {
    run_id: RunId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extended_payloads: Vec<Value>,
    #[serde(skip_serializing_if = "Value::is_null")]
    error: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    message: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    reason: Value,
}

impl KnownRun {
    /// As it is answered.
    pub(super) fn answer(self, generation: Generation) -> RunAnswer {
        let is_first = generation == Generation::First;
        let answer = RunAnswer {
            run_id: self.id,
            status: "pending",
            status_code: None,
            result: None,
            extended_payloads: Vec::new(),
            error: Value::Null,
            message: Value::Null,
            reason: Value::Null,
        };
        match (self.status, &self.error) {
            (RunStatus::Pending, _) => answer,
            // The first clients have no word for it.
            (RunStatus::Running, _) => RunAnswer { status: if is_first { "pending" } else { "started" }, ..answer },
            (RunStatus::Succeeded, _) => {
                let extended_payloads = self.extended.iter().map(|payload| self.extension(payload)).collect();
                let result = Some(self.result.unwrap_or_else(|| RawValue::NULL.to_owned()));
                // The first clients count on the status code.
                RunAnswer { status: "completed", status_code: Some(200), result, extended_payloads, ..answer }
            }
            (RunStatus::Failed, Some(error)) if is_first => RunAnswer {
                status: "failed",
                status_code: Some(status_code(error)),
                error: json!(error_code(error, self.attempts_ran_out)),
                message: json!(error.message),
                ..answer
            },
            (RunStatus::Failed, Some(error)) => RunAnswer {
                status: "failed",
                error: run_error(error, self.attempts_ran_out, self.attempts),
                message: json!(error.message),
                ..answer
            },
            (RunStatus::Failed | RunStatus::Canceled, _) => {
                let reason = run_reason(self.reason.as_ref(), self.of_job);
                let message = reason["message"].clone();
                if is_first {
                    // They have no word for one that never ended.
                    let error = reason["type"].clone();
                    return RunAnswer { status: "failed", status_code: Some(500), error, message, ..answer };
                }
                RunAnswer { status: "canceled", message, reason, ..answer }
            }
        }
    }

    /// A payload that the result has asked for; it has a run of its own only in a job run.
    fn extension(&self, IndexedPayload { index, payload }: &IndexedPayload) -> Value {
        let mut answer = json!({
            "api": payload.api_name, "parameters": parameters(payload.parameters.as_ref(), Generation::Later)
        });
        if self.of_job {
            answer["runId"] = json!(RunId { payload_index: *index, ..self.id });
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_passed_on_as_it_was_written_whatever_it_is() {
        for text in ["{\"t\":\"\\ud83d\"}", "1e999", "12345678901234567890123", &"[".repeat(200)] {
            let text = if text.starts_with("[[") { format!("{text}{}", "]".repeat(200)) } else { text.to_owned() };
            // As a target's answer is taken, which is only skipped over.
            let result: Box<RawValue> = match serde_json::from_str(&text) {
                Ok(result) => result,
                // What is nested too deep never comes so far.
                Err(_) => continue,
            };
            let known = KnownRun {
                id: RunId { job_run: sundial_model::JobRunId::new(), payload_index: 0 },
                status: RunStatus::Succeeded,
                of_job: false,
                attempts: 1,
                reason: None,
                error: None,
                attempts_ran_out: false,
                result: Some(result),
                extended: Vec::new(),
            };
            let answer = serde_json::to_string(&known.answer(Generation::Later)).expect("JSON");
            assert!(answer.contains(&format!("\"result\":{text}")), "{answer}");
        }
    }
}
