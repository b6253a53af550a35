//! Lambda in this process: invocations with a deadline, a concurrency limit, and no retries.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{Context, Error, LambdaEvent};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sundial_model::event::Event;
use sundial_runtime::Clients;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::connection::Connection;
use crate::usage::UsageCounter;
use crate::usage_roles::{JOB_API_ROLE, PAYLOAD_EXECUTOR_ROLE, Permission, SCHEDULE_EVALUATOR_ROLE};

/// The timeouts of the functions, as in `template.yaml`.
const JOB_API_TIMEOUT: Duration = Duration::from_secs(29);
const SCHEDULE_EVALUATOR_TIMEOUT: Duration = Duration::from_secs(180);
const PAYLOAD_EXECUTOR_TIMEOUT: Duration = Duration::from_secs(900);
/// How many invocations of a function there are at once.
const EVALUATORS_MAX: usize = 3;
const EXECUTORS_MAX: usize = 100;
/// An asynchronous event that waits longer for its turn is dropped, as in `template.yaml`.
const TICK_AGE_MAX: Duration = Duration::from_secs(60);
const WORK_AGE_MAX: Duration = Duration::from_secs(300);

/// The names under which is counted what the functions use.
const JOB_API: &str = "job-api";
const SCHEDULE_EVALUATOR: &str = "schedule-evaluator";
const PAYLOAD_EXECUTOR: &str = "payload-executor";

/// A function as it is hosted here and described in `template.yaml`; a test compares the two.
pub struct HostedFunction {
    /// Its name, which is that of its binary.
    pub name: &'static str,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Which events a rule of the bus, or the timer, hands to it.
    pub takes: &'static [&'static str],
    /// After how long an event that waits for its turn is dropped.
    pub event_age_max: Option<Duration>,
    /// How many invocations there are at once.
    pub invocations_max: Option<usize>,
    /// What it may ask AWS for.
    pub role: &'static [Permission],
}

/// All of them.
pub const HOSTED_FUNCTIONS: [HostedFunction; 3] = [
    HostedFunction {
        name: JOB_API,
        timeout: JOB_API_TIMEOUT,
        takes: &[],
        event_age_max: None,
        invocations_max: None,
        role: JOB_API_ROLE,
    },
    HostedFunction {
        name: SCHEDULE_EVALUATOR,
        timeout: SCHEDULE_EVALUATOR_TIMEOUT,
        takes: &[TICK, Event::SCHEDULE_CHANGED],
        event_age_max: Some(TICK_AGE_MAX),
        invocations_max: Some(EVALUATORS_MAX),
        role: SCHEDULE_EVALUATOR_ROLE,
    },
    HostedFunction {
        name: PAYLOAD_EXECUTOR,
        timeout: PAYLOAD_EXECUTOR_TIMEOUT,
        takes: &[Event::WORK_READY],
        event_age_max: Some(WORK_AGE_MAX),
        invocations_max: Some(EXECUTORS_MAX),
        role: PAYLOAD_EXECUTOR_ROLE,
    },
];

impl HostedFunction {
    /// The function of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        HOSTED_FUNCTIONS.iter().find(|function| function.name == name)
    }
}

/// Hosts the functions.
#[derive(Clone)]
pub(crate) struct FunctionHost {
    pub(crate) usage: UsageCounter,
    job_api: Router,
    evaluator: Clients,
    executor: Clients,
    evaluators: Arc<Semaphore>,
    executors: Arc<Semaphore>,
}

/// The timer's detail type.
pub(crate) const TICK: &str = "Scheduled Event";

impl FunctionHost {
    pub(crate) fn new(connection: &Connection) -> Self {
        let usage = UsageCounter::default();
        Self {
            job_api: sundial_job_api::router::router(connection.counted(&usage, JOB_API)),
            evaluator: connection.counted(&usage, SCHEDULE_EVALUATOR),
            executor: connection.counted(&usage, PAYLOAD_EXECUTOR),
            usage,
            evaluators: Arc::new(Semaphore::new(EVALUATORS_MAX)),
            executors: Arc::new(Semaphore::new(EXECUTORS_MAX)),
        }
    }

    /// Invokes the job API and waits for its answer.
    pub(crate) async fn job_api(&self, event: Value) -> Result<Value, Error> {
        let _invocation = self.usage.invocation(JOB_API);
        let event: LambdaEvent<LambdaRequest> = lambda_event(event, JOB_API_TIMEOUT)?;
        tokio::time::timeout(JOB_API_TIMEOUT, sundial_job_api::handle(self.job_api.clone(), event)).await?
    }

    /// Whether a rule of the bus hands such events to a function.
    pub(crate) fn takes(detail_type: &str) -> bool {
        HOSTED_FUNCTIONS.iter().any(|function| function.takes.contains(&detail_type))
    }

    /// Hands an event of the bus to the function that its rule names, and does not wait.
    pub(crate) fn dispatch(&self, detail_type: &str, event: Value) {
        let host = self.clone();
        match detail_type {
            TICK | Event::SCHEDULE_CHANGED => tokio::spawn(async move {
                let turn = tokio::time::timeout(TICK_AGE_MAX, host.evaluators.acquire()).await;
                let Ok(Ok(_turn)) = turn else { return };
                let _invocation = host.usage.invocation(SCHEDULE_EVALUATOR);
                let invoked = async {
                    let event: LambdaEvent<EventBridgeEvent<Value>> = lambda_event(event, SCHEDULE_EVALUATOR_TIMEOUT)?;
                    sundial_schedule_evaluator::handle(&host.evaluator, event).await
                };
                report(SCHEDULE_EVALUATOR, tokio::time::timeout(SCHEDULE_EVALUATOR_TIMEOUT, invoked).await);
            }),
            Event::WORK_READY => tokio::spawn(async move {
                let turn = tokio::time::timeout(WORK_AGE_MAX, host.executors.acquire()).await;
                let Ok(Ok(_turn)) = turn else { return };
                let _invocation = host.usage.invocation(PAYLOAD_EXECUTOR);
                let invoked = async {
                    let event: LambdaEvent<EventBridgeEvent<_>> = lambda_event(event, PAYLOAD_EXECUTOR_TIMEOUT)?;
                    sundial_payload_executor::handle(&host.executor, event).await
                };
                report(PAYLOAD_EXECUTOR, tokio::time::timeout(PAYLOAD_EXECUTOR_TIMEOUT, invoked).await);
            }),
            // No rule takes it.
            _ => return,
        };
    }
}

fn lambda_event<T: DeserializeOwned>(event: Value, timeout: Duration) -> Result<LambdaEvent<T>, Error> {
    let mut context = Context::default();
    context.request_id = Uuid::new_v4().to_string();
    let deadline = SystemTime::now() + timeout;
    let since_epoch = deadline.duration_since(SystemTime::UNIX_EPOCH)?;
    context.deadline = u64::try_from(since_epoch.as_millis())?;
    Ok(LambdaEvent::new(serde_json::from_value(event)?, context))
}

fn report(function: &str, result: Result<Result<(), Error>, tokio::time::error::Elapsed>) {
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(function, %error, "an invocation failed"),
        Err(_) => tracing::error!(function, "an invocation ran into its deadline"),
    }
}
