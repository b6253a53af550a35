//! One attempt: call the target, judge the answer, put a large result away.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sundial_engine::attempt::{AfterFailure, Verdict, after_failure, judge};
use sundial_model::run::{FAILED_ATTEMPTS_MAX, FailedAttempt, RunError};
use sundial_model::target::Target;
use sundial_model::{RunId, Timestamp};
use sundial_outbound::ResultsBucket;
use sundial_outbound::target::{CallContext, TargetCall};
use sundial_store::{AttemptRecord, Outcome, OutcomeLocation};

use crate::context::RunContext;
use crate::ready::Task;

/// A result over this stands in the bucket: 100 KB.
const INLINE_RESULT_BYTES_MAX: usize = 100_000;

/// What an attempt came to.
pub(crate) enum Attempted {
    /// The payload has ended.
    Ended(Task, Outcome),
    /// It is tried again; the task says when. The target may have asked to be left alone until a time.
    Again(Task, Option<Timestamp>),
}

impl Attempted {
    /// What to record of a payload that is tried again.
    pub(crate) fn record(task: &Task) -> AttemptRecord {
        AttemptRecord {
            index: task.payload.index,
            attempts: task.attempts_made,
            next_attempt_at: task.not_before,
            failed_attempts: task.failed_attempts.clone(),
        }
    }
}

/// Makes one attempt.
pub(crate) async fn make(context: Arc<RunContext>, mut task: Task) -> Attempted {
    let start_time = context.clients.clock.now();
    let verdict = call(&context, &task, start_time).await;
    let stored = match verdict {
        Verdict::Success { extended, .. } if !extended.is_empty() => Err(no_extension()),
        Verdict::Success { result, .. } => store_result(&context, &task, result).await,
        Verdict::Failure { error, is_retryable, retry_after } => Err(Failure { error, is_retryable, retry_after }),
    };
    let end_time = context.clients.clock.now();
    task.attempts_made += 1;
    let outcome = Outcome {
        index: task.payload.index,
        attempts: task.attempts_made,
        start_time,
        end_time,
        error: None,
        attempts_ran_out: false,
        result: None,
        location: None,
    };
    let failure = match stored {
        Ok(StoredResult::Inline(result)) => return Attempted::Ended(task, Outcome { result: Some(result), ..outcome }),
        Ok(StoredResult::InBucket(location)) => {
            return Attempted::Ended(task, Outcome { location: Some(location), ..outcome });
        }
        Err(failure) => failure,
    };
    let Failure { error, is_retryable, retry_after } = failure;
    let policy = task.retry_policy(&context.definition.configuration);
    let attempt = task.attempts_made;
    task.failed_attempts.push(FailedAttempt { attempt, start_time, end_time, error: error.clone() });
    if task.failed_attempts.len() > FAILED_ATTEMPTS_MAX {
        task.failed_attempts.remove(0);
    }
    match after_failure(&policy, attempt, is_retryable, retry_after, end_time) {
        AfterFailure::Again { at } => {
            task.not_before = at;
            Attempted::Again(task, retry_after.map(|wait| end_time + wait))
        }
        AfterFailure::Final { attempts_ran_out } => {
            Attempted::Ended(task, Outcome { error: Some(error), attempts_ran_out, ..outcome })
        }
    }
}

struct Failure {
    error: RunError,
    is_retryable: bool,
    retry_after: Option<Duration>,
}

/// A run cannot grow in this version; saying so is better than dropping what was sent.
fn no_extension() -> Failure {
    let message = "extended payloads are not carried out in this version".to_owned();
    let error = RunError { code: "too-many-payloads".to_owned(), message, status_code: Some(200) };
    Failure { error, is_retryable: false, retry_after: None }
}

async fn call(context: &RunContext, task: &Task, now: Timestamp) -> Verdict {
    let (run, index) = (&context.run, task.payload.index);
    let call_context = CallContext {
        workspace_id: run.workspace_id,
        project_id: run.project_id,
        job_id: run.job_id.clone(),
        job_run_id: run.id,
        run_id: RunId { job_run: run.id, payload_index: index },
        payload_index: index,
        generation: run.generation,
        attempt: task.attempts_made + 1,
        scheduled_time: run.scheduled_time,
    };
    let call = TargetCall {
        target: &context.target,
        signing_secret: &context.signing_secret,
        api_name: &task.payload.payload.api_name,
        parameters: task.payload.payload.parameters.as_ref(),
        context: &call_context,
        timeout: task.timeout(&context.definition.configuration),
    };
    let Target::Http { format, .. } = &context.target;
    judge(context.clients.outbound.call_target(call, now).await, *format)
}

enum StoredResult {
    Inline(Box<RawValue>),
    InBucket(OutcomeLocation),
}

async fn store_result(context: &RunContext, task: &Task, result: Box<RawValue>) -> Result<StoredResult, Failure> {
    let size = result.get().len();
    if size <= INLINE_RESULT_BYTES_MAX {
        return Ok(StoredResult::Inline(result));
    }
    let key = ResultsBucket::key(context.run.id, context.run.generation, task.payload.index);
    let put = context.clients.results.put(&key, String::from(Box::<str>::from(result))).await;
    match put {
        Ok(()) => Ok(StoredResult::InBucket(OutcomeLocation { key, size: size as u64 })),
        Err(error) => {
            tracing::warn!(%error, "a result could not be stored");
            let message = "the result could not be stored".to_owned();
            let error = RunError { code: "internal-server-error".to_owned(), message, status_code: None };
            Err(Failure { error, is_retryable: true, retry_after: None })
        }
    }
}
