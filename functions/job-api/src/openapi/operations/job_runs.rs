//! Job runs and what became of their payloads.

use sundial_model::problem::ProblemCode::{AnotherJobRunActive, Conflict, JobPaused, NothingToRetry};

use crate::openapi::operation::Content::{One, Page};
use crate::openapi::operation::Extra::Status;
use crate::openapi::operation::{Body, Operation, get, post};

pub(super) const OPERATIONS: &[Operation] = &[
    get(
        "/projects/{project}/runs",
        "listProjectRuns",
        "The job runs of a project, newest first",
        &[(200, Page("JobRun"))],
    )
    .with(&[Status("JobRunStatus")]),
    get("/projects/{project}/jobs/{job}/runs", "listRuns", "The runs of a job, newest first", &[(200, Page("JobRun"))])
        .with(&[Status("JobRunStatus")]),
    get(
        "/projects/{project}/jobs/{job}/runs/{run}",
        "getRun",
        "One job run, with a link to its results",
        &[(200, One("JobRun"))],
    ),
    post(
        "/projects/{project}/jobs/{job}/runs/{run}/terminate",
        "terminateRun",
        "End a job run; one that has ended stays as it is",
        Body::Optional("Nothing", &[]),
        &[(200, One("JobRun"))],
    )
    .or(&[Conflict]),
    post(
        "/projects/{project}/jobs/{job}/runs/{run}/retry",
        "retryRun",
        "Run again what failed of a job run",
        Body::Optional("Nothing", &[]),
        &[(200, One("JobRun"))],
    )
    .or(&[Conflict, JobPaused, AnotherJobRunActive, NothingToRetry]),
    post(
        "/projects/{project}/jobs/{job}/runs/{run}/redeliver",
        "redeliverRun",
        "Deliver once more what was given up of a job run",
        Body::Optional("Nothing", &[]),
        &[(202, One("Requested"))],
    )
    .or(&[Conflict]),
    post(
        "/projects/{project}/jobs/{job}/runs/{run}/payloads/{index}/redeliver",
        "redeliverPayload",
        "Deliver the result of one payload once more",
        Body::Optional("Nothing", &[]),
        &[(202, One("Requested"))],
    )
    .or(&[Conflict]),
    get(
        "/projects/{project}/jobs/{job}/runs/{run}/payloads",
        "listRunPayloads",
        "What became of the payloads of a job run, by index",
        &[(200, Page("Run"))],
    )
    .with(&[Status("RunStatus")]),
    get(
        "/projects/{project}/jobs/{job}/runs/{run}/payloads/{index}",
        "getRunPayload",
        "What became of one payload, with failed attempts and deliveries",
        &[(200, One("Run"))],
    ),
];
