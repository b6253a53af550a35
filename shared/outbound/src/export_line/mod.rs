//! The export of a job run: a line of JSON for each of its runs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;
use sundial_engine::attempt::ExtendedPayload;
use sundial_model::job_run::Reason;
use sundial_model::payload::{ApiName, Parameters};
use sundial_model::run::RunError;
use sundial_model::{JobId, JobRunId, ProjectId, ProjectName, RunId, Timestamp, WorkspaceId};

use crate::sink::{ProjectReference, Reference, error_code};

/// The content type of an export: JSON Lines.
pub const EXPORT_CONTENT_TYPE: &str = "application/x-ndjson";

/// The code of a payload that was not finished when its job run ended.
const CANCELED: &str = "canceled";

/// A run, to be exported.
#[derive(Clone, Debug)]
pub struct ExportLine<'a> {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The project's id.
    pub project_id: ProjectId,
    /// The project's name.
    pub project_name: &'a ProjectName,
    /// The job.
    pub job_id: &'a JobId,
    /// The job run.
    pub job_run_id: JobRunId,
    /// The payload's index, from 0.
    pub payload_index: u32,
    /// Which API was called.
    pub api_name: &'a ApiName,
    /// With what.
    pub parameters: Option<&'a Parameters>,
    /// When its last attempt began; left out where there was none.
    pub started_at: Option<Timestamp>,
    /// When it ended; left out where it did not.
    pub ended_at: Option<Timestamp>,
    /// How many attempts were made.
    pub attempts: u32,
    /// What came of it.
    pub outcome: ExportedOutcome<'a>,
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub enum ExportedOutcome<'a> {
    /// It succeeded.
    Succeeded {
        /// Its result.
        result: &'a RawValue,
        /// What it added to the job run.
        extended: &'a [ExtendedPayload],
    },
    /// It failed.
    Failed {
        /// The error of its last attempt.
        error: &'a RunError,
        /// Whether its attempts ran out.
        attempts_ran_out: bool,
    },
    /// It was not finished when its job run ended.
    Canceled {
        /// Why that ended, where it is known.
        reason: Option<&'a Reason>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    api_info: ApiInfo<'a>,
    workspace_id: WorkspaceId,
    project: ProjectReference<'a>,
    project_job: Reference<&'a JobId>,
    project_job_run: Reference<JobRunId>,
}

/// The names are in two styles, as clients expect them.
#[derive(Serialize)]
struct ApiInfo<'a> {
    name: &'a ApiName,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Parameters>,
    #[serde(rename = "runId")]
    run_id: RunId,
    result: Option<Success<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    error: Option<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a Reason>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Success<'a> {
    output: &'a RawValue,
    extended_payloads: Vec<Extended<'a>>,
}

#[derive(Serialize)]
struct Extended<'a> {
    api: &'a ApiName,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Parameters>,
}

impl<'a> From<&'a ExtendedPayload> for Extended<'a> {
    fn from(payload: &'a ExtendedPayload) -> Self {
        Self { api: &payload.api_name, parameters: payload.parameters.as_ref() }
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    message: &'a str,
    code: &'a str,
    details: FailureDetails,
}

#[derive(Serialize)]
struct FailureDetails {
    attempts_count: u32,
}

impl ExportLine<'_> {
    /// Writes the line, its line feed included. The result is copied as it is, not read.
    ///
    /// # Errors
    /// When `out` fails; a `Vec` does not.
    pub fn write_to(&self, out: impl Write) -> io::Result<()> {
        let mut out = OneLine(out);
        serde_json::to_writer(&mut out, &self.line())?;
        out.0.write_all(b"\n")
    }

    fn line(&self) -> Line<'_> {
        let failure =
            |code, message| Failure { message, code, details: FailureDetails { attempts_count: self.attempts } };
        let (result, error, reason) = match self.outcome {
            ExportedOutcome::Succeeded { result, extended } => (
                Some(Success { output: result, extended_payloads: extended.iter().map(Extended::from).collect() }),
                None,
                None,
            ),
            ExportedOutcome::Failed { error, attempts_ran_out } => {
                (None, Some(failure(error_code(error, attempts_ran_out), error.message.as_str())), None)
            }
            ExportedOutcome::Canceled { reason } => {
                let message =
                    reason.map_or("the job run ended before this payload was finished", |reason| &reason.message);
                (None, Some(failure(CANCELED, message)), reason)
            }
        };
        Line {
            api_info: ApiInfo {
                name: self.api_name,
                parameters: self.parameters,
                run_id: RunId { job_run: self.job_run_id, payload_index: self.payload_index },
                result,
                started_at: self.started_at,
                ended_at: self.ended_at,
                error,
                reason,
            },
            workspace_id: self.workspace_id,
            project: ProjectReference { id: self.project_id, name: self.project_name },
            project_job: Reference { id: self.job_id },
            project_job_run: Reference { id: self.job_run_id },
        }
    }
}

/// Leaves out the line ends that a target put between the parts of its result. Inside of JSON's
/// strings they are escaped, so that these are the only ones.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            self.0.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
