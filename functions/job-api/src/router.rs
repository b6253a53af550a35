//! Every URL on one page.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use sundial_model::problem::{Problem, ProblemCode};
use sundial_runtime::Clients;

use crate::authentication::authenticate;
use crate::compatible;
use crate::idempotency::post_once;
use crate::key_use::KeyUses;
use crate::openapi;
use crate::problem_response::{ApiProblem, render_problems};
use crate::routes::{
    auth_sessions, backfill, job_actions, job_payloads, job_runs, jobs, payloads, projects, redeliveries, schedules,
    signing_secrets, single_runs,
};

/// The API.
pub fn router(clients: Clients) -> Router {
    let project = "/projects/{project}";
    let job = "/projects/{project}/jobs/{job}";
    let run = "/projects/{project}/jobs/{job}/runs/{run}";
    let single = "/projects/{project}/single-runs";
    let sessions = "/projects/{project}/auth-sessions";
    let uses = KeyUses::default();
    let workspace = Router::new()
        .route("/projects", get(projects::list))
        .route(project, put(projects::put).get(projects::get).delete(projects::delete))
        .route(&format!("{project}/signing-secret/rotate"), post_once(&clients, signing_secrets::rotate_signing))
        .route(&format!("{project}/webhook-secret/rotate"), post_once(&clients, signing_secrets::rotate_webhook))
        .route(&format!("{project}/jobs"), post_once(&clients, jobs::create).get(jobs::list))
        .route(&format!("{project}/runs"), get(job_runs::list_of_project))
        .route(single, post_once(&clients, single_runs::create).get(single_runs::list))
        .route(&format!("{single}/{{single}}"), get(single_runs::get))
        .route(&format!("{single}/{{single}}/terminate"), post_once(&clients, single_runs::terminate))
        .route(&format!("{single}/{{single}}/redeliver"), post_once(&clients, single_runs::redeliver))
        .route(job, get(jobs::get).put(jobs::update).delete(jobs::delete))
        .route(&format!("{job}/pause"), post_once(&clients, job_actions::pause))
        .route(&format!("{job}/resume"), post_once(&clients, job_actions::resume))
        .route(&format!("{job}/trigger"), post_once(&clients, job_actions::trigger))
        .route(&format!("{job}/backfill"), post_once(&clients, backfill::backfill))
        .route(&format!("{job}/payload"), post_once(&clients, job_payloads::append).get(job_payloads::list))
        .route(&format!("{job}/schedule"), get(schedules::of_job))
        .route(sessions, post_once(&clients, auth_sessions::create).get(auth_sessions::list))
        .route(&format!("{sessions}/operations/{{operation}}"), get(auth_sessions::operation))
        .route(
            &format!("{sessions}/{{session}}"),
            get(auth_sessions::get).put(auth_sessions::update).delete(auth_sessions::delete),
        )
        .route(&format!("{sessions}/{{session}}/validate"), post_once(&clients, auth_sessions::validate))
        .route("/schedules/preview", post(schedules::preview))
        .route(&format!("{job}/runs"), get(job_runs::list_of_job))
        .route(run, get(job_runs::get))
        .route(&format!("{run}/terminate"), post_once(&clients, job_runs::terminate))
        .route(&format!("{run}/retry"), post_once(&clients, job_runs::retry))
        .route(&format!("{run}/redeliver"), post_once(&clients, redeliveries::of_run))
        .route(&format!("{run}/payloads"), get(payloads::list))
        .route(&format!("{run}/payloads/{{index}}"), get(payloads::get))
        .route(&format!("{run}/payloads/{{index}}/redeliver"), post_once(&clients, redeliveries::of_payload))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state((clients.clone(), uses.clone()), authenticate));
    let compatible = compatible::routes().layer(from_fn_with_state((clients.clone(), uses), authenticate));
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/openapi.json", get(openapi::serve))
        .nest("/v1/workspaces/{workspace}", workspace)
        .nest(compatible::BASE, compatible::render_errors(compatible))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(render_problems))
        .with_state(clients)
}

/// There is no such route.
pub(crate) async fn unknown_route() -> ApiProblem {
    Problem::not_found("such route").into()
}

/// There is, and it has no such method.
pub(crate) async fn method_not_allowed() -> ApiProblem {
    Problem::new(ProblemCode::MethodNotAllowed, "the route does not have this method").into()
}
