//! What came of a run, as the clients read it.

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

impl KnownRun {
    /// As it is answered.
    pub(super) fn answer(&self, generation: Generation) -> Value {
        match generation {
            Generation::First => self.first(),
            Generation::Later => self.later(),
        }
    }

    fn first(&self) -> Value {
        match (self.status, &self.error) {
            (RunStatus::Pending | RunStatus::Running, _) => json!({ "status": "pending", "runId": self.id }),
            (RunStatus::Succeeded, _) => {
                json!({ "status": "completed", "statusCode": 200, "runId": self.id, "result": self.result })
            }
            (RunStatus::Failed, Some(error)) => json!({
                "status": "failed", "statusCode": status_code(error), "runId": self.id,
                "error": error_code(error, self.attempts_ran_out), "message": error.message
            }),
            // They have no word for one that never ended.
            (RunStatus::Failed | RunStatus::Canceled, _) => {
                let reason = run_reason(self.reason.as_ref(), self.of_job);
                json!({
                    "status": "failed", "statusCode": 500, "runId": self.id,
                    "error": reason["type"], "message": reason["message"]
                })
            }
        }
    }

    fn later(&self) -> Value {
        let id = self.id;
        match (self.status, &self.error) {
            (RunStatus::Pending, _) => json!({ "runId": id, "status": "pending" }),
            (RunStatus::Running, _) => json!({ "runId": id, "status": "started" }),
            (RunStatus::Succeeded, _) => {
                // The first clients count on it as well.
                let mut answer =
                    json!({ "runId": id, "status": "completed", "statusCode": 200, "result": self.result });
                if !self.extended.is_empty() {
                    answer["extendedPayloads"] = self.extended.iter().map(|payload| self.extension(payload)).collect();
                }
                answer
            }
            (RunStatus::Failed, Some(error)) => {
                let error = run_error(error, self.attempts_ran_out, Some(self.attempts));
                json!({ "runId": id, "status": "failed", "message": error["message"], "error": error })
            }
            (RunStatus::Failed | RunStatus::Canceled, _) => {
                let reason = run_reason(self.reason.as_ref(), self.of_job);
                json!({ "runId": id, "status": "canceled", "message": reason["message"], "reason": reason })
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
