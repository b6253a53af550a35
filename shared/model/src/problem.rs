//! The ways an API call can go wrong: one table of codes, statuses and titles.

use crate::invalid::InvalidFields;

/// What went wrong with an API call, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// The request is not what the route takes.
    BadRequest,
    /// No API key, or none that we know.
    Unauthorized,
    /// There is no such thing in this workspace.
    NotFound,
    /// The route has no such method.
    MethodNotAllowed,
    /// It contradicts what is stored.
    Conflict,
    /// The job is paused.
    JobPaused,
    /// A job run of the job is active.
    AnotherJobRunActive,
    /// Nothing of the job run has failed, or it has not ended.
    NothingToRetry,
    /// The project still has jobs.
    ProjectNotEmpty,
    /// The idempotency key came with another body before, or its call is still under way.
    IdempotencyKeyReused,
    /// It is no longer at the version that the caller has seen.
    PreconditionFailed,
    /// The body is over the limit.
    PayloadTooLarge,
    /// The body is not JSON by its content type.
    UnsupportedMediaType,
    /// Too much at once.
    TooManyRequests,
    /// Our fault.
    InternalServerError,
    /// Not now; the same call may go through later.
    Unavailable,
}

impl ProblemCode {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::JobPaused,
        Self::AnotherJobRunActive,
        Self::NothingToRetry,
        Self::ProjectNotEmpty,
        Self::IdempotencyKeyReused,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::TooManyRequests,
        Self::InternalServerError,
        Self::Unavailable,
    ];

    /// The table: code on the wire, HTTP status, title.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", 400, "The request is not valid"),
            Self::Unauthorized => ("unauthorized", 401, "A valid API key is needed"),
            Self::NotFound => ("not-found", 404, "There is no such thing"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "The method is not allowed here"),
            Self::Conflict => ("conflict", 409, "It contradicts what is there"),
            Self::JobPaused => ("job-paused", 409, "The job is paused"),
            Self::AnotherJobRunActive => ("another-job-run-active", 409, "Another job run is active"),
            Self::NothingToRetry => ("nothing-to-retry", 409, "There is nothing to run again"),
            Self::ProjectNotEmpty => ("project-not-empty", 409, "The project still has jobs"),
            Self::IdempotencyKeyReused => ("idempotency-key-reused", 409, "The idempotency key is in use"),
            Self::PreconditionFailed => ("precondition-failed", 412, "It has changed"),
            Self::PayloadTooLarge => ("payload-too-large", 413, "The body is too large"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "The body must be JSON"),
            Self::TooManyRequests => ("too-many-requests", 429, "Too many requests"),
            Self::InternalServerError => ("internal-server-error", 500, "Something went wrong on our side"),
            Self::Unavailable => ("unavailable", 503, "Not available at the moment"),
        }
    }

    /// The code on the wire.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// The title, the same for every problem of this code.
    pub fn title(self) -> &'static str {
        self.row().2
    }
}

/// What went wrong with one API call, for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub code: ProblemCode,
    /// For people.
    pub detail: String,
    /// Every field at fault.
    pub errors: InvalidFields,
}

impl Problem {
    /// A problem that is not about fields.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: InvalidFields::default() }
    }

    /// There is no such thing in this workspace.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(ProblemCode::NotFound, format!("there is no {what}"))
    }
}

impl From<InvalidFields> for Problem {
    fn from(errors: InvalidFields) -> Self {
        let detail = match errors.0.as_slice() {
            [one] if one.pointer.is_empty() => format!("the body {}", one.message),
            [one] => format!("{} {}", one.pointer, one.message),
            many => format!("{} fields are at fault", many.len()),
        };
        Self { code: ProblemCode::BadRequest, detail, errors }
    }
}
