//! Projects and what they sign with.

use sundial_model::problem::ProblemCode::{Conflict, ProjectNotEmpty};

use crate::openapi::examples;
use crate::openapi::operation::Content::{Empty, One, Page};
use crate::openapi::operation::{Body, Operation, get, post};

const PROJECT: &str = "/projects/{project}";

pub(super) const OPERATIONS: &[Operation] = &[
    get("/projects", "listProjects", "The projects of the workspace, by name", &[(200, Page("ProjectAnswer"))]),
    Operation {
        method: "put",
        body: Body::Json("ProjectInput", &[examples::project]),
        ..get(
            PROJECT,
            "putProject",
            "Create a project, or give it another target",
            &[(201, One("ProjectAnswer")), (200, One("ProjectAnswer"))],
        )
        .or(&[Conflict])
    },
    get(PROJECT, "getProject", "One project", &[(200, One("ProjectAnswer"))]),
    Operation {
        method: "delete",
        ..get(
            PROJECT,
            "deleteProject",
            "Delete a project that has no jobs, no auth sessions and no active single runs",
            &[(204, Empty)],
        )
        .or(&[Conflict, ProjectNotEmpty])
    },
    post(
        "/projects/{project}/signing-secret/rotate",
        "rotateSigningSecret",
        "Replace the secret that signs calls to the target",
        Body::Optional("Nothing", &[]),
        &[(200, One("Rotated"))],
    )
    .or(&[Conflict]),
    post(
        "/projects/{project}/webhook-secret/rotate",
        "rotateWebhookSecret",
        "Replace the secret that signs deliveries and notifications",
        Body::Optional("Nothing", &[]),
        &[(200, One("Rotated"))],
    )
    .or(&[Conflict]),
];
