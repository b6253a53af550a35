//! Jobs and their payloads.

use sundial_model::problem::ProblemCode::{AnotherJobRunActive, Conflict, JobPaused};

use crate::openapi::examples;
use crate::openapi::operation::Content::{Empty, One, Page};
use crate::openapi::operation::Extra::{IfMatch, Tag, Tagged};
use crate::openapi::operation::{Body, Operation, get, post};

const JOBS: &str = "/projects/{project}/jobs";
const JOB: &str = "/projects/{project}/jobs/{job}";

pub(super) const OPERATIONS: &[Operation] = &[
    post(
        JOBS,
        "createJob",
        "Create a job",
        Body::Json("NewJob", &[examples::job, examples::smallest_job]),
        &[(201, One("Job"))],
    )
    .or(&[Conflict])
    .with(&[Tagged]),
    get(JOBS, "listJobs", "The jobs of a project, by id", &[(200, Page("Job"))]).with(&[Tag]),
    get(JOB, "getJob", "One job, with as many of its payloads as an answer holds", &[(200, One("Job"))])
        .with(&[Tagged]),
    Operation {
        method: "put",
        body: Body::Json("JobInput", &[examples::job_update]),
        ..get(JOB, "updateJob", "Replace a job; its payloads only when they are sent", &[(200, One("Job"))])
            .or(&[Conflict])
            .with(&[Tagged, IfMatch])
    },
    Operation {
        method: "delete",
        ..get(JOB, "deleteJob", "Delete a job; its active runs end", &[(204, Empty)]).or(&[Conflict]).with(&[IfMatch])
    },
    post(
        "/projects/{project}/jobs/{job}/pause",
        "pauseJob",
        "Pause a job and its active runs",
        Body::Optional("Pause", &[examples::pause]),
        &[(200, One("Job"))],
    )
    .or(&[Conflict])
    .with(&[Tagged, IfMatch]),
    post(
        "/projects/{project}/jobs/{job}/resume",
        "resumeJob",
        "Let a paused job and its paused runs go on",
        Body::Optional("Nothing", &[]),
        &[(200, One("Job"))],
    )
    .or(&[Conflict])
    .with(&[Tagged, IfMatch]),
    post(
        "/projects/{project}/jobs/{job}/trigger",
        "triggerJob",
        "Start a job run now",
        Body::Optional("Trigger", &[examples::trigger]),
        &[(200, One("JobRun"))],
    )
    .or(&[Conflict, JobPaused, AnotherJobRunActive])
    .with(&[IfMatch]),
    post(
        "/projects/{project}/jobs/{job}/backfill",
        "backfillJob",
        "Run what a schedule had in the past",
        Body::Json("Backfill", &[examples::backfill]),
        &[(202, One("Requested"))],
    )
    .or(&[Conflict, JobPaused])
    .with(&[IfMatch]),
    get(
        "/projects/{project}/jobs/{job}/payload",
        "listPayload",
        "The payloads of a job, by index",
        &[(200, Page("IndexedPayload"))],
    ),
    post(
        "/projects/{project}/jobs/{job}/payload",
        "appendPayload",
        "Append payloads to a job, for runs that start later",
        Body::PayloadPage(&[examples::payloads]),
        &[(200, One("Appended"))],
    )
    .or(&[Conflict])
    .with(&[IfMatch]),
];
