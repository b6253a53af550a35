//! The service itself, open to all.

use crate::openapi::operation::Content::{Any, Text};
use crate::openapi::operation::{Operation, get};

pub(super) const OPERATIONS: &[Operation] = &[
    get("/healthz", "health", "Whether the service answers", &[(200, Text)]),
    get("/openapi.json", "description", "This description", &[(200, Any)]),
];
