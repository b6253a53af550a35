//! Reading an answer, within the time of its call and the memory of the process.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use sundial_engine::attempt::CallResult;
use tokio::time::{Instant, timeout_at};

use crate::answer_memory::{AnswerMemory, HeldMemory, UNCOUNTED_BYTES};
use crate::call_failure::failure;

/// No target or sink is waited for longer before it is called again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of an answer's body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimit {
    /// So many bytes at most.
    pub bytes_max: usize,
    /// What is longer, or breaks off, is cut off there, rather than refused.
    pub is_cut: bool,
}

/// What came of a request, and the memory that its body takes.
#[derive(Debug)]
pub struct OutboundAnswer {
    /// What came of it.
    pub result: CallResult,
    /// To be held as long as the body, or what was made of it, and given back by dropping it.
    pub memory: HeldMemory,
}

impl From<CallResult> for OutboundAnswer {
    fn from(result: CallResult) -> Self {
        Self { result, memory: HeldMemory::default() }
    }
}

/// Reads an answer until `deadline`. That moves on while the answer waits for memory: how long that
/// takes is up to us, and is no delay of the target's. Nothing is read then, so that the target is
/// held back by the connection; what it makes of that is its own affair.
///
/// An answer that is beyond its limit or does not come to its end is none; or, if it `is_cut`, what there was of it.
pub(crate) async fn read_answer(
    mut answer: reqwest::Response,
    AnswerLimit { bytes_max, is_cut }: AnswerLimit,
    memory: &AnswerMemory,
    mut deadline: Instant,
) -> OutboundAnswer {
    let status = answer.status().as_u16();
    let is_json = is_json(answer.headers().get(CONTENT_TYPE));
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after(asked, Utc::now());
    let declared = answer.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if !is_cut && declared.is_some_and(|length| length > bytes_max) {
        return CallResult::TooLarge { status }.into();
    }
    let declared = declared.map(|length| length.min(bytes_max));
    let body_bytes_max = declared.unwrap_or(bytes_max);
    let mut held = None;
    let mut body = Vec::new();
    let mut length = declared.unwrap_or(0);
    loop {
        if length > UNCOUNTED_BYTES && held.is_none() {
            let (granted, waited) = memory.hold(body_bytes_max).await;
            held = Some(granted);
            deadline += waited;
            // Without room to grow into, a body would be copied, and held twice, as it grows.
            body.reserve_exact(body_bytes_max.saturating_sub(body.len()));
        }
        let chunk = match timeout_at(deadline, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            Ok(Err(_)) | Err(_) if is_cut => break,
            Ok(Err(error)) => return failure(error).into(),
            Err(_) => return CallResult::Timeout.into(),
        };
        if body.len() + chunk.len() > bytes_max {
            if is_cut {
                body.extend_from_slice(&chunk[..bytes_max - body.len()]);
                break;
            }
            return CallResult::TooLarge { status }.into();
        }
        body.extend_from_slice(&chunk);
        length = body.len();
    }
    let mut memory = held.unwrap_or_default();
    memory.shrink_to(body.len());
    body.shrink_to_fit();
    OutboundAnswer { result: CallResult::Answer { status, is_json, retry_after, body }, memory }
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

/// RFC 9110, 10.2.3: seconds, or a date.
pub(crate) fn retry_after(text: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    let text = text?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()?,
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
