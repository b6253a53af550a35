//! One try to deliver something to a place that a user named: how it is sent, and how it ended.

use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use sundial_engine::attempt::CallResult;
use sundial_engine::sink_delivery::DeliveryFailure;
use sundial_model::Timestamp;
use sundial_model::secret::SecretText;
use sundial_model::target::{Headers, HttpUrl};
use sundial_model::trace::Trace;

use crate::answer::AnswerLimit;
use crate::client::{OutboundClient, OutboundRequest, add_headers};
use crate::signature::sign;
use crate::traceparent::add_traceparent;

/// Who has not answered after this long has not taken the delivery.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// So much of an answer is kept.
const ANSWER_BYTES_KEPT: usize = 1024;
/// No more of it is read: so much that most connections can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a try to deliver ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// What went wrong; it was taken when absent.
    pub failure: Option<DeliveryFailure>,
    /// The HTTP status of the answer.
    pub status_code: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// The beginning of the answer, when it went wrong.
    pub response: Option<String>,
    /// Whether this says anything of the receiver: nothing does that was not sent for a reason of ours.
    pub concerns_receiver: bool,
}

impl DeliveryOutcome {
    /// Nothing was sent, for a reason of ours; it is tried again.
    pub fn not_sent(error: &str) -> Self {
        Self {
            failure: Some(DeliveryFailure::default()),
            status_code: None,
            duration: Duration::ZERO,
            error: Some(error.to_owned()),
            response: None,
            concerns_receiver: false,
        }
    }
}

impl OutboundClient {
    /// Sends a delivery that was begun at `begun`, if there is one to send.
    pub(crate) async fn try_to_deliver(
        &self,
        request: Result<OutboundRequest, String>,
        begun: Instant,
    ) -> DeliveryOutcome {
        match request {
            Ok(request) => outcome(self.send(request).await.result, begun.elapsed()),
            Err(message) => DeliveryOutcome { duration: begun.elapsed(), ..DeliveryOutcome::not_sent(&message) },
        }
    }
}

/// What a webhook says.
pub(crate) struct Message<'a> {
    /// The same for every try.
    pub(crate) id: &'a str,
    /// The trace that it belongs to.
    pub(crate) trace: &'a Trace,
    pub(crate) body: Vec<u8>,
}

/// A webhook by the Standard Webhooks rules: the user's headers first, so that none of ours is replaced.
pub(crate) fn signed_post(
    url: &HttpUrl,
    user_headers: &Headers,
    webhook_secrets: &[SecretText],
    Message { id: message_id, trace, body }: Message<'_>,
    now: Timestamp,
) -> OutboundRequest {
    let mut headers = json_headers();
    add_headers(&mut headers, user_headers);
    add_traceparent(&mut headers, trace);
    sign(&mut headers, webhook_secrets, message_id, now, &body);
    request(Method::POST, url.as_str().to_owned(), headers, body)
}

/// Headers that say that the body is JSON, to add others to.
pub(crate) fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// A delivery with its bounds.
pub(crate) fn request(method: Method, url: String, headers: HeaderMap, body: Vec<u8>) -> OutboundRequest {
    let answer_limit = AnswerLimit { bytes_max: ANSWER_BYTES_MAX, is_cut: true };
    OutboundRequest { method, url, headers, body, timeout: DELIVERY_TIMEOUT, answer_limit }
}

fn outcome(result: CallResult, duration: Duration) -> DeliveryOutcome {
    let delivered = DeliveryOutcome {
        failure: None,
        status_code: None,
        duration,
        error: None,
        response: None,
        concerns_receiver: true,
    };
    let (status_code, retry_after, error, body) = match result {
        CallResult::Answer { status: status @ 200..=299, .. } => {
            return DeliveryOutcome { status_code: Some(status), ..delivered };
        }
        CallResult::Answer { status, retry_after, body, .. } => {
            (Some(status), retry_after, format!("the receiver answered with status {status}"), body)
        }
        // None is refused for its length, since all are cut.
        CallResult::TooLarge { .. } | CallResult::Timeout => {
            (None, None, "the receiver did not answer in time".to_owned(), Vec::new())
        }
        CallResult::ConnectionError(message) | CallResult::BlockedAddress(message) => (None, None, message, Vec::new()),
        CallResult::Returned(_)
        | CallResult::FunctionError(_)
        | CallResult::Throttled { .. }
        | CallResult::InvocationRefused { .. } => (None, None, "a function is no receiver".to_owned(), Vec::new()),
    };
    let kept = &body[..body.len().min(ANSWER_BYTES_KEPT)];
    DeliveryOutcome {
        failure: Some(DeliveryFailure { status_code, retry_after }),
        status_code,
        error: Some(error),
        response: (!kept.is_empty()).then(|| String::from_utf8_lossy(kept).into_owned()),
        ..delivered
    }
}
