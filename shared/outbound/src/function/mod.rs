//! Targets that are Lambda functions: invoked once for each attempt, and waited for.

mod allowed;
mod bounded_answer;

use std::time::Duration;

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{Builder, Region, SharedHttpClient, StalledStreamProtectionConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use serde_json::json;
use sundial_engine::attempt::CallResult;
use sundial_model::WorkspaceId;
use sundial_model::target::{FunctionArn, Qualifier};

pub use allowed::TargetFunctions;
use bounded_answer::{BoundedAnswers, Seen};

use crate::answer::{OutboundAnswer, retry_after};
use crate::answer_memory::AnswerMemory;

/// So much of a message is kept, in characters.
const MESSAGE_LENGTH_MAX: usize = 2000;
/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Invokes functions, those that the deployment lets a workspace invoke.
#[derive(Clone, Debug)]
pub struct FunctionCaller {
    client: aws_sdk_lambda::Client,
    http_client: SharedHttpClient,
    allowed: TargetFunctions,
}

/// One invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) function: &'a FunctionArn,
    pub(crate) qualifier: Option<&'a Qualifier>,
    /// W3C Trace Context; an event has no headers, so that it goes with the client context.
    pub(crate) traceparent: &'a str,
    /// How long it may take, but for the time that its answer waits for memory of ours.
    pub(crate) timeout: Duration,
}

impl FunctionCaller {
    /// Invokes `allowed` functions by `client`, over `http_client`, as which that of the rest of the SDK will do.
    pub fn new(client: aws_sdk_lambda::Client, http_client: SharedHttpClient, allowed: TargetFunctions) -> Self {
        Self { client, http_client, allowed }
    }

    /// Invokes a function with an event, and waits for what it returns.
    pub(crate) async fn invoke(
        &self,
        Invocation { workspace, function, qualifier, traceparent, timeout }: Invocation<'_>,
        event: Vec<u8>,
        memory: &AnswerMemory,
    ) -> OutboundAnswer {
        // The deployment may have closed what was open when the target was saved.
        if !self.allowed.allows(workspace, function) {
            return CallResult::BlockedAddress(format!("{function} is no function that this deployment invokes"))
                .into();
        }
        let answers = BoundedAnswers::new(self.http_client.clone(), memory.clone(), timeout);
        let configuration = Builder::default()
            .http_client(answers.clone())
            .region(Region::new(function.region().to_owned()))
            // An attempt is one call, which takes as long as it takes: the time is kept where the answer is read. What is
            // not said to be without a limit would have that of all other calls.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled().to_builder().connect_timeout(CONNECT_TIMEOUT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let request = self
            .client
            .invoke()
            .function_name(function.as_str())
            .set_qualifier(qualifier.map(|qualifier| qualifier.as_str().to_owned()))
            .client_context(STANDARD.encode(json!({ "custom": { "traceparent": traceparent } }).to_string()))
            .payload(Blob::new(event));
        let invoked = request.customize().config_override(configuration).send().await;
        let Seen { ended, body, held: memory } = answers.take();
        let result = match (ended, invoked) {
            (Some(result), _) => result,
            (None, Ok(output)) if output.function_error.is_some() => CallResult::FunctionError(body),
            (None, Ok(_)) => CallResult::Returned(body),
            (None, Err(error)) => refusal(&error, function),
        };
        OutboundAnswer { result, memory }
    }
}

/// Why a function was not invoked.
fn refusal(error: &SdkError<InvokeError>, function: &FunctionArn) -> CallResult {
    let Some(response) = error.raw_response() else {
        // The innermost cause says most.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        return CallResult::ConnectionError(cause.to_string().chars().take(MESSAGE_LENGTH_MAX).collect());
    };
    let status = response.status().as_u16();
    let code = error.code().unwrap_or("an error");
    if status == 429 || code == "EC2ThrottledException" {
        return CallResult::Throttled { retry_after: retry_after(response.headers().get("retry-after"), Utc::now()) };
    }
    let said = error.message().unwrap_or_default();
    let message = if matches!(status, 401 | 403) {
        // What Lambda says names our role, which is nobody else's business.
        tracing::warn!(%function, error = said, "a function cannot be invoked");
        format!("Lambda does not let Sundial invoke the function: {code}")
    } else {
        format!("Lambda answered with {code}: {said}").chars().take(MESSAGE_LENGTH_MAX).collect()
    };
    CallResult::InvocationRefused { status, message }
}
