//! Every operation of the API: what it takes, what it answers, and how it can go wrong.

use serde_json::Value;
use sundial_model::problem::ProblemCode::{self, *};

use super::examples;

/// One method of one route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// Below the workspace, but for the two that are open to all.
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) body: Body,
    /// Its good answers: the status and what it holds.
    pub(super) answers: &'static [(u16, Content)],
    /// How it can go wrong, beside what all of them have in common.
    pub(super) problems: &'static [ProblemCode],
    pub(super) extras: &'static [Extra],
}

/// What a request carries.
pub(super) enum Body {
    None,
    /// This schema, with examples.
    Json(&'static str, &'static [fn() -> Value]),
    /// The same, and may be left out.
    Optional(&'static str, &'static [fn() -> Value]),
    /// Payloads as an array or in lines.
    PayloadPage(&'static [fn() -> Value]),
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Empty,
    Text,
    Any,
    /// This schema.
    One(&'static str),
    /// A page of it.
    Page(&'static str),
}

/// What only some operations have.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extra {
    /// The parameter `status`, one of this schema.
    Status(&'static str),
    /// The parameter `tag`.
    Tag,
    /// The parameters `after` and `count`.
    Occurrences,
    /// The answer has an ETag.
    Tagged,
    IfMatch,
}

use Content::{Any, Empty, One, Page, Text};
use Extra::{IfMatch, Occurrences, Status, Tag, Tagged};

impl Operation {
    /// Whether it needs no key.
    pub(super) fn is_open(&self) -> bool {
        ["/healthz", "/openapi.json"].contains(&self.path)
    }

    /// Whether it has an effect that a key lets happen once.
    pub(super) fn takes_key(&self) -> bool {
        self.method == "post" && self.path != "/schedules/preview"
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.answers, [(_, Page(_)), ..])
    }

    pub(super) fn tag(&self) -> &'static str {
        match self.path {
            _ if self.is_open() => "service",
            path if path.contains("/single-runs") => "single runs",
            path if path.contains("/runs") => "job runs",
            path if path.contains("schedule") => "schedules",
            path if path.contains("/auth-sessions") => "auth sessions",
            path if path.contains("/jobs") => "jobs",
            _ => "projects",
        }
    }
}

const PROJECT: &str = "/projects/{project}";
const JOBS: &str = "/projects/{project}/jobs";
const JOB: &str = "/projects/{project}/jobs/{job}";

const SINGLE_RUNS: &str = "/projects/{project}/single-runs";

const SESSIONS: &str = "/projects/{project}/auth-sessions";
const SESSION: &str = "/projects/{project}/auth-sessions/{session}";

const fn get(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [(u16, Content)],
) -> Operation {
    Operation { method: "get", path, id, summary, body: Body::None, answers, problems: &[], extras: &[] }
}

const fn post(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    body: Body,
    answers: &'static [(u16, Content)],
) -> Operation {
    Operation { method: "post", body, ..get(path, id, summary, answers) }
}

impl Operation {
    const fn or(self, problems: &'static [ProblemCode]) -> Self {
        Self { problems, ..self }
    }

    const fn with(self, extras: &'static [Extra]) -> Self {
        Self { extras, ..self }
    }
}

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/healthz", "health", "Whether the service answers", &[(200, Text)]),
    get("/openapi.json", "description", "This description", &[(200, Any)]),
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
    get(
        "/projects/{project}/runs",
        "listProjectRuns",
        "The job runs of a project, newest first",
        &[(200, Page("JobRun"))],
    )
    .with(&[Status("JobRunStatus")]),
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
    get(
        "/projects/{project}/jobs/{job}/schedule",
        "getSchedule",
        "What a job's schedule means, and when it is due",
        &[(200, One("Preview"))],
    )
    .with(&[Occurrences]),
    post(
        SESSIONS,
        "createAuthSession",
        "Create an auth session: of CREDENTIALS by an operation, of RUNTIME at once",
        Body::Json("NewAuthSession", &[examples::auth_session, examples::given_session]),
        &[(202, One("AuthSessionRequested")), (201, One("AuthSessionRequested"))],
    )
    .or(&[Conflict]),
    get(SESSIONS, "listAuthSessions", "The auth sessions of a project, by id", &[(200, Page("AuthSession"))]),
    get(
        "/projects/{project}/auth-sessions/operations/{operation}",
        "getAuthSessionOperation",
        "What came of an operation on an auth session",
        &[(200, One("Operation"))],
    ),
    get(SESSION, "getAuthSession", "One auth session", &[(200, One("AuthSession"))]),
    Operation {
        method: "put",
        body: Body::Json("AuthSessionInput", &[examples::auth_session_update]),
        ..get(
            SESSION,
            "updateAuthSession",
            "Give an auth session other settings, parameters, or another state",
            &[(202, One("AuthSessionRequested"))],
        )
    },
    Operation {
        method: "delete",
        ..get(SESSION, "deleteAuthSession", "Delete an auth session that no active run uses", &[(204, Empty)])
            .or(&[Conflict])
    },
    post(
        "/projects/{project}/auth-sessions/{session}/validate",
        "validateAuthSession",
        "Check an auth session, and renew it if need be",
        Body::Optional("Nothing", &[]),
        &[(202, One("AuthSessionRequested"))],
    ),
    post(
        "/schedules/preview",
        "previewSchedule",
        "What a schedule means, and when it is due",
        Body::Json("PreviewInput", &[examples::preview]),
        &[(200, One("Preview"))],
    ),
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
    get(
        "/projects/{project}/jobs/{job}/runs/{run}/payloads/{index}",
        "getRunPayload",
        "What became of one payload, with failed attempts and deliveries",
        &[(200, One("Run"))],
    ),
];
