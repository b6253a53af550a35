//! A job run as the clients read it.

use serde_json::{Value, json};
use sundial_model::job_run::{JobRun, JobRunResults};

use super::Generation;
use super::job_answer::sink;
use super::words::{job_run_error, job_run_reason, job_run_status};

/// A job run, alone or in a list: what all generations want of it, and its status as the one that asks knows it.
pub(super) fn job_run(run: &JobRun, generation: Generation) -> Value {
    let summary = run.summary;
    let mut snapshot = json!({ "configuration": run.configuration_snapshot.configuration });
    if let Some(of_job) = &run.configuration_snapshot.sink {
        snapshot["sink"] = sink(of_job);
    }
    if let Some(reference) = &run.configuration_snapshot.auth_session {
        snapshot["auth_session"] = json!(reference);
    }
    if !run.configuration_snapshot.notifications.is_empty() {
        snapshot["notifications"] = json!(run.configuration_snapshot.notifications);
    }
    let mut answer = json!({
        "id": run.id,
        "projectId": run.project_id, "project_id": run.project_id,
        "jobId": run.job_id, "job_id": run.job_id,
        "workspace_id": run.workspace_id,
        "type": run.run_type,
        "status": job_run_status(run.status, generation),
        // One that has not begun, or never did, has none; but it must be there.
        "start_time": run.start_time.unwrap_or(run.created_at),
        "end_time": run.end_time,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "payloads": summary.total,
        "successful_runs": summary.succeeded,
        "failed_runs": summary.failed,
        "summary": {
            "apis_count": summary.succeeded + summary.failed,
            "success_count": summary.succeeded,
            "failures_count": summary.failed,
            "pending_count": summary.running
        }
    });
    // The first clients do not know it, and read a thousand runs at once.
    if generation == Generation::Later {
        answer["job_configuration_snapshot"] = snapshot;
    }
    if let Some(reason) = run.reason.as_ref().and_then(job_run_reason) {
        answer["reason"] = reason;
    }
    if let Some(error) = run.reason.as_ref().and_then(job_run_error) {
        answer["error"] = error;
    }
    answer
}

/// The results of a job run.
pub(super) fn results(results: &JobRunResults) -> Value {
    json!({
        "signed_url": results.signed_url,
        "format": results.format,
        "signed_url_expiration": results.signed_url_expiration,
        "size": results.size,
        "key": results.key
    })
}
