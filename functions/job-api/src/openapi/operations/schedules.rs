//! Schedules: what they mean and when they are due.

use crate::openapi::examples;
use crate::openapi::operation::Content::One;
use crate::openapi::operation::Extra::Occurrences;
use crate::openapi::operation::{Body, Operation, get, post};

pub(super) const OPERATIONS: &[Operation] = &[
    get(
        "/projects/{project}/jobs/{job}/schedule",
        "getSchedule",
        "What a job's schedule means, and when it is due",
        &[(200, One("Preview"))],
    )
    .with(&[Occurrences]),
    post(
        "/schedules/preview",
        "previewSchedule",
        "What a schedule means, and when it is due",
        Body::Json("PreviewInput", &[examples::preview]),
        &[(200, One("Preview"))],
    ),
];
