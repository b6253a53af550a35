//! Under the SDK: what an invocation returns is read here, within the time of its call and the memory of the process,
//! because the SDK reads an answer as a whole before it hands it on.

use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_lambda::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_lambda::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use sundial_engine::attempt::{ANSWER_BYTES_MAX, CallResult};
use tokio::time::{Instant, timeout_at};

use crate::answer_memory::{AnswerMemory, HeldMemory, UNCOUNTED_BYTES};

/// The HTTP client of one invocation.
#[derive(Clone, Debug)]
pub(super) struct BoundedAnswers {
    inner: SharedHttpClient,
    reading: Reading,
}

/// How the answer of one invocation is read.
#[derive(Clone, Debug)]
struct Reading {
    memory: AnswerMemory,
    timeout: Duration,
    seen: Arc<Mutex<Seen>>,
}

/// What the SDK does not hand on.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What has come of the call instead of an answer.
    pub(super) ended: Option<CallResult>,
    /// What the function has returned: the SDK would copy it.
    pub(super) body: Vec<u8>,
    /// What that takes.
    pub(super) held: HeldMemory,
}

impl BoundedAnswers {
    pub(super) fn new(inner: SharedHttpClient, memory: AnswerMemory, timeout: Duration) -> Self {
        Self { inner, reading: Reading { memory, timeout, seen: Arc::default() } }
    }

    /// What was seen of the call.
    pub(super) fn take(&self) -> Seen {
        take(&mut *self.reading.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpClient for BoundedAnswers {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(BoundedConnector { inner, reading: self.reading.clone() })
    }
}

#[derive(Debug)]
struct BoundedConnector {
    inner: SharedHttpConnector,
    reading: Reading,
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, reading) = (self.inner.call(request), self.reading.clone());
        HttpConnectorFuture::new(async move {
            match reading.read(answer).await {
                Ok(answer) => Ok(answer),
                Err(NoAnswer::Broken(error)) => Err(error),
                Err(NoAnswer::Ended(result)) => {
                    reading.seen.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(result);
                    Err(ConnectorError::other("there is no answer".into(), None))
                }
            }
        })
    }
}

enum NoAnswer {
    Broken(ConnectorError),
    Ended(CallResult),
}

impl Reading {
    /// Reads an answer as a whole. While it waits for memory, its time stands still.
    async fn read(&self, answer: HttpConnectorFuture) -> Result<HttpResponse, NoAnswer> {
        let mut deadline = Instant::now() + self.timeout;
        let mut answer = match timeout_at(deadline, answer).await {
            Ok(answer) => answer.map_err(NoAnswer::Broken)?,
            Err(_) => return Err(NoAnswer::Ended(CallResult::Timeout)),
        };
        let status = answer.status().as_u16();
        // A function that breaks with more to say than that has broken all the same.
        let too_large = if answer.headers().get("x-amz-function-error").is_some() {
            CallResult::FunctionError(Vec::new())
        } else {
            CallResult::TooLarge { status }
        };
        let declared = answer.headers().get("content-length").and_then(|length| length.parse::<usize>().ok());
        if declared.is_some_and(|length| length > ANSWER_BYTES_MAX) {
            return Err(NoAnswer::Ended(too_large));
        }
        let (mut body, mut held) = (Vec::new(), None);
        let mut length = declared.unwrap_or_default();
        let mut stream = ByteStream::new(answer.take_body());
        loop {
            if length > UNCOUNTED_BYTES && held.is_none() {
                let bytes_max = declared.unwrap_or(ANSWER_BYTES_MAX);
                let (granted, waited) = self.memory.hold(bytes_max).await;
                held = Some(granted);
                deadline += waited;
                body.reserve_exact(bytes_max.saturating_sub(body.len()));
            }
            let chunk = match timeout_at(deadline, stream.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Err(NoAnswer::Broken(ConnectorError::io(error.into()))),
                Ok(None) => break,
                Err(_) => return Err(NoAnswer::Ended(CallResult::Timeout)),
            };
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(NoAnswer::Ended(too_large));
            }
            body.extend_from_slice(&chunk);
            length = body.len();
        }
        let mut held: HeldMemory = held.unwrap_or_default();
        held.shrink_to(body.len());
        // Why it was refused is for the SDK to read.
        *answer.body_mut() = if (200..300).contains(&status) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            (seen.body, seen.held) = (body, held);
            SdkBody::empty()
        } else {
            SdkBody::from(body)
        };
        Ok(answer)
    }
}
