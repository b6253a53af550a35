//! What can go wrong below, one variant for each thing a caller does differently.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What the write expected is not what stands there; read again and decide again.
    #[error("what was read has changed meanwhile")]
    Conflict,
    /// The call has its idempotency key no longer: it took too long, and another one may carry it out.
    #[error("the idempotency key of the call was taken over")]
    ClaimLost,
    /// It may or may not have been written; the same call may go through later.
    #[error("the table cannot be reached: {0}")]
    Unavailable(String),
    /// There are more calls than the table takes; this one was tried a few times, and may go through later.
    #[error("the table is throttled: {0}")]
    Throttled(String),
    /// A newer version of Sundial has written it, in a shape that this one does not know, and is to go on with it.
    #[error("a newer version has written {item}, with schema {version}")]
    Newer {
        /// What it is, by its key.
        item: String,
        /// The version of its shape.
        version: u32,
    },
    /// What stands there cannot be read.
    #[error("an item cannot be read: {0}")]
    Corrupt(String),
    /// Our request was wrong: a bug.
    #[error("the table refused a request: {0}")]
    Refused(String),
}

/// Codes of DynamoDB for "later": <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
const RETRYABLE_CODES: [&str; 3] = ["InternalServerError", "TransactionInProgressException", "ServiceUnavailable"];

/// And for "less": the same page, and the codes of a canceled transaction's actions.
const THROTTLING_CODES: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
];

impl StoreError {
    /// Whether the same call may go through later, as it is.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Throttled(_))
    }
}

impl<E: ProvideErrorMetadata + std::error::Error + 'static> From<SdkError<E>> for StoreError {
    fn from(error: SdkError<E>) -> Self {
        let text = DisplayErrorContext(&error).to_string();
        match error.as_service_error().map(ProvideErrorMetadata::code) {
            Some(Some("ConditionalCheckFailedException" | "TransactionConflictException")) => Self::Conflict,
            Some(Some(code)) if THROTTLING_CODES.contains(&code) => Self::Throttled(text),
            Some(Some(code)) if !RETRYABLE_CODES.contains(&code) => Self::Refused(text),
            _ => Self::Unavailable(text),
        }
    }
}

/// A canceled transaction says why, action by action.
pub(crate) fn transaction_error(error: SdkError<TransactWriteItemsError>) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
        return error.into();
    };
    let codes: Vec<_> = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    if codes.iter().any(|code| matches!(*code, "ConditionalCheckFailed" | "TransactionConflict")) {
        StoreError::Conflict
    } else if codes.iter().any(|code| THROTTLING_CODES.contains(code)) {
        StoreError::Throttled(codes.join(", "))
    } else {
        StoreError::Refused(DisplayErrorContext(&error).to_string())
    }
}
