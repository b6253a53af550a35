//! One attempt: call the target, judge the answer, put a large result away.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sundial_engine::attempt::{AfterFailure, ExtendedPayload, Verdict, after_failure, judge};
use sundial_engine::auth_session::{SESSION_INVALID, refusal_uses_attempt};
use sundial_model::payload::{PAYLOADS_MAX, Payload};
use sundial_model::run::{FailedAttempt, RunError};
use sundial_model::{RunId, Timestamp};
use sundial_outbound::ResultsBucket;
use sundial_outbound::answer_memory::HeldMemory;
use sundial_outbound::target::{CallContext, CallParameters, CallSession, TargetCall};
use sundial_store::{Outcome, OutcomeLocation, PAYLOAD_BYTES_MAX, SigningPurpose, json_bytes};

use crate::context::RunContext;
use crate::ready::Task;
use crate::session_state::SessionState;
use crate::suspects::LOSSES_MAX;

/// A result over this stands in the bucket: 100 KB.
const INLINE_RESULT_BYTES_MAX: usize = 100_000;

/// What an attempt came to.
pub(crate) struct Attempted {
    /// The payload. If it is tried again, the task says when.
    pub(crate) task: Task,
    pub(crate) end: AttemptEnd,
    /// The target asked to be left alone until then.
    pub(crate) hold_until: Option<Timestamp>,
    /// What it carried of the auth session, if the job has one.
    pub(crate) session: Option<CarriedState>,
    /// The memory of what the target answered, for as long as that is not on record.
    pub(crate) memory: HeldMemory,
}

/// How an attempt ended.
pub(crate) enum AttemptEnd {
    /// The payload has ended, and extends the run by these.
    Final(Outcome, Vec<Payload>),
    /// It is tried again.
    Again(FailedAttempt),
    /// It was refused because of the state that it carried, which may just have become stale. It is made once
    /// more, as if it had not been.
    Refused,
}

/// The version of the auth session's state that an attempt carried.
pub(crate) struct CarriedState {
    pub(crate) version: u32,
    /// Whether the target did not accept it.
    pub(crate) is_refused: bool,
}

/// Makes one attempt, which carries `state` and may take until `timeout` is over.
pub(crate) async fn make(
    context: Arc<RunContext>,
    mut task: Task,
    state: Option<Arc<SessionState>>,
    timeout: Duration,
) -> Attempted {
    let start_time = context.clients.clock.now();
    let (verdict, mut memory) = call(&context, &task, state.as_deref(), timeout, start_time).await;
    let session = state.map(|state| {
        let is_refused = matches!(&verdict, Verdict::Failure { error, .. } if error.code == SESSION_INVALID);
        CarriedState { version: state.version, is_refused }
    });
    let refused_under = session.as_ref().filter(|carried| carried.is_refused).map(|carried| carried.version);
    if let Some(version) = refused_under {
        let uses_attempt = refusal_uses_attempt(version, task.refused_under);
        task.refused_under = task.refused_under.max(refused_under);
        if !uses_attempt {
            let retry_after = match verdict {
                Verdict::Failure { retry_after, .. } => retry_after,
                Verdict::Success { .. } => None,
            };
            return Attempted {
                task,
                end: AttemptEnd::Refused,
                hold_until: retry_after.map(|wait| context.clients.clock.now() + wait),
                session,
                memory: HeldMemory::default(),
            };
        }
    }
    let stored = match verdict {
        Verdict::Success { result, extended } => match check_extension(extended) {
            Ok(extension) => store_result(&context, &task, result).await.map(|result| (result, extension)),
            Err(failure) => Err(failure),
        },
        Verdict::Failure { error, is_retryable, retry_after } => Err(Failure { error, is_retryable, retry_after }),
    };
    let end_time = context.clients.clock.now();
    task.attempts_made += 1;
    let outcome = Outcome {
        index: task.index(),
        attempts: task.attempts_made,
        start_time,
        end_time,
        error: None,
        attempts_ran_out: false,
        result: None,
        location: None,
        extension: None,
    };
    let Failure { error, is_retryable, retry_after } = match stored {
        Ok((stored, extension)) => {
            let outcome = match stored {
                StoredResult::Inline(result) => Outcome { result: Some(result), ..outcome },
                StoredResult::InBucket(location) => Outcome { location: Some(location), ..outcome },
            };
            memory.shrink_to(outcome.bytes() + extension.iter().map(json_bytes).sum::<usize>());
            return Attempted { task, end: AttemptEnd::Final(outcome, extension), hold_until: None, session, memory };
        }
        Err(failure) => failure,
    };
    let policy = task.retry_policy(&context.definition.configuration);
    let attempt = task.attempts_made;
    let hold_until = retry_after.map(|wait| end_time + wait);
    // A state can be renewed, whatever else the answer said.
    let is_retryable = is_retryable || refused_under.is_some();
    let end = match after_failure(&policy, attempt, is_retryable, retry_after, end_time) {
        AfterFailure::Again { at } => {
            task.not_before = at;
            AttemptEnd::Again(FailedAttempt { attempt, start_time, end_time, error })
        }
        AfterFailure::Final { attempts_ran_out } => {
            AttemptEnd::Final(Outcome { error: Some(error), attempts_ran_out, ..outcome }, Vec::new())
        }
    };
    Attempted { task, end, hold_until, session, memory: HeldMemory::default() }
}

struct Failure {
    error: RunError,
    is_retryable: bool,
    retry_after: Option<Duration>,
}

/// A payload that a result extends the run by must fit an item, as any other.
fn check_extension(extended: Vec<ExtendedPayload>) -> Result<Vec<Payload>, Failure> {
    let payload =
        |ExtendedPayload { api_name, parameters }| Payload { api_name, parameters, request_timeout: None, retry: None };
    let payloads: Vec<Payload> = extended.into_iter().map(payload).collect();
    let too_large = payloads.iter().position(|payload| json_bytes(payload) > PAYLOAD_BYTES_MAX);
    too_large.map_or(Ok(payloads), |index| {
        let message = format!("extendedPayloads/{index} must be at most {PAYLOAD_BYTES_MAX} bytes of JSON");
        let error = RunError { code: "invalid-extended-payload".to_owned(), message, status_code: None };
        Err(Failure { error, is_retryable: false, retry_after: None })
    })
}

/// How a payload ends whose extension the run has no room for.
pub(crate) fn too_many_payloads(outcome: &Outcome) -> Outcome {
    let message = format!("the job run would have more than {PAYLOADS_MAX} payloads");
    let error = RunError { code: "too-many-payloads".to_owned(), message, status_code: None };
    Outcome { error: Some(error), result: None, location: None, extension: None, ..outcome.clone() }
}

/// How a payload ends that one worker after the other died of.
pub(crate) fn worker_lost(task: &Task, now: Timestamp) -> Outcome {
    let message = format!("{LOSSES_MAX} workers were lost while they carried it out");
    let error = RunError { code: "worker-lost".to_owned(), message, status_code: None };
    Outcome {
        index: task.index(),
        attempts: task.attempts_made + 1,
        start_time: now,
        end_time: now,
        error: Some(error),
        attempts_ran_out: false,
        result: None,
        location: None,
        extension: None,
    }
}

async fn call(
    context: &RunContext,
    task: &Task,
    state: Option<&SessionState>,
    timeout: Duration,
    now: Timestamp,
) -> (Verdict, HeldMemory) {
    let (run, index) = (&context.run, task.index());
    let call_context = CallContext {
        workspace_id: run.workspace_id,
        project_id: run.project_id,
        job_id: run.job_id().cloned(),
        job_run_id: run.job.is_some().then_some(run.id),
        run_id: RunId { job_run: run.id, payload_index: index }.to_string(),
        payload_index: index,
        generation: run.generation,
        attempt: task.attempts_made + 1,
        scheduled_time: run.scheduled_time,
    };
    let secrets = context.signing.valid_at(SigningPurpose::Calls, now);
    let call = TargetCall {
        trace: &context.trace,
        target: &context.target,
        signing_secrets: &secrets,
        api: task.payload.payload.api_name.as_str(),
        parameters: task.payload.payload.parameters.as_ref().map(CallParameters::Payload),
        auth_session: state.map(|current| CallSession { id: &current.session.id, state: &current.state }),
        context: &call_context,
        timeout,
    };
    let answer = context.clients.outbound.call_target(call, now).await;
    (judge(answer.result, context.target.format()), answer.memory)
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
    let key = ResultsBucket::key(context.id(), context.run.generation, task.index());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_extends_its_run_too_far_is_an_error_and_no_result() {
        let outcome = Outcome {
            index: 7,
            attempts: 2,
            start_time: Timestamp::EPOCH,
            end_time: Timestamp::EPOCH,
            error: None,
            attempts_ran_out: false,
            result: Some(RawValue::NULL.to_owned()),
            location: None,
            extension: None,
        };
        let failed = too_many_payloads(&outcome);
        assert!(!failed.has_succeeded() && failed.result.is_none());
        assert_eq!(failed.error.map(|error| error.code).as_deref(), Some("too-many-payloads"));
        assert_eq!((failed.index, failed.attempts), (7, 2));
    }
}
