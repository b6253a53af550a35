//! Why a request has no answer.

use std::error::Error as _;

use sundial_engine::attempt::CallResult;

/// An address was resolved and must not be called.
#[derive(Debug, thiserror::Error)]
#[error("{0} leads to an address that must not be called")]
pub(crate) struct Blocked(pub(crate) String);

/// What a failed request comes to.
pub(crate) fn failure(error: reqwest::Error) -> CallResult {
    // What it says is kept and shown, and a URL may be signed.
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        return CallResult::Timeout;
    }
    // The innermost cause says most; the outer ones repeat the URL, which may be long.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        if inner.is::<Blocked>() {
            return CallResult::BlockedAddress(inner.to_string());
        }
        cause = inner;
    }
    let message = if error.source().is_none() { error.to_string() } else { cause.to_string() };
    CallResult::ConnectionError(message)
}
