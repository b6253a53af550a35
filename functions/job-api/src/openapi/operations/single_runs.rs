//! Single runs: one payload, without a job.

use sundial_model::problem::ProblemCode::Conflict;

use crate::openapi::examples;
use crate::openapi::operation::Content::{One, Page};
use crate::openapi::operation::{Body, Operation, get, post};

const SINGLE_RUNS: &str = "/projects/{project}/single-runs";

pub(super) const OPERATIONS: &[Operation] = &[
    post(
        SINGLE_RUNS,
        "startSingleRun",
        "Carry out one payload, without a job",
        Body::Json("SingleRunInput", &[examples::single_run, examples::smallest_single_run]),
        &[(201, One("SingleRun"))],
    )
    .or(&[Conflict]),
    get(SINGLE_RUNS, "listSingleRuns", "The single runs of a project, newest first", &[(200, Page("SingleRun"))]),
    get(
        "/projects/{project}/single-runs/{single}",
        "getSingleRun",
        "One single run, with failed attempts and deliveries",
        &[(200, One("SingleRun"))],
    ),
    post(
        "/projects/{project}/single-runs/{single}/terminate",
        "terminateSingleRun",
        "End a single run; one that has ended stays as it is",
        Body::Optional("Nothing", &[]),
        &[(200, One("SingleRun"))],
    )
    .or(&[Conflict]),
    post(
        "/projects/{project}/single-runs/{single}/redeliver",
        "redeliverSingleRun",
        "Deliver what came of a single run once more",
        Body::Optional("Nothing", &[]),
        &[(202, One("Requested"))],
    )
    .or(&[Conflict]),
];
