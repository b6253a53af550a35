//! The same service for the published clients of the product whose Job this is: their paths, their names, their
//! enums. It only translates: what they send becomes what the API beside it takes, goes through the handlers of that,
//! and what these answer is put into their words. There is no rule of its own here, and nothing is stored that is
//! not the other face's as well.
//!
//! Three generations of clients differ in a few answers; which one calls is told by [`Generation`]. The enums of all of
//! them are closed, and one value that they do not know spoils a whole answer for them: so nothing outside of them is
//! ever sent (`words.rs`).

mod auth_sessions;
mod documents;
mod error;
mod generation;
mod job_answer;
mod job_run_answer;
mod job_runs;
mod job_update;
mod jobs;
mod pointers;
mod run_answer;
mod runs;
mod schedule;
mod words;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use sundial_runtime::Clients;

use crate::router::{method_not_allowed, unknown_route};

pub(crate) use generation::Generation;

/// What all of its paths begin with: what clients have as their base URL, with the workspace.
pub(crate) const BASE: &str = "/api/v1/workspace/{workspace}";

/// Its routes, below [`BASE`].
pub(crate) fn routes() -> Router<Clients> {
    let jobs = "/projects/{project}/jobs";
    let runs = "/projects/{project}/jobs/{job}/runs";
    let sessions = "/projects/{project}/auth-sessions";
    Router::new()
        .route(jobs, get(jobs::list).post(jobs::create))
        .route(&format!("{jobs}/{{job}}"), get(jobs::get).put(jobs::update).delete(jobs::delete))
        .route(&format!("{jobs}/{{job}}/pause"), post(jobs::pause))
        .route(&format!("{jobs}/{{job}}/resume"), post(jobs::resume))
        .route(&format!("{jobs}/{{job}}/trigger"), post(jobs::trigger))
        .route(runs, get(job_runs::list))
        .route(&format!("{runs}/{{run}}"), get(job_runs::get))
        .route(&format!("{runs}/{{run}}/terminate"), post(job_runs::terminate))
        .route("/projects/{project}/run", post(runs::carry_out))
        .route("/projects/{project}/run/start", post(runs::start))
        .route("/projects/{project}/run/{run_id}/result", get(runs::result))
        .route(sessions, get(auth_sessions::list))
        .route(&format!("{sessions}/{{session}}"), get(auth_sessions::get).delete(auth_sessions::delete))
        .route(&format!("{sessions}/create"), post(auth_sessions::create))
        .route(&format!("{sessions}/create/{{operation}}/result"), get(auth_sessions::result))
        .route(&format!("{sessions}/{{session}}/update"), post(auth_sessions::update))
        .route(&format!("{sessions}/{{session}}/update/{{operation}}/result"), get(auth_sessions::result))
        .route(&format!("{sessions}/{{session}}/validate/start"), post(auth_sessions::validate))
        .route(&format!("{sessions}/{{session}}/validate/{{operation}}/result"), get(auth_sessions::result))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
}

/// Puts problems into the shape that the clients read; it goes around everything else.
pub(crate) fn render_errors<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(from_fn(error::render))
}
