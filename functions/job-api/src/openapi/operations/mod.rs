//! Every operation of the API, by what it is about.

mod auth_sessions;
mod job_runs;
mod jobs;
mod projects;
mod schedules;
mod service;
mod single_runs;

use crate::openapi::operation::Operation;

/// All of them, under the tags of the description.
pub(super) const BY_TAG: [(&str, &[Operation]); 7] = [
    ("projects", projects::OPERATIONS),
    ("jobs", jobs::OPERATIONS),
    ("schedules", schedules::OPERATIONS),
    ("job runs", job_runs::OPERATIONS),
    ("single runs", single_runs::OPERATIONS),
    ("auth sessions", auth_sessions::OPERATIONS),
    ("service", service::OPERATIONS),
];
